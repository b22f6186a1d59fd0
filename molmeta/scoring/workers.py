"""`Workers`: processes in which a row that crashes or hangs costs only itself; RDKit's C++ can do both."""

# long: one state machine; cut in two, neither half could be read alone.

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, SpawnContext
from types import ModuleType
from typing import Any, Generic, TypeVar, cast

from molmeta.errors import ConfigError, DeadlineError, ResourceError
from molmeta.scoring.serving import ONE_THREAD, Failure, Faults, Watch, Work, serve, silent

__all__ = ["Faults", "Watch", "Work", "Workers", "silent"]

Job = TypeVar("Job")
Result = TypeVar("Result")

_TRIES = 3  # deaths at no row, until it is given up
_START = 120.0  # seconds that a process may take to start
_starting = threading.Lock()


class Workers(Generic[Job, Result]):
    """Processes that do the same work to many jobs.

    A process that dies or that is silent for too long is replaced, and its job is done again without the
    row it was at; where it was at several, these are done one at a time. Processes start with the first
    jobs, end with the `with` block or their parent, and have one thread each. They do not import the
    user's script, unless the work is defined there. What they are forked from, multiprocessing's fork
    server, starts its imports when this object is made, and stays until the parent ends.

    One map at a time, from one thread. The caller is held up while a large result arrives, and a result
    waits in its process while the caller does something else: what takes long belongs in another thread.

    Parameters
    ----------
    work : Work
    number : int
        Processes at most.
    deadline : float
        Seconds without a call of `watch` after which a worker counts as hung; those in which it waited for
        a processor do not count, where the system tells.

    Raises
    ------
    ConfigError
        A number below 1, or no deadline.
    """

    def __init__(self, work: Work[Job, Result], number: int, deadline: float = 10.0) -> None:
        if number < 1 or not deadline > 0:
            raise ConfigError(f"workers={number}, deadline={deadline:g} s; wanted 1 or more and above 0")
        self._work, self._number, self._deadline = work, number, deadline
        self._context = _context(work)
        self._workers: list[_Worker[Job, Result]] = []
        self._waiting: deque[_Task[Job, Result]] = deque()
        self._failed = 0  # starts, since the last message of any process
        self._mapping = self._closed = False

    def __enter__(self) -> Workers[Job, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        """Kills the processes, whatever they are doing."""
        self._closed = True
        for worker in list(self._workers):
            self._end(worker)

    def stop(self) -> None:
        """Makes a map that is under way end within a second, with RuntimeError; for any thread."""
        self._closed = True

    def map(
        self,
        jobs: Iterable[Job],
        given: Callable[[Job], Result | None] = lambda job: None,
        limit: float = math.inf,
    ) -> Iterator[tuple[Job, Result]]:
        """Each job with its result, in order; at most 2 * number jobs are read ahead.

        Parameters
        ----------
        jobs : iterable
        given : callable
            The result of a job that needs no process, else None.
        limit : float
            Seconds that a job may take in a process, over all tries.

        Raises
        ------
        DeadlineError
            A job took longer than the limit.
        ResourceError
            Processes do not start, or die without being at a row.
        Exception
            What the work or the iteration over the jobs raised, after the results of all jobs before that.
        """
        if self._mapping:
            raise RuntimeError("these workers are at another map; end or close that first")
        self._mapping = True
        source = _tasks(jobs, given, limit)
        tasks: deque[_Task[Job, Result]] = deque()
        more = True
        try:
            while more or tasks:
                if more and len(tasks) < 2 * self._number:
                    task = next(source, None)
                    more = task is not None
                    if task is not None:
                        tasks.append(task)
                        if not task.done:
                            self._waiting.append(task)
                    self._advance(0.0)
                elif tasks[0].done:
                    task = tasks.popleft()
                    yield task.job, task.result()
                else:
                    self._advance(min(1.0, self._deadline / 4))
        finally:
            self._mapping = False
            self._waiting.clear()
            for worker in [worker for worker in self._workers if worker.task is not None]:
                self._end(worker)

    def _advance(self, timeout: float) -> None:
        """Waits until a process has something to say, and takes it in."""
        if self._closed:
            raise RuntimeError("these workers were ended; make new ones")
        self._hand_out()
        began = time.monotonic()
        ready = wait([handle for worker in self._workers for handle in worker.handles], timeout)
        # Only time spent here counts: a worker may have to wait while the caller is busy, or is suspended.
        waited = min(time.monotonic() - began, timeout)
        for worker in list(self._workers):
            if any(handle in ready for handle in worker.handles):
                self._hear(worker)
            elif worker.task is not None and worker.task.overdue(waited):
                self._end(worker)
            elif worker.silence(waited) >= (self._deadline if worker.ready else _START):
                self._bury(worker, "timeout")
        self._hand_out()

    def _hand_out(self) -> None:
        for worker in self._workers:
            if self._waiting and worker.ready and worker.task is None:
                worker.take(self._waiting.popleft())
        starting = sum(not worker.ready for worker in self._workers)
        while len(self._workers) < self._number and starting < len(self._waiting):
            self._workers.append(_Worker(self._context, self._work))
            starting += 1

    def _hear(self, worker: _Worker[Job, Result]) -> None:
        try:
            worker.receive()
        except (EOFError, OSError):
            self._bury(worker, "crashed")
        else:
            self._failed = 0

    def _bury(self, worker: _Worker[Job, Result], reason: str) -> None:
        """Ends a worker that is dead or as good as, and draws the lesson from it."""
        code = self._end(worker)
        if not worker.ready:
            self._failed += 1
            if self._failed == _TRIES or reason == "timeout" or (code or 0) > 0:
                raise _no_start(f"it hung for {_START:g} s" if reason == "timeout" else f"exit code {code}")
        if worker.task is not None:
            worker.task.blame(*worker.rows, reason)
            if not worker.task.done:
                self._waiting.appendleft(worker.task)

    def _end(self, worker: _Worker[Job, Result]) -> int | None:
        self._workers.remove(worker)
        return worker.kill()


class _Task(Generic[Job, Result]):
    """A job and what became of it."""

    def __init__(self, job: Job, limit: float = math.inf) -> None:
        self.job = job
        self._limit = self._left = limit  # seconds
        self.faults = Faults()
        self.done = False
        self._result: Result
        self._error: Exception | None = None
        self._deaths = 0

    def result(self) -> Result:
        if self._error is not None:
            raise self._error
        return self._result

    def succeed(self, result: Result) -> None:
        self._result, self.done = result, True

    def fail(self, error: Exception) -> None:
        self._error, self.done = error, True

    def overdue(self, waited: float) -> bool:
        """Whether it has failed, `waited` seconds after it was asked last, for having taken too long."""
        self._left -= waited
        if self._left <= 0:
            self.fail(DeadlineError(f"it took longer than {self._limit:.3g} s, which is as long as it may"))
        return self.done

    def blame(self, start: int, stop: int, reason: str) -> None:
        """Holds the death of a worker against the rows that it was at."""
        lost, suspects = self.faults.lost, self.faults.suspects
        known = start in lost if stop - start == 1 else any(a <= start and stop <= b for a, b in suspects)
        if start >= stop or known:
            self._deaths += 1
            if self._deaths == _TRIES:
                self.fail(_gave_up(reason))
        elif stop - start == 1:
            self.faults = replace(self.faults, lost={**lost, start: reason})
        else:
            self.faults = replace(self.faults, suspects=(*suspects, (start, stop)))


class _Worker(Generic[Job, Result]):
    """A process, and the task that it is at."""

    def __init__(self, context: ForkServerContext | SpawnContext, work: Work[Job, Result]) -> None:
        self.ready = False
        self.task: _Task[Job, Result] | None = None
        self._silence, self._seen, self._queued = 0.0, 0, 0.0
        try:
            # Calls of watch, and their last range in one word, so that it cannot be half written.
            self._state = context.RawArray("q", 2)
        except OSError as error:  # /dev/shm can be neither written nor left out
            raise _no_start(str(error)) from error
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, self._state, work), daemon=True)
        try:
            own = type(work).__module__ == "__main__"  # then the script must be imported
            with theirs, _starting, nullcontext() if own else _hidden_script():
                self._process.start()
        except (EOFError, OSError) as error:
            self._connection.close()
            raise _no_start(str(error)) from error
        self.handles: tuple[Any, ...] = (self._connection, self._process.sentinel)

    @property
    def rows(self) -> tuple[int, int]:
        """What it was at last: start, stop."""
        return self._state[1] >> 32, self._state[1] & 0xFFFFFFFF

    def take(self, task: _Task[Job, Result]) -> None:
        self.task, self._silence = task, 0.0
        self._state[1] = 0
        with suppress(OSError):  # where it is dead, the next wait says so
            self._connection.send((task.job, task.faults))

    def receive(self) -> None:
        """Takes in a message; EOFError or OSError where it is dead."""
        if not self._connection.poll():
            raise EOFError
        message = self._connection.recv()
        if self.task is None:
            self.ready = True
        elif isinstance(message, Failure):
            self.task.fail(message.error)
        else:
            self.task.succeed(message)
        self.task = None

    def silence(self, waited: float) -> float:
        """Seconds since its last call of watch, `waited` seconds after it was asked last."""
        calls, queued = self._state[0], _queued(self._process.pid)
        still = calls == self._seen and (self.task is not None or not self.ready)
        idle = max(waited - max(queued - self._queued, 0.0), 0.0)
        self._silence, self._seen, self._queued = self._silence + idle if still else 0.0, calls, queued
        return self._silence

    def kill(self) -> int | None:
        """Ends it at once, and gives the exit code."""
        self._process.kill()
        self._process.join(5)
        code = self._process.exitcode
        self._connection.close()
        with suppress(ValueError):  # the kernel holds it; it dies as soon as it is let go
            self._process.close()
        return code


