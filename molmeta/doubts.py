"""Labels that a model doubts: what the other compounds of the assay do not lead to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from molmeta.calibration import Outcome
from molmeta.data.support import Support
from molmeta.resampling import Array
from molmeta.units import Kind

# A label is doubted where one as far off, or further, had less than this chance; benchmarks/doubts.py says
# what other thresholds would find.
RARE: dict[Kind, float] = {"classification": 0.15, "regression": 0.05}
MOST = 10  # that are named


@dataclass(frozen=True)
class Doubt:
    """A labelled compound whose label is a surprise.

    Attributes
    ----------
    name, smiles : str
    rows : tuple of int
        Rows of the file that it comes from.
    label, relation : float, int
        0/1, or the value on the model's scale, and whether the true one is below (-1) or above it (+1).
    predicted : float
        Probability of the active class, or the value, from the other compounds.
    chance : float
        Of a label as far off as this one, by the model.
    """

    name: str
    smiles: str
    rows: tuple[int, ...]
    label: float
    relation: int
    predicted: float
    chance: float


@dataclass(frozen=True)
class Doubts:
    """All that are named, the least likely first, and how many chance alone would give.

    Attributes
    ----------
    named : tuple of Doubt
        At most MOST.
    found : int
        Labels with a chance that is that small.
    expected : float
        How many there would be if each label were drawn as the model says.
    """

    named: tuple[Doubt, ...]
    found: int
    expected: float


def doubt(outcome: Outcome, support: Support, rare: float | None = None, most: int = MOST) -> Doubts:
    """Labels of a support set that are unlikely by what the other compounds say of them.

    Parameters
    ----------
    outcome : Outcome
        Calibrated numbers of the n compounds, each from a fit without it.
    support : Support
        The n compounds. A bound is doubted where the value lies on its wrong side.
    rare : float or None
        Chance below which a label is doubted; by default that of RARE.
    most : int
        Labels that are named.
    """
    y = np.array(support.values)
    rare = RARE[support.target.kind] if rare is None else rare
    if support.target.kind == "classification":
        chance = np.where(y > 0.5, outcome.value, 1 - outcome.value)
        rarer = np.minimum(outcome.value, 1 - outcome.value)
        expected = float(rarer[rarer < rare].sum())
    else:
        relation = np.array(support.relations)
        chance = _tails((y - outcome.value) / outcome.std, relation)
        expected = rare * len(y)
    order = np.argsort(chance, kind="stable")
    doubted = order[chance[order] < rare]
    names = support.names()
    named = [
        Doubt(
            name=names[i],
            smiles=support.smiles[i],
            rows=support.rows[i],
            label=float(y[i]),
            relation=support.relations[i],
            predicted=float(outcome.value[i]),
            chance=float(chance[i]),
        )
        for i in doubted[:most].tolist()
    ]
    return Doubts(tuple(named), len(doubted), expected)


def _tails(z: Array, relation: np.ndarray) -> Array:
    """Chance of a value further off than z standard deviations, or of one on the right side of a bound."""
    both, below, above = 2 * ndtr(-np.abs(z)), ndtr(z), ndtr(-z)
    return np.asarray(np.select([relation < 0, relation > 0], [below, above], both))
