"""Between labels and Gaussian processes: labels as numbers on the way in, predictions on the way out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from molmeta.data.episode import Labelled
from molmeta.heads.likelihood import spread_of
from molmeta.prediction import Bernoulli, Gaussian, Prediction


@dataclass(frozen=True, eq=False)
class Regressed:
    """A support set as a Gaussian process regresses it.

    y float64[n]: labels -1 and +1 minus their mean, or standardized values; centre, spread float64[]:
    what takes y back; classes: whether these are labels; odds: log-odds of the actives; size: log(n / 32).
    """

    y: Tensor
    centre: Tensor
    spread: Tensor
    classes: bool
    odds: float
    size: float

    @classmethod
    def of(cls, support: Labelled) -> Regressed:
        return cls.of_labels(support.y, support.target.kind)

    @classmethod
    def of_labels(cls, labels: Tensor, kind: str) -> Regressed:
        """Of labels float[n] of a kind."""
        y, n = labels.double(), len(labels)
        classes = kind == "classification"
        n_pos = float((labels > 0.5).sum()) if classes else n / 2
        y = 2 * y - 1 if classes else y
        centre = y.mean()
        spread = torch.ones_like(centre) if classes else spread_of(y)
        odds = math.log((n_pos + 0.5) / (n - n_pos + 0.5))
        return cls((y - centre) / spread, centre, spread, classes, odds, math.log(n / 32))


class Link(nn.Module):
    """Latent normal distributions to predictions; for classes a logit that is linear in the latent mean.

    The logit is `steep` * mean + offset + weight * log-odds of the support set, where `steep` falls with
    the latent variance, as a probit link would have it (Rasmussen and Williams 2006, equation 3.82).
    """

    def __init__(self) -> None:
        super().__init__()
        # Gain, its slope in log(n / 32), weight of the variance; offset, weight of the log-odds.
        self.weight = nn.Parameter(torch.tensor([math.log(2.0), 0.0, 0.0, 0.0, 1.0]))

    def prediction(self, support: Regressed, mean: Tensor, variance: Tensor, noise: Tensor) -> Prediction:
        """From the latent mean, variance and noise variance float64[m] each."""
        if not support.classes:
            value = support.centre + support.spread * mean
            return Gaussian(value, support.spread * (variance + noise).sqrt())
        gain, slope, shrink, offset, base = self.weight.double()
        steep = torch.exp(gain + slope * support.size) / (1 + shrink.exp() * variance).sqrt()
        logit = steep * mean + offset + base * support.odds
        return Bernoulli(mean + support.centre, variance.sqrt(), logit, steep)


def decoded(support: Regressed, output: Tensor) -> Prediction:
    """The prediction that a network's two numbers a compound, float[m, 2], stand for: score and spread.

    The spread goes through a softplus. For classes the score, beyond the log-odds of the support set, is
    normal with it, and the logit is that of the averaged probability (MacKay 1992, equation 10); for
    values the two are mean and standard deviation, in units of those of the support set.
    """
    score, raw = output.double().unbind(1)
    std = nn.functional.softplus(raw) + 0.05
    if not support.classes:
        return Gaussian(support.centre + support.spread * score, support.spread * std)
    logit = score / (1 + math.pi / 8 * std.square()).sqrt()
    return Bernoulli(score, std, logit + support.odds)
