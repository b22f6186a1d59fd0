"""What stands before a text table: comments, titles, a line that states the delimiter."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from molmeta.chem.molecule import Rejection
from molmeta.data.delimited import Layout, records
from molmeta.data.headers import says_header, says_smiles
from molmeta.data.sniff import DELIMITERS, Lines, is_delimited, is_structure, names_smiles

_TITLES = 20  # lines at the top that may be titles
_QUOTED_COMMENT = re.compile(r'"#(?:[^"]|"")*"[\t;,| ]*')
_SEPARATOR = re.compile(r"\"?sep=(.)\"?\s*", re.IGNORECASE)


def prelude(lines: Lines) -> tuple[int, str | None]:
    """How many lines stand before the table, and the delimiter that a "sep=" line states.

    Comments (#), blank lines, a title with a blank line under it, and titles that a spreadsheet filled up
    with delimiters are passed over; a "#smiles ..." line is the header itself.

    >>> prelude([(1, "# from the plate reader"), (2, "sep=;"), (3, "smiles;y")])
    (2, ';')
    >>> prelude([(1, "Plate 7;;"), (2, "Date;3.12.;"), (3, ";;"), (4, "id;smiles;y")])
    (3, None)
    """
    stated = None
    titles = max(_titles(lines), _padded_titles(lines))
    for skipped, (_, text) in enumerate(lines):
        if (match := _SEPARATOR.fullmatch(text)) is not None:
            stated = match[1]
        elif skipped >= titles and text.strip() and not (is_comment(text) and not names_smiles(text)):
            return skipped, stated
    return len(lines), stated


def _titles(lines: Lines) -> int:
    """How many lines a title takes: one without a delimiter, then a blank one, then a table.

    It may hold a delimiter, or be several lines, where the table has a column that is called SMILES, and it
    does not.
    """
    texts = [text.strip() for _, text in lines]
    start = next((i for i, text in enumerate(texts) if text), 0)
    block = list(itertools.takewhile(bool, texts[start:]))
    end = start + len(block)
    body = next((i for i in range(end, len(texts)) if texts[i]), None)
    if not block or end == len(texts) or is_comment(texts[start]):
        return 0
    if len(block) > 1:
        told = body is not None and len(block) <= _TITLES and _heads_smiles(texts[body])
        return body or 0 if told and not any(map(_may_be_table, block)) else 0
    if is_delimited(texts[start]) and (
        body is None or names_smiles(texts[start]) or not names_smiles(texts[body])
    ):
        return 0
    structure = is_structure(texts[start].split(maxsplit=1)[0]) if texts[start] else True
    return 0 if body is None or structure or not is_delimited(texts[body]) else body


def is_comment(text: str) -> bool:
    """Whether a line is a comment, also one that a spreadsheet put in quotes and filled up with delimiters.

    >>> is_comment('"# of plate 7; reader 2";;'), is_comment('"#1";CCO')
    (True, False)
    """
    return text.startswith("#") or _QUOTED_COMMENT.fullmatch(text.strip()) is not None


def _heads_smiles(text: str) -> bool:
    cells = re.split(r"[\t;,|]", text)
    return len(cells) > 1 and any(says_smiles(cell) and "smi" in cell.lower() for cell in cells)


def _may_be_table(text: str) -> bool:
    return _heads_smiles(text) or any(map(is_structure, re.split(r"[\t;,| ]", text)))


def _padded_titles(lines: Lines) -> int:
    """How many lines titles and empty rows take that a spreadsheet filled up to the width of the table.

    Titles end at an empty row; without one they are the rows of one filled cell, at the top.
    """
    start = next((i + 1 for i, (_, text) in enumerate(lines[:_TITLES]) if _SEPARATOR.fullmatch(text)), 0)
    texts = [text.rstrip("\r\n") for _, text in lines[start : start + _TITLES]]
    # A line with an open quote is the start of a row, whose last cell is not empty but goes on.
    texts = list(itertools.takewhile(lambda text: text.count('"') % 2 == 0, texts))
    for delimiter in DELIMITERS:
        rows = [[cell.strip('" ') for cell in text.split(delimiter)] for text in texts]
        padded = list(itertools.takewhile(_is_padded, rows))
        alone = len(list(itertools.takewhile(lambda row: sum(map(bool, row)) < 2, padded)))
        count = max([alone, *(i + 1 for i, row in enumerate(padded) if not any(row))])
        top = rows[count] if count < len(rows) else []
        level = all(len(row) == len(top) for row in padded[:count])
        if count and level and sum(map(bool, top)) > 1 and _hold_structures(rows[count : count + 2]):
            return start + count
    return 0


def _hold_structures(rows: Sequence[Sequence[str]]) -> bool:
    """Whether a cell is a structure, or the title of such a column.

    Where none is, the delimiter is a sign in the names of a list of SMILES.
    """
    return any(says_smiles(cell) or is_structure(cell) for row in rows for cell in row)


def _is_padded(row: Sequence[str]) -> bool:
    """Whether a row ends with an empty cell, and holds neither a structure nor its title."""
    return len(row) > 1 and not row[-1] and not _hold_structures([row])


def commented_header(before: Lines, layout: Layout, width: int) -> tuple[str, ...]:
    """Names of columns in the comment right before a table, such as "#ID,Structure,IC50"; else ().

    >>> from molmeta.data.delimited import Separated
    >>> commented_header([(1, "#;ID;Mol")], Separated(";"), 3)
    ('#', 'ID', 'Mol')
    """
    if not before or width < 2 or not before[-1][1].startswith("#"):
        return ()
    found = next(records(iter([(0, before[-1][1].removeprefix("#"))]), layout, width), None)
    if found is None or isinstance(found[1], Rejection) or not any(map(says_header, found[1])):
        return ()
    first, *others = found[1]
    return uncommented([f"#{first}", *others])


def uncommented(titles: Sequence[str]) -> tuple[str, ...]:
    """Titles of which the first may have a mark of comments; "#" alone is a title.

    >>> uncommented(["# ID", "Mol"]), uncommented(["#", "Mol"])
    (('ID', 'Mol'), ('#', 'Mol'))
    """
    first, *others = titles
    bare = first.removeprefix("#").strip() if first.startswith("#") else first
    return bare or first, *others
