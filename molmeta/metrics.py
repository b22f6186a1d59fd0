"""What an evaluation reports of one set of predictions, and how assays are summed up.

Arrays are float64[n] over the compounds of a query set unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

Array = NDArray[np.float64]

# What `score_classes` and `score_values` report, in the order of their tables.
CLASSES = ("prevalence", "auprc", "delta_auprc", "auroc", "nll", "brier", "ece")
VALUES = ("r2_os", "rmse", "nll", "coverage90", "width90")


def auprc(y: Array, score: Array) -> float:
    """Average precision of ranking by `score`; y holds 0 and 1, with a 1 among them."""
    return float(average_precision_score(y, score))


def delta_auprc(y: Array, score: Array) -> float:
    """Average precision minus prevalence, which is what a random order gets.

    Source: Stanley et al. 2021 (FS-Mol), section 5.

    >>> delta_auprc(np.array([0.0, 1.0]), np.array([0.2, 0.7]))
    0.5
    """
    return auprc(y, score) - float(y.mean())


def auroc(y: Array, score: Array) -> float:
    """Area under the ROC curve; y holds both classes."""
    return float(roc_auc_score(y, score))


def enrichment(y: Array, score: Array, share: float) -> float:
    """How many times more actives are among the best `share` of the compounds than by chance.

    Source: Truchon and Bayly 2007, J. Chem. Inf. Model. 47, 488 (enrichment factor). At least one compound
    is looked at; equal scores count in the order given.

    >>> enrichment(np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.9, 0.5, 0.4, 0.1]), 0.25)
    4.0
    """
    best = np.argsort(-score, kind="stable")[: max(1, round(share * len(y)))]
    return float(y[best].mean() / y.mean())


def log_loss(y: Array, probability: Array) -> float:
    """Mean negative log probability of the labels; probabilities are kept off 0 and 1 by 2e-16."""
    p = np.clip(probability, np.finfo(float).eps, 1 - np.finfo(float).eps)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))


def brier(y: Array, probability: Array) -> float:
    """Mean squared difference of probability and label (Brier 1950).

    >>> brier(np.array([0.0, 1.0]), np.array([0.0, 0.5]))
    0.125
    """
    return float(np.mean((probability - y) ** 2))


def ece(y: Array, probability: Array, bins: int = 10) -> float:
    """Expected calibration error over bins of equal mass.

    Mean over the compounds of |mean probability - share of actives| of their bin. The borders are
    quantiles of the probabilities, and equal probabilities are never parted, so a model that says the
    same of every compound has one bin.

    Source: Nixon et al. 2019, Measuring calibration in deep learning (adaptive calibration error).
    """
    borders = np.unique(np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1]))
    which = np.searchsorted(borders, probability, side="right")
    gap = np.bincount(which, weights=probability - y, minlength=len(borders) + 1)
    return float(np.abs(gap).sum() / len(y))


def rmse(y: Array, mean: Array) -> float:
    """Root mean squared error, in the unit of y."""
    return float(np.sqrt(np.mean((mean - y) ** 2)))


def r2_os(y: Array, mean: Array, baseline: float) -> float:
    """Out-of-sample R2: 1 - squared error over that of saying `baseline`, the support set's mean.

    nan where every y is the baseline. Source: Chen et al. 2023 (ADKF-IFT), section 5.

    >>> r2_os(np.array([1.0, 3.0]), np.array([1.0, 2.0]), baseline=1.0)
    0.75
    """
    worst = float(np.sum((y - baseline) ** 2))
    return 1 - float(np.sum((y - mean) ** 2)) / worst if worst > 0 else float("nan")


def coverage(y: Array, low: Array, high: Array) -> float:
    """Share of the values within their interval, borders included."""
    return float(np.mean((low <= y) & (y <= high)))


def width(low: Array, high: Array) -> float:
    """Mean width of the intervals, in the unit of y."""
    return float(np.mean(high - low))


def score_classes(y: Array, probability: Array) -> dict[str, float]:
    """The metrics `CLASSES` of predicted probabilities; y holds both 0 and 1."""
    area, prevalence = auprc(y, probability), float(y.mean())
    return {
        "prevalence": prevalence,
        "auprc": area,
        "delta_auprc": area - prevalence,
        "auroc": auroc(y, probability),
        "nll": log_loss(y, probability),
        "brier": brier(y, probability),
        "ece": ece(y, probability),
    }


def score_values(
    y: Array, mean: Array, log_density: Array, low: Array, high: Array, baseline: float
) -> dict[str, float]:
    """The metrics `VALUES`.

    Parameters
    ----------
    y, mean : float64[n]
        Measured and predicted values.
    log_density : float64[n]
        Log predictive density at y.
    low, high : float64[n]
        Interval of 90 %.
    baseline : float
        Mean of the support set.
    """
    return {
        "r2_os": r2_os(y, mean, baseline),
        "rmse": rmse(y, mean),
        "nll": -float(log_density.mean()),
        "coverage90": coverage(y, low, high),
        "width90": width(low, high),
    }


def standard_error(values: Array) -> float:
    """Standard error of the mean of independent values (ddof 1); nan for a single one.

    >>> standard_error(np.array([1.0, 3.0]))
    1.0
    """
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


@dataclass(frozen=True)
class Difference:
    """Paired difference of two methods over n assays.

    Attributes
    ----------
    mean, se : float
        Mean of a - b over the assays, and its standard error.
    wins : float
        Share of the assays where a is better; a tie counts half.
    n : int
    """

    mean: float
    se: float
    wins: float
    n: int


def paired_difference(a: Array, b: Array) -> Difference:
    """Compares two methods on the same n >= 1 assays, where higher is better: float64[n] each.

    >>> paired_difference(np.array([0.3, 0.5, 0.2]), np.array([0.1, 0.5, 0.1])).wins.__round__(3)
    0.833
    """
    delta = a - b
    wins = float(np.mean((delta > 0) + 0.5 * (delta == 0)))
    return Difference(float(delta.mean()), standard_error(delta), wins, len(delta))
