"""The verdict: is an adapted model worth using on this assay, next to what anybody can do without it?

Repeated cross-validation, with the same splits for all. Standard errors come from a bootstrap over the
compounds of the pooled held-out predictions (Efron 1979), since the compounds are few and the repeats are
not independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from molmeta.crossvalidation import Method
from molmeta.data.episode import Labelled
from molmeta.encoders.base import Frozen
from molmeta.heads.baselines.untrained import Mean, NearestNeighbours, RandomForest
from molmeta.learningcurve import LearningCurve, draw_curve
from molmeta.prediction import Prediction
from molmeta.resampling import (
    RESAMPLES,
    Array,
    Comparison,
    Estimate,
    Metric,
    auroc,
    average,
    delta_auprc,
    estimate,
    r2,
    rmse,
)

Level = Literal["useful", "like_baseline", "useless", "unknown"]

MODEL, GUESS = "molmeta", "guessing"
BASELINES = {"knn": NearestNeighbours, "rf": RandomForest}
NAMES = {"knn": "kNN", "rf": "a random forest"}
# Of each kind of target; the first decides.
METRICS: dict[str, dict[str, Metric]] = {
    "classification": {"ΔAUPRC": delta_auprc, "AUROC": auroc},
    "regression": {"R²": r2, "RMSE": rmse},
}
REPEATS = 3
ENOUGH = 2.0  # standard errors that a difference must have to count


@dataclass(frozen=True)
class Verdict:
    """What cross-validation says of a model on its own assay.

    Attributes
    ----------
    level : str
        "useful" (better than guessing, kNN and a random forest), "like_baseline", "useless" (no better
        than guessing) or "unknown" (no cross-validation possible).
    sentence : str
        The same for people, with numbers.
    metric : str
        "ΔAUPRC" (average precision - prevalence) or "R²".
    scores : dict of str to (float, float)
        Metric and standard error of "molmeta", "knn", "rf" and "guessing" (classes: a random order of
        these compounds; values: the mean of the training folds).
    differences : dict of str to (float, float)
        Model minus each of the others, paired, with standard error.
    others : dict of str to dict
        The same as `scores` for "AUROC" or "RMSE".
    fits : int
        Models fitted in the repeated cross-validation.
    curve : LearningCurve or None
        Scores with fewer compounds, and what more will probably bring; None where the folds are too small.
    """

    level: Level
    sentence: str
    metric: str
    scores: dict[str, Estimate] = field(default_factory=dict)
    differences: dict[str, Estimate] = field(default_factory=dict)
    others: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    fits: int = 0
    curve: LearningCurve | None = None


def judge(method: Method, data: Labelled, seed: int, known: Prediction | None = None) -> Verdict:
    """Compares a method with kNN and a random forest on ECFP, and with guessing, by cross-validation.

    Parameters
    ----------
    method : callable
        Conditions on a part of `data`; everything that it learns, it learns from that part.
    data : Labelled
        The assay; its batch has counts.
    seed : int
        Of the splits.
    known : Prediction or None
        What the method says of the folds that are drawn with the seed, where that was computed before.
    """
    classes = data.target.kind == "classification"
    measures = METRICS[data.target.kind]
    metric, *others = measures
    trial = Comparison.of(data, REPEATS, seed)
    if trial is None:
        return Verdict("unknown", _unknown(data), metric)
    methods = {MODEL: method} | _baselines(classes)
    held_out = {name: trial.pool(one, known if name == MODEL else None) for name, one in methods.items()}
    boots = {
        label: {name: trial.score(measure, pooled) for name, pooled in held_out.items()}
        for label, measure in measures.items()
    }
    if classes:
        for label, measure in measures.items():
            rng = np.random.default_rng(seed)
            boots[label][GUESS] = _random_order(measure, trial.y, held_out[MODEL], rng)
    estimates = {label: {n: estimate(b) for n, b in found.items()} for label, found in boots.items()}
    differences = _differences(boots[metric], classes)
    fits = sum(map(len, trial.splits))
    level, sentence = _conclude(differences, estimates[metric], metric, len(data), fits)
    return Verdict(
        level=level,
        sentence=sentence,
        metric=metric,
        scores=estimates[metric],
        differences=differences,
        others={label: estimates[label] for label in others},
        fits=fits,
        curve=draw_curve(method, trial, metric, measures[metric], boots[metric][MODEL], seed),
    )


def _baselines(classes: bool) -> dict[str, Method]:
    # They read the counts alone; the encoder is there for the form.
    none = Frozen(1)
    heads = {name: kind() for name, kind in BASELINES.items()} | ({} if classes else {GUESS: Mean()})

    def method(name: str) -> Method:
        return lambda support: heads[name].condition(none, support)

    return {name: method(name) for name in heads}


def _random_order(measure: Metric, y: Array, pooled: Array, rng: np.random.Generator) -> Array:
    """Metric of the same predictions for shuffled labels; row 0 is the mean of all shuffles."""
    one = np.ones((1, len(y)))
    shuffles = [average(measure, rng.permutation(y), pooled, one)[0] for _ in range(RESAMPLES)]
    return np.array([np.mean(shuffles), *shuffles])


def _differences(boots: Mapping[str, Array], classes: bool) -> dict[str, Estimate]:
    """Of the model to each of the others; to a random order, by the spread of random orders."""
    ours = boots[MODEL]
    found = {name: estimate(ours - boot) for name, boot in boots.items() if name != MODEL}
    if classes:
        found[GUESS] = (float(ours[0] - boots[GUESS][0]), float(boots[GUESS][1:].std(ddof=1)))
    return found


def _conclude(
    differences: Mapping[str, Estimate], scores: Mapping[str, Estimate], metric: str, n: int, fits: int
) -> tuple[Level, str]:
    """The level and the sentence."""
    terms = f"({metric}, {REPEATS} x {fits // REPEATS}-fold cross-validation)"
    rivals = sorted(BASELINES, key=lambda name: differences[name][0])
    strongest = rivals[0]
    gap, se = differences[strongest]
    ahead, ahead_se = differences[GUESS]
    text = f"{abs(gap):.2f} ± {se:.2f}"
    if ahead <= ENOUGH * ahead_se:
        sentence = f"no better than guessing on these {n} compounds: {ahead:+.2f} ± {ahead_se:.2f} {terms}"
        worse = f"; {NAMES[strongest]} does better by {text}" if gap < -ENOUGH * se else ""
        return "useless", sentence + worse
    if gap < -ENOUGH * se:
        return "like_baseline", f"worse than {NAMES[strongest]} by {text} {terms}; better than guessing"
    beaten = [name for name in rivals if is_beaten(differences[name])]
    if len(beaten) == len(rivals):
        return "useful", f"better than {' and '.join(_by(name, differences) for name in beaten)} {terms}"
    # The strongest may be beaten surely, and a weaker one, of which less is known, not.
    equal = next(name for name in rivals if name not in beaten)
    gap, se = differences[equal]
    sentence = (
        f"no better than {NAMES[equal]}: {scores[MODEL][0]:.2f} against {scores[equal][0]:.2f}, "
        f"difference {gap:+.2f} ± {se:.2f} {terms}; better than guessing"
    )
    also = "".join(f" and than {_by(name, differences)}" for name in beaten)
    return "like_baseline", sentence + also


def is_beaten(difference: Estimate) -> bool:
    """Whether the model is surely better than what it has this difference to."""
    return difference[0] > ENOUGH * difference[1]


def _by(name: str, differences: Mapping[str, Estimate]) -> str:
    gap, se = differences[name]
    return f"{NAMES[name]} by {gap:.2f} ± {se:.2f}"


def _unknown(data: Labelled) -> str:
    if data.target.kind == "classification":
        n_active = int((data.y > 0.5).sum())
        found = f"{n_active} active and {len(data) - n_active} inactive compounds"
        wanted = "two of each class"
    else:
        found, wanted = f"{len(data)} compounds", "four different exact values"
    return f"unknown: with {found}, cross-validation is impossible; it needs at least {wanted}"
