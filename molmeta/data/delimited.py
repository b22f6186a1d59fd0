"""Lines of text to rows of cells: a ragged or broken row is a value with its line number, never a shift."""

from __future__ import annotations

import csv
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from molmeta.chem.molecule import Rejection
from molmeta.data.source import LINE_LIMIT
from molmeta.wording import counted

CELL_LIMIT = 1 << 15
# A quote that is still open after this many lines was never meant to be closed.
QUOTED_LINES = 500
_BLANK = re.compile(r"[ \t]")
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')


class Row(NamedTuple):
    """One data row.

    Attributes
    ----------
    number : int
        Counted from 1 over data rows.
    line : int
        Line (or record of an SDF, row of a Parquet file) where it starts, counted from 1.
    cells : tuple of str
        As the file has them, one for each column. A row with a problem has its raw text in the first cell
        and blanks in the others: nothing is moved into a column that it may not belong to.
    problem : Rejection or None
    """

    number: int
    line: int
    cells: tuple[str, ...]
    problem: Rejection | None = None


class Unreadable(NamedTuple):
    """A record whose cells are known but for its structure, such as one of an SD file."""

    cells: list[str]
    problem: Rejection


class Malformed(Exception):
    """A record that breaks the rules of quoting."""


class Unfinished(Malformed):
    """A record whose quote is not closed yet."""


class Layout(ABC):
    """How a record is cut into cells."""

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """Cells of one record without its line end; raises Malformed or Unfinished."""

    def literal(self, text: str) -> list[str]:
        """Cells of a record that breaks the rules of quoting, where these are clear; else none."""
        return []


@dataclass(frozen=True)
class Separated(Layout):
    """Cells between delimiters, in double quotes where need be.

    >>> Separated(";").split('CCO;"a;b";1,5')
    ['CCO', 'a;b', '1,5']
    """

    delimiter: str

    def split(self, text: str) -> list[str]:
        if '"' not in text:
            return text.split(self.delimiter)
        try:
            return next(csv.reader([text], delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise Unfinished from error
            raise Malformed(str(error)) from error

    def literal(self, text: str) -> list[str]:
        """Quotes that were never meant to quote, as in names: no delimiter may stand between two of them.

        >>> Separated(",").literal('"A" isomer,CCO,"b"'), Separated(",").literal('"A, x" isomer,CCO')
        (['"A" isomer', 'CCO', 'b'], [])
        """
        cells = text.split(self.delimiter)
        if any(cell.count('"') % 2 for cell in cells):
            return []
        return [match[1].replace('""', '"') if (match := _QUOTED.fullmatch(cell)) else cell for cell in cells]


class OneColumn(Separated):
    """A file of a single column: cut at a character that no text holds."""

    def __init__(self) -> None:
        super().__init__("\x1f")


@dataclass(frozen=True)
class Smi(Layout):
    """SMILES, then blanks, then the name, which is all the rest; a CXSMILES extension stays with the SMILES.

    >>> Smi().split("CCO |o1:1,r|  ethyl alcohol")
    ['CCO |o1:1,r|', 'ethyl alcohol']
    """

    def split(self, text: str) -> list[str]:
        # A tab at the start ends a structure that is blank.
        text = text.rstrip(" \t\r\n").lstrip(" ")
        smiles, rest = _BLANK.split(text, maxsplit=1) if "\t" in text else text.partition(" ")[::2]
        rest = rest.lstrip(" \t")
        if rest.startswith("|") and (end := rest.find("|", 1)) > 0:
            smiles, rest = f"{smiles} {rest[: end + 1]}", rest[end + 1 :].lstrip(" \t")
        return [smiles, rest]


@dataclass(frozen=True)
class Blanks(Layout):
    """Cells between any number of blanks."""

    def split(self, text: str) -> list[str]:
        return text.split()


def records(
    lines: Iterator[tuple[int, str]], layout: Layout, width: int | None
) -> Iterator[tuple[int, list[str] | Rejection]]:
    """Cut numbered lines into records; `width` None accepts any number of cells.

    Blank lines are no records. A quoted cell may hold line ends. Where a quote is never closed, or closed so
    late that the cells no longer fit, only the line that opened it is bad: those after it are read anew.
    """
    waiting: deque[tuple[int, str]] = deque()

    def take() -> tuple[int, str] | None:
        return waiting.popleft() if waiting else next(lines, None)

    while (item := waiting.popleft() if waiting else next(lines, None)) is not None:
        line, text = item
        if not text.strip(" \r\n"):
            continue
        used = [item]
        found = _cut(line, text, layout, width)
        while found is None:
            following = take()
            if following is not None:
                used.append(following)
                text += following[1]
            if following is None or len(text) > CELL_LIMIT or len(used) > QUOTED_LINES:
                found = _ragged(line, used[0][1], "a quote is opened and not closed")
            elif '"' in following[1]:
                found = _cut(line, text, layout, width)
        if len(used) > 1 and isinstance(found, Rejection):
            waiting.extendleft(reversed(used[1:]))
            found = _ragged(line, used[0][1], "a quote is opened and not closed where the row ends")
        yield line, found


def _cut(line: int, text: str, layout: Layout, width: int | None) -> list[str] | Rejection | None:
    """Cells of a record, or why there are none, or None while a quote is open."""
    text = text.rstrip("\r\n")
    if len(text) > LINE_LIMIT:
        return _too_large(line, text)
    if "\0" in text:
        return _ragged(line, text, "it holds a NUL byte")
    try:
        cells = layout.split(text)
    except Unfinished:
        return None
    except Malformed as error:
        cells = layout.literal(text)
        if width is None or len(cells) != width:
            return _ragged(line, text, str(error))
    if width is not None and len(cells) != width:
        return _ragged(line, text, f"it has {counted(len(cells), 'cell')} where the header has {width}")
    if len(text) > CELL_LIMIT and any(len(cell) > CELL_LIMIT for cell in cells):
        return _too_large(line, text)
    return cells


def _ragged(line: int, text: str, why: str) -> Rejection:
    return Rejection(0, text.rstrip("\r\n")[:200], "ragged_row", f"line {line} is not a row: {why}")


def _too_large(line: int, text: str) -> Rejection:
    return Rejection(
        0, text[:200], "too_large", f"line {line} holds a cell of more than {CELL_LIMIT} characters"
    )


def as_rows(found: Iterator[tuple[int, list[str] | Rejection | Unreadable]], width: int) -> Iterator[Row]:
    """Number the records, from 1."""
    for number, (line, cells) in enumerate(found, 1):
        if isinstance(cells, list):
            yield Row._make((number, line, tuple(cells), None))  # in half of the time of Row(...)
        elif isinstance(cells, Unreadable):
            yield Row(number, line, tuple(cells.cells), replace(cells.problem, row=number))
        else:
            problem = Rejection(number, cells.text, cells.reason, cells.detail)
            yield Row(number, line, (cells.text, *[""] * (width - 1)), problem)
