"""What people paste into a box: a structure a line, then a name and what was measured, in any usual form."""

from __future__ import annotations

import re
from collections.abc import Iterator

from molmeta.data.headers import says_smiles
from molmeta.data.labels import looks_numeric
from molmeta.data.labelwords import BLANK, CLASSES
from molmeta.serve.question import Line

_CXSMILES = re.compile(r"^\|[^|]*\|[\s,;]*")
_CUT = re.compile(r"[\t;]|,(?!\d)|(?<!\d),")


def lines_of(text: str, label: str = "") -> tuple[Line, ...]:
    """Lines of SMILES, each with a name after a blank, tab or comma; all get the same label.

    Blank lines, lines that start with #, and a line of column names at the top are passed over.

    >>> found = lines_of("SMILES,Name\\nCCO ethyl alcohol\\n\\nCCN,x")
    >>> [(one.number, one.structure, one.name) for one in found]
    [(2, 'CCO', 'ethyl alcohol'), (4, 'CCN', 'x')]
    """
    return tuple(Line(number, structure, rest, label) for number, structure, rest in _cut(text))


def measured_of(text: str) -> tuple[Line, ...]:
    """Lines of SMILES with a value and, before or after it, a name.

    >>> found = measured_of("CCO 5.3\\nCCN\\tamine\\t>30 nM\\nCCC,6,propane\\nCC new")
    >>> [(one.label, one.name) for one in found]
    [('5.3', ''), ('>30 nM', 'amine'), ('6', 'propane'), ('', 'new')]
    """
    return tuple(
        Line(number, structure, name, value)
        for number, structure, rest in _cut(text)
        for value, name in [_value_and_name(rest)]
    )


def _cut(text: str) -> Iterator[tuple[int, str, str]]:
    """Number, structure and rest of the lines that hold a row."""
    first = True
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        line = line.strip(" \t\ufeff\xa0")
        if not line or line.startswith("#"):
            continue
        structure, rest = _structure(line)
        if not (first and says_smiles(structure)):
            yield number, structure, rest
        first = False


def _structure(line: str) -> tuple[str, str]:
    """The first cell, which no separator can be part of, and the rest."""
    if line.startswith('"') and '"' in line[1:]:
        structure, _, rest = line[1:].partition('"')
    else:
        structure = re.split(r"[\s,;]", line, maxsplit=1)[0]
        rest = line[len(structure) :]
    rest = _CXSMILES.sub("", rest.lstrip(" \t,;\xa0"))
    return structure.strip(), rest.strip(' \t\xa0"')


def _value_and_name(rest: str) -> tuple[str, str]:
    if _is_value(rest):
        return rest, ""
    for cells in ([cell.strip(' "') for cell in _CUT.split(rest)], rest.split()):
        for at in (0, len(cells) - 1):
            if len(cells) > 1 and _is_value(cells[at]):
                return cells[at], " ".join(cells[:at] + cells[at + 1 :]).strip()
    return "", rest


def _is_value(cell: str) -> bool:
    return looks_numeric(cell) or cell.lower() in CLASSES or (cell.lower() in BLANK and bool(cell))
