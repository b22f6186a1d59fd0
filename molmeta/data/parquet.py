"""Rows of a Parquet file or of a DataFrame, as text."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from numbers import Number
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from rdkit import Chem

from molmeta.data.source import Source
from molmeta.errors import InputError
from molmeta.files import writing

BATCH = 4096
SPOOL = 1 << 26
WIDE = 1 << 26  # bytes of a batch from which on it is taken apart


def read_parquet(source: Source) -> tuple[tuple[str, ...], Iterator[tuple[int, list[str]]]]:
    """Header and rows of a Parquet file, read batch by batch.

    Raises
    ------
    InputError
        It is damaged, has no columns, or there is no room to unpack it.
    """
    # Parquet is read from its end, so a stream or a gzip goes through a file that needs no name.
    spool = tempfile.SpooledTemporaryFile(max_size=SPOOL)  # noqa: SIM115
    with writing(Path(tempfile.gettempdir()), "make room there, or set TMPDIR to another folder"):
        for chunk in source.chunks:
            spool.write(chunk)
    spool.seek(0)
    try:
        file = pq.ParquetFile(spool)
    except (pa.ArrowException, OSError) as error:
        spool.close()
        why = " ".join(str(error).split())
        raise InputError(f"{source.name} is damaged Parquet: {why}") from error
    # Whether or not a row is ever asked for, the file goes with its reader.
    weakref.finalize(file, spool.close)
    header = tuple(str(name) for name in file.schema_arrow.names)
    if not header:
        raise InputError(f"{source.name} has no columns; wanted one of SMILES")
    return header, _rows(file, source.name)


def _rows(file: pq.ParquetFile, name: str) -> Iterator[tuple[int, list[str]]]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=BATCH):
            # A batch may unpack to far more than it takes in the file, where a long cell is repeated.
            step = max(1, int(BATCH * WIDE / max(batch.nbytes, WIDE)))
            for start in range(0, batch.num_rows, step):
                columns = [_texts(column) for column in batch.slice(start, step).columns]
                for row in zip(*columns, strict=True):
                    number += 1
                    yield number, list(row)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{name} is damaged Parquet after row {number}: {error}") from error


def _texts(column: pa.Array) -> list[str]:
    """Cells of a column as text; what Python cannot hold, such as dates beyond 9999, as numbers."""
    if pa.types.is_float16(column.type) or pa.types.is_float32(column.type):
        # As many digits as tell them apart: 0.1, not 0.10000000149011612.
        return [as_text(value) for value in column.to_numpy(zero_copy_only=False)]
    try:
        return [as_text(value) for value in column.to_pylist()]
    except (OverflowError, ValueError):
        numbers = pa.int32() if pa.types.is_date32(column.type) else pa.int64()
        return [as_text(value) for value in column.cast(numbers).to_pylist()]


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
    # Arrays compare cell by cell, and have no one answer.
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, Number) and value != value):
        return ""
    return Chem.MolToSmiles(value) if isinstance(value, Chem.Mol) else str(value)
