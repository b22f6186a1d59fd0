"""From the prediction of the heads to calibrated numbers: probabilities, intervals, classes, the domain.

Everything here is fitted on out-of-fold predictions of the support set. Supports are small, so every
estimate is pulled to what the heads were meta-trained to say; with few compounds it stays there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from molmeta.chem.similarity import tanimoto
from molmeta.prediction import Bernoulli, Gaussian, Prediction

Array = NDArray[np.float64]

LEVEL = 0.9
_GAUSSIAN_QUANTILE = 1.6448536269514722  # of |z| at LEVEL


@dataclass(frozen=True, eq=False)
class Outcome:
    """Calibrated numbers of n compounds, float64[n] each.

    Attributes
    ----------
    latent : log-odds of the active class, or the value; orders the compounds
    value : probability of the active class, or the value
    std : one standard deviation of `value`
    low, high : 90 % interval of `value`
    call : class at the fitted threshold (0 or 1); nan for values
    """

    latent: Array
    value: Array
    std: Array
    low: Array
    high: Array
    call: Array


class Calibration(Protocol):
    """What a predictor asks of a calibration."""

    def apply(self, prediction: Prediction) -> Outcome: ...


@dataclass(frozen=True)
class Platt:
    """Classes: logit -> slope * logit + offset, and the threshold of a call on the probability.

    Source: Platt 1999, here with a tight prior around slope 1 and offset 0.
    """

    slope: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5

    @classmethod
    def fit(cls, logit: Array, y: Array) -> Platt:
        """From out-of-fold logits and labels 0/1, float64[n] each.

        Slope and offset maximize the likelihood times normal priors of log(slope) and of offset with
        standard deviation 0.25; below 30 compounds they stay at 1 and 0.
        """
        slope, offset = _fit_slope(logit, y) if len(y) >= 30 else (1.0, 0.0)
        return cls(slope, offset, _fit_threshold(slope * logit + offset, y))

    @classmethod
    def unfitted(cls, prevalence: float) -> Platt:
        """Where no cross-validation is possible: calls at the prevalence (see `_fit_threshold`)."""
        return cls(threshold=prevalence)

    def apply(self, prediction: Prediction) -> Outcome:
        assert isinstance(prediction, Bernoulli)
        logit = self.slope * _numpy(prediction.logit) + self.offset
        std = self.slope * _numpy(prediction.logit_std)
        p = _sigmoid(logit)
        return Outcome(
            latent=logit,
            value=p,
            std=(_sigmoid(logit + std) - _sigmoid(logit - std)) / 2,
            low=_sigmoid(logit - _GAUSSIAN_QUANTILE * std),
            high=_sigmoid(logit + _GAUSSIAN_QUANTILE * std),
            call=(p >= self.threshold).astype(np.float64),
        )


@dataclass(frozen=True)
class Conformal:
    """Values: how many times too small the standard deviations are, and the width of 90 % intervals.

    Attributes
    ----------
    scale : float
        Multiplies the standard deviation.
    quantile : float
        Half the width of an interval, in standard deviations of the heads.
    """

    scale: float = 1.0
    quantile: float = _GAUSSIAN_QUANTILE

    @classmethod
    def fit(cls, z: Array) -> Conformal:
        """From out-of-fold residuals over their standard deviations, float64[n].

        The scale is the root mean square of z, with 10 compounds' worth of weight on 1. From 10 compounds
        on, the quantile is the conformal one, the ceil(0.9 (n + 1))-th smallest |z| (cross-conformal
        prediction, Vovk 2015, with normalized residuals, Papadopoulos et al. 2008); below, it is that of
        the scaled normal distribution.
        """
        n = len(z)
        scale = math.sqrt((10 + float(np.square(z).sum())) / (10 + n))
        if n < 10:
            return cls(scale, scale * _GAUSSIAN_QUANTILE)
        rank = math.ceil(LEVEL * (n + 1) - 1e-9)  # 0.9 * 10 may come out as 9.000000000000002
        return cls(scale, float(np.sort(np.abs(z))[rank - 1]))

    def apply(self, prediction: Prediction) -> Outcome:
        assert isinstance(prediction, Gaussian)
        mean, std = _numpy(prediction.mean), _numpy(prediction.std)
        half = self.quantile * std
        none = np.full_like(mean, np.nan)
        return Outcome(mean, mean, self.scale * std, mean - half, mean + half, none)


@dataclass(frozen=True)
class Domain:
    """Which compounds a support set can speak for.

    Attributes
    ----------
    similarity : float
        Least Tanimoto similarity to the nearest support compound.
    std : float or None
        Largest standard deviation of the heads; None where no cross-validation was possible.
    """

    similarity: float
    std: float | None

    @classmethod
    def fit(cls, counts: torch.Tensor, prediction: Prediction | None) -> Domain:
        """From the support set's counts uint8[n, 2048] and its out-of-fold prediction, if there is one.

        A compound is in the domain where it is as close to the support set as 95 % of the support's own
        compounds are to the rest of it (but 0.5 is always close enough, and below 0.1 never), and where
        the heads are as sure of it as of 95 % of the held-out support compounds, give or take 10 %.
        """
        similarity = tanimoto(counts, counts).fill_diagonal_(-1).max(1).values
        least = float(np.quantile(_numpy(similarity), 0.05))
        std = None if prediction is None else 1.1 * float(np.quantile(_numpy(spread(prediction)), 0.95))
        return cls(min(max(least, 0.1), 0.5), std)

    def contains(self, similarity: Array, std: Array) -> NDArray[np.bool_]:
        """bool[n]"""
        near = similarity >= self.similarity
        return near if self.std is None else near & (std <= self.std)


def spread(prediction: Prediction) -> torch.Tensor:
    """Standard deviation float[n] that `Domain` compares."""
    return prediction.logit_std if isinstance(prediction, Bernoulli) else prediction.std


def _fit_slope(logit: Array, y: Array) -> tuple[float, float]:
    def objective(x: Array) -> tuple[float, Array]:
        slope = math.exp(x[0])
        z = slope * logit + x[1]
        loss = float(np.sum(np.logaddexp(0, z) - y * z)) + float(x @ x) / (2 * 0.25**2)
        error = _sigmoid(z) - y
        return loss, np.array([error @ (slope * logit), error.sum()]) + x / 0.25**2

    x = minimize(objective, np.zeros(2), jac=True, method="BFGS").x
    return math.exp(x[0]), float(x[1])


def _fit_threshold(logit: Array, y: Array) -> float:
    """Probability from which on a compound is called active, chosen for balanced accuracy.

    The best cut of a perfectly calibrated model is the prevalence. The best cut seen out of fold (the
    middle one, where several tie) is averaged with it on the logit scale, the prevalence weighing as
    much as 32 compounds.
    """
    values = np.sort(logit)
    cuts = (values[1:] + values[:-1]) / 2
    called = logit[None] >= cuts[:, None]
    balanced = called[:, y > 0.5].mean(1) - called[:, y < 0.5].mean(1)
    best = cuts[balanced >= balanced.max() - 1e-12]
    n, prevalence = len(y), float(y.mean())
    prior = math.log(prevalence / (1 - prevalence))
    chosen = (n * float(best[len(best) // 2]) + 32 * prior) / (n + 32)
    return float(_sigmoid(np.float64(chosen)))


def _sigmoid(x: Array | np.float64) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0, -x)))


def _numpy(x: torch.Tensor) -> Array:
    return x.detach().cpu().double().numpy()
