"""The learning curve of an assay: what fewer compounds would have given, and what more will probably bring.

The gap to a perfect score is taken to fall as a power of the number of labelled compounds, as it does over
most of the range of most learners (Cortes et al. 1993, NIPS 6, 327; Viering & Loog 2021, arXiv:2103.10948).
A few dozen compounds say little of that power; how it was spread over earlier assays says more, so both
are combined.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from molmeta.crossvalidation import Method
from molmeta.data.episode import Labelled
from molmeta.heads.base import Conditioned
from molmeta.resampling import Array, Comparison, Estimate, Metric, estimate

SHARES = (0.25, 0.5)  # of the compounds of a training fold
_FEWEST = 4  # compounds that are learned from; of each class, half of that
_COUNTS_AS = 16.0  # compounds that the usual gap counts as, beside those of the assay
_UNSEEN = 0.15  # error of a measured power that a bootstrap over compounds does not see
_NORMAL_90 = 1.6448536269514722
_LEAST_GAP = 1e-3


@dataclass(frozen=True)
class Experience:
    """What learning curves of earlier assays were like.

    Attributes
    ----------
    power : (float, float)
        Mean and spread over assays of the power.
    gap : float
        What was usually missing to a perfect score, as a share of it.
    scatter : float
        How much log2 of the gap varies with the compounds that a doubling happens to bring.
    """

    power: Estimate
    gap: float
    scatter: float


# By metric, from the validation assays of FS-Mol; `benchmarks/forecast.py` prints them, and tests them.
EARLIER = {"ΔAUPRC": Experience((0.21, 0.13), 0.5, 0.3), "R²": Experience((0.21, 0.13), 0.8, 0.2)}


@dataclass(frozen=True)
class Point:
    """A score with fewer compounds: how many were learned from, the score of the others, its error."""

    compounds: int
    score: float
    error: float


@dataclass(frozen=True)
class Forecast:
    """What more compounds will probably add to the score, with an interval of 90 %."""

    added: int
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class LearningCurve:
    """Scores by the number of labelled compounds.

    Attributes
    ----------
    metric : str
        "ΔAUPRC" or "R²".
    points : tuple of Point
        Measured by cross-validation, rising in compounds; the last is that of the verdict.
    measured : (float, float)
        Power with which the gap to a perfect score falls on this assay, and its standard error.
    power : (float, float)
        The same, of this assay and of earlier ones together.
    forecasts : tuple of Forecast
        From all compounds of the assay on: ten more, as many again, and four times as many in all.
    """

    metric: str
    points: tuple[Point, ...]
    measured: Estimate
    power: Estimate
    forecasts: tuple[Forecast, ...]

    @property
    def sentence(self) -> str:
        """What to expect of more compounds, in words."""
        said = [
            f"{one.added} more compounds would change {self.metric} by about {one.gain:+.2f} "
            f"(90 %: {one.low:+.2f} to {one.high:+.2f})"
            for one in self.forecasts[:2]
        ]
        return "; ".join(said)


def draw_curve(
    method: Method, trial: Comparison, metric: str, measure: Metric, whole: Array, seed: int
) -> LearningCurve | None:
    """The curve of a method on an assay, on the folds and the resamples of its verdict.

    Parameters
    ----------
    method : callable
        As in `molmeta.verdict.judge`.
    trial : Comparison
    metric, measure : str, callable
        A key of EARLIER, and what computes it.
    whole : float64[1 + RESAMPLES]
        Score of the method on whole training folds.
    seed : int
        Of the compounds that are left out.

    Returns
    -------
    LearningCurve or None
        None where a part of the folds is too little to learn from.
    """
    n, learned = len(trial.data), len(trial.data) * (1 - 1 / trial.folds)
    shares = [share for share in SHARES if _enough(trial, share)]
    if not shares:
        return None
    parts = [trial.score(measure, trial.pool(_Thinned(method, share, seed))) for share in shares]
    boots = [*parts, whole]
    sizes = learned * np.array([*shares, 1.0])
    gaps = np.log2(np.maximum(_perfect(trial) - np.array(boots), _LEAST_GAP))
    x = np.log2(sizes) - np.log2(sizes).mean()
    measured = estimate(-(x @ gaps) / np.square(x).sum())
    earlier = EARLIER[metric]
    power = combine(measured, earlier.power)
    gap = usual_gap(2 ** float(gaps[-1, 0]), _perfect(trial), n, earlier)
    # The score is that of folds: with all compounds of the assay the gap is a little smaller already.
    gap *= (learned / n) ** power[0]
    points = [Point(round(size), *estimate(boot)) for size, boot in zip(sizes, boots, strict=True)]
    forecasts = tuple(forecast(gap, power, earlier.scatter, n, added) for added in _additions(n))
    return LearningCurve(metric, tuple(points), measured, power, forecasts)


def combine(measured: Estimate, prior: Estimate) -> Estimate:
    """Two estimates of one number, weighted by their precision.

    >>> combine((0.5, 0.0), (0.0, 0.15))
    (0.25, 0.10606601717798213)
    """
    error = math.hypot(measured[1], _UNSEEN)
    own, other = error**-2, prior[1] ** -2
    return (own * measured[0] + other * prior[0]) / (own + other), (own + other) ** -0.5


def usual_gap(gap: float, perfect: float, n: int, earlier: Experience) -> float:
    """The gap that was measured on n compounds to a perfect score, drawn to what is usual.

    A few compounds may by chance be predicted perfectly, or not at all.
    """
    return (n * gap + _COUNTS_AS * earlier.gap * perfect) / (n + _COUNTS_AS)


def forecast(gap: float, power: Estimate, scatter: float, n: int, added: int) -> Forecast:
    """What `added` compounds beside n take from a gap to the perfect score.

    >>> forecast(0.4, (1.0, 0.1), scatter=0.2, n=50, added=50).gain
    0.2
    """
    more = math.log2((n + added) / n)

    def gain(halvings: float) -> float:
        return gap * (1 - 2**-halvings)

    middle, half = power[0] * more, _NORMAL_90 * math.hypot(power[1] * more, scatter * math.sqrt(more))
    return Forecast(added, gain(middle), gain(middle - half), gain(middle + half))


def _additions(n: int) -> tuple[int, ...]:
    return tuple(sorted({10, n, 3 * n}))


@dataclass(frozen=True, eq=False)
class _Thinned:
    """A method that learns from a share of what it is given, the same for the same seed.

    A smaller share is a part of a larger one, so that what they give differs by the number alone.
    """

    method: Method
    share: float
    seed: int

    def __call__(self, support: Labelled) -> Conditioned:
        rng = np.random.default_rng([self.seed, len(support)])
        kept = [rng.permutation(group)[: _kept(len(group), self.share)] for group in _groups(support)]
        chosen = torch.as_tensor(np.sort(np.concatenate(kept)), device=support.y.device)
        return self.method(support.select(chosen))


def _perfect(trial: Comparison) -> float:
    """The highest score there is."""
    return 1.0 - float(trial.y.mean()) if trial.data.target.kind == "classification" else 1.0


def _groups(data: Labelled) -> list[NDArray[np.intp]]:
    """Positions of the compounds of each class; of values, all."""
    y = data.y.cpu().numpy()
    if data.target.kind == "classification":
        return [np.flatnonzero(y > 0.5), np.flatnonzero(y <= 0.5)]
    return [np.arange(len(y))]


def _kept(n: int, share: float) -> int:
    return max(1, round(share * n))


def _enough(trial: Comparison, share: float) -> bool:
    """Whether every training fold leaves enough of each class."""
    groups = [len(group) * (trial.folds - 1) // trial.folds for group in _groups(trial.data)]
    kept = [_kept(n, share) for n in groups]
    return sum(kept) >= _FEWEST and min(kept) * len(kept) >= _FEWEST
