"""Labelled batches and episodes, and the sampler that draws episodes from an assay."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from molmeta.chem.batch import MolBatch
from molmeta.errors import NotEnoughData
from molmeta.units import Target


@dataclass(frozen=True, eq=False)
class Labelled:
    """n compounds with labels.

    Attributes
    ----------
    mols : MolBatch
    y : float32[n]
        Labels on the model's scale (0/1, or values).
    relation : int8[n]
        -1 below, 0 exact, +1 above, on the model's scale.
    target : Target
    """

    mols: MolBatch
    y: Tensor
    relation: Tensor
    target: Target

    def __len__(self) -> int:
        return self.mols.n

    def select(self, index: Tensor) -> Labelled:
        """The compounds `index` int64[m], in that order."""
        return Labelled(self.mols.select(index), self.y[index], self.relation[index], self.target)

    def to(self, device: torch.device | str) -> Labelled:
        return replace(
            self, mols=self.mols.to(device), y=self.y.to(device), relation=self.relation.to(device)
        )


@dataclass(frozen=True, eq=False)
class Episode:
    """A support set to condition on and a query set of the same assay to predict."""

    assay: str
    support: Labelled
    query: Labelled

    def to(self, device: torch.device | str) -> Episode:
        return Episode(self.assay, self.support.to(device), self.query.to(device))


@dataclass(frozen=True)
class EpisodeSampler:
    """Draws episodes whose support size and prevalence vary.

    Attributes
    ----------
    k_min, k_max : int
        Support size, drawn log-uniformly between them.
    prevalence : (float, float)
        Share of actives of the support of a classification assay, drawn uniformly on the logit scale
        around the assay's own prevalence and clipped to this range; rare actives are met in training
        because they are met in screening.
    shift : float
        Standard deviation of that draw on the logit scale.
    query : int
        Largest query size, at least 2. The query of a classification assay has both classes.
    """

    k_min: int = 4
    k_max: int = 256
    prevalence: tuple[float, float] = (0.03, 0.6)
    shift: float = 0.5
    query: int = 128

    def draw(self, name: str, data: Labelled, rng: np.random.Generator) -> Episode:
        """One episode of an assay.

        Raises
        ------
        NotEnoughData
            Fewer than k_min + 2 compounds, or only one class.
        """
        n = len(data)
        if n < self.k_min + 2:
            raise NotEnoughData(f"{name} has {n} compounds; an episode needs at least {self.k_min + 2}")
        high = min(self.k_max, n - 2)
        k = int(np.exp(rng.uniform(np.log(self.k_min), np.log(high + 1))))
        k = min(max(k, self.k_min), high)
        if data.target.kind == "regression":
            order = rng.permutation(n)
            support, query = order[:k], order[k:]
        else:
            support, query = self._stratified(name, data.y.cpu().numpy() > 0.5, k, rng)
        query = query[: self.query]
        device = data.y.device
        pick = [torch.as_tensor(part, dtype=torch.long, device=device) for part in (support, query)]
        return Episode(name, data.select(pick[0]), data.select(pick[1]))

    def _stratified(
        self, name: str, active: np.ndarray, k: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        pos, neg = rng.permutation(np.flatnonzero(active)), rng.permutation(np.flatnonzero(~active))
        if len(pos) < 2 or len(neg) < 2:
            raise NotEnoughData(
                f"{name} has {len(pos)} actives and {len(neg)} inactives; an episode needs two of each"
            )
        share = len(pos) / len(active)
        logit = np.log(share / (1 - share)) + self.shift * rng.standard_normal()
        share = float(np.clip(1 / (1 + np.exp(-logit)), *self.prevalence))
        # One of each class stays for the query, and the support has one of each.
        n_pos = int(np.clip(round(share * k), 1, min(len(pos) - 1, k - 1)))
        n_neg = min(k - n_pos, len(neg) - 1)
        n_pos = k - n_neg
        support = rng.permutation(np.concatenate([pos[:n_pos], neg[:n_neg]]))
        # The first two are of either class, so that a query that is cut has both.
        rest = rng.permutation(np.concatenate([pos[n_pos + 1 :], neg[n_neg + 1 :]]))
        return support, np.concatenate([pos[n_pos : n_pos + 1], neg[n_neg : n_neg + 1], rest])
