"""`Suggestions`: the compounds that were picked, and what became of the others."""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from molmeta.errors import RefusedError
from molmeta.files import write_whole
from molmeta.scoring.cells import distinct
from molmeta.scoring.formats import format_of
from molmeta.scoring.formulas import is_formula
from molmeta.suggest.candidates import LEFT_OUT, OK


@dataclass(frozen=True, eq=False)
class Suggestions:
    """Compounds to measure next.

    Attributes
    ----------
    picks : DataFrame
        mm_pick (from 1, in the order of the picks), the columns of `Predictor.predict`, mm_rank (by
        prediction alone, among the candidates) and mm_why.
    header : tuple of str
        Columns of the library.
    cells : tuple of tuple of str
        What the library says of each pick.
    rows : tuple of int
        Row of the library of each pick, from 1.
    acquisition : str
    candidates : int
        Compounds that were looked at together.
    cost : float or None
        Of all picks together.
    status : dict of str to int
        Rows of the library by "ok", the reason code of a rejection, "measured", "excluded", "unavailable" or
        "no_price"; they add up to the rows that were read.
    notes : tuple of str
        How the files were read.
    seconds : float
    """

    picks: pd.DataFrame
    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    rows: tuple[int, ...]
    acquisition: str
    candidates: int
    cost: float | None
    status: dict[str, int]
    notes: tuple[str, ...]
    seconds: float

    def __len__(self) -> int:
        return len(self.picks)

    @property
    def read(self) -> int:
        return sum(self.status.values())

    @property
    def left_out(self) -> dict[str, int]:
        """Rows that could be read and were no candidates, by reason."""
        return {name: self.status[name] for name in LEFT_OUT if name in self.status}

    @property
    def rejected(self) -> dict[str, int]:
        """Rows that could not be read, by reason code."""
        return {name: n for name, n in self.status.items() if name != OK and name not in self.left_out}

    @property
    def table(self) -> pd.DataFrame:
        """The library's columns as text, then `picks`; one row a pick, in their order."""
        own = pd.DataFrame(list(self.cells), columns=list(self.header), dtype="str")
        return pd.concat([own, self.picks], axis=1)

    @property
    def records(self) -> list[dict[str, Any]]:
        """Each pick by column; blank and repeated names have numbers."""
        names = [*distinct(self.header, list(map(str, self.picks))), *map(str, self.picks)]
        rows = self.table.itertuples(index=False, name=None)
        return [dict(zip(names, row, strict=True)) for row in rows]

    @property
    def formulas(self) -> int:
        """Cells of the library that a spreadsheet would run as a formula."""
        return sum(is_formula(cell) for row in self.cells for cell in row)

    def encoded(self, name: str = "-", *, excel_safe: bool = False) -> bytes:
        """The table in the format of a file of that name, as `score_library` writes it; "-" is CSV.

        With `excel_safe` what a spreadsheet would run has a quote in front.

        Raises
        ------
        ConfigError
            No such format.
        """
        layout, stream = format_of(name, excel_safe=excel_safe)(self.header, self.picks.iloc[:0]), BytesIO()
        layout.join([layout.encode(self.cells, self.picks, self.picks["mm_smiles"].tolist())], stream)
        return stream.getvalue()

    def write(self, path: str | Path, *, force: bool = False, excel_safe: bool = False) -> None:
        """Writes the table into a file, which appears whole or not at all.

        Raises
        ------
        ConfigError
            No such format.
        RefusedError
            The file exists and `force` is not given, or its folder does not.
        """
        out = Path(path)
        data = self.encoded(out.name, excel_safe=excel_safe)
        if os.path.exists(out) and not force:
            raise RefusedError(f"{out} exists; give another name, or force to replace it")
        if not os.path.isdir(out.parent):
            raise RefusedError(f"{out.parent} is not a folder; create it first, or give another path")
        write_whole(out, data)
