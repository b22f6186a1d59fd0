"""`Ensemble`: heads of one learner, averaged with fixed weights, behind one `condition`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from molmeta.chem.batch import MolBatch
from molmeta.crossvalidation import predict_held_out, weigh
from molmeta.data.episode import Labelled
from molmeta.encoders.base import Encoder
from molmeta.errors import ConfigError, NotEnoughData
from molmeta.heads.base import Conditioned, Head
from molmeta.learner import Learner
from molmeta.prediction import Prediction, mixture

# A head that weighs less is left out: it costs time for every compound that is scored.
_NEGLIGIBLE = 0.01
# The default head was the best one on validation assays; others need evidence of their own.
_LOG_PRIOR_OF_DEFAULT = 2.0
# In place of a head: all of them.
AVERAGE = "average"


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Weighted heads of a learner.

    Attributes
    ----------
    learner : Learner
        In evaluation mode, on the device that is to be used.
    weights : dict of str to float
        By head; they sum to 1.
    """

    learner: Learner
    weights: dict[str, float]

    @property
    def needs(self) -> frozenset[str]:
        """Features of a compound that the heads and their encoder read."""
        heads = (self.learner.head(name).needs for name in self.weights)
        return frozenset(self.learner.encoder.needs).union(*heads)

    @property
    def device(self) -> torch.device:
        return next(self.learner.parameters()).device

    def prepare(self, mols: MolBatch) -> MolBatch:
        """The batch on the device, with its embedding, as `condition` and its predictors want it."""
        mols = mols.to(self.device)
        embedded = self.learner.embed(mols)
        if any(self.reader(name) is self.learner.encoder for name in self.weights):
            return replace(mols, embedding=embedded.embedding, hidden=embedded.hidden)
        return embedded

    def reader(self, name: str) -> Encoder:
        """What a head reads prepared batches through."""
        return self.learner.reader(self.learner.head(name))

    def condition(self, support: Labelled) -> Conditioned:
        """Predictor of prepared batches; raises NotEnoughData as the heads do.

        Without a single labelled compound it is what the heads say before any.
        """
        with torch.no_grad():
            if len(support):
                members = [head.condition(encoder, support) for head, encoder in self._members]
            else:
                members = [head.unconditioned(encoder) for head, encoder in self._members]

        @torch.no_grad()
        def predict(mols: MolBatch) -> Prediction:
            return mixture([member(mols) for member in members], list(self.weights.values()))

        return predict

    def __call__(self, support: Labelled) -> Conditioned:
        """The same: an ensemble is a method for prepared batches."""
        return self.condition(support)

    @torch.no_grad()
    def held_out(self, data: Labelled, parts: Sequence[torch.Tensor]) -> list[Prediction] | None:
        """Of parts of an assay, a prepared batch, given its other compounds; see `Head.held_out`."""
        if not self.leaves_out:  # one head that has no way would throw away the work of the others
            return None
        members = [head.held_out(encoder, data, parts) for head, encoder in self._members]
        known = [member for member in members if member is not None]
        if len(known) < len(members):
            return None
        return [mixture(each, list(self.weights.values())) for each in zip(*known, strict=True)]

    def each_held_out(self, data: Labelled) -> dict[int, Prediction]:
        """Of single compounds, by row, given all the others: of each for which those are enough; of none
        where the heads have no faster way than to condition on the others of each."""
        able = self.spared(data) if self.leaves_out else []
        found = self.held_out(data, list(torch.tensor(able, device=data.y.device)[:, None])) if able else None
        return {} if found is None else dict(zip(able, found, strict=True))

    @property
    def leaves_out(self) -> bool:
        """Whether all heads have a way of their own to held-out predictions."""
        return all(type(head).held_out is not Head.held_out for head, _ in self._members)

    def spared(self, data: Labelled) -> list[int]:
        """Rows without each of which the others are enough for the heads to learn from."""
        rows = torch.arange(len(data), device=data.y.device)
        return [i for i in range(len(data)) if self._suffices(data.target.kind, data.y[rows != i])]

    def _suffices(self, kind: str, y: torch.Tensor) -> bool:
        try:
            for head, _ in self._members:
                head.check_labels(kind, y)
        except NotEnoughData:
            return False
        return True

    @property
    def _members(self) -> list[tuple[Head, Encoder]]:
        return [(self.learner.head(name), self.reader(name)) for name in self.weights]

    def reweighted(self, support: Labelled, folds: Sequence[torch.Tensor], seed: int) -> Ensemble:
        """The same heads, weighted by what they say of held-out compounds (prior: the current weights)."""
        if len(self.weights) == 1 or not folds:
            return self
        exact = support.relation == 0
        scores = [
            predict_held_out(one, support, folds).log_prob(support.y.double())[exact]
            for one in (Ensemble(self.learner, {name: 1.0}) for name in self.weights)
        ]
        prior = torch.tensor(list(self.weights.values()), dtype=torch.float64).log()
        found = weigh(torch.stack([score.double().cpu() for score in scores]), prior, seed)
        return Ensemble(self.learner, _normal(dict(zip(self.weights, found.tolist(), strict=True))))