def _queued(process: int | None) -> float:
    """Seconds that a process would have run, had a processor been free; 0 where the system does not tell."""
    try:
        with open(f"/proc/{process}/schedstat", encoding="ascii") as stream:
            return int(stream.read().split()[1]) * 1e-9
    except (OSError, ValueError, IndexError):
        return 0.0


def _tasks(
    jobs: Iterable[Job], given: Callable[[Job], Result | None], limit: float
) -> Iterator[_Task[Job, Result]]:
    """A task per job; where the jobs break off, a failed one is the last."""
    try:
        for job in jobs:
            task: _Task[Job, Result] = _Task(job, limit)
            result = given(job)
            if result is not None:
                task.succeed(result)
            yield task
    except Exception as error:
        broken: _Task[Job, Result] = _Task(cast(Job, None))
        broken.fail(error)
        yield broken


def _gave_up(reason: str) -> ResourceError:
    return ResourceError(
        f"a worker process {'hung' if reason == 'timeout' else 'died'} {_TRIES} times at one job, and at no "
        "row of it; the memory may be full: use fewer workers, or workers=0 for none"
    )


def _no_start(how: str) -> ResourceError:
    return ResourceError(
        f"a worker process did not start: {how}; what it wrote to stderr may say why. A script that defines "
        "the work itself must make this call under 'if __name__ == \"__main__\":'; elsewhere the memory may "
        "be full: use fewer workers, or workers=0 for none"
    )


def _context(work: object) -> ForkServerContext | SpawnContext:
    """A way to start processes that is safe beside threads, and takes milliseconds where there is one."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # Without effect once the server runs: new workers then import what it lacks, each for itself.
    context.set_forkserver_preload(["molmeta.scoring.forked", __name__, type(work).__module__])
    # It looks for these modules before it is told the path of its parent, and first in the current folder,
    # where any file can have the name of a module.
    path = {"PYTHONPATH": os.pathsep.join(map(str, sys.path)), "PYTHONSAFEPATH": "1"}
    try:
        with _environment(ONE_THREAD | path), _uninterrupted():
            forkserver.ensure_running()
    except OSError:  # TMPDIR, where its socket goes, cannot be written or has a long name
        return multiprocessing.get_context("spawn")
    return context


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Starts processes that ignore Ctrl-C from the first; their imports would break off with a traceback."""
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _hidden_script() -> Iterator[None]:
    """Keeps new processes from importing the `__main__` of their parent.

    The user's script would run again where it has no guard, and may take seconds where it has one; stdin
    cannot be imported at all.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
