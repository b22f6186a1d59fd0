"""Profiles: what each earlier assay measured of single compounds, but for the assays of panels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from molmeta.chem.batch import Kept, MolBatch
from molmeta.data.history import History
from molmeta.heads.evidence.lookup import Table, ascends, find

_PSEUDO = 1.0  # measurements of a compound that say nothing, beside those that there are
# Profiles are of use to a support set of which they hold at least this share.
_SHARE = 0.1
_STEPS = 63.0  # of a stored measurement, in one standard deviation


class Profiles(Table):
    """Measurements of compounds in earlier assays: where two compounds went together, and how they went.

    Two compounds covary as far as the assays that measured both agree on them, as if a new assay were a
    random sum of earlier ones. The share of a compound's variance that this explains grows with the
    number of its measurements; the rest is its own.

    Source: Martin et al. 2017 (a profile of earlier assays as the descriptor of a compound).
    """

    def __init__(self) -> None:
        super().__init__()
        # Of c compounds, sorted by key: how many of the r measurements are theirs, one after the other.
        self.register_buffer("key", torch.zeros(0, dtype=torch.long))
        self.register_buffer("count", torch.zeros(0, dtype=torch.int32))
        self.register_buffer("assay", torch.zeros(0, dtype=torch.int32))
        self.register_buffer("value", torch.zeros(0, dtype=torch.int8))

    def fault(self) -> str | None:
        key, count, assay, value = (self.get_buffer(name) for name in ("key", "count", "assay", "value"))
        if len(key) != len(count) or len(assay) != len(value):
            return f"{len(key)} compounds have {len(count)} counts, {len(assay)} assays {len(value)} values"
        if bool((count < 0).any()) or int(count.long().sum()) != len(assay):
            return f"its counts do not add up to its {len(assay)} measurements"
        if bool((assay < 0).any()) or not ascends(key):
            return "its compounds or assays are out of order"
        return None

    def learn(self, history: History) -> None:
        """Keeps the profiles of a history, rounded to 1/63 of a standard deviation."""
        profiles = history.profiles()
        known = np.flatnonzero(np.diff(profiles.indptr))
        known = known[np.argsort(history.identity[known])]
        chosen = profiles[known]
        self.fill(
            key=torch.from_numpy(history.identity[known]),
            count=torch.from_numpy(np.diff(chosen.indptr)),
            assay=torch.from_numpy(chosen.indices),
            value=torch.from_numpy(np.rint(chosen.data * _STEPS)),
        )

    def extend(self, history: History, known: int) -> None:
        """Adds the profiles of a history, whose assays are counted on from `known`."""
        new = Profiles()
        new.learn(history)
        both = [(table.get_buffer("key").cpu(), table.get_buffer("count").cpu()) for table in (self, new)]
        owner = torch.cat([torch.repeat_interleave(key, count) for key, count in both])
        owner, order = torch.sort(owner, stable=True)
        key, count = torch.unique_consecutive(owner, return_counts=True)
        assay = torch.cat([self.get_buffer("assay").cpu(), new.get_buffer("assay") + known])
        value = torch.cat([self.get_buffer("value").cpu(), new.get_buffer("value")])
        self.fill(key=key, count=count, assay=assay[order], value=value[order])

    def coverage(self, identity: Tensor) -> float:
        """Share of the compounds int64[n] that one and the same stored assay measured, at most."""
        _, assay, _ = self.entries(identity.to(self.get_buffer("key").device))
        _, times = torch.unique(assay, return_counts=True)
        return float(times.max()) / len(identity) if len(assay) else 0.0

    def restrict(self, assays: Tensor) -> None:
        """Forgets the measurements of all but the assays int64[k]."""
        kept = torch.isin(self.get_buffer("assay").long(), assays)
        owner = torch.repeat_interleave(self.get_buffer("count").long())
        count = torch.bincount(owner[kept], minlength=len(self.get_buffer("key")))
        self.fill(
            key=self.get_buffer("key")[count > 0],
            count=count[count > 0],
            assay=self.get_buffer("assay")[kept],
            value=self.get_buffer("value")[kept],
        )

    def relevant(self, identity: Tensor) -> list[Together]:
        """One item if some of the support set `identity` int64[n] were measured, and two of them in one
        assay; else none."""
        if not len(self.get_buffer("key")):
            return []
        owner, assay, _ = self.entries(identity)
        known = len(torch.unique(owner)) >= _SHARE * len(identity)
        return [Together(self, identity)] if known and len(torch.unique(assay)) < len(assay) else []

    def levels(self, identity: Tensor) -> Tensor:
        """float64[n]: mean measurement of each compound, shrunk; 0 for one that is new."""
        owner, _, value = self.entries(identity)
        total, count = (torch.zeros(len(identity), dtype=value.dtype, device=value.device) for _ in range(2))
        total.index_add_(0, owner, value)
        count.index_add_(0, owner, torch.ones_like(value))
        return total / (count + _PSEUDO)

    def covariance(self, a: Tensor, b: Tensor) -> Tensor:
        """float64[n, m] between compounds a int64[n] and b int64[m]; a compound has the variance 1."""
        return Together(self, b).between(a)

    def entries(self, identity: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Measurements of compounds int64[n]: whose (position in `identity`), in which assay, and what."""
        at = find(self.get_buffer("key"), identity)
        (rows,) = torch.nonzero(at >= 0, as_tuple=True)
        size = self.get_buffer("count")[at[rows]].long()
        owner = torch.repeat_interleave(rows, size)
        first = _starts(self.get_buffer("count"))[at[rows]]
        before = size.cumsum(0) - size
        entry = torch.arange(len(owner), device=owner.device) + torch.repeat_interleave(first - before, size)
        return (
            owner,
            self.get_buffer("assay")[entry].long(),
            self.get_buffer("value")[entry].double() / _STEPS,
        )

    def scaled(self, identity: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Entries of profiles that are scaled to a length below 1, the closer to it the longer."""
        owner, assay, value = self.entries(identity)
        square = value.new_zeros(len(identity)).index_add_(0, owner, value.square())
        return owner, assay, value / (square + _PSEUDO).sqrt()[owner]


@Kept
def _starts(count: Tensor) -> Tensor:
    """int64[c]: where the entries of each compound begin, from how many it has int32[c]."""
    return count.cumsum(0) - count


@dataclass(frozen=True, eq=False)
class Together:
    """Profiles, as they are of use to the support set `identity` int64[n]."""

    table: Profiles
    identity: Tensor

    @cached_property
    def _measured(self) -> tuple[Tensor, Tensor]:
        """The assays int64[a] that measured some of the support set, and its profiles float64[a, n]."""
        owner, assay, value = self.table.scaled(self.identity)
        assays, row = torch.unique(assay, return_inverse=True)
        profiles = value.new_zeros(len(assays), len(self.identity))
        profiles[row, owner] = value
        return assays, profiles

    def between(self, identity: Tensor) -> Tensor:
        """float64[m, n]: of compounds int64[m] with the support set."""
        (assays, profiles), (owner, assay, value) = self._measured, self.table.scaled(identity)
        row = find(assays, assay)
        inside = row >= 0
        ptr = torch.searchsorted(owner[inside], torch.arange(len(identity) + 1, device=owner.device))
        shared = functional.embedding_bag(
            row[inside],
            profiles,
            ptr,
            mode="sum",
            per_sample_weights=value[inside],
            include_last_offset=True,
        )
        return torch.where(identity[:, None] == self.identity, 1.0, shared)

    def covariance(self, mols: MolBatch) -> Tensor:
        """float64[m, n]: of m compounds with the support set."""
        return self.between(mols.need("identity"))

    def variance(self, mols: MolBatch) -> Tensor:
        """float64[m]"""
        return torch.ones(mols.n, dtype=torch.float64, device=self.identity.device)
