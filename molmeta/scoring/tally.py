"""`Tally`: what became of rows, to be added up over the chunks of a library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from molmeta.data.library import LibraryChunk
from molmeta.scoring.formulas import is_formula

SHOWN = 5  # best rows that a report repeats


@dataclass(frozen=True)
class Best:
    """A compound with one of the highest scores.

    Attributes
    ----------
    score : float
    row : int
        Its number; where the library has several of the compound, that of the best, or first, one.
    record : dict of str to Any
        Its columns, with None for no value.
    compound : str
        What tells compounds apart: the canonical SMILES, or the SMILES of the library where that one is not
        written.
    copies : int
        Rows of it.
    """

    score: float
    row: int
    record: dict[str, Any]
    compound: str
    copies: int

    @property
    def order(self) -> tuple[float, int]:
        """Best first, equal ones in the order of the library."""
        return -self.score, self.row

    def joined(self, other: Best | None) -> Best:
        """With the rows of the same compound elsewhere."""
        if other is None:
            return self
        return replace(min(self, other, key=lambda one: one.order), copies=self.copies + other.copies)


@dataclass(frozen=True)
class Tally:
    """Counts of rows.

    Attributes
    ----------
    rows : int
    status : dict of str to int
        Rows by "ok" or reason code; they add up to `rows`.
    formulas : int
        Input cells that a spreadsheet would run as a formula.
    best : tuple of Best
        The compounds with the highest scores, best first, equal ones in the order of the library.
    """

    rows: int = 0
    status: dict[str, int] = field(default_factory=dict)
    formulas: int = 0
    best: tuple[Best, ...] = ()

    @classmethod
    def of(
        cls,
        chunk: LibraryChunk,
        status: Sequence[str],
        scores: NDArray[np.float64],
        scored: pd.DataFrame,
    ) -> Tally:
        """Of a chunk of n rows: their status, scores float64[n] (nan where there is none), and columns."""
        compounds = chunk.smiles if "mm_smiles" not in scored else scored["mm_smiles"].tolist()
        best = tuple(
            Best(
                float(scores[at]),
                chunk.first_row + at,
                dict(zip(chunk.header, chunk.cells[at], strict=True)) | _record(scored.iloc[at]),
                compounds[at],
                compounds.count(compounds[at]),
            )
            for at in _first_of_each(compounds, best_first(scores, len(scores)).tolist())
        )
        formulas = sum(map(is_formula, (cell for row in chunk.cells for cell in row)))
        return cls(len(chunk), dict(Counter(status)), formulas, best)

    @classmethod
    def total(cls, parts: Iterable[Tally]) -> Tally:
        """All of several added up."""
        rows = formulas = 0
        status: Counter[str] = Counter()
        best: dict[str, Best] = {}
        for part in parts:
            rows, formulas = rows + part.rows, formulas + part.formulas
            status.update(part.status)
            for one in part.best:
                best[one.compound] = one.joined(best.get(one.compound))
            best = {one.compound: one for one in sorted(best.values(), key=lambda one: one.order)[:SHOWN]}
        return cls(rows, dict(status), formulas, tuple(best.values()))

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Tally:
        """What `as_json` made."""
        return cls(**found | {"best": tuple(Best(**one) for one in found["best"])})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def rejected(self) -> int:
        return self.rows - self.status.get("ok", 0)


def best_first(scores: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Positions of the highest scores, best first, equal ones in order; nan is no score.

    >>> best_first(np.array([1.0, np.nan, 3.0, 1.0]), 2)
    array([2, 0])
    """
    known = np.flatnonzero(~np.isnan(scores))
    found: NDArray[np.int64] = known[np.argsort(-scores[known], kind="stable")[:most]]
    return found


def _first_of_each(compounds: Sequence[str], order: Sequence[int]) -> list[int]:
    """Positions of the first few compounds in an order, each once."""
    first: dict[str, int] = {}
    for at in order:
        first.setdefault(compounds[at], at)
        if len(first) == SHOWN:
            break
    return list(first.values())


def _record(row: pd.Series) -> dict[str, Any]:
    """A row by column, as Python's own types."""
    plain = {str(name): value.item() if hasattr(value, "item") else value for name, value in row.items()}
    return {name: None if pd.isna(value) else value for name, value in plain.items()}
