"""Rows of a question to an assay and to features, under the watch of the process that hands them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from molmeta.chem.funnel import REASONS
from molmeta.chem.molecule import Rejection
from molmeta.chem.rows import Rows, read_rows
from molmeta.data.assay import Assay
from molmeta.data.assembly import assemble
from molmeta.data.cells import Cell
from molmeta.data.decimals import stated_decimal
from molmeta.data.entries import Entries, Entry
from molmeta.data.keeping import keep
from molmeta.data.ledger import Convention, Options, Wanted
from molmeta.data.measure import measure
from molmeta.scoring.serving import Faults, Watch
from molmeta.serve.answer import Refused
from molmeta.serve.question import Labelled, Line

_SHOWN = 200  # characters of a row


@dataclass(frozen=True)
class Guard:
    """Reads structures whose positions in the question start at `first`.

    Attributes
    ----------
    faults : Faults
    watch : Watch
    first : int
    """

    faults: Faults
    watch: Watch
    first: int = 0

    def read(self, structures: Sequence[str], needs: frozenset[str]) -> Rows:
        """Features of structures; those that are known to be fatal are not looked at."""
        n, first = len(structures), self.first
        inside = [(a - first, b - first) for a, b in self.faults.suspects]
        return read_rows(
            structures,
            needs,
            refused={at - first: why for at, why in self.faults.lost.items() if first <= at < first + n},
            suspects=[(a, b) for a, b in inside if a >= 0 and b <= n],
            watch=lambda start, stop: self.watch(first + start, first + stop),
        )


def assay_of(labelled: Labelled, status: Sequence[str]) -> Assay:
    """The assay of labelled rows, as `molmeta.read_assay` makes it of a file.

    Parameters
    ----------
    labelled : Labelled
    status : sequence of str, one a row
        Of rows that were read under guard. What is "crashed" or "timeout" is not read again.

    Raises
    ------
    InputError, NotEnoughData, ConfigError
        As `molmeta.read_assay`.
    """
    entries = _entries(labelled, status)
    options = Options(**labelled.reading)  # type: ignore[arg-type]
    cells = [entry.label for entry in entries.rows]
    column = labelled.column
    measured = measure(column, column, f"{entries.file} column '{column}'", cells, options)
    convention = Convention(
        target=measured.target,
        scale=measured.scale,
        columns=Wanted(entries.smiles_column, column),
        options=options,
        decimal=options.decimal or stated_decimal(cell.text for cell in cells),
    )
    return assemble(*keep(labelled.name, entries, measured, convention))


def _entries(labelled: Labelled, status: Sequence[str]) -> Entries:
    rows = []
    lines = [line for box in labelled.boxes.values() for line in box]
    for row, (line, state) in enumerate(zip(lines, status, strict=True), 1):
        fatal = state in ("crashed", "timeout")
        problem = Rejection(row, line.structure[:_SHOWN], state, REASONS[state]) if fatal else None
        rows.append(Entry(row, line.number, line.structure, Cell(line.label), line.name, problem))
    column = labelled.column
    return Entries("the pasted", labelled.name, "structure", column, column, tuple(rows), ())


def refused_labelled(labelled: Labelled, rejected: Sequence[Rejection]) -> list[Refused]:
    """The rejected rows of an assay under the names and numbers that the user knows them by."""
    places = [(box, line) for box, lines in labelled.boxes.items() for line in lines]
    return [refused(*places[one.row - 1], one.reason, one.detail) for one in rejected]


def refused(box: str, line: Line, reason: str, detail: str = "") -> Refused:
    """A row that could not be used."""
    return Refused(
        box=box,
        row=line.number,
        name=line.name,
        text=line.structure[:_SHOWN],
        reason=reason,
        detail=detail or REASONS[reason],
    )
