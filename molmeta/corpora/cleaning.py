"""Values of any unit and sign to one scale an assay: potencies, percent, other values, classes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from molmeta.corpora.config import Scale
from molmeta.data.headers import canonical_unit, is_p_scale, says_log_potency, says_potency
from molmeta.units import MOLAR

# The scales, by number in the staging database; the names are those of `Corpus.assays.kind`.
KINDS = ("pXC50", "percent", "class", "value")
POTENCY, PERCENT, CLASS, VALUE = range(4)
_SIGNS = {"": 0, "=": 0, "~": 0, "<": -1, "<=": -1, "<<": -1, ">": 1, ">=": 1, ">>": 1}
_BLANK = frozenset(["", "-", "none", "nan", "unitless", "no unit"])
_LOGARITHM = re.compile(r"^(?:p(?=[A-Z])|-\s*log(?:10)?[\s_]*\(?)(?P<of>.+?)\)?$", re.IGNORECASE)
FLAWS = ("", "value", "relation", "units", "scale")


@dataclass(frozen=True)
class Rule:
    """How the values of an endpoint in a unit come onto their scale.

    Attributes
    ----------
    kind : int
        Position in `KINDS`.
    molar : float or None
        Concentrations: mol/L in one unit, of which the negative logarithm is taken.
    unit : str
        Of other values.
    """

    kind: int
    molar: float | None = None
    unit: str = ""


@dataclass(frozen=True, eq=False)
class Cleaned:
    """n rows on their scales.

    Attributes
    ----------
    kind : int16[n]
        Scale, see `kind_of`; -1 where the row has a flaw.
    value : float64[n]
    relation : int8[n]
        On that scale: -1 the true value is below, 0 exact, +1 above.
    flaw : int8[n]
        Position in `FLAWS`, 0 for none.
    """

    kind: NDArray[np.int16]
    value: NDArray[np.float64]
    relation: NDArray[np.int8]
    flaw: NDArray[np.int8]


@cache
def rule_of(endpoint: str, unit: str) -> Rule | None:
    """The scale of an endpoint (such as "IC50") in a unit; None where none follows.

    >>> rule_of("IC50", "µM").molar, rule_of("pKi", "").kind, rule_of("Papp", "cm/s").unit
    (1e-06, 0, 'cm/s')
    >>> rule_of("IC50", "ug.mL-1") is None
    True
    """
    known = canonical_unit(unit)
    if known in MOLAR:
        return Rule(POTENCY, MOLAR[known])
    if known == "%":
        return Rule(PERCENT)
    bare = unit.strip().lower() in _BLANK
    if is_p_scale(unit) or (bare and (is_p_scale(endpoint) or _is_logarithm(endpoint))):
        return Rule(POTENCY)
    return (
        None
        if says_potency(endpoint) or says_log_potency(endpoint)
        else Rule(VALUE, unit=known or unit.strip())
    )


def _is_logarithm(endpoint: str) -> bool:
    found = _LOGARITHM.match(endpoint.strip())
    return found is not None and says_potency(found["of"])


def base_endpoint(endpoint: str) -> str:
    """The endpoint whose negative logarithm this is, or itself.

    >>> base_endpoint("pIC50"), base_endpoint("-Log Ki"), base_endpoint("Potency"), base_endpoint("IC50")
    ('IC50', 'Ki', 'Potency', 'IC50')
    """
    found = _LOGARITHM.match(endpoint.strip())
    return found["of"].strip() if found and says_potency(found["of"]) else endpoint.strip()


def kind_of(scale: int) -> int:
    """The position in `KINDS` of a scale: other values have a scale for each unit."""
    return min(scale, VALUE)


def clean(
    endpoint: pd.Series,
    unit: pd.Series,
    sign: pd.Series,
    value: NDArray[np.float64],
    limits: Scale,
    others: dict[str, int],
) -> Cleaned:
    """Brings n rows onto their scales.

    Parameters
    ----------
    endpoint, unit, sign : Series of str, length n
        What is measured, its unit, and the relation of the true value to the number.
    value : float64[n]
        nan where there is none.
    limits : Scale
    others : dict of str to int
        Scales of units that are neither molar nor percent; new ones are added.
    """
    n = len(value)
    kind, flaw = np.full(n, -1, dtype=np.int16), np.zeros(n, dtype=np.int8)
    out, relation = value.astype(np.float64), signs(sign)
    of_endpoint, endpoints = pd.factorize(endpoint)
    of_unit, units = pd.factorize(unit)
    pair = of_endpoint * max(len(units), 1) + of_unit
    for i in np.unique(pair):
        rows, rule = pair == i, rule_of(str(endpoints[i // len(units)]), str(units[i % len(units)]))
        if rule is None:
            flaw[rows] = FLAWS.index("units")
            continue
        kind[rows] = rule.kind if rule.kind != VALUE else others.setdefault(rule.unit, VALUE + len(others))
        if rule.molar is not None:
            with np.errstate(divide="ignore", invalid="ignore"):
                out[rows] = -np.log10(out[rows] * rule.molar)
            relation[rows] = np.where(np.abs(relation[rows]) == 1, -relation[rows], relation[rows])
    flaw[off_scale(kind, out, limits) & (flaw == 0)] = FLAWS.index("scale")
    flaw[(relation == 2) & (flaw == 0)] = FLAWS.index("relation")
    flaw[np.isnan(value)] = FLAWS.index("value")
    kind[flaw > 0] = -1
    return Cleaned(kind, out, relation, flaw)


def signs(text: pd.Series) -> NDArray[np.int8]:
    """int8[n]: -1, 0 or +1 for the signs of relations, 2 for what is none. ChEMBL once quoted them."""
    return np.asarray(text.str.strip(" '\"").map(_SIGNS).fillna(2), dtype=np.int8)


def off_scale(kind: NDArray[np.int16], value: NDArray[np.float64], limits: Scale) -> NDArray[np.bool_]:
    """bool[n]: values that cannot be, such as a pIC50 of 25; those of concentrations of zero or less too."""
    potency, percent = kind == POTENCY, kind == PERCENT
    low = np.select([potency, percent], [limits.p_lowest, limits.percent_lowest], -np.inf)
    high = np.select([potency, percent], [limits.p_highest, limits.percent_highest], np.inf)
    return np.asarray((value < low) | (value > high) | (potency & ~np.isfinite(value)), dtype=np.bool_)
