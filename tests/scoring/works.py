"""Works for `test_workers.py`, in a module of their own because worker processes must import them."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from molmeta.errors import InputError
from molmeta.scoring.workers import Faults, Watch


def end(how: str) -> None:
    """What bad rows do."""
    match how:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "abort":
            os.abort()
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(0)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "sleep":
            time.sleep(1e6)
        case "hang":
            # Keeps the lock of the interpreter, as a hung call of RDKit does.
            ctypes.PyDLL(None).sleep(1_000_000)
        case "raise":
            raise InputError("a bad row")
        case "raise oddly":
            raise Odd(1, 2)


class Odd(Exception):
    """Pickles, but cannot be made from its pickle."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"odd {one} {other}")


@dataclass(frozen=True)
class Rows:
    """Gives the numbers of a job back, with a reason in place of each lost one.

    Attributes
    ----------
    bad : mapping of int to str
        What to do at certain numbers.
    block : int
        Rows that are done at once, where they are no suspects.
    """

    bad: Mapping[int, str] = field(default_factory=dict)
    block: int = 1

    def __call__(self, job: list[int], faults: Faults, watch: Watch) -> list[int | str]:
        for first in range(0, len(job), self.block):
            block = range(first, min(first + self.block, len(job)))
            suspect = any(a < block.stop and block.start < b for a, b in faults.suspects)
            for start, stop in [(i, i + 1) for i in block] if suspect else [(block.start, block.stop)]:
                watch(start, stop)
                for i in range(start, stop):
                    if i not in faults.lost:
                        end(self.bad.get(job[i], ""))
        return [faults.lost.get(i, number) for i, number in enumerate(job)]


@dataclass(frozen=True)
class Busy:
    """Computes for as many seconds of processor time as the job says, on one processor, in one row."""

    processor: int

    def __call__(self, job: float, faults: Faults, watch: Watch) -> list[str]:
        os.sched_setaffinity(0, {self.processor})
        watch(0, 1)
        end = time.process_time() + job
        while not faults.lost and time.process_time() < end:
            pass
        return list(faults.lost.values())


@dataclass(frozen=True)
class Unwatched:
    """Ends badly without having said where it is."""

    how: str

    def __call__(self, job: int, faults: Faults, watch: Watch) -> int:
        end(self.how)
        return job


@dataclass(frozen=True)
class Once:
    """Ends badly at the first try of a job, at no row."""

    folder: Path

    def __call__(self, job: int, faults: Faults, watch: Watch) -> int:
        seen = self.folder / str(job)
        if not seen.exists():
            seen.touch()
            end("kill")
        return job


@dataclass(frozen=True)
class Stubborn:
    """Touches the lost rows."""

    def __call__(self, job: int, faults: Faults, watch: Watch) -> int:
        watch(3, 4)
        end("kill")
        return job


@dataclass(frozen=True)
class Process:
    """Gives the process that does it, and what is set there, after a time."""

    seconds: float = 0.05

    def __call__(self, job: int, faults: Faults, watch: Watch) -> tuple[int, str, int]:
        watch(0, 1)
        time.sleep(self.seconds)
        return os.getpid(), os.environ["OMP_NUM_THREADS"], threading.active_count()


@dataclass(frozen=True)
class Slow:
    """Sleeps for the seconds of a job, row by row."""

    rows: int = 1

    def __call__(self, job: float, faults: Faults, watch: Watch) -> float:
        for i in range(self.rows):
            watch(i, i + 1)
            time.sleep(job / self.rows)
        return job


@dataclass(frozen=True)
class Large:
    """Gives so many megabytes, all of them the number of the process, which may die half a second later.

    They are 0 where a row was lost.
    """

    dying: bool = False

    def __call__(self, job: int, faults: Faults, watch: Watch) -> NDArray[np.int64]:
        watch(0, 1)
        if self.dying:
            threading.Timer(0.5, end, ["kill"]).start()
        return np.full(job << 17, 0 if faults.lost else os.getpid())


@dataclass(frozen=True)
class Lambda:
    """Gives what does not pickle."""

    def __call__(self, job: int, faults: Faults, watch: Watch) -> object:
        return lambda: job


@dataclass(frozen=True)
class Hang:
    """Leaves the number of its process in a folder, and hangs."""

    folder: Path

    def __call__(self, job: int, faults: Faults, watch: Watch) -> None:
        watch(0, 1)
        (self.folder / f"{os.getpid()}.pid").touch()
        end("hang")
