"""What held-out predictions are worth, with standard errors from a bootstrap over compounds (Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from molmeta.crossvalidation import Method, draw_folds, predict_parts
from molmeta.data.episode import Labelled
from molmeta.prediction import Bernoulli, Prediction, assemble

Array = NDArray[np.float64]
# A number and its standard error.
Estimate = tuple[float, float]
# Score of labels float64[n] and predictions float64[n] with weights float64[b, n]: float64[b].
Metric = Callable[[Array, Array, Array], Array]

RESAMPLES = 500
FEWEST = 4  # compounds with an exact label


@dataclass(frozen=True, eq=False)
class Comparison:
    """Repeated cross-validation of an assay, with the same folds and the same resamples for all methods.

    Attributes
    ----------
    data : Labelled
        The assay, of n compounds.
    splits : list of list of Tensor
        Held-out parts int64 of each repeat.
    exact : bool[n]
        Which m compounds are scored: bounds are learned from, and score nothing.
    y : float64[m]
        Their labels.
    weights : float64[1 + RESAMPLES, m]
        How often each of them is drawn (`resamples`).
    """

    data: Labelled
    splits: list[list[torch.Tensor]]
    exact: NDArray[np.bool_]
    y: Array
    weights: Array

    @classmethod
    def of(cls, data: Labelled, repeats: int, seed: int) -> Comparison | None:
        """None where an assay is too small, or all of its labels are equal."""
        splits = [folds for repeat in range(repeats) if (folds := draw_folds(data, seed + repeat))]
        exact = (data.relation == 0).cpu().numpy()
        y = data.y.double().cpu().numpy()[exact]
        if not splits or len(y) < FEWEST or np.ptp(y) == 0:
            return None
        classes = data.target.kind == "classification"
        return cls(data, splits, exact, y, resamples(y, classes, np.random.default_rng(seed)))

    @property
    def folds(self) -> int:
        """Of each repeat."""
        return len(self.splits[0])

    def pool(self, method: Method, known: Prediction | None = None) -> Array:
        """Held-out log-odds or values float64[repeats, m] of a method, of which `known` may be the first."""
        found, splits = ([], self.splits) if known is None else ([known], self.splits[1:])
        parts = iter(predict_parts(method, self.data, [part for folds in splits for part in folds]))
        found += [assemble([next(parts) for _ in folds], folds) for folds in splits]
        best = [p.logit if isinstance(p, Bernoulli) else p.mean for p in found]
        return np.asarray(torch.stack(best).double().cpu().numpy())[:, self.exact]

    def score(self, measure: Metric, pooled: Array) -> Array:
        """Metric of pooled predictions for each resample, averaged over the repeats."""
        return average(measure, self.y, pooled, self.weights)


def resamples(y: Array, classes: bool, rng: np.random.Generator) -> Array:
    """How often each compound is drawn, float64[1 + RESAMPLES, n]; row 0 is the sample itself.

    Classes are resampled each by itself, so that the prevalence stays what it is.
    """
    weights = np.ones((1 + RESAMPLES, len(y)))
    for group in [y > 0.5, y <= 0.5] if classes else [np.ones(len(y), dtype=bool)]:
        n = int(group.sum())
        weights[1:, group] = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    return weights


def average(measure: Metric, y: Array, pooled: Array, weights: Array) -> Array:
    """Metric of each resample, averaged over the repeats: float64[1 + RESAMPLES]."""
    return np.asarray(np.mean([measure(y, scores, weights) for scores in pooled], axis=0))


def estimate(boot: Array) -> Estimate:
    """The first of float64[1 + RESAMPLES], and the spread of the others."""
    return float(boot[0]), float(boot[1:].std(ddof=1))


def _groups(scores: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Order of falling score, and the last place of each run of equal scores."""
    order = np.argsort(-scores, kind="stable")
    return order, np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))


def delta_auprc(y: Array, scores: Array, weights: Array) -> Array:
    """Average precision minus prevalence, of weighted compounds; equal scores are one step."""
    order, ends = _groups(scores)
    positive = np.cumsum(weights[:, order] * y[order], axis=1)[:, ends]
    everyone = np.cumsum(weights[:, order], axis=1)[:, ends]
    gained = np.diff(positive, axis=1, prepend=0)
    total = positive[:, -1]
    precision = positive / np.maximum(everyone, 1e-12)
    return np.asarray((gained * precision).sum(1) / total - total / everyone[:, -1])


def auroc(y: Array, scores: Array, weights: Array) -> Array:
    """Chance that an active ranks above an inactive, ties counted half, of weighted compounds."""
    order, ends = _groups(scores)
    positive = np.cumsum(weights[:, order] * y[order], axis=1)[:, ends]
    negative = np.cumsum(weights[:, order] * (1 - y[order]), axis=1)[:, ends]
    before = np.concatenate([np.zeros((len(weights), 1)), positive[:, :-1]], axis=1)
    area = (np.diff(negative, axis=1, prepend=0) * (positive + before) / 2).sum(1)
    return np.asarray(area / (positive[:, -1] * negative[:, -1]))


def rmse(y: Array, mean: Array, weights: Array) -> Array:
    """Root mean square error of weighted compounds, in the unit of y."""
    return np.asarray(np.sqrt(weights @ np.square(y - mean) / weights.sum(1)))


def r2(y: Array, mean: Array, weights: Array) -> Array:
    """Share of the variance of y that is predicted, of weighted compounds."""
    # The variance is that of all compounds: a resample of a few may have none.
    return np.asarray(1 - np.square(rmse(y, mean, weights)) / np.var(y))
