"""Rows of a Parquet file or of a DataFrame, as text."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from molmeta.data.source import Source
from molmeta.errors import InputError

BATCH = 4096
SPOOL = 1 << 26


def read_parquet(source: Source) -> tuple[tuple[str, ...], Iterator[tuple[int, list[str]]]]:
    """Header and rows of a Parquet file, read batch by batch; raises InputError where it is damaged."""
    # Parquet is read from its end, so a stream or a gzip goes through a file that needs no name.
    spool = tempfile.SpooledTemporaryFile(max_size=SPOOL)  # noqa: SIM115
    for chunk in source.chunks:
        spool.write(chunk)
    spool.seek(0)
    try:
        file = pq.ParquetFile(spool)
    except (pa.ArrowException, OSError) as error:
        spool.close()
        raise InputError(f"{source.name} is damaged Parquet: {error}") from error
    # Whether or not a row is ever asked for, the file goes with its reader.
    weakref.finalize(file, spool.close)
    return tuple(str(name) for name in file.schema_arrow.names), _rows(file, source.name)


def _rows(file: pq.ParquetFile, name: str) -> Iterator[tuple[int, list[str]]]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=BATCH):
            columns = [column.to_pylist() for column in batch.columns]
            for row in zip(*columns, strict=True):
                number += 1
                yield number, [as_text(value) for value in row]
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{name} is damaged Parquet after row {number}: {error}") from error


def frame_rows(frame: pd.DataFrame) -> Iterator[tuple[int, list[str]]]:
    """Rows of a DataFrame as text; missing values become blanks."""
    columns: Sequence[Iterable[object]] = [frame.iloc[:, i].tolist() for i in range(frame.shape[1])]
    for number, row in enumerate(zip(*columns, strict=True), 1):
        yield number, [as_text(value) for value in row]


def as_text(value: object) -> str:
    """A cell as text: "" for missing values, else what Python writes.

    >>> as_text(0.1), as_text(None), as_text(float("nan")), as_text("00123")
    ('0.1', '', '', '00123')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return ""
    return str(value)
