"""Label cells with their companions, and what they say on the scale of the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from molmeta.data.headers import canonical_unit
from molmeta.data.labels import Blank, Label, Reading, Unreadable, read_label
from molmeta.data.labelwords import ABOUT, TYPED, relation_of

_SIGNS = {-1: "<", 1: ">"}


@dataclass(frozen=True)
class Cell:
    """Label of a row as the file has it, with its companions.

    `unit` and `relation` are cells of the columns of units and signs; "" where there are none.
    """

    text: str
    unit: str = ""
    relation: str = ""


def read_cells(cells: Sequence[Cell], decimal: str) -> list[Reading]:
    """What the cells of a column say; "-" is a blank, but no blank where "+" stands for active."""
    readings = [read_cell(cell, decimal) for cell in cells]
    graded = any(isinstance(r, Label) and r.form == "grade" for r in readings)
    signs = [cell.text.strip().translate(TYPED) for cell in cells]
    if not graded and "+" not in signs:
        return readings
    plus_minus = {"+": 1.0, "-": 0.0}
    form = "grade" if graded else "class"
    return [
        Label(plus_minus[sign], form=form) if sign in plus_minus else reading
        for sign, reading in zip(signs, readings, strict=True)
    ]


def read_cell(cell: Cell, decimal: str) -> Reading:
    """What a cell says on the file's scale, with the sign and the unit of its companions."""
    found = read_label(cell.text, decimal)
    if not isinstance(found, Label) or found.form in ("class", "grade"):
        return found
    stated = (
        None if isinstance(read_label(cell.unit), Blank) else canonical_unit(cell.unit) or cell.unit.strip()
    )
    if found.unit and stated and found.unit != stated:
        return Unreadable(cell.text, f"its unit is {found.unit}, but the column of units says {stated}")
    relation = relation_of(cell.relation)
    if relation is None:
        return Unreadable(cell.text, f"its sign '{cell.relation.strip()[:20]}' is not known")
    if relation and found.relation == -relation:
        return Unreadable(
            cell.text,
            f"its sign is {_SIGNS[found.relation]}, but the column of signs says {_SIGNS[relation]}",
        )
    if relation and found.form in ("range", "about"):
        return Unreadable(cell.text, f"the column of signs says {_SIGNS[relation]} of it")
    about = found.form == "number" and cell.relation.strip().strip("'\"").strip().lower() in ABOUT
    return replace(
        found,
        relation=found.relation or relation,
        unit=found.unit or stated,
        form="about" if about else found.form,
    )


def forms(readings: Iterable[Reading]) -> Counter[str]:
    """How many labels there are of each form."""
    return Counter(r.form for r in readings if isinstance(r, Label))


def form_notes(readings: Iterable[Reading], where: str) -> list[str]:
    """How cells that are no plain numbers were read."""
    found = forms(readings)
    said = {
        "range": "ranges, read as their middle",
        "with error": "values with an error, which is left out",
        "about": "values marked as approximate, read as exact",
    }
    return [f"{where} holds {found[form]} {what}" for form, what in said.items() if found[form]]


def not_a_number(reading: Reading) -> Reading:
    """A class word or a grade becomes Unreadable."""
    if isinstance(reading, Label) and reading.form == "class":
        return Unreadable("active" if reading.value else "inactive", "it is a class in a column of numbers")
    if isinstance(reading, Label) and reading.form == "grade":
        return Unreadable("+" * int(reading.value) or "-", "it is a grade in a column of numbers")
    return reading
