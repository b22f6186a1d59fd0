"""`Scorer`: a chunk of a library with its features becomes a part of the output."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from molmeta.chem.rows import Rows
from molmeta.data.library import LibraryChunk
from molmeta.scoring.cache import Cache
from molmeta.scoring.featurize import Featurize, Job
from molmeta.scoring.formats import Format
from molmeta.scoring.models import Embedded, Models
from molmeta.scoring.parts import Part
from molmeta.scoring.ranking import Ranked
from molmeta.scoring.tally import Tally
from molmeta.scoring.workers import Faults, silent


@dataclass(frozen=True, eq=False)
class Scorer:
    """The network, the heads and the writing of a chunk. The result depends on the chunk alone.

    Attributes
    ----------
    models : Models
    layout : Format or Ranked
        Of all rows, or of the best ones.
    cache : Cache or None
        Where what the network makes of a chunk is kept.
    """

    models: Models
    layout: Format | Ranked
    cache: Cache | None = None

    @cached_property
    def featurize(self) -> Featurize:
        spelled = self.layout.draws or self.cache is not None
        return Featurize(self.models.needs, None if spelled else self.models.known)

    def knows(self, chunk: LibraryChunk) -> bool:
        return self.cache is not None and self.cache.has(chunk)

    def __call__(self, index: int, chunk: LibraryChunk, rows: Rows | None) -> Part:
        embedded = self._embedded(chunk, rows)
        scored = self.models.predict(embedded)
        scores = scored[self.models.ranking].to_numpy()
        written = scored[self.models.names]
        if isinstance(self.layout, Ranked):
            data = self.layout.encode(chunk, scores, written, embedded.smiles)
        else:
            data = self.layout.encode(chunk.cells, written, embedded.smiles)
        return Part(index, data, Tally.of(chunk, embedded.status, scores, written))

    def _embedded(self, chunk: LibraryChunk, rows: Rows | None) -> Embedded:
        kept = self.cache.load(chunk) if rows is None and self.cache is not None else None
        if kept is not None:
            return kept
        if rows is None:
            # Damaged, which shows only now; it is safe here, since what crashes or hangs is never kept.
            rows = self.featurize.rows(Job.of(chunk), Faults(), silent)
        embedded = self.models.embed(rows)
        if self.cache is not None:
            self.cache.save(chunk, embedded)
        return embedded
