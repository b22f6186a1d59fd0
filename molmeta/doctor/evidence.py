"""How much the labels say: how many there are, of which classes, and how far values spread."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from molmeta.data.assay import Assay
from molmeta.data.replicates import pooled_deviation
from molmeta.doctor.case import Case, share
from molmeta.doctor.diagnosis import Finding, Severity
from molmeta.doctor.series import single_scaffold
from molmeta.wording import counted

# Exact Gaussian processes take n^2 memory and n^3 time for every setting that they average over.
MOST_COMPOUNDS = 1024
_FEW = 10
_FEWEST_FOR_CLASSES = 3
_OWN_LIMITS = 30  # from so many compounds on, their own errors decide more of a limit than earlier assays do
_RARE = 0.1
_NARROW = 1.0  # log units
_FEWEST_REPEATED = 3  # compounds, to say how much an assay scatters
_NOISY, _DROWNED = 0.25, 0.5


def low_evidence(assay: Assay) -> Finding | None:
    """A warning where there are too few compounds, or too few of a class, for more than a first guess."""
    n = len(assay)
    if assay.target.kind == "classification":
        fewest, wanted = _rarer(assay), 2
        enough = n >= _FEW and fewest >= _FEWEST_FOR_CLASSES
        said = f"{n} compounds, {fewest} of the rarer class; only a first guess."
    else:
        fewest, wanted = int((assay.relations == 0).sum()), 4
        enough = fewest >= _FEW
        said = f"{counted(fewest, 'exact value')}, too few to tell from them how wide an interval must be."
    if enough:
        return None
    if fewest < wanted:
        severity = Severity.SERIOUS
        meaning = "None can be held out, so nothing can say whether a model is any good. Measure more first."
    else:
        severity = Severity.CAUTION
        meaning = (
            "Rank with a model of them, but do not believe single predictions. Here a few more compounds are "
            "worth more than anything else."
        )
    return Finding("low_evidence", severity, said, meaning)


def warnings(assay: Assay) -> Iterator[str]:
    """What `adapt` warns of, one line each: code and sentence."""
    for finding in (low_evidence(assay), single_scaffold(assay)):
        if finding is not None:
            yield f"{finding.code}: {finding.sentence[0].lower()}{finding.sentence[1:].rstrip('.')}"


def amount(case: Case) -> Iterator[Finding]:
    """Too few compounds, few of them, or more than are used."""
    n = len(case.assay)
    if (few := low_evidence(case.assay)) is not None:
        yield few
    elif n < _OWN_LIMITS:
        yield Finding(
            "few_compounds",
            Severity.NOTE,
            f"{n} compounds: what a 90 % interval or prediction set is rests more on earlier assays than on "
            "yours.",
            f"From {_OWN_LIMITS} compounds on your own decide. The verdict of adapt has a wide standard "
            "error here.",
        )
    if n > MOST_COMPOUNDS:
        yield Finding(
            "many_compounds",
            Severity.NOTE,
            f"{n} compounds, of which adapt draws {MOST_COMPOUNDS} at random.",
            "With as many labels a model trained on them alone is a fair rival; compare.",
        )


def balance(case: Case) -> Iterator[Finding]:
    """A class that is rare."""
    if not case.classes:
        return
    n, fewest = len(case.assay), _rarer(case.assay)
    if fewest < _FEWEST_FOR_CLASSES or fewest >= _RARE * n:
        return
    rare = "active" if case.assay.prevalence < 0.5 else "inactive"
    yield Finding(
        "rare_class",
        Severity.CAUTION,
        f"Only {share(fewest, n, 'compounds')} {'is' if fewest == 1 else 'are'} {rare}.",
        "Probabilities stay close to that share. Go by the order of compounds and by enrichment, not by "
        "calls.",
    )


def spread(case: Case) -> Iterator[Finding]:
    """Values that span little, in log units or beside the scatter of their replicates."""
    if case.classes or len(case.exact) < 2:
        return
    span, variance = float(np.ptp(case.exact)), float(np.var(case.exact, ddof=1))
    several = sum(len(group.rows) > 1 for group in case.groups)
    noise = pooled_deviation(case.groups) if several >= _FEWEST_REPEATED else None
    lost = min(1.0, noise**2 / variance) if noise and variance else 0.0
    if lost > _NOISY:
        yield Finding(
            "noise",
            Severity.SERIOUS if lost > _DROWNED else Severity.CAUTION,
            f"Replicates scatter by {noise:.2g} {case.unit}, compounds by {variance**0.5:.2g}.",
            f"Of the differences between compounds {lost:.0%} is scatter, so that no model can have an R² "
            f"above {1 - lost:.2f} here. Repeat measurements, or widen the range.".replace("%", " %"),
        )
    if case.logarithmic and span < _NARROW:
        yield Finding(
            "narrow_range",
            Severity.SERIOUS if span < _NARROW / 2 else Severity.CAUTION,
            f"Exact values span {span:.2g} log units.",
            "Within one log unit an assay's own scatter decides the order. Add weak and strong compounds, "
            "inactive ones too.",
        )


def _rarer(assay: Assay) -> int:
    active = int(assay.values.sum())
    return min(active, len(assay) - active)
