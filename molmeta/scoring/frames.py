"""`score_frames`: a library as frames of scored rows, for programs that go on from there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from molmeta.chem.rows import Rows
from molmeta.data.library import LibraryChunk, read_library
from molmeta.data.sources import Sources
from molmeta.predictor import CHUNK, Predictor
from molmeta.scoring.engines import Local
from molmeta.scoring.featurize import Featurize
from molmeta.scoring.models import Models


def score_frames(
    predictor: Predictor | Sequence[Predictor],
    source: Sources,
    *,
    workers: int = 0,
    columns: Collection[str] | None = None,
    smiles_column: str | None = None,
    chunk: int = CHUNK,
    trusted: bool = False,
) -> Iterator[pd.DataFrame]:
    """Scores a library, and yields it chunk by chunk.

    Parameters
    ----------
    predictor, source, columns, smiles_column, chunk, trusted
        As in `score_library`.
    workers : int
        Processes that read structures (`molmeta.scoring.engines.Local`).

    Yields
    ------
    DataFrame
        The library's columns as text, then molmeta's, one row per row of the library; the index counts the
        rows of the library from 0. `pandas.concat` makes one frame of them.
    """
    models = Models([predictor] if isinstance(predictor, Predictor) else list(predictor), columns)
    library = read_library(source, smiles_column=smiles_column, chunk=chunk, trusted=trusted)
    for frame in Local(workers).run(library, lambda index: True, _Framed(models)):
        if isinstance(frame, pd.DataFrame):
            yield frame


@dataclass(frozen=True, eq=False)
class _Framed:
    """A chunk to a frame."""

    models: Models

    @cached_property
    def featurize(self) -> Featurize:
        return Featurize(self.models.needs, self.models.known)

    def knows(self, chunk: LibraryChunk) -> bool:
        return False

    def __call__(self, index: int, chunk: LibraryChunk, rows: Rows | None) -> pd.DataFrame:
        assert rows is not None
        own = pd.DataFrame(chunk.cells, columns=list(chunk.header), dtype="str")
        frame = pd.concat([own, self.models.predict(self.models.embed(rows))[self.models.names]], axis=1)
        return frame.set_axis(pd.RangeIndex(chunk.first_row - 1, chunk.first_row - 1 + len(chunk)), axis=0)
