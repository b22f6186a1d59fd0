"""`ScoreReport`: what became of a library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from molmeta.scoring.tally import Tally


@dataclass(frozen=True)
class ScoreReport:
    """What became of a library; scored + the sum of rejected = read.

    In a cascade these count all rows, and `picked` those that the second model scored.

    Attributes
    ----------
    read, scored : int
        Rows.
    rejected : dict of str to int
        Rows by reason code.
    formulas : int
        Input cells that a spreadsheet would run as a formula.
    excel_safe : bool
        Whether these have a quote in front; otherwise they are written as they are.
    notes : tuple of str
        How the library was read.
    seconds : float
        Of this run; one that was resumed did the rest before.
    path : str
        "-" for stdout.
    best : tuple of dict
        The best compounds by the (first model's) score, best first: columns of the output.
    copies : tuple of int
        How many rows each of these stands for.
    picked : int or None
        Rows that the second model of a cascade scored, and that were written; None elsewhere.
    complete : bool
        Whether the output was there, from an earlier run of the same, and nothing had to be done.
    """

    read: int
    scored: int
    rejected: dict[str, int]
    formulas: int
    notes: tuple[str, ...]
    seconds: float
    path: str
    best: tuple[dict[str, Any], ...] = ()
    copies: tuple[int, ...] = ()
    picked: int | None = None
    complete: bool = False
    excel_safe: bool = False

    @classmethod
    def of(
        cls,
        tally: Tally,
        notes: Sequence[str],
        seconds: float,
        path: str,
        first: Tally | None = None,
        *,
        excel_safe: bool = False,
    ) -> ScoreReport:
        """Of the rows that were written, and in a cascade of all rows by its first model."""
        everything = tally if first is None else first
        status = Counter(everything.status)
        if first is not None:
            # What the second model was given and could not score, since it crashed or hung only now.
            status.update({reason: count for reason, count in tally.status.items() if reason != "ok"})
        rejected = {reason: count for reason, count in sorted(status.items()) if reason != "ok"}
        return cls(
            read=everything.rows,
            scored=everything.rows - sum(rejected.values()),
            rejected=rejected,
            formulas=tally.formulas,
            notes=tuple(notes),
            seconds=seconds,
            path=path,
            best=tuple(one.record for one in tally.best),
            copies=tuple(one.copies for one in tally.best),
            excel_safe=excel_safe,
            picked=None if first is None else tally.rows - tally.rejected,
        )

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> ScoreReport:
        """What `dataclasses.asdict` and JSON made of one."""
        tuples = {name: tuple(found[name]) for name in ("notes", "best", "copies")}
        return cls(**{**found, **tuples})


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
