"""Where scored rows go: CSV, TSV, Parquet or JSON lines, one class each, by the extension of the file."""

from __future__ import annotations

import csv
import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

DIGITS = 6  # significant digits of a number


class Sink(ABC):
    """Writes chunks of rows: the input's columns as text, then molmeta's.

    Parameters
    ----------
    stream : binary stream
        Open for writing; the caller closes it.
    header : sequence of str
        Columns of the input.
    """

    def __init__(self, stream: BinaryIO, header: Sequence[str]) -> None:
        self.stream, self.header = stream, tuple(header)

    @abstractmethod
    def write(self, cells: Sequence[Sequence[str]], scored: pd.DataFrame) -> None:
        """Writes n >= 0 rows: n tuples of input cells, and the n rows of molmeta's columns."""

    def close(self) -> None:
        """Ends the file; the stream stays open."""
        self.stream.flush()


class Csv(Sink):
    """Comma-separated, UTF-8, one header, quotes where need be, LF."""

    delimiter: ClassVar[str] = ","

    def __init__(self, stream: BinaryIO, header: Sequence[str]) -> None:
        super().__init__(stream, header)
        self._started = False

    def write(self, cells: Sequence[Sequence[str]], scored: pd.DataFrame) -> None:
        columns = [as_text(scored[name]) for name in scored]
        lines = _Lines()
        writer = csv.writer(lines, delimiter=self.delimiter, lineterminator="\n")
        if not self._started:
            writer.writerow([*self.header, *scored.columns])
            self._started = True
        writer.writerows([*own, *found] for own, found in zip(cells, zip(*columns, strict=True), strict=True))
        self.stream.write("".join(lines).encode("utf-8", "surrogateescape"))


class Tsv(Csv):
    """The same with tabs."""

    delimiter = "\t"


class JsonLines(Sink):
    """One JSON object a row; null where there is no value."""

    def write(self, cells: Sequence[Sequence[str]], scored: pd.DataFrame) -> None:
        columns = [_plain(scored[name]) for name in scored]
        names = [*self.header, *scored.columns]
        for own, found in zip(cells, zip(*columns, strict=True), strict=True):
            row = dict(zip(names, [*own, *found], strict=True))
            self.stream.write((json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "replace"))


class Parquet(Sink):
    """Typed columns: input cells are text, molmeta's are numbers, booleans and text."""

    def __init__(self, stream: BinaryIO, header: Sequence[str]) -> None:
        super().__init__(stream, header)
        self._writer: pq.ParquetWriter | None = None

    def write(self, cells: Sequence[Sequence[str]], scored: pd.DataFrame) -> None:
        own = list(zip(*cells, strict=True)) if cells else [() for _ in self.header]
        texts = {name: pa.array(column, pa.string()) for name, column in zip(self.header, own, strict=True)}
        found = {name: pa.array(_plain(scored[name]), _arrow_type(scored[name])) for name in scored}
        table = pa.table(texts | found)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.stream, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        super().close()


# By the extension of the file.
SINKS: dict[str, type[Sink]] = {".csv": Csv, ".tsv": Tsv, ".jsonl": JsonLines, ".parquet": Parquet}


class _Lines(list[str]):
    """What the csv module writes to."""

    write = list.append


def as_text(column: pd.Series) -> list[str]:
    """Cells as text: numbers with 6 significant digits, "" where there is no value.

    >>> as_text(pd.Series([0.123456789, float("nan")])), as_text(pd.Series([True, None], dtype="boolean"))
    (['0.123457', ''], ['True', ''])
    """
    if column.dtype == np.float64:
        return ["" if value != value else f"{value:.{DIGITS}g}" for value in column.tolist()]
    return ["" if none else str(value) for value, none in zip(column.tolist(), column.isna(), strict=True)]


def _plain(column: pd.Series) -> list[object]:
    """Cells as Python values, numbers rounded to 6 significant digits, None where there is no value."""
    if column.dtype == np.float64:
        return [None if value != value else float(f"{value:.{DIGITS}g}") for value in column.tolist()]
    return [None if none else value for value, none in zip(column.tolist(), column.isna(), strict=True)]


def _arrow_type(column: pd.Series) -> pa.DataType:
    kinds = {"float64": pa.float64(), "Int64": pa.int64(), "boolean": pa.bool_()}
    return kinds.get(str(column.dtype), pa.string())


@contextmanager
def replacing(sink: str | Path) -> Iterator[BinaryIO]:
    """A stream to a temporary file that takes its place when all is written; stdout for "-"."""
    if str(sink) == "-":
        yield sys.stdout.buffer
        return
    path = Path(sink)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
