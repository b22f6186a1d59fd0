"""Rows of one compound become one label; what to do where they disagree is the user's choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molmeta.data.headers import is_logarithmic
from molmeta.data.labels import Label
from molmeta.errors import ConfigError, InputError
from molmeta.units import Target
from molmeta.wording import counted

LOG_LIMIT = 1.0
LISTED = 10
CLASH = "replicates disagree"  # how a note on a compound with such rows begins
BESIDE = "beside exact values"  # what notes on bounds of compounds with an exact value say


@dataclass(frozen=True)
class Group:
    """Labels of one compound on the model's scale.

    Attributes
    ----------
    smiles : str
    rows : tuple of int
    labels : tuple of Label
    """

    smiles: str
    rows: tuple[int, ...]
    labels: tuple[Label, ...]

    def describe(self) -> str:
        """Rows and values, for notes and messages."""
        signs = {-1: "<", 0: "", 1: ">"}
        values = ", ".join(f"{signs[label.relation]}{label.value:.4g}" for label in self.labels)
        return f"rows {', '.join(map(str, self.rows))} ({self.smiles[:60]}: {values})"


Merged = tuple[float, int]


def classes_disagree(group: Group) -> bool:
    """Whether both classes occur."""
    return len({label.value for label in group.labels}) > 1


def values_disagree(limit: float) -> Callable[[Group], bool]:
    """Whether values are more than `limit` apart; a bound counts by how far it is overstepped."""

    def disagree(group: Group) -> bool:
        high = max((label.value for label in group.labels if label.relation >= 0), default=-np.inf)
        low = min((label.value for label in group.labels if label.relation <= 0), default=np.inf)
        return bool(high - low > limit)

    return disagree


def majority(group: Group) -> Merged | None:
    """The class of most rows; None where there are as many of each."""
    share = float(np.mean([label.value for label in group.labels]))
    return None if share == 0.5 else (float(share > 0.5), 0)


def median(group: Group) -> Merged:
    """Median of the exact values, and of the bounds that their median oversteps, taken as their values.

    Without exact values the tightest bound, or the middle of two bounds.
    """
    exact = [label.value for label in group.labels if label.relation == 0]
    if exact:
        return float(np.median([*exact, *overstepped(group)])), 0
    above = [label.value for label in group.labels if label.relation > 0]
    below = [label.value for label in group.labels if label.relation < 0]
    if above and below:
        return (max(above) + min(below)) / 2, 0
    return (max(above), 1) if above else (min(below), -1)


def overstepped(group: Group) -> list[float]:
    """Bounds on the wrong side of which the median of the exact values lies; the others add nothing to it."""
    exact = [label.value for label in group.labels if label.relation == 0]
    middle = float(np.median(exact)) if exact else np.nan
    return [label.value for label in group.labels if label.relation * (label.value - middle) > 0]


Merge = Callable[[Group], Merged | None]


def _keep(group: Group, join: Merge) -> Merged | None:
    return join(group)


def _drop(group: Group, join: Merge) -> Merged | None:
    return None


def _stop(group: Group, join: Merge) -> Merged | None:
    raise InputError(
        f"{CLASH}: {group.describe()}; wanted agreement: mend the rows, or give --conflicts median or drop"
    )


CONFLICTS: dict[str, Callable[[Group, Merge], Merged | None]] = {
    "median": _keep,
    "drop": _drop,
    "stop": _stop,
}


def check_conflicts(name: str) -> None:
    """Raises ConfigError where nothing in `CONFLICTS` is called so."""
    if name not in CONFLICTS:
        raise ConfigError(f"conflicts={name!r} is not known; wanted one of {', '.join(CONFLICTS)}")


def collect(compounds: Sequence[tuple[int, str, Label]]) -> list[Group]:
    """Group (row, canonical SMILES, label) by SMILES, in order of first appearance."""
    found: dict[str, list[tuple[int, Label]]] = {}
    for row, smiles, label in compounds:
        found.setdefault(smiles, []).append((row, label))
    return [
        Group(smiles, tuple(row for row, _ in members), tuple(label for _, label in members))
        for smiles, members in found.items()
    ]


def merge(
    groups: Sequence[Group], target: Target, conflicts: str
) -> tuple[list[tuple[Group, Merged]], list[Group], list[str]]:
    """One label for each compound.

    Parameters
    ----------
    groups : sequence of Group
    target : Target
    conflicts : str
        A key of `CONFLICTS`.

    Returns
    -------
    kept : list of (Group, (value, relation))
    dropped : list of Group
        Those whose rows disagree and that `conflicts` leaves out.
    notes : list of str
    """
    check_conflicts(conflicts)
    decide, join = CONFLICTS[conflicts], MERGES[target.kind]
    clashing = {group.smiles for group in disagreement(groups, target)}
    kept: list[tuple[Group, Merged]] = []
    dropped: list[Group] = []
    notes, clashes = [], []
    several = [group for group in groups if len(group.rows) > 1]
    if several:
        rows, compounds = sum(len(g.rows) for g in several), counted(len(several), "compound")
        notes.append(f"{rows} rows are replicates of {compounds} and merged")
    notes += _beside_exact(several) if target.kind == "regression" else []
    for group in groups:
        clash = group.smiles in clashing
        merged = decide(group, join) if clash else join(group)
        if clash:
            fate = "left out" if merged is None else f"merged to {merged[0]:.4g}"
            clashes.append(f"{CLASH}: {group.describe()}, {fate}")
        if merged is None:
            dropped.append(group)
        else:
            kept.append((group, merged))
    more = (
        [f"{len(clashes) - LISTED} more compounds have replicates that disagree"]
        if len(clashes) > LISTED
        else []
    )
    return kept, dropped, [*notes, *clashes[:LISTED], *more]


def _beside_exact(groups: Sequence[Group]) -> list[str]:
    """What became of bounds of compounds that have an exact value as well."""
    mixed = [g for g in groups if {0} < {bool(label.relation) for label in g.labels}]
    bounds = sum(bool(label.relation) for g in mixed for label in g.labels)
    against = sum(len(overstepped(g)) for g in mixed)
    found = []
    if against:
        found.append(f"{counted(against, 'bound')} {BESIDE} that contradict it, merged as a value")
    if agree := bounds - against:
        found.append(f"{counted(agree, 'bound')} {BESIDE} that agree with it and alone count")
    return found


def disagreement(groups: Sequence[Group], target: Target) -> list[Group]:
    """The compounds whose rows disagree: both classes, or values too far apart (see `read_assay`)."""
    disagree = (
        classes_disagree if target.kind == "classification" else values_disagree(_limit(groups, target))
    )
    return [group for group in groups if len(group.rows) > 1 and disagree(group)]


def pooled_deviation(groups: Sequence[Group]) -> float | None:
    """Standard deviation of exact values about the mean of their compound; None without replicates."""
    exact = [[label.value for label in group.labels if label.relation == 0] for group in groups]
    exact = [values for values in exact if len(values) > 1]
    freedom = sum(len(values) - 1 for values in exact)
    squares = sum(float(np.var(values)) * len(values) for values in exact)
    return float(np.sqrt(squares / freedom)) if freedom else None


MERGES: dict[str, Merge] = {"classification": majority, "regression": median}


def _limit(groups: Sequence[Group], target: Target) -> float:
    """How far apart values may be: one log unit, on other scales one standard deviation of the assay."""
    if is_logarithmic(target.unit):
        return LOG_LIMIT
    return spread(np.array([label.value for group in groups for label in group.labels] or [0.0]))


def spread(values: NDArray[np.float64]) -> float:
    """Standard deviation of float64[n], also where the squares are beyond all numbers."""
    size = float(np.abs(values).max())
    return size * float(np.std(values / size)) if size else 0.0
