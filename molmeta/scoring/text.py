"""Scored rows as text, one line a row: CSV, TSV and JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa

from molmeta.scoring.cells import as_text, floats, typed
from molmeta.scoring.digits import spelled
from molmeta.scoring.format import Cells, Text, lines
from molmeta.scoring.formulas import as_text_cell

_QUOTED = json.JSONEncoder(ensure_ascii=False).encode
# Lone surrogates that stand for no byte.
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


class Csv(Text):
    """Comma-separated, one header, quotes where need be, LF; the bytes of the input come back verbatim."""

    delimiter: ClassVar[str] = ","

    def head(self) -> bytes:
        return _bytes(self.delimiter.join(self._quoted([*self.header, *self.added])) + "\n")

    def encode(self, cells: Cells, scored: pd.DataFrame, smiles: Sequence[str | None]) -> bytes:
        found = (as_text(scored[name], kind) for name, kind in self.added.items())
        columns = map(self._quoted, (*self.columns(cells), *found))
        rows = map(self.delimiter.join, zip(*columns, strict=True))
        return _bytes("".join([f"{row}\n" for row in rows]))

    def _quoted(self, cells: Sequence[str]) -> Sequence[str]:
        """Cells of a column in quotes where need be."""
        # Most columns need none, and it is cheap to find that out at once.
        together = "".join(cells)
        special = [one for one in (self.delimiter, '"', "\n", "\r") if one in together]
        if not special:
            return cells
        needs = re.compile(f"[{''.join(special)}]").search
        return ['"' + cell.replace('"', '""') + '"' if needs(cell) else cell for cell in cells]


class Tsv(Csv):
    """The same with tabs."""

    delimiter = "\t"


class SafeCsv(Csv):
    """CSV for a spreadsheet: what it would take for a formula gets a quote in front, in titles too."""

    def _quoted(self, cells: Sequence[str]) -> Sequence[str]:
        return super()._quoted([as_text_cell(cell) for cell in cells])


class SafeTsv(SafeCsv):
    """The same with tabs."""

    delimiter = "\t"


class JsonLines(Text):
    """One JSON object a row; null where there is no value, and for infinity, which JSON does not have."""

    def __init__(self, header: Sequence[str], empty: pd.DataFrame) -> None:
        super().__init__(header, empty)
        pairs = (f"{_QUOTED(name)}: ".replace("%", "%%") + "%s" for name in self.names)
        self._row = "{" + ", ".join(pairs) + "}\n"

    def encode(self, cells: Cells, scored: pd.DataFrame, smiles: Sequence[str | None]) -> bytes:
        own = (map(_QUOTED, column) for column in self.columns(cells))
        found = (_literals(scored[name], kind) for name, kind in self.added.items())
        return lines(self._row, zip(*own, *found, strict=True))


def _literals(column: pd.Series, kind: pa.DataType) -> list[str]:
    """A column of molmeta as JSON."""
    if kind == pa.float64():
        values = floats(column)
        return spelled(np.where(np.isinf(values), np.nan, values), "null", repr)
    # What is not text is spelled here because json.dumps takes 2 us for each.
    spell = _QUOTED if kind == pa.string() else lambda cell: str(cell).lower()
    return ["null" if cell is None else spell(cell) for cell in typed(column, kind).to_pylist()]


def _bytes(text: str) -> bytes:
    """UTF-8, with the very bytes where they were no text; "?" for surrogates that stand for none."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return _NO_BYTE.sub("?", text).encode("utf-8", "surrogateescape")
