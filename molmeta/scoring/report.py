"""`ScoreReport`: what became of a library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from molmeta.scoring.tally import Tally


@dataclass(frozen=True)
class ScoreReport:
    """What became of a library; scored + the sum of rejected = read.

    Attributes
    ----------
    read, scored : int
        Rows.
    rejected : dict of str to int
        Rows by reason code.
    formulas : int
        Input cells that a spreadsheet would run as a formula; they are written as they are.
    notes : tuple of str
        How the library was read.
    seconds : float
        Of this run; one that was resumed did the rest before.
    path : str
        "-" for stdout.
    best : tuple of dict
        The best rows by the (first model's) score, best first: columns of the output.
    """

    read: int
    scored: int
    rejected: dict[str, int]
    formulas: int
    notes: tuple[str, ...]
    seconds: float
    path: str
    best: tuple[dict[str, Any], ...] = ()

    @classmethod
    def of(cls, tally: Tally, notes: Sequence[str], seconds: float, path: str) -> ScoreReport:
        rejected = {reason: count for reason, count in sorted(tally.status.items()) if reason != "ok"}
        return cls(
            read=tally.rows,
            scored=tally.rows - sum(rejected.values()),
            rejected=rejected,
            formulas=tally.formulas,
            notes=tuple(notes),
            seconds=seconds,
            path=path,
            best=tuple(one.record for one in tally.best),
        )


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    rows, rejected : int
        Done so far, by runs before included.
    share : float or None
        Of the bytes of the library; None where its size is not known.
    """

    rows: int
    rejected: int
    share: float | None
