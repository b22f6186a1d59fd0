"""The rows of one assay: one label a compound, a threshold, classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molmeta.corpora.cleaning import CLASS, POTENCY
from molmeta.corpora.config import Replicates, Threshold
from molmeta.data.labels import Label
from molmeta.data.replicates import (
    CONFLICTS,
    Group,
    Merged,
    classes_disagree,
    majority,
    median,
    values_disagree,
)

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Compounds:
    """The labels of an assay, in the order in which compounds first appear.

    Attributes
    ----------
    compound : int64[n]
        Numbers of the compounds.
    value : float64[n]
        On the scale of the assay; nan where it has classes alone.
    relation : int8[n]
        Censoring on that scale.
    label : float64[n]
        0 or 1; nan where the class is to be found from the value.
    rows : int64[n]
        Rows that were merged into each.
    """

    compound: NDArray[np.int64]
    value: Array
    relation: NDArray[np.int8]
    label: Array
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.compound)

    def select(self, keep: NDArray[np.bool_]) -> Compounds:
        """Those of a mask bool[n]."""
        return Compounds(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


def merge(
    compound: NDArray[np.int64],
    value: Array,
    relation: NDArray[np.int8],
    label: NDArray[np.int8],
    kind: int,
    options: Replicates,
    smiles: Callable[[int], str],
) -> Compounds:
    """Rows of one assay to one label a compound; those that disagree are merged, left out or refused.

    Parameters
    ----------
    compound : int64[n]
    value : float64[n]
    relation : int8[n]
    label : int8[n]
        -1 where there is none.
    kind : int
        Position in `molmeta.corpora.cleaning.KINDS`.
    options : Replicates
    smiles : callable
        The structure of a compound, for messages.

    Raises
    ------
    InputError
        Rows disagree, and the options say to stop there.
    """
    _, first, group, size = np.unique(compound, return_index=True, return_inverse=True, return_counts=True)
    labels = np.where(label < 0, np.nan, label)
    out = Compounds(compound[first], value[first], relation[first], labels[first], size)
    keep = np.ones(len(first), dtype=np.bool_)
    if kind == POTENCY:
        limit = options.most_apart
    else:
        limit = float(np.std(value)) if len(value) and kind != CLASS else 0.0
    many = size > 1
    if not np.isfinite(labels).any():
        tolerated = np.inf if CONFLICTS[options.conflicts] is CONFLICTS["median"] else limit
        many &= ~_fill_medians(out, group, value, relation, tolerated)
    for at in np.flatnonzero(many):
        rows = np.flatnonzero(group == at)
        name, agreed = smiles(int(out.compound[at])), True
        if np.isfinite(labels[rows]).any():
            one = Group(name, tuple(rows), tuple(Label(float(y), 0) for y in labels[rows]))
            merged = _decide(one, classes_disagree, majority, options.conflicts)
            agreed = merged is not None
            out.label[at] = merged[0] if merged else np.nan
        if agreed and kind != CLASS:
            values = zip(value[rows], relation[rows], strict=True)
            one = Group(name, tuple(rows), tuple(Label(float(y), int(sign)) for y, sign in values))
            merged = _decide(one, values_disagree(limit), median, options.conflicts)
            agreed = merged is not None
            out.value[at], out.relation[at] = merged or (np.nan, 0)
        keep[at] = agreed
    order = np.argsort(first, kind="stable")
    return Compounds(*(getattr(out, name)[order] for name in out.__dataclass_fields__)).select(keep[order])


def _fill_medians(
    out: Compounds, group: NDArray[np.int64], value: Array, relation: NDArray[np.int8], limit: float
) -> NDArray[np.bool_]:
    """Puts the median of its rows in the place of each value, where no row is a bound and all agree.

    Returns
    -------
    bool[m]
        Where that was done. It is most of the work, and done for all at once.
    """
    order = np.lexsort((value, group))
    start = np.cumsum(out.rows) - out.rows
    sorted_values = value[order]
    exact = np.bincount(group, np.abs(relation), len(out)) == 0
    agree = sorted_values[start + out.rows - 1] - sorted_values[start] <= limit
    low, high = sorted_values[start + (out.rows - 1) // 2], sorted_values[start + out.rows // 2]
    done: NDArray[np.bool_] = exact & agree
    out.value[done] = ((low + high) / 2)[done]
    return done


def _decide(
    group: Group, disagree: Callable[[Group], bool], join: Callable[[Group], Merged | None], conflicts: str
) -> Merged | None:
    return CONFLICTS[conflicts](group, join) if disagree(group) else join(group)


@dataclass(frozen=True, eq=False)
class Classes:
    """Classes of an assay, and the threshold that they come from (nan where the source gave them)."""

    active: NDArray[np.bool_]
    settled: NDArray[np.bool_]
    threshold: float


def classify(found: Compounds, kind: int, options: Threshold) -> Classes:
    """Active is what is above the threshold; a bound on the other side of it leaves the class open.

    Classes of the source are kept, unless `options.relabel`; where they follow from a threshold, it is found.
    """
    valued = kind != CLASS and bool(np.isfinite(found.value).all())
    given = bool(np.isfinite(found.label).all())
    if given and not (options.relabel and valued):
        active = found.label > 0.5
        everything = np.ones(len(found), dtype=np.bool_)
        return Classes(active, everything, _between(found.value, active) if valued else float("nan"))
    middle = threshold = float(np.quantile(found.value, options.quantile)) if len(found) else float("nan")
    if kind == POTENCY:
        threshold = float(np.clip(middle, options.lowest, options.highest))
    active = found.value > threshold
    if not active.any() and threshold == middle:
        active = found.value >= threshold
    settled = (found.relation == 0) | ((found.relation > 0) == active)
    return Classes(active, settled, threshold)


def _between(value: Array, active: NDArray[np.bool_]) -> float:
    """The middle between the classes; nan where they mingle."""
    if active.all() or not active.any():
        return float("nan")
    low, high = float(value[~active].max()), float(value[active].min())
    return (low + high) / 2 if low < high else float("nan")
