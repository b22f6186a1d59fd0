"""Labels at the end of the lines of a .smi file, which by its own rules has two columns: SMILES and name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from molmeta.data.delimited import Row
from molmeta.data.labels import Label, read_label
from molmeta.data.raw import RawTable

_LISTED = ("smiles", "name")
LABEL = "label"


def with_labels_of_names(table: RawTable) -> RawTable:
    """A list of structures with the last word of each name as its label, where all of these are labels.

    Whole numbers other than 0 and 1 may be running ones, so they stay in the name. All rows are looked at:
    a file that is sorted by class has one class at its top.
    """
    words = [_split(row[1])[1] for row in table.sample if table.header == _LISTED]
    if table.structure != 0 or not words or not all(map(_is_label, words)):
        return table
    table = replace(table, rows=iter(rows := list(table.rows)))
    if len({_split(row.cells[1])[1] for row in rows}) < 2:
        return table
    notes = [*table.notes, f"the last word of each line is taken as its label, such as '{words[0]}'"]
    sample = tuple((row[0], *_split(row[1])) for row in table.sample)
    return replace(table, header=(*_LISTED, LABEL), rows=_rows(table.rows), sample=sample, notes=notes)


def _rows(rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        cells = (row.cells[0], *_split(row.cells[1]))
        yield row._replace(cells=cells)


def _split(name: str) -> tuple[str, str]:
    """Name and label. "ZINC01 1" has both, "1" is a label."""
    *rest, last = name.split() or [""]
    return " ".join(rest), last


def _is_label(word: str) -> bool:
    found = read_label(word)
    if not isinstance(found, Label):
        return False
    return found.form == "class" or found.value in (0.0, 1.0) or "." in word
