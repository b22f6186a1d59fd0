"""Rows of an assay file before anything is read into them: structure text, label cells, identifier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from molmeta.chem.molecule import Rejection
from molmeta.data.cells import Cell
from molmeta.data.columns import (
    Header,
    find_companion,
    find_identifier,
    find_smiles,
    signs_beside,
)
from molmeta.data.delimited import Row
from molmeta.data.headers import canonical_unit, plain, unit_in
from molmeta.data.labelcolumn import check_signs, find_label, other_labels
from molmeta.data.ledger import Wanted
from molmeta.data.raw import RawTable, Tables, open_table
from molmeta.data.smilabels import with_labels_of_names
from molmeta.errors import NotEnoughData
from molmeta.wording import counted

# How notes on a table of several assays begin, and what is in them.
MIXED, SEVERAL = "the values mix endpoints", "different assays"
# How the note on other columns of labels begins.
OTHERS = "labels might also be"

_NONE = Wanted()


@dataclass(frozen=True)
class Entry:
    """One row: where it is, and its cells that matter; `problem` where it is no row at all."""

    row: int
    line: int
    smiles: str
    label: Cell
    identifier: str = ""
    problem: Rejection | None = None


@dataclass(frozen=True)
class Entries:
    """All rows of an assay file.

    Attributes
    ----------
    file, name : str
        For messages, and the default name of the assay.
    smiles_column, label_column : str
    endpoint : str
        What is measured: the commonest Standard Type of a ChEMBL export, else the name of the label column.
    rows : tuple of Entry
    notes : tuple of str
    identifier_column : str or None
    """

    file: str
    name: str
    smiles_column: str
    label_column: str
    endpoint: str
    rows: tuple[Entry, ...]
    notes: tuple[str, ...]
    identifier_column: str | None = None


def labelled_entries(
    source: Tables, wanted: Wanted, *, usual: Wanted = _NONE, trusted: bool = False
) -> Entries:
    """Rows of a table with columns of structures and labels; raises InputError where either is missing.

    Columns that are called as in `usual` are taken before others are looked for.
    """
    table = with_labels_of_names(open_table(source, trusted=trusted))
    rows = _all_rows(table)
    header = _header(table, rows)
    wanted = _first_choice(header, wanted, usual)
    smiles = find_smiles(header, wanted.smiles, table.structure)
    label = find_label(header, smiles, wanted.label)
    unit, relation = (find_companion(header, label, kind) for kind in ("unit", "relation"))
    check_signs(header, label, relation)
    taken = [i for i in (smiles, label, unit, relation) if i is not None]
    identifier = find_identifier(header, taken, wanted.identifier)

    def entry(row: Row) -> Entry:
        def cell(index: int | None) -> str:
            return "" if index is None or row.problem is not None else row.cells[index]

        label_cell = Cell(cell(label), cell(unit), cell(relation))
        return Entry(row.number, row.line, cell(smiles), label_cell, cell(identifier), row.problem)

    kinds = _endpoints(header, rows)
    # A column that states its own unit, such as pChEMBL Value, is not in that of the endpoint.
    told = kinds and unit_in(header.names[label]) is None
    endpoint = kinds.most_common(1)[0][0] if told else header.names[label]
    used = {"labels": label, "units": unit, "signs": relation, "identifiers": identifier}
    said = ", ".join(f"{what} from '{header.names[i]}'" for what, i in used.items() if i is not None)
    notes = [*table.notes, said, *_mixed(kinds), *_assays(header)]
    notes += _overruled(header, label, unit)
    notes += _unused_signs(header, label) if relation is None else []
    if wanted.label is None and (others := other_labels(header, smiles, label)):
        notes.append(f"{OTHERS} {header.listed(others)}; --label-column takes another")
    return Entries(
        table.name,
        table.stem,
        header.names[smiles],
        header.names[label],
        endpoint,
        tuple(map(entry, rows)),
        tuple(notes),
        None if identifier is None else header.names[identifier],
    )


def listed_entries(
    actives: Tables | None, inactives: Tables | None, wanted: Wanted, *, trusted: bool = False
) -> Entries:
    """Rows of files of structures, actives first; rows of the second are counted on from the first."""
    found: list[Entry] = []
    notes: list[str] = []
    tables: list[RawTable] = []
    column = ""
    for source, label in ((actives, "1"), (inactives, "0")):
        if source is None:
            continue
        table = open_table(source, trusted=trusted)
        rows = _all_rows(table)
        header = _header(table, rows)
        smiles = find_smiles(header, wanted.smiles, table.structure)
        identifier = find_identifier(header, [smiles], wanted.identifier)
        start = len(found)
        for row in rows:
            good = row.problem is None
            problem = row.problem and Rejection(
                start + row.number, row.problem.text, row.problem.reason, f"{table.name} {row.problem.detail}"
            )
            name = row.cells[identifier] if good and identifier is not None else ""
            text = row.cells[smiles] if good else ""
            found.append(
                Entry(start + row.number, row.line, text, Cell(label if good else ""), name, problem)
            )
        notes += [*table.notes, f"rows {start + 1} to {len(found)} are those of {table.name}, label {label}"]
        tables.append(table)
        column = column or header.names[smiles]
    file = " and ".join(table.name for table in tables)
    return Entries(file, tables[0].stem, column, "active", "active", tuple(found), tuple(notes))


def _overruled(header: Header, label: int, unit: int | None) -> list[str]:
    """A warning where a column of units says otherwise than the name of the labels."""
    named = unit_in(header.names[label])
    if unit is None or named is None:
        return []
    known = map(canonical_unit, header.column(unit))
    stated = Counter(other for other in known if other not in (None, named))
    return [
        f"'{header.names[label]}' names {named}, but '{header.names[unit]}' says {other} in "
        f"{counted(count, 'row')}, which is believed; give --unit {named} to leave these out"
        for other, count in stated.most_common()
    ]


def _unused_signs(header: Header, label: int) -> list[str]:
    """A warning where signs stand in the table and nothing says whose they are."""
    found = signs_beside(header, label)
    if not found:
        return []
    return [
        f"{header.listed(found)} holds signs such as '>' that are not used, since nothing says that they are "
        f"those of '{header.names[label]}': call the column '{header.names[label]} relation' if they are"
    ]


def _first_choice(header: Header, wanted: Wanted, usual: Wanted) -> Wanted:
    """What is wanted, and else what is usual as far as the table has it."""

    def there(name: str | None) -> str | None:
        return name if header.names.count(name or "") == 1 else None

    return Wanted(
        wanted.smiles or there(usual.smiles),
        wanted.label or there(usual.label),
        wanted.identifier or there(usual.identifier),
    )


def _all_rows(table: RawTable) -> list[Row]:
    rows = list(table.rows)
    count = len(rows)
    # Spreadsheets leave rows of delimiters behind.
    while rows and rows[-1].problem is None and not any(cell.strip() for cell in rows[-1].cells):
        del rows[-1]
    if len(rows) < count:
        table.notes.append(f"{counted(count - len(rows), 'empty row')} at the end passed over")
    if not rows:
        raise NotEnoughData(f"{table.name} has no rows; wanted labelled compounds")
    return rows


def _header(table: RawTable, rows: Sequence[Row]) -> Header:
    return Header(table.name, table.header, [row.cells for row in rows if row.problem is None])


def _endpoints(header: Header, rows: Sequence[Row]) -> Counter[str]:
    """How often each endpoint is named in a column of them (Standard Type of ChEMBL)."""
    named = [i for i, name in enumerate(header.names) if plain(name) in ("standard_type", "activity_type")]
    found = [row.cells[i].strip() for i in named[:1] for row in rows if row.problem is None]
    return Counter(kind for kind in found if kind)


def _mixed(kinds: Counter[str]) -> list[str]:
    """A warning where one column of values mixes endpoints."""
    if len(kinds) < 2:
        return []
    shown = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common(5))
    return [f"{MIXED}: {shown}; filter the file if they should not be one assay"]


def _assays(header: Header) -> list[str]:
    """A warning where a table in long format holds several assays."""
    for index, name in enumerate(header.names):
        if plain(name) in (
            "assay",
            "assay_id",
            "assay_chembl_id",
            "assay_name",
            "task",
            "pubchem_aid",
            "aid",
        ):
            count = len(set(header.column(index)))
            if count > 1:
                return [f"'{name}' names {count} {SEVERAL}; filter the file if they should not be one"]
    return []
