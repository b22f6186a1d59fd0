"""The tables of a corpus on disk: their names, their columns, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

FORMAT = 1
MANIFEST, CONFIG = "manifest.json", "corpus.toml"
ASSAYS, COMPOUNDS, MEASUREMENTS, FEATURES = (
    "assays.parquet",
    "compounds.parquet",
    "measurements.parquet",
    "features",
)
_GROUP = 1 << 17  # rows of a row group

MEASUREMENT = pa.schema(
    [
        ("assay", pa.int32()),  # row of assays.parquet
        ("compound", pa.int32()),  # row of compounds.parquet
        ("label", pa.int8()),
        ("value", pa.float64()),  # on the scale of the assay; nan where it has classes alone
        ("relation", pa.int8()),  # -1 the true value is below, 0 exact, +1 above
        ("rows", pa.int32()),  # rows of the source
    ]
)
COMPOUND = pa.schema(
    [("smiles", pa.string()), ("cluster", pa.int32()), ("fold", pa.dictionary(pa.int8(), pa.string()))]
)
ASSAY = pa.schema(
    [
        ("assay", pa.string()),
        ("kind", pa.string()),
        ("role", pa.string()),  # the fold
        ("target_id", pa.string()),  # of the group of assays that share a target
        ("target", pa.string()),
        ("target_name", pa.string()),
        ("target_type", pa.string()),
        ("family", pa.string()),
        ("kinase", pa.bool_()),
        ("panel", pa.bool_()),
        ("organism", pa.string()),
        ("endpoint", pa.string()),
        ("assay_type", pa.string()),
        ("confidence", pa.int8()),
        ("source_assay", pa.string()),
        ("source", pa.string()),
        ("rows", pa.int32()),  # of the source, with those that were left out
        ("compounds", pa.int32()),
        ("active", pa.int32()),
        ("threshold", pa.float64()),
    ]
)


class TableWriter:
    """A Parquet file that grows by columns of rows, in row groups of one size.

    Parameters
    ----------
    path : Path
    schema : pyarrow.Schema
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._schema, self._waiting = schema, 0
        self._parts: list[pa.Table] = []

    def append(self, columns: Mapping[str, Any]) -> None:
        """Rows by column; a column that is not given is empty."""
        n = len(next(iter(columns.values())))
        arrays = [
            pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(n, field.type)
            for field in self._schema
        ]
        self._parts.append(pa.table(arrays, schema=self._schema))
        self._waiting += n
        if self._waiting >= _GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._parts:
            self._writer.write_table(pa.concat_tables(self._parts))
            self._parts, self._waiting = [], 0

    def close(self) -> None:
        self._flush()
        self._writer.close()
