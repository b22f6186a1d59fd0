"""Folds of assays by target, and of compounds by cluster: no group is in two of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from molmeta.corpora.losses import Losses
from molmeta.corpora.staging import StagedAssay

TRAIN = "train"


def target_groups(assays: Sequence[StagedAssay]) -> list[int]:
    """The group of each assay: those that share a target, directly or through others, are together.

    An assay of unknown target is a group of its own.
    """
    leader = list(range(len(assays)))

    def find(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    first: dict[Hashable, int] = {}
    for i, assay in enumerate(assays):
        for name in assay.facts.get("groups", ()):
            other = find(first.setdefault(name, i))
            leader[max(other, find(i))] = min(other, find(i))
    return [find(i) for i in range(len(assays))]


def deal(groups: NDArray[np.int64], shares: Mapping[str, float], seed: int) -> list[str]:
    """The fold of each of n members: whole groups in random order fill each fold up to its share.

    Groups that are larger than all that a fold may hold stay in "train".

    Parameters
    ----------
    groups : int64[n]
    shares : mapping of str to float
        Of the n members; the rest is "train".
    seed : int
    """
    _, group, size = np.unique(groups, return_inverse=True, return_counts=True)
    fold = np.zeros(len(size), dtype=np.int64)
    room = [share * len(groups) for share in shares.values()]
    for at in np.random.default_rng(seed).permutation(len(size)):
        wanting = [i for i, left in enumerate(room) if left >= 1 and size[at] <= max(left, 1)]
        if wanting:
            fold[at] = wanting[0] + 1
            room[wanting[0]] -= size[at]
    names = [TRAIN, *shares]
    return [names[i] for i in fold[group]]


def check_given(assays: Sequence[StagedAssay], losses: Losses) -> set[int]:
    """Notes targets that the source puts into two folds, and returns the assays to leave out for it.

    These are the assays in "train": what is measured on stays.
    """
    folds: dict[int, Counter[str]] = {}
    groups = target_groups(assays)
    for assay, group in zip(assays, groups, strict=True):
        folds.setdefault(group, Counter())[given(assay)] += 1
    out = set()
    for assay, group in zip(assays, groups, strict=True):
        if len(folds[group]) > 1:
            where = ", ".join(f"{n} in {name}" for name, n in sorted(folds[group].items()))
            target = assay.facts.get("target") or assay.facts["groups"][0]
            losses.add("targets", str(target), example=f"{target} has assays in several folds ({where})")
            if given(assay) == TRAIN:
                out.add(assay.id)
    return out


def has_given(assays: Sequence[StagedAssay]) -> bool:
    """Whether the source names folds."""
    return any(assay.facts.get("fold") for assay in assays)


def given(assay: StagedAssay) -> str:
    """The fold that the source names, which without a name is "train"."""
    return str(assay.facts.get("fold") or TRAIN)
