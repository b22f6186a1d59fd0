"""Ways to fit a learner to an assay, each a method that cross-validation can repeat on parts of it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from molmeta.bundle import rounded
from molmeta.chem.batch import MolBatch
from molmeta.crossvalidation import draw_folds
from molmeta.data.episode import EpisodeSampler, Labelled
from molmeta.encoders.base import Encoder, LastLayer, Network
from molmeta.ensemble import AVERAGE, Ensemble, only_default, open_ensemble
from molmeta.heads.base import Conditioned, Head
from molmeta.learner import Learner
from molmeta.prediction import Prediction

FEWEST_TO_TUNE = 16  # compounds; episodes of fewer say nothing
STEPS = 40
RATE = 1e-4
_CLIP = 1.0


@dataclass(frozen=True, eq=False)
class Averaging:
    """Weighs the heads by what they say of held-out compounds of the support set, and conditions them.

    Attributes
    ----------
    start : Ensemble
        The heads, with their prior weights.
    seed : int
        Of the splits.
    """

    start: Ensemble
    seed: int
    tunes: ClassVar[bool] = False

    def data(self, bare: Labelled) -> Labelled:
        """What `fit` and cross-validation want, of a labelled batch with all features: embedded once."""
        return Labelled(self.start.prepare(bare.mols), bare.y, bare.relation, bare.target)

    def fit(self, support: Labelled) -> Ensemble:
        """The ensemble for a support set made by `data`."""
        folds = draw_folds(support, self.seed)
        return self.start.reweighted(support, folds, self.seed) if folds else only_default(self.start)

    def __call__(self, support: Labelled) -> Conditioned:
        return self.fit(support).condition(support)

    def held_out(self, data: Labelled, parts: Sequence[torch.Tensor]) -> list[Prediction] | None:
        """As `Ensemble.held_out`, where there is nothing to weigh on each part."""
        return self.start.held_out(data, parts) if len(self.start.weights) == 1 else None


@dataclass(frozen=True, eq=False)
class FineTuning(Averaging):
    """As `Averaging`, then fine-tunes the encoder; works on batches with all features."""

    tunes = True

    def held_out(self, data: Labelled, parts: Sequence[torch.Tensor]) -> None:
        """There is no other way than to fine-tune on the others of each part."""

    def data(self, bare: Labelled) -> Labelled:
        return bare

    def fit(self, support: Labelled) -> Ensemble:
        found = super().fit(super().data(support))
        head = max(found.weights, key=found.weights.__getitem__)
        if not can_fine_tune(support):
            return found
        tuned = fine_tune(found.learner, head, support, self.seed, STEPS, RATE)
        return Ensemble(rounded(tuned), found.weights)

    def __call__(self, support: Labelled) -> Conditioned:
        found = self.fit(support)
        mols = found.prepare(support.mols)
        conditioned = found.condition(Labelled(mols, support.y, support.relation, support.target))

        def predict(mols: MolBatch) -> Prediction:
            return conditioned(found.prepare(mols))

        return predict


class Average(Head):
    """The heads of a learner as `adapt` averages them if asked to, behind the contract of one head.

    Conditions on batches that the learner has embedded, and ignores the encoder that it is given.
    """

    kinds = frozenset({"classification", "regression"})

    def __init__(self, learner: Learner, seed: int = 0) -> None:
        super().__init__()
        self.learner, self.seed = learner, seed
        self.needs = learner.needs

    def condition(self, encoder: Encoder, support: Labelled) -> Conditioned:
        self.check_support(support)
        return Averaging(open_ensemble(self.learner, support.target.kind, AVERAGE), self.seed)(support)


def can_fine_tune(data: Labelled) -> bool:
    """Whether there are enough compounds, of both classes, to draw episodes from."""
    n_active = int((data.y > 0.5).sum())
    both = data.target.kind == "regression" or min(n_active, len(data) - n_active) >= 2
    return both and len(data) >= FEWEST_TO_TUNE


def fine_tune(learner: Learner, head: str, data: Labelled, seed: int, steps: int, rate: float) -> Learner:
    """A copy of the learner whose encoder and head took `steps` Adam steps on the head's own loss.

    Each step conditions on a half to three quarters of the compounds and predicts the others. Dropout is
    off: its noise is larger than what so few compounds have to say. A head with a last layer of its own is
    tuned through that one.

    Parameters
    ----------
    data : Labelled
        With the features that the encoder reads, on the learner's device; `can_fine_tune` holds.
    """
    twin = copy.deepcopy(learner).eval()
    tuned = twin.head(head)
    _exchange_layers(twin, head)
    parameters = [p for p in (*twin.encoder.parameters(), *tuned.parameters()) if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=rate)
    n = len(data)
    sampler = EpisodeSampler(k_min=n // 2, k_max=3 * n // 4, prevalence=(0.01, 0.99), shift=0.0)
    rng = np.random.default_rng(seed)
    with torch.enable_grad():
        for _ in range(steps):
            loss = tuned.loss(twin.encoder, sampler.draw("the support set", data, rng))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters, _CLIP)
            optimizer.step()
    _exchange_layers(twin, head)
    return twin


def _exchange_layers(learner: Learner, head: str) -> None:
    """Puts the last layer that a head has of its own, if any, in the place of the encoder's, and back."""
    if head in learner.last_layers:
        own, encoder = learner.last_layers[head], learner.encoder
        assert isinstance(own, LastLayer)
        assert isinstance(encoder, Network)
        own.output, encoder.output = encoder.output, own.output
