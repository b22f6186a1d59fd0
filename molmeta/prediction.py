"""What a conditioned head says about compounds: a distribution for each, on the model's scale."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Prediction(ABC):
    """Independent predictive distributions of n compounds.

    Attributes
    ----------
    mean : float[n]
        Regression: predicted value. Classification: latent score, higher means more likely active.
    std : float[n]
        Standard deviation of that value or latent score.
    """

    mean: Tensor
    std: Tensor

    def __len__(self) -> int:
        return int(self.mean.shape[0])

    @property
    @abstractmethod
    def probability(self) -> Tensor:
        """float[n]: chance of the active class (nan for regression)."""

    @abstractmethod
    def log_prob(self, y: Tensor) -> Tensor:
        """Log density (regression) or log probability (classification) of labels y float[n]."""

    @abstractmethod
    def interval(self, level: float) -> tuple[Tensor, Tensor]:
        """Central interval float[n], float[n] of the stated level in (0, 1)."""


@dataclass(frozen=True, eq=False)
class Gaussian(Prediction):
    """Normal distributions of a measured value.

    >>> g = Gaussian(torch.tensor([6.0]), torch.tensor([0.5]))
    >>> [round(float(x), 2) for x in g.interval(0.9)]
    [5.18, 6.82]
    """

    @property
    def probability(self) -> Tensor:
        return torch.full_like(self.mean, math.nan)

    def log_prob(self, y: Tensor) -> Tensor:
        z = (y.to(self.mean) - self.mean) / self.std
        return -0.5 * z.square() - self.std.log() - 0.5 * math.log(2 * math.pi)

    def interval(self, level: float) -> tuple[Tensor, Tensor]:
        half = math.sqrt(2.0) * torch.erfinv(torch.tensor(level, dtype=torch.float64)).item() * self.std
        return self.mean - half, self.mean + half


@dataclass(frozen=True, eq=False)
class Bernoulli(Prediction):
    """Two-class distributions.

    `mean` and `std` describe the latent score from which the head made the logit.

    Attributes
    ----------
    logit : float[n]
        Log-odds of the active class.
    slope : float[n] or None
        Change of the logit with the latent score; None for 1.
    """

    logit: Tensor
    slope: Tensor | None = None

    @property
    def probability(self) -> Tensor:
        return torch.sigmoid(self.logit)

    @property
    def logit_std(self) -> Tensor:
        """float[n]: standard deviation of the latent score, on the scale of the logit."""
        return self.std if self.slope is None else self.slope * self.std

    def log_prob(self, y: Tensor) -> Tensor:
        y = y.to(self.logit)
        return -torch.nn.functional.binary_cross_entropy_with_logits(self.logit, y, reduction="none")

    def interval(self, level: float) -> tuple[Tensor, Tensor]:
        """Interval of the latent score, mapped through the link."""
        half = math.sqrt(2.0) * torch.erfinv(torch.tensor(level, dtype=torch.float64)).item() * self.logit_std
        return torch.sigmoid(self.logit - half), torch.sigmoid(self.logit + half)


def mixture(predictions: Sequence[Prediction], weights: Sequence[float]) -> Prediction:
    """Weighted average of predictions of the same n compounds; the weights sum to 1.

    Classes: the probability is the average, and `mean` is its logit. Values: a normal distribution with
    the mean and the variance of the mixture. `std` holds the disagreement of the members too.

    >>> both = [Gaussian(torch.tensor([m]), torch.tensor([0.0])) for m in (5.0, 7.0)]
    >>> mixed = mixture(both, [0.5, 0.5])
    >>> mixed.mean.item(), mixed.std.item()
    (6.0, 1.0)
    """
    classes = [p for p in predictions if isinstance(p, Bernoulli)]
    members = [p.logit for p in classes] or [p.mean for p in predictions]
    spreads = [p.logit_std for p in classes] or [p.std for p in predictions]
    values, variances = torch.stack(members), torch.stack(spreads).square()
    share = torch.tensor(weights, dtype=values.dtype, device=values.device)
    if classes:
        # Both probabilities are summed by themselves: subtracting one from 1 would lose it near 0.
        both = torch.nn.functional.logsigmoid(torch.stack([values, -values]))
        active, inactive = (share.log()[:, None] + both).logsumexp(1)
        mean = active - inactive
    else:
        mean = share @ values
    std = (share @ (variances + (values - mean).square())).sqrt()
    return Bernoulli(mean, std, mean) if classes else Gaussian(mean, std)


def assemble(parts: Sequence[Prediction], index: Sequence[Tensor]) -> Prediction:
    """One prediction out of parts; part i holds the compounds index[i] int64 of the whole."""
    order = torch.cat(list(index)).argsort()
    return _build(parts[0], lambda name: torch.cat([getattr(part, name) for part in parts])[order])


def overwrite(prediction: Prediction, by: Mapping[int, Prediction]) -> Prediction:
    """The prediction with some rows replaced, each by a prediction of one compound of the same kind."""
    if not by:
        return prediction
    rows = torch.tensor(list(by), device=prediction.mean.device)

    def replaced(name: str) -> Tensor:
        values: Tensor = getattr(prediction, name)
        return values.index_copy(0, rows, torch.cat([getattr(one, name) for one in by.values()]))

    return _build(prediction, replaced)


def _build(like: Prediction, make: Callable[[str], Tensor]) -> Prediction:
    """A prediction of the class of `like`, with those of its tensors that are not None made anew."""
    names = [f.name for f in fields(like) if getattr(like, f.name) is not None]
    return type(like)(**{name: make(name) for name in names})
