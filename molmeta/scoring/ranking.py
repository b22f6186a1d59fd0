"""`Ranked`: the best rows of a library instead of all of them, best first."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from molmeta.data.library import LibraryChunk
from molmeta.scoring.formats import Format
from molmeta.scoring.tally import best_first

_ROWS = 4096  # of the output that are encoded at a time


class Ranked:
    """A part holds the candidates of its chunk; joined, the best of all are written in the format.

    Parameters
    ----------
    layout : Format
        How they are written.
    empty : DataFrame
        No rows; molmeta's columns with their types.
    most : int
        How many.
    """

    def __init__(self, layout: Format, empty: pd.DataFrame, most: int) -> None:
        self.layout, self.most = layout, most
        self.draws = layout.draws
        self.kinds = empty.dtypes.to_dict()

    def encode(
        self,
        chunk: LibraryChunk,
        scores: NDArray[np.float64],
        scored: pd.DataFrame,
        smiles: Sequence[str | None],
    ) -> bytes:
        """Candidates of a chunk of n rows with scores float64[n]; nan is no score."""
        order = best_first(scores, self.most)
        columns = {
            "score": pa.array(scores[order]),
            "row": pa.array(chunk.first_row + order),
            "smiles": pa.array([smiles[at] for at in order], pa.string()),
            "cells": pa.array([_bytes(chunk.cells[at]) for at in order], pa.list_(pa.binary())),
        }
        for i, name in enumerate(scored):
            columns[f"column {i}"] = pa.Array.from_pandas(scored[name].iloc[order])
        return _to_ipc(pa.table(columns))

    def join(self, parts: Iterable[bytes], stream: BinaryIO) -> None:
        """Writes the best rows of all parts; memory grows with their number, not with that of the parts."""
        best = None
        for part in parts:
            table = _from_ipc(part)
            best = table if best is None else pa.concat_tables([best, table])
            if len(best) > 2 * self.most + _ROWS:
                best = self._cut(best)
        self.layout.join(() if best is None else self._encoded(self._cut(best)), stream)

    def _cut(self, table: pa.Table) -> pa.Table:
        # The row is the second key, so that the result does not depend on the order of the parts.
        order = np.lexsort((table["row"].to_numpy(), -table["score"].to_numpy()))[: self.most]
        return table.take(pa.array(order)).combine_chunks()

    def _encoded(self, best: pa.Table) -> Iterator[bytes]:
        for start in range(0, len(best), _ROWS):
            piece = best.slice(start, _ROWS)
            cells = [[_text(cell) for cell in row] for row in piece["cells"].to_pylist()]
            scored = pd.DataFrame(
                {
                    name: piece[f"column {i}"].to_pandas().astype(kind)
                    for i, (name, kind) in enumerate(self.kinds.items())
                }
            )
            yield self.layout.encode(cells, scored, piece["smiles"].to_pylist())


def _to_ipc(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()


def _from_ipc(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()


def _bytes(cells: Sequence[str]) -> list[bytes]:
    # Bytes of a cell that are no UTF-8 are there as surrogates.
    return [cell.encode("utf-8", "surrogatepass") for cell in cells]


def _text(cell: bytes) -> str:
    return cell.decode("utf-8", "surrogatepass")
