"""An account of a compound in short lines."""

from __future__ import annotations

import math
from typing import Any

from molmeta.explain.account import Account, GroupContribution
from molmeta.predictor import Predictor

LETTERS = 54  # of a line
_MOST = 8  # in a table
_SMALL = 0.1  # share of the largest group below which another is not worth naming


def caption(predictor: Predictor, account: Account) -> list[str]:
    """Name; prediction with its interval; the nearest labelled compound; groups that raise and lower it."""
    lines = [account.compound.name, prediction(predictor, account), nearest(predictor, account)]
    return lines + [line for line in (_groups(account, 1.0), _groups(account, -1.0)) if line]


def explained_quantity(predictor: Predictor) -> str:
    """What contributions are numbers of."""
    if predictor.support.target.kind == "classification":
        return "the log-odds of being active"
    target = predictor.report.target
    return f"the predicted {target.model_unit or target.name}"


def prediction(predictor: Predictor, account: Account) -> str:
    """What the model predicts, with its 90 % interval."""
    row = account.prediction
    outside = ", outside of the domain" if row["mm_in_domain"] is False else ""
    if predictor.support.target.kind == "classification":
        probability, low, high = (100 * float(row[name]) for name in ("mm_probability", "mm_low", "mm_high"))
        return f"active with {probability:.0f} % ({low:.0f} to {high:.0f} %){outside}"
    target = predictor.report.target
    value, low, high = (float(row[name]) for name in ("mm_value", "mm_low", "mm_high"))
    return f"{target.model_unit or target.name} {value:.3g} ({low:.3g} to {high:.3g}){outside}"


def nearest(predictor: Predictor, account: Account) -> str:
    """The most similar labelled compound, its similarity and its label."""
    name, similarity = account.prediction["mm_nearest"], account.prediction["mm_nearest_similarity"]
    if _missing(name):
        return "no labelled compounds"
    label = float(account.prediction["mm_nearest_label"])
    said = f"{label:.3g}"
    if predictor.support.target.kind == "classification":
        said = "active" if label > 0.5 else "inactive"
    return f"nearest: {name}, {said}, similarity {float(similarity):.2f}"


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def telling(account: Account) -> list[GroupContribution]:
    """The groups that are worth naming, the largest first."""
    largest = max((abs(one.value) for one in account.groups), default=0.0)
    return [one for one in account.groups if abs(one.value) > _SMALL * largest][:_MOST]


def _groups(account: Account, sign: float) -> str:
    """The largest groups of one sign, as many as go into a line."""
    found = [one for one in telling(account) if sign * one.value > 0]
    line = ""
    for one in found:
        # A SMILES says nothing to whom looks at the structure.
        named = f"{one.name.partition(' system ')[0]} {one.value:+.2g}"
        longer = f"{line}, {named}" if line else f"{'raise' if sign > 0 else 'lower'}: {named}"
        if line and len(longer) > LETTERS:
            break
        line = longer
    return line
