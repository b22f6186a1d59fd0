"""Any table as rows of text, whatever kind of file it comes from; the one door that all readers share."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from molmeta.chem.molecule import Rejection
from molmeta.data.delimited import Row, Separated, Smi, as_rows, records
from molmeta.data.foreign import PARQUET, refuse_control
from molmeta.data.headers import says_header
from molmeta.data.jsonl import is_jsonl, read_jsonl
from molmeta.data.parquet import frame_rows, read_parquet
from molmeta.data.prelude import commented_header, is_comment, prelude, uncommented
from molmeta.data.sdf import STRUCTURE, TITLE, read_sdf
from molmeta.data.sniff import (
    PADDING,
    SAMPLE,
    SMI_SUFFIXES,
    check_width,
    choose_layout,
    describe,
    has_header,
    is_structure,
    with_row_names,
)
from molmeta.data.source import Count, Source, ahead, open_source, text_lines
from molmeta.errors import InputError
from molmeta.wording import counted

SDF_SUFFIXES = (".sdf", ".sd")
_SEPARATOR = re.compile(r'"?sep=', re.IGNORECASE)
Tables = str | Path | BinaryIO | pd.DataFrame


@dataclass(frozen=True)
class RawTable:
    """A table as text, read row by row.

    Attributes
    ----------
    name, stem : str
        The file's name, and without extensions.
    header : tuple of str
        Column names as the file has them; column_1, ... where it has none.
    rows : iterator of Row
        All data rows; raises InputError where the file breaks off, after the rows before that.
    sample : tuple of tuple of str
        Cells of the first good rows (at most 200), by which columns are recognised.
    structure : int or None
        Column of the structures, where the format says so (.smi, .sdf).
    notes : list of str
        What was decided; may grow while the rows are read.
    close : callable
        Closes the file where there is one; for whoever stops before the last row.
    """

    name: str
    stem: str
    header: tuple[str, ...]
    rows: Iterator[Row]
    sample: tuple[tuple[str, ...], ...]
    structure: int | None
    notes: list[str]
    close: Callable[[], None] = lambda: None


def open_table(source: Tables, *, trusted: bool = False, count: Count = lambda size: None) -> RawTable:
    """Recognise a table by its first bytes and read its header.

    Parameters
    ----------
    source : path, binary stream, "-" for stdin, or DataFrame
    trusted : bool
        Leave out the limit on how far gzip may unpack.
    count : callable
        Is told the size of each block of bytes that is read from a file.

    Raises
    ------
    InputError
        No such file, empty, of a kind that is not read, or rows that do not fit the header.
    ResourceError
        A gzip bomb.
    """
    if isinstance(source, pd.DataFrame):
        header = tuple(str(name) for name in source.columns)
        rows = as_rows(frame_rows(source), len(header))
        return _sampled(RawTable("DataFrame", "DataFrame", header, rows, (), None, []))
    opened = open_source(source, trusted=trusted, count=count)
    with _closed_by_errors(opened):
        table = _recognised(opened)
    return replace(table, rows=_until_an_error(table.rows, opened), close=opened.close)


def _recognised(opened: Source) -> RawTable:
    if PARQUET.match(opened.head):
        header, cells = read_parquet(opened)
        return _table(opened, "Parquet", header, as_rows(cells, len(header)), None)
    if _is_sdf(opened):
        header, blocks = read_sdf(opened)
        return _table(opened, "an SD file", header, as_rows(blocks, len(header)), 0)
    if is_jsonl(opened):
        header, objects = read_jsonl(opened)
        return _table(opened, "JSON lines", header, as_rows(objects, len(header)), None)
    return _delimited(opened)


@contextmanager
def _closed_by_errors(opened: Source) -> Iterator[None]:
    """Closes the file where reading it fails: the error may be kept, and the reader with it."""
    try:
        yield
    except BaseException:
        opened.close()
        raise


def _until_an_error(rows: Iterator[Row], opened: Source) -> Iterator[Row]:
    with _closed_by_errors(opened):
        yield from rows


def _is_sdf(source: Source) -> bool:
    lines = source.head.splitlines()[:4]
    marked = b"M  END" in source.head or b"$$$$" in source.head
    counts = len(lines) == 4 and lines[3].rstrip().endswith((b"V2000", b"V3000"))
    return counts or (marked and source.suffix in (".sdf", ".sd", ".mol"))


def _delimited(source: Source) -> RawTable:
    lines: Iterator[tuple[int, str]] = enumerate(text_lines(source), 1)
    first, lines = ahead(lines, lambda seen: len(seen) >= 2 * SAMPLE)
    skipped, stated = prelude(first)
    if passed := [
        text
        for _, text in first[:skipped]
        if text.strip() and not (is_comment(text) or _SEPARATOR.match(text))
    ]:
        source.notes.append(f"passed over before the table: '{passed[0].strip(PADDING)[:60]}'")
    before, first, lines = first[:skipped], first[skipped:], itertools.islice(lines, skipped, None)
    if not first:
        next(lines, None)  # raises where there is nothing because nothing could be read
        return _empty(source)
    usable = stated is not None and stated in first[0][1] and not stated.isalnum() and stated != '"'
    layout = Separated(str(stated)) if usable else choose_layout(first, source.suffix)
    top, *rest = [cells for _, cells in records(iter(first), layout, None)][:SAMPLE]
    if isinstance(top, Rejection):
        raise InputError(f"{source.name}: the first row cannot be read: {top.detail}")
    sample = [cells for cells in rest if isinstance(cells, list)]
    if (full := with_row_names(top, sample)) != top:
        source.notes.append("the first cell of each row has no title, and is taken as the name of the row")
        top = full
    check_width(source.name, top, sample)
    # A list of structures mostly has no header: one that is not plain is a structure that cannot be read.
    listed = isinstance(layout, Smi)
    named = has_header(top, sample) and not (
        listed and (is_structure(top[0]) or not any(map(says_header, top)))
    )
    if named:
        refuse_control(source.name, top)
    above = () if named else commented_header(before, layout, len(top))
    header = uncommented(top) if named else above or _invented(layout, len(top))
    body = itertools.islice(records(lines, layout, len(top)), int(named), None)
    extra = _pubchem_rows(header, sample) if named else 0
    if extra:
        source.notes.append(f"{counted(extra, 'row')} of PubChem's column descriptions passed over")
    rows = as_rows(itertools.islice(body, extra, None), len(header))
    structure = 0 if isinstance(layout, Smi) else None
    return _table(source, describe(layout, named or bool(above)), header, rows, structure)


def _invented(layout: object, width: int) -> tuple[str, ...]:
    if isinstance(layout, Smi):
        return ("smiles", "name")
    return tuple(f"column_{i}" for i in range(1, width + 1))


def _pubchem_rows(header: tuple[str, ...], sample: list[list[str]]) -> int:
    """Rows RESULT_TYPE, RESULT_DESCR, ... that PubChem puts between its header and its data."""
    if not header[0].startswith("PUBCHEM_"):
        return 0
    return sum(1 for _ in itertools.takewhile(lambda cells: cells[0].startswith("RESULT_"), sample))


def _empty(source: Source) -> RawTable:
    if source.suffix in SDF_SUFFIXES:
        return _table(source, "an SD file without records", (STRUCTURE, TITLE), iter(()), 0)
    if source.name == "<stdin>" or source.suffix in SMI_SUFFIXES:
        return _table(source, "an empty list of SMILES", ("smiles", "name"), iter(()), 0)
    raise InputError(f"{source.name} is empty (0 rows); wanted a table with a header and a column of SMILES")


def _table(
    source: Source, what: str, header: tuple[str, ...], rows: Iterator[Row], structure: int | None
) -> RawTable:
    source.notes.insert(0, f"{source.name} read as {what}")
    return _sampled(RawTable(source.name, source.stem, header, rows, (), structure, source.notes))


def _sampled(table: RawTable) -> RawTable:
    first, rows = ahead(table.rows, lambda seen: len(seen) >= SAMPLE)
    sample = tuple(row.cells for row in first if row.problem is None)
    return RawTable(table.name, table.stem, table.header, rows, sample, table.structure, table.notes)
