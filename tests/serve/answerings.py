"""Works for tests of the service, in a module of their own because worker processes must import them."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from molmeta.scoring.serving import Faults, Watch
from molmeta.serve.answer import Illustrated
from molmeta.serve.answering import Answering
from molmeta.serve.question import Adapting, Question


@dataclass(frozen=True, eq=False)
class Fragile(Answering):
    """Dies or hangs, as RDKit can, at structures that bear a name.

    Attributes
    ----------
    bad : mapping of str to str
        "kill" or "hang", by the name.
    pictures : bool
        Whether it does so when it draws them, and not when it reads them.
    """

    bad: Mapping[str, str] = field(default_factory=dict)
    pictures: bool = False

    def __call__(self, question: Question | None, faults: Faults, watch: Watch) -> Illustrated | None:
        names = [] if question is None else names_of(question)

        def told(start: int, stop: int, /) -> None:
            watch(start, stop)
            if self.pictures and start >= len(names) and stop == start + 1:
                os.abort()
            for at in range(start, min(stop, len(names))):
                if not self.pictures and at not in faults.lost:
                    end(self.bad.get(names[at], ""))

        return super().__call__(question, faults, told)


def names_of(question: Question) -> list[str]:
    """Names of the rows by their positions."""
    boxes = question.labelled.boxes.values() if isinstance(question, Adapting) else ()
    return [line.name for box in (*boxes, question.ranking.candidates) for line in box]


def end(how: str) -> None:
    if how == "kill":
        os.abort()
    if how == "hang":
        ctypes.PyDLL(None).sleep(1_000_000)  # keeps the lock of the interpreter


@dataclass(frozen=True)
class Sleepy:
    """Answers after as many seconds as it is asked for."""

    def __call__(self, seconds: float | None, faults: Faults, watch: Watch) -> float | None:
        last = time.monotonic() + (seconds or 0.0)
        while time.monotonic() < last:
            watch(0, 0)
            time.sleep(0.02)
        return seconds