def open_ensemble(learner: Learner, kind: str, head: str | None = None) -> Ensemble:
    """The default head of a learner, or the one that is asked for; with AVERAGE all of them that handle
    `kind`, weighted by the prior.

    A default head that does not handle the kind gives way to the first one that does. Heads that adapt
    the encoder are slow, and are averaged only if there are no others.

    Raises
    ------
    ConfigError
        No head of this learner handles the kind, or not the one asked for.
    """
    able = [name for name in learner.heads if kind in learner.head(name).kinds]
    if not able:
        raise ConfigError(
            f"no head of the model {learner.name} does {kind}; it has {', '.join(learner.heads)}"
        )
    if head is None:
        return Ensemble(learner, {able[0]: 1.0})
    if head != AVERAGE:
        if kind not in learner.head(head).kinds:
            raise ConfigError(f"head '{head}' does not do {kind}; of this model, {', '.join(able)} do")
        return Ensemble(learner, {head: 1.0})
    names = [name for name in able if learner.reader(learner.head(name)) is not learner.encoder] or able[:1]
    default = learner.default_head if learner.default_head in names else names[0]
    prior = torch.tensor([_LOG_PRIOR_OF_DEFAULT * (name == default) for name in names], dtype=torch.float64)
    return Ensemble(learner, dict(zip(names, prior.softmax(0).tolist(), strict=True)))


def only_default(ensemble: Ensemble) -> Ensemble:
    """The head with the largest weight alone, for a support set too small to weigh heads."""
    return Ensemble(ensemble.learner, {max(ensemble.weights, key=ensemble.weights.__getitem__): 1.0})


def pick_device(name: str) -> torch.device:
    """ "auto" is CUDA where there is one, else the CPU.

    There are no others: heads compute in float64, which MPS has not, and CUDA is what they are tested on.

    Raises
    ------
    ConfigError
        No such device, here or at all.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if count else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"unknown device '{name}'; give auto, cpu, cuda or cuda:0") from error
    if device.type == "cpu":
        return torch.device("cpu")  # cpu:3 is no other one
    if device.type != "cuda":
        reason = "has no float64, which molmeta computes in" if device.type == "mps" else "is not supported"
        raise ConfigError(f"device '{name}' {reason}; give auto, cpu, cuda or cuda:0")
    if not count:
        raise ConfigError(f"device '{name}' was asked for, but no CUDA device is available; give cpu or auto")
    if (device.index or 0) >= count:
        raise ConfigError(f"device '{name}' was asked for, but the last one here is cuda:{count - 1}")
    return device


def _normal(weights: dict[str, float]) -> dict[str, float]:
    """Without negligible heads, summing to 1."""
    kept = {name: weight for name, weight in weights.items() if weight >= _NEGLIGIBLE}
    total = sum(kept.values())
    return {name: weight / total for name, weight in kept.items()}
