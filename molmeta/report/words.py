"""How a report says things to a chemist: levels, labels, scores and similarities in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from molmeta.adaptreport import AdaptReport
from molmeta.data.support import Support
from molmeta.verdict import ENOUGH, GUESS, MODEL, NAMES, Level, Verdict

# Class of a box, and its first words.
TONES: dict[Level, tuple[str, str]] = {
    "useful": ("good", "Worth using."),
    "like_baseline": ("care", "Use with care."),
    "useless": ("bad", "Do not rely on it."),
    "unknown": ("care", "Not known yet."),
}
_METHODS = {MODEL: "molmeta", "knn": "nearest neighbours", "rf": "random forest", GUESS: "guessing"}
_SIGNS = {-1: "< ", 0: "", 1: "> "}


@dataclass(frozen=True)
class Fact:
    """A number with its name."""

    name: str
    value: str


def headline(verdict: Verdict) -> str:
    """What the verdict means for the work, in a sentence."""
    if verdict.level == "useful":
        return (
            "The model predicts held-out compounds of yours better than their nearest neighbours and a "
            "random forest do."
        )
    if verdict.level == "useless":
        return "The model predicts held-out compounds of yours no better than guessing does."
    if verdict.level == "unknown":
        return "There are too few compounds to hold some out and test the model on them."
    rivals = sorted(
        (name for name in NAMES if name in verdict.differences), key=lambda n: verdict.differences[n]
    )
    # As in the sentence of the verdict: the strongest may be beaten surely, and a weaker one not.
    open_ = (name for name in rivals if verdict.differences[name][0] <= ENOUGH * verdict.differences[name][1])
    equal = next(open_, rivals[0])
    gap, se = verdict.differences[equal]
    how = "worse" if gap < -ENOUGH * se else "not surely better"
    return (
        f"The model predicts held-out compounds of yours better than guessing does, but {how} than "
        f"{NAMES[equal]}, which needs no earlier assays."
    )


def facts(report: AdaptReport) -> list[Fact]:
    """The numbers at the top of a report."""
    found = [Fact("compounds", str(report.n))]
    if report.n_active is not None:
        found.append(Fact("active", f"{report.n_active} ({100 * report.n_active / report.n:.0f} %)"))
    elif report.span is not None:
        low, high = report.span
        found.append(Fact(unit(report), f"{typeset(low)} to {typeset(high)}"))
    if report.verdict is not None and report.verdict.scores:
        scores = {report.verdict.metric: report.verdict.scores} | report.verdict.others
        found += [Fact(name, plus_minus(score[MODEL])) for name, score in scores.items()]
    return found


def unit(report: AdaptReport) -> str:
    """What is predicted, with its unit."""
    return report.target.model_unit or report.target.name


def comparison(verdict: Verdict) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the methods that were compared."""
    scores = {verdict.metric: verdict.scores} | verdict.others
    columns = ["method", *scores, f"molmeta is ahead by ({verdict.metric})"]
    rows = [
        [
            _METHODS[name],
            *(plus_minus(score[name]) for score in scores.values()),
            plus_minus(verdict.differences[name], signed=True) if name in verdict.differences else "",
        ]
        for name in _METHODS
        if name in verdict.scores
    ]
    return columns, rows


def plus_minus(estimate: tuple[float, float], signed: bool = False) -> str:
    """A number with its standard error.

    >>> plus_minus((0.456, 0.021)), plus_minus((0.456, 0.021), signed=True)
    ('0.46 ± 0.02', '+0.46 ± 0.02')
    """
    number, error = estimate
    return f"{typeset(number, signed)} ± {error:.2f}"


def typeset(number: float, signed: bool = False) -> str:
    """Two digits after the point, with a minus that is as wide as a plus.

    >>> typeset(-0.014), typeset(0.5, signed=True)
    ('−0.01', '+0.50')
    """
    return minus(f"{number:+.2f}" if signed else f"{number:.2f}")


def minus(text: str) -> str:
    """Numbers with the sign that typesetters use."""
    return text.replace("-", "−")


def metric(report: AdaptReport) -> str:
    """What the first score means."""
    if report.prevalence is not None:
        return (
            f"ΔAUPRC is the average precision of the ranking less the share of actives: 0 is a random order, "
            f"{1 - report.prevalence:.2f} would be perfect here. AUROC is the chance that an active ranks "
            "above an inactive: 0.5 is a random order, 1 is perfect."
        )
    return (
        "R² is the share of the differences between your compounds that is predicted: 0 is no better than "
        f"their mean, 1 is perfect. RMSE is the typical error, in {unit(report)}."
    )


def label(support: Support, i: int) -> str:
    """The label of a labelled compound."""
    return said(support.values[i], support.relations[i], support.target.kind == "classification")


def said(value: float, relation: int, classes: bool) -> str:
    """A label in words.

    >>> said(1.0, 0, True), said(6.25, 1, False)
    ('active', '> 6.25')
    """
    return ("active" if value else "inactive") if classes else _SIGNS[relation] + minus(f"{value:.3g}")


def predicted(value: float, low: float, high: float, classes: bool) -> str:
    """A prediction with its interval of 90 %.

    >>> predicted(0.9, 0.5, 0.99, True), predicted(6.512, -5.25, 7.75, False)
    ('90 % likely active (50 to 99 %)', '7 (−5 to 8)')
    """
    if classes:
        return f"{100 * value:.0f} % likely active ({100 * low:.0f} to {100 * high:.0f} %)"
    # As many digits as the interval is worth: two of its width.
    digits = max(0, 1 - math.floor(math.log10(high - low))) if high > low else 2
    return minus(f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})")
