"""Whether values are what they seem: bounds, bounds without their sign, the unit, and which way is better."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from molmeta.data.headers import is_p_scale, plain
from molmeta.doctor.case import Case, share
from molmeta.doctor.diagnosis import Finding, Severity
from molmeta.wording import counted

_MANY_BOUNDS, _MOST_BOUNDS = 0.5, 0.8
_PILED, _PILED_SHARE = 4, 0.1
# Values that spread further are usually told apart by factors.
_ENOUGH, _FOLD = 10, 20.0
# Potencies that are measured lie between a hundred picomolar or so and a few millimolar.
_POTENCIES = (2.0, 11.5)
_LOW_IS_GOOD = re.compile(
    r"(?:^|_)(?:residual|remaining|of_control|clearance|clint|cl_?int|er|efflux|tox|toxic|toxicity|herg|ames|dili|"
    r"hemolysis|cytotoxicity)(?:_|$)"
)


def bounds(case: Case) -> Iterator[Finding]:
    """Values that are bounds."""
    at = [i for i, relation in enumerate(case.assay.relations.tolist()) if relation]
    if not at:
        return
    part = len(at) / len(case.assay)
    severity = (
        Severity.SERIOUS
        if part > _MOST_BOUNDS
        else Severity.CAUTION
        if part > _MANY_BOUNDS
        else Severity.NOTE
    )
    yield Finding(
        "bounds",
        severity,
        f"Bounds in place of exact values: {share(len(at), len(case.assay), 'compounds')}, such as "
        f"{case.label(at[0])}.",
        "They are learned as the values that bound them, and intervals are fitted on the exact ones. "
        + (
            "With so many, classes say more: --active-if '>= 6' makes them."
            if part > _MANY_BOUNDS and case.logarithmic
            else "--censored drop leaves them out."
        ),
        tuple(case.concern([i]) for i in at),
    )


def piled(case: Case) -> Iterator[Finding]:
    """One extreme value again and again: a bound that has lost its sign, as "10000" for "> 10000"."""
    if case.classes:
        return
    exact = {i: value for i, value in enumerate(case.assay.values.tolist()) if not case.assay.relations[i]}
    for end in (min, max) if exact else ():
        extreme = end(exact.values())
        at = [i for i, value in exact.items() if value == extreme]
        if len(at) < max(_PILED, _PILED_SHARE * len(case.assay)) or len(at) == len(exact):
            continue
        which = "lowest" if end is min else "highest"
        yield Finding(
            "unmarked_bounds",
            Severity.CAUTION,
            f"Exactly the {which} value, {extreme:.4g}: {share(len(at), len(case.assay), 'compounds')}.",
            "That looks like the end of the measured range, with the sign '>' or '<' left out. Write the "
            "sign, so that they count as bounds.",
            tuple(case.concern([i]) for i in at),
        )


def scale(case: Case) -> Iterator[Finding]:
    """Potencies that no assay measures: a unit that is off by a factor of a thousand."""
    if case.classes or not (case.target.is_concentration or is_p_scale(case.target.unit)):
        return
    low, high = _POTENCIES
    odd = [i for i, value in enumerate(case.assay.values.tolist()) if not low <= value <= high]
    if not odd:
        return
    most = len(odd) * 4 > len(case.assay)
    yield Finding(
        "implausible_values",
        Severity.SERIOUS if most else Severity.CAUTION,
        f"Potencies that no assay measures (p-values below {low:g} or above {high:g}): "
        f"{share(len(odd), len(case.assay), 'compounds')}.",
        "The unit may be another one (nM for µM?), or concentrations stand in a column of p-values. "
        "--unit says what it is."
        if most
        else "Look these values up; a unit or a decimal sign may be wrong there.",
        tuple(case.concern([i]) for i in odd),
    )


def direction(case: Case) -> Iterator[Finding]:
    """Whether high values may be the bad ones."""
    if case.target.higher_is_better and (found := _LOW_IS_GOOD.search(plain(case.target.name))):
        high = "actives rank" if case.classes else "high values rank"
        yield Finding(
            "direction",
            Severity.NOTE,
            f"'{case.target.name}' says '{found[0].strip('_').replace('_', ' ')}', and {high} first.",
            "If these are the compounds to avoid, give --lower-is-better, so that score puts the others on "
            "top.",
        )


def skewed(case: Case) -> Iterator[Finding]:
    """Values over orders of magnitude that are modelled as they are, of which a few large ones decide."""
    y = case.exact
    if case.classes or case.logarithmic or len(y) < _ENOUGH or y.min() <= 0 or y.max() < _FOLD * y.min():
        return
    from scipy.stats import skew  # a third of a second, for few assays

    if skew(y) < 1 or abs(skew(np.log(y))) > skew(y) / 2:
        return
    yield Finding(
        "skewed",
        Severity.CAUTION,
        f"Values from {y.min():.3g} to {y.max():.3g}, {y.max() / y.min():.0f}-fold, most of them low.",
        "The model learns differences, so that a few large values decide and the small ones look alike. Add "
        "a column of their logarithms, and give that as --label-column.",
    )


def levels(case: Case) -> Iterator[Finding]:
    """Values on a few levels, which may be codes."""
    found = Counter(case.exact.tolist())
    if case.classes or len(found) > 4 or len(case.exact) < 3 * max(len(found), 1):
        return
    yield Finding(
        "few_levels",
        Severity.CAUTION,
        f"The values are {counted(len(found), 'number')} again and again: "
        f"{', '.join(f'{value:.4g}' for value in sorted(found))}.",
        "These may be grades or codes rather than measured values. --active-if makes two classes of them.",
    )
