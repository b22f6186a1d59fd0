"""What a worker process of `Workers` runs: jobs come in, results go out, until the parent hangs up."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, Protocol, TypeVar

from molmeta.errors import MolmetaError

Job_contra = TypeVar("Job_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Faults:
    """What is known against rows of a job; rows are positions in it, from 0.

    Attributes
    ----------
    lost : mapping of int to str
        Rows that are not to be touched, and why: "crashed" or "timeout".
    suspects : tuple of (int, int)
        Ranges start:stop of rows that are to be done one at a time; `lost` ones may lie in them.
    """

    lost: Mapping[int, str] = field(default_factory=dict)
    suspects: tuple[tuple[int, int], ...] = ()


class Watch(Protocol):
    """Says that the rows start:stop are being worked on from now on; none where start = stop."""

    def __call__(self, start: int, stop: int, /) -> None: ...


class Work(Protocol[Job_contra, Result_co]):
    """What is done to a job; must pickle, so its class stands at the top of a module.

    It calls `watch` before each row, or block of rows, and heeds the faults. Jobs and results must pickle
    too and hold arrays, no tensors: those travel as open files, which run out.
    """

    def __call__(self, job: Job_contra, faults: Faults, watch: Watch, /) -> Result_co: ...


def silent(start: int, stop: int, /) -> None:
    """The watch of work that is done in the caller's own process."""


def serve(connection: Connection, state: Any, work: Work[Any, Any]) -> None:
    """The life of a worker process; ends when the parent hangs up."""
    _settle()

    def watch(start: int, stop: int, /) -> None:
        state[1] = start << 32 | stop
        state[0] += 1

    with suppress(EOFError, OSError):
        connection.send(None)  # ready
        while True:
            connection.send_bytes(_attempt(work, connection.recv_bytes(), watch))


def _settle() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to decide
    os.environ.update(ONE_THREAD)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if sys.platform != "win32":
        import resource

        # A thousand crashes are not to fill the disk with dumps.
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _die_with_parent()


def _die_with_parent() -> None:
    """Has the kernel kill this process when the parent is gone, as no code of its own runs while it hangs.

    The parent holds the other end of the sentinel, a pipe. (PR_SET_PDEATHSIG would follow the fork server.)
    Other systems than Linux cannot; there a process ends when it next sends or receives.
    """
    parent = multiprocessing.parent_process()
    if sys.platform != "linux" or parent is None:
        return
    import fcntl

    pipe = parent.sentinel
    with suppress(OSError):  # some sandboxes cannot either
        fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if not parent.is_alive():  # it went before the kernel was told
        os._exit(1)


def _attempt(work: Work[Any, Any], message: bytes, watch: Watch) -> memoryview:
    """Does a job; the message to send back."""
    try:
        job, faults = ForkingPickler.loads(message)
        result = work(job, faults, watch)
        watch(0, 0)  # a death from here on is no row's
        return ForkingPickler.dumps(result)
    except Exception as error:
        if not isinstance(error, MolmetaError):  # that says what is to be mended, not where it was found
            error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        return _portable(error)


def _portable(error: Exception) -> memoryview:
    """A message that holds the error, or its text where it does not survive the journey."""
    try:
        message = ForkingPickler.dumps(Failure(error))
        ForkingPickler.loads(message)
    except Exception:
        plain = RuntimeError(f"{type(error).__name__}: {error}")
        plain.add_note(f"In a worker process:\n{traceback.format_exc()}")
        return ForkingPickler.dumps(Failure(plain))
    return message


@dataclass(frozen=True)
class Failure:
    """What the work raised."""

    error: Exception
