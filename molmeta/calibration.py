"""From the prediction of the heads to calibrated numbers: probabilities, intervals, prediction sets, classes.

Everything here is fitted on out-of-fold predictions of the support set. Supports are small, so every
estimate is pulled to what the heads were meta-trained to say, and what is 90 % to how held-out compounds
of earlier assays came out (`molmeta.conformity`); with few compounds both stay there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from molmeta.conformity import Conformity, log_odds, threshold
from molmeta.data.episode import Labelled
from molmeta.prediction import Bernoulli, Gaussian, Prediction

Array = NDArray[np.float64]

LEVEL = 0.9
# Compounds that earlier assays count as, beside those of the support set, in what 90 % is.
EARLIER = 30.0
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
    maybe_active, maybe_inactive : bool[n]
        The prediction set: each class that a compound may have, in the sense that of the compounds of
        either class 90 % have their class in the set. All true for values.
    """

    latent: Array
    value: Array
    std: Array
    low: Array
    high: Array
    call: Array
    maybe_active: NDArray[np.bool_]
    maybe_inactive: NDArray[np.bool_]

    @property
    def prediction_set(self) -> list[str | None]:
        """ "active", "inactive", "either" or "neither" of each compound; None for values."""
        names = np.array(["neither", "inactive", "active", "either"], dtype=object)
        named = names[self.maybe_inactive + 2 * self.maybe_active]
        return np.where(np.isnan(self.call), None, named).tolist()  # type: ignore[call-overload, no-any-return]


class Calibration(Protocol):
    """What a predictor asks of a calibration."""

    def apply(self, prediction: Prediction) -> Outcome: ...


@dataclass(frozen=True)
class Platt:
    """Classes: logit -> slope * logit + offset + shift, the threshold of a call, and the prediction sets.

    Attributes
    ----------
    slope, offset : float
    threshold : float
        Probability, without the shift, from which on a compound is called active.
    active_from, inactive_to : float or None
        Logits of the heads from which on, and up to which, a class is in the prediction set; None for
        everywhere.
    shift : float
        Log-odds by which actives are more frequent where the model is used than in its assay.

    Source: Platt 1999, here with a tight prior around slope 1 and offset 0; class-conditional conformal
    prediction, Vovk 2012, with held-out compounds of this and of earlier assays.
    """

    slope: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5
    active_from: float | None = None
    inactive_to: float | None = None
    shift: float = 0.0

    @classmethod
    def fit(cls, logit: Array, y: Array, conformity: Conformity) -> Platt:
        """From out-of-fold logits and labels 0/1, float64[n] each.

        Slope and offset maximize the likelihood times normal priors of log(slope) and of offset with
        standard deviation 0.25; below 30 compounds they stay at 1 and 0.
        """
        slope, offset = _fit_slope(logit, y) if len(y) >= 30 else (1.0, 0.0)
        cut = _fit_threshold(slope * logit + offset, y)
        return cls(slope, offset, cut, *_fit_sets(logit, y, conformity))

    @classmethod
    def unfitted(cls, y: Array, conformity: Conformity) -> Platt:
        """From labels alone, where no cross-validation is possible: calls at the prevalence."""
        return cls(1.0, 0.0, float(y.mean()), *_fit_sets(None, y, conformity))

    def apply(self, prediction: Prediction) -> Outcome:
        assert isinstance(prediction, Bernoulli)
        raw = _numpy(prediction.logit)
        own = self.slope * raw + self.offset
        logit, std = own + self.shift, self.slope * _numpy(prediction.logit_std)
        return Outcome(
            latent=logit,
            value=_sigmoid(logit),
            std=(_sigmoid(logit + std) - _sigmoid(logit - std)) / 2,
            low=_sigmoid(logit - _GAUSSIAN_QUANTILE * std),
            high=_sigmoid(logit + _GAUSSIAN_QUANTILE * std),
            call=(_sigmoid(own) >= self.threshold).astype(np.float64),
            maybe_active=raw >= (-math.inf if self.active_from is None else self.active_from),
            maybe_inactive=raw <= (math.inf if self.inactive_to is None else self.inactive_to),
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
    def fit(cls, z: Array, n: int, conformity: Conformity) -> Conformal:
        """From out-of-fold residuals over their standard deviations, float64[m], of n labelled compounds.

        The scale is the root mean square of z, with 10 compounds' worth of weight on 1. The quantile is
        the conformal one of |z| and of earlier assays (cross-conformal prediction, Vovk 2015, with
        normalized residuals, Papadopoulos et al. 2008); where both together are too few, it is that of
        the scaled normal distribution.
        """
        scale = math.sqrt((10 + float(np.square(z).sum())) / (10 + len(z)))
        quantile = threshold(np.abs(z), conformity.at(conformity.value, n), LEVEL, EARLIER)
        return cls(scale, quantile if math.isfinite(quantile) else scale * _GAUSSIAN_QUANTILE)

    def apply(self, prediction: Prediction) -> Outcome:
        assert isinstance(prediction, Gaussian)
        mean, std = _numpy(prediction.mean), _numpy(prediction.std)
        half = self.quantile * std
        none = np.full_like(mean, np.nan)
        every = np.ones(len(mean), dtype=bool)
        return Outcome(mean, mean, self.scale * std, mean - half, mean + half, none, every, every)


def calibrate(held_out: Prediction | None, data: Labelled, conformity: Conformity) -> Platt | Conformal:
    """Fits the calibration of a support set to its out-of-fold prediction, if there is one."""
    y = data.y.cpu().double().numpy()
    if data.target.kind == "classification":
        if held_out is None:
            return Platt.unfitted(y, conformity)
        assert isinstance(held_out, Bernoulli)
        return Platt.fit(_numpy(held_out.logit), y, conformity)
    z = np.zeros(0)
    if held_out is not None:
        exact = (data.relation == 0).cpu().numpy()
        z = ((y - _numpy(held_out.mean)) / _numpy(held_out.std))[exact]
    return Conformal.fit(z, len(data), conformity)


def _fit_slope(logit: Array, y: Array) -> tuple[float, float]:
    from scipy.optimize import minimize  # half a second, which whoever only loads a model need not wait for

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


def _fit_sets(logit: Array | None, y: Array, conformity: Conformity) -> tuple[float | None, float | None]:
    """Logits from which on, and up to which, a class is possible; None where it always is.

    Scores are logits less the log-odds of the support set, so that assays with rare actives compare.
    """
    odds = log_odds(y)
    active, inactive = (conformity.at(t, len(y)) for t in (conformity.active, conformity.inactive))
    score = np.zeros(0) if logit is None else logit - odds
    labels = y[: len(score)]
    least = -threshold(-score[labels > 0.5], -active, LEVEL, EARLIER)
    most = threshold(score[labels < 0.5], inactive, LEVEL, EARLIER)
    return (
        least + odds if math.isfinite(least) else None,
        most + odds if math.isfinite(most) else None,
    )


def _sigmoid(x: Array | np.float64) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0, -x)))


def _numpy(x: torch.Tensor) -> Array:
    return x.detach().cpu().double().numpy()
