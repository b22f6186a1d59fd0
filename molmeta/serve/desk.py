"""`Desk`: a bounded number of questions to worker processes, and no more than may wait for them."""

from __future__ import annotations

import asyncio
import queue
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from molmeta.errors import DeadlineError, ResourceError
from molmeta.scoring.workers import Work, Workers
from molmeta.serve.limits import Limits

Ask = TypeVar("Ask")
Told = TypeVar("Told")

_GRACE = 5.0  # seconds after which nobody waits for a process that should have been stopped


class BusyError(ResourceError):
    """As many requests are under way, and wait, as may."""


class Desk(Generic[Ask, Told]):
    """Hands questions to processes that are there already, and takes what hangs or dies away from them.

    Parameters
    ----------
    work : Work
        Is given None once in each process, to load what it needs.
    limits : Limits
    """

    def __init__(self, work: Work[Ask | None, Told | None], limits: Limits) -> None:
        self.limits = limits
        self._all = [Workers(work, 1, limits.deadline) for _ in range(limits.workers)]
        self._idle: queue.SimpleQueue[Workers[Ask | None, Told | None]] = queue.SimpleQueue()
        for one in self._all:
            self._idle.put(one)
        self._threads = ThreadPoolExecutor(limits.workers, "desk")
        self._open = 0

    def __enter__(self) -> Desk[Ask, Told]:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends all processes, whatever they are doing."""
        for one in self._all:
            one.stop()
        self._threads.shutdown(cancel_futures=True)
        for one in self._all:
            one.__exit__()

    def warm(self) -> None:
        """Waits until all processes have loaded what they need.

        Raises
        ------
        MolmetaError
            What they need is not there.
        """
        pending = [self._threads.submit(self._told, one, None, 10 * _GRACE) for one in self._all]
        for one in wait(pending).done:
            one.result()

    async def ask(self, question: Ask) -> Told:
        """The answer to a question.

        Raises
        ------
        BusyError
            Too many are under way.
        DeadlineError
            It took longer than `limits.seconds`.
        Exception
            What the work raised.
        """
        if self._open >= self.limits.workers + self.limits.waiting:
            raise BusyError(f"{self._open} requests are under way, which is as many as may; ask again later")
        self._open += 1
        last = time.monotonic() + self.limits.seconds
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._answer, question, last)
        future.add_done_callback(self._close)
        try:
            answer = await asyncio.wait_for(asyncio.shield(future), self.limits.seconds + _GRACE)
        except TimeoutError:
            raise self._late() from None
        assert answer is not None
        return answer

    def _close(self, future: asyncio.Future[Told | None]) -> None:
        self._open -= 1
        if not future.cancelled():
            future.exception()  # it was told, or nobody waits any more

    def _answer(self, question: Ask, last: float) -> Told | None:
        left = last - time.monotonic()
        if left <= 0:
            raise self._late()
        workers = self._idle.get()
        try:
            return self._told(workers, question, left)
        except DeadlineError:
            raise self._late() from None
        finally:
            self._idle.put(workers)

    @staticmethod
    def _told(workers: Workers[Ask | None, Told | None], question: Ask | None, seconds: float) -> Told | None:
        ((_, answer),) = workers.map([question], limit=seconds)
        return answer

    def _late(self) -> DeadlineError:
        return DeadlineError(
            f"no answer within {self.limits.seconds:g} s; give fewer compounds, or leave the comparison with "
            "baselines out, or ask again when the service has less to do"
        )
