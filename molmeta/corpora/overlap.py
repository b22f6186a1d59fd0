"""What two folds, or two corpora, have in common: compounds, near-duplicates, clusters, targets, assays.

A model that is measured on compounds or targets that it was trained on looks better than it is. What is
shared is not always wrong (kinases are measured with one panel of compounds), but it must be known.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from molmeta.chem.similarity import tanimoto
from molmeta.corpora.config import CorpusConfig, Overlap
from molmeta.corpora.folds import TRAIN
from molmeta.corpora.packing import StoredBatch
from molmeta.corpora.reading import StoredCorpus, open_corpus

_TILE = 4096  # compounds that others are compared with at a time
_PAIRS = 30_000_000  # comparisons at most


@dataclass(frozen=True)
class Shared:
    """What of one side is in another one.

    Attributes
    ----------
    of, within : str
        The two sides: "test" is measured on, "train" was learned.
    compounds, shared_compounds : int
        Of the first side, and of these how many are in the second.
    measurements, shared_measurements : int
        Of the first side, and of these how many are of shared compounds.
    targets, shared_targets : int
        Groups of targets.
    clusters, shared_clusters : int or None
        Scaffolds; None where the sides are of two corpora.
    assays, shared_assays : int
        By the name that their source gives them.
    sampled, near : int
        Compounds of the first side that are not shared, of which near-duplicates were sought, and how many
        have one in the second.
    """

    of: str
    within: str
    compounds: int
    shared_compounds: int
    measurements: int
    shared_measurements: int
    targets: int
    shared_targets: int
    clusters: int | None
    shared_clusters: int | None
    assays: int
    shared_assays: int
    sampled: int
    near: int


@dataclass(frozen=True, eq=False)
class Side:
    """Some measurements of a corpus, to be compared with others."""

    name: str
    corpus: StoredCorpus
    chosen: NDArray[np.bool_]

    @property
    def compounds(self) -> NDArray[np.int64]:
        """Rows of the compounds, without repeats."""
        return np.unique(self.corpus.compound[self.chosen])

    @property
    def _assays(self) -> Any:
        return self.corpus.assays.iloc[np.unique(self.corpus.assay[self.chosen])]

    @property
    def targets(self) -> set[str]:
        return set(self._assays["target_id"].dropna())

    @property
    def assays(self) -> set[str]:
        return set(self._assays["source_assay"].dropna())

    @property
    def clusters(self) -> NDArray[np.int64]:
        cluster: NDArray[np.int64] = self.corpus.compounds["cluster"].to_numpy()[self.compounds]
        return np.unique(cluster)


def side(corpus: StoredCorpus, role: str | None = None) -> Side:
    """A fold of a corpus, or all of it."""
    name = corpus.folder.name if role is None else role
    return Side(name, corpus, corpus.choose(() if role is None else (role,)))


def folds(corpus: StoredCorpus) -> list[str]:
    """The folds of the assays of a corpus, "train" last."""
    found = sorted(set(corpus.assays["role"]))
    return [*(name for name in found if name != TRAIN), *(name for name in found if name == TRAIN)]


def fold_overlap(corpus: StoredCorpus, options: Overlap) -> list[Shared]:
    """What each fold of a corpus has in common with each that stands after it in `folds`."""
    sides = [side(corpus, name) for name in folds(corpus)]
    return [compare(a, b, options) for a, b in itertools.combinations(sides, 2)]


def compare(first: Side, second: Side, options: Overlap) -> Shared:
    """What of the first side is in the second."""
    ours, theirs = first.compounds, second.compounds
    hashes = first.corpus.identity
    known = np.isin(hashes[ours], second.corpus.identity[theirs])
    rows = np.isin(first.corpus.compound[first.chosen], ours[known])
    same = first.corpus is second.corpus
    new = ours[~known]
    sampled, near = _near(first, second, new, theirs, options)
    return Shared(
        of=first.name,
        within=second.name,
        compounds=len(ours),
        shared_compounds=int(known.sum()),
        measurements=len(rows),
        shared_measurements=int(rows.sum()),
        targets=len(first.targets),
        shared_targets=len(first.targets & second.targets),
        clusters=len(first.clusters) if same else None,
        shared_clusters=len(np.intersect1d(first.clusters, second.clusters)) if same else None,
        assays=len(first.assays),
        shared_assays=len(first.assays & second.assays),
        sampled=sampled,
        near=near,
    )


def _near(
    first: Side, second: Side, new: NDArray[np.int64], theirs: NDArray[np.int64], options: Overlap
) -> tuple[int, int]:
    """How many of the compounds `new` were looked at, and how many have a near-duplicate among `theirs`."""
    features = (first.corpus.features, second.corpus.features)
    n = min(options.sample, len(new), _PAIRS // max(len(theirs), 1))
    if n == 0 or any("counts.ptr" not in one for one in features):
        return 0, 0
    chosen = np.sort(np.random.default_rng(0).choice(new, n, replace=False))
    counts = [{k: v for k, v in one.items() if k.startswith("counts.")} for one in features]
    query = StoredBatch(counts[0], torch.from_numpy(chosen)).need("counts")
    best = torch.zeros(n)
    for tile in torch.split(torch.from_numpy(theirs), _TILE):
        best = torch.maximum(best, tanimoto(query, StoredBatch(counts[1], tile).need("counts")).amax(1))
    return n, int((best >= options.similar).sum())


def to_json(shared: Sequence[Shared]) -> list[dict[str, Any]]:
    """For the manifest, and for `--json`."""
    return [asdict(one) for one in shared]


def between(
    first: Path, second: Path | None = None, of: Sequence[str] = (), within: Sequence[str] = ()
) -> list[Shared]:
    """What folds of a corpus have in common with each other, or with another corpus.

    Parameters
    ----------
    first : Path
    second : Path or None
        None: the first.
    of, within : sequence of str
        Folds of the first, and of the second. Of two corpora, none is all of it; of one, none are all pairs
        of folds.

    Raises
    ------
    InputError
        One is no corpus, or has no such fold.
    """
    ours = open_corpus(first)
    options = CorpusConfig.model_validate(ours.manifest.config).overlap
    if second is not None:
        theirs = open_corpus(second)
        usual: Sequence[str | None] = [None]
    elif of or within:
        theirs, usual = ours, folds(ours)
    else:
        return fold_overlap(ours, options)
    pairs = itertools.product(of or usual, within or usual)
    return [
        compare(side(ours, a), side(theirs, b), options) for a, b in pairs if second is not None or a != b
    ]
