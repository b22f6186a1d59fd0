"""Which assays come into a corpus, and with which measurements: one assay at a time."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from molmeta.corpora.cleaning import KINDS, kind_of
from molmeta.corpora.config import CorpusConfig
from molmeta.corpora.losses import Losses
from molmeta.corpora.merging import Compounds, classify, merge
from molmeta.corpora.staging import StagedAssay, Staging
from molmeta.errors import InputError


@dataclass(frozen=True, eq=False)
class Chosen:
    """An assay that is in the corpus.

    Attributes
    ----------
    assay : StagedAssay
    kind : str
        Of its values: one of `molmeta.corpora.cleaning.KINDS`.
    compounds : Compounds
        Numbered by parent.
    active : bool[n]
    threshold : float
        nan where the source has classes that no threshold explains.
    n, n_active : int
        Compounds, and the active ones of these.
    """

    assay: StagedAssay
    kind: str
    compounds: Compounds
    active: NDArray[np.bool_]
    threshold: float
    n: int
    n_active: int

    def summary(self) -> Chosen:
        """The same without its measurements."""
        nothing = np.zeros(0, dtype=np.bool_)
        return replace(
            self, compounds=self.compounds.select(np.zeros(self.n, dtype=np.bool_)), active=nothing
        )


def scales(staging: Staging, assays: Sequence[StagedAssay], losses: Losses) -> dict[int, int]:
    """The scale of each assay, by its number: that of most of its rows. Rows on another are a fault."""
    names = {assay.id: assay.name for assay in assays}
    found: dict[int, Counter[int]] = {}
    for number, scale, rows in staging.kinds():
        found.setdefault(number, Counter())[scale] = rows
    for number, counts in found.items():
        if len(counts) > 1 and number in names:
            said = ", ".join(f"{rows} {_called(scale)}" for scale, rows in counts.most_common())
            stray = counts.total() - counts.most_common(1)[0][1]
            losses.add("units", names[number], stray, f"{names[number]} has rows on several scales: {said}")
    return {number: counts.most_common(1)[0][0] for number, counts in found.items()}


def _called(scale: int) -> str:
    words = {
        "pXC50": "concentrations",
        "percent": "in percent",
        "class": "classes",
        "value": "in another unit",
    }
    return words[KINDS[kind_of(scale)]]


def choose(
    staging: Staging,
    assays: Sequence[StagedAssay],
    scale: dict[int, int],
    parents: NDArray[np.int64],
    config: CorpusConfig,
    losses: Losses,
    progress: Callable[[int], None],
) -> Iterator[Chosen]:
    """The assays that pass the filters, in order, each read when it is its turn.

    Parameters
    ----------
    staging : Staging
    assays : sequence of StagedAssay
    scale : dict of int to int
        What `scales` says.
    parents : int64[s]
        Number of the parent of each structure; -1 where it cannot be read.
    config : CorpusConfig
    losses : Losses
        Is told what is left out.
    progress : callable
        Is told how many assays are done.
    """
    seen: dict[bytes, str] = {}
    for done, assay in enumerate(assays):
        progress(done)
        chosen = _one(staging, assay, scale[assay.id], parents, config, losses)
        if chosen is None:
            continue
        digest = _digest(chosen.compounds)
        if digest in seen:
            losses.add("duplicates", assay.name, example=f"{assay.name} has the rows of {seen[digest]}")
            continue
        seen[digest] = assay.name
        yield chosen


def _one(
    staging: Staging,
    assay: StagedAssay,
    scale: int,
    parents: NDArray[np.int64],
    config: CorpusConfig,
    losses: Losses,
) -> Chosen | None:
    structure, found, value, relation, label = staging.rows(assay.id)
    parent, kind = parents[structure], kind_of(scale)
    good = (parent >= 0) & (found == scale)
    losses.add("structure", assay.name, int((parent < 0).sum()))
    rows = (parent[good], value[good], relation[good], label[good])
    try:
        merged = merge(*rows, kind, config.replicates, lambda one: staging.texts("parent", [one])[0])
    except InputError as error:
        raise InputError(f"assay {assay.name}: {error}") from error
    losses.add("replicates", assay.name, len(np.unique(parent[good])) - len(merged))
    classes = classify(merged, kind, config.threshold)
    losses.add("bound", assay.name, int((~classes.settled).sum()))
    kept, active = merged.select(classes.settled), classes.active[classes.settled]
    reason = _refusal(len(kept), active, config)
    if reason:
        losses.add(reason, assay.name)
        return None
    return Chosen(assay, KINDS[kind], kept, active, classes.threshold, len(kept), int(active.sum()))


def _refusal(n: int, active: NDArray[np.bool_], config: CorpusConfig) -> str | None:
    """Why an assay is left out; None where it is not."""
    limits = config.filters
    if n < limits.min_compounds:
        return "small"
    if n > limits.max_compounds:
        return "large"
    return None if limits.min_active <= active.mean() <= limits.max_active else "balance"


def _digest(found: Compounds) -> bytes:
    """A hash that is the same for assays of the same compounds with the same labels, in any order."""
    order = np.argsort(found.compound, kind="stable")
    parts = (
        found.compound,
        np.nan_to_num(found.value, nan=-999),
        found.relation,
        np.nan_to_num(found.label, nan=-1),
    )
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(np.ascontiguousarray(part[order]).tobytes())
    return digest.digest()
