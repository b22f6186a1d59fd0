"""Scored rows as Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from molmeta.scoring.cells import strings, typed
from molmeta.scoring.format import Cells, Format

GROUP = 1 << 16  # rows of a row group
# Dictionaries make parts of numbers and structures that hardly repeat larger; zstd finds what repeats.
_LAYOUT: dict[str, Any] = {"compression": "zstd", "use_dictionary": False}


class Parquet(Format):
    """Typed columns: cells of the input are text, molmeta's are numbers, booleans and text.

    A part is a Parquet file; the parts are joined into row groups of 65,536 rows, wherever they were cut.
    Repeated names get numbers, and lone surrogates become "?".
    """

    def __init__(self, header: Sequence[str], empty: pd.DataFrame) -> None:
        super().__init__(header, empty)
        kinds = [pa.string() for _ in self.header] + list(self.added.values())
        self.schema = pa.schema(list(zip(self.names, kinds, strict=True)))

    def encode(self, cells: Cells, scored: pd.DataFrame, smiles: Sequence[str | None]) -> bytes:
        own = map(strings, self.columns(cells))
        found = (typed(scored[name], kind) for name, kind in self.added.items())
        table = pa.Table.from_arrays([*own, *found], schema=self.schema).combine_chunks()
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, **_LAYOUT)
        return bytes(sink.getvalue())

    def join(self, parts: Iterable[bytes], stream: BinaryIO) -> None:
        with pq.ParquetWriter(stream, self.schema, **_LAYOUT) as writer:
            for group in self._groups(parts):
                writer.write_table(group, row_group_size=GROUP)

    def _groups(self, parts: Iterable[bytes]) -> Iterator[pa.Table]:
        """Tables of GROUP rows, the last of fewer."""
        waiting = self.schema.empty_table()
        for part in parts:
            with pq.ParquetFile(pa.BufferReader(part)) as file:
                waiting = pa.concat_tables([waiting, file.read(use_threads=False)])
            while len(waiting) >= GROUP:
                # In one piece, because pages end where pieces end.
                yield waiting.slice(0, GROUP).combine_chunks()
                waiting = waiting.slice(GROUP)
        if len(waiting):
            yield waiting.combine_chunks()
