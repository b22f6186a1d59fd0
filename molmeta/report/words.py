"""How a report says things to a chemist: levels, labels, scores and similarities in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from molmeta.adaptreport import AdaptReport
from molmeta.data.support import Support
from molmeta.domain import ALIKE
from molmeta.verdict import ENOUGH, GUESS, MODEL, NAMES, Level, Verdict, is_beaten

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
    rivals = {name: verdict.differences[name] for name in NAMES if name in verdict.differences}
    # As in the sentence of the verdict: the strongest may be beaten surely, and a weaker one not.
    equal = min(rivals, key=lambda name: (is_beaten(rivals[name]), rivals[name]))
    gap, se = rivals[equal]
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
        digits = _digits(high - low)
        found.append(Fact(unit(report), f"{typeset(low, digits=digits)} to {typeset(high, digits=digits)}"))
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
    >>> plus_minus((3.14e-6, 2.3e-7))
    '0.0000031 ± 0.0000002'
    """
    number, error = estimate
    digits = _digits(10 * error)
    return f"{typeset(number, signed, digits)} ± {error:.{digits}f}"


def _digits(size: float) -> int:
    """Digits after the point: two, and more for what is so small that these would be zero."""
    return 2 if not 0 < size < 0.05 else 1 - math.floor(math.log10(size))


def typeset(number: float, signed: bool = False, digits: int = 2) -> str:
    """Digits after the point, with a minus that is as wide as a plus.

    >>> typeset(-0.014), typeset(0.5, signed=True)
    ('−0.01', '+0.50')
    """
    return minus(f"{number:+.{digits}f}" if signed else f"{number:.{digits}f}")


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


def domain(inside: bool, similarity: float) -> tuple[str, str]:
    """Whether the model can speak for a compound, in words, and the tone of the tag.

    The domain of a few diverse compounds is wide: most of it is like none of them.

    >>> domain(True, 0.6), domain(True, 0.2), domain(False, 0.2)
    (('like your compounds', 'good'), ('in the domain', ''), ('outside the domain: a guess', 'care'))
    """
    if not inside:
        return "outside the domain: a guess", "care"
    return ("like your compounds", "good") if similarity >= ALIKE else ("in the domain", "")


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
