"""Acquisition functions: how much a compound is worth to be measured next, from what is believed of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molmeta.errors import ConfigError
from molmeta.prediction import Bernoulli, Prediction

_SQRT_2 = math.sqrt(2.0)
_BETA = 0.5


@dataclass(frozen=True, eq=False)
class Belief:
    """What is believed of n compounds, where higher is better.

    Attributes
    ----------
    mean, std : float64[n]
        Of the value; of classes, of the log-odds of the class that is wanted.
    good : float64[n]
        Probability of that class; of values, that of being better than `best`.
    best : float
        The best value that was measured; nan for classes.
    """

    mean: Tensor
    std: Tensor
    good: Tensor
    best: float

    @classmethod
    def of(cls, prediction: Prediction, sign: int, best: float = math.nan) -> Belief:
        """From a prediction, of which sign -1 says that low is good; `best` is on that side too."""
        if isinstance(prediction, Bernoulli):
            logit = sign * prediction.logit.double()
            return cls(logit, prediction.logit_std.double(), torch.sigmoid(logit), math.nan)
        mean, std = sign * prediction.mean.double(), prediction.std.double()
        return cls(mean, std, _below((mean - best) / std), best)

    @property
    def of_classes(self) -> bool:
        return math.isnan(self.best)


@dataclass(frozen=True)
class Acquisition:
    """An acquisition function.

    Attributes
    ----------
    name : str
    worth : callable
        Of beliefs about n compounds and of standard normal draws float64[n], one a compound, for those
        that leave something to chance: float64[n], higher is better.
    positive : bool
        Whether it is a gain, always above 0, so that a gain per cost makes sense.
    """

    name: str
    worth: Callable[[Belief, Tensor], Tensor]
    positive: bool = False


def greedy(belief: Belief, noise: Tensor) -> Tensor:
    """The mean: what is best where nothing is to be learned."""
    return belief.mean


def expected_improvement(belief: Belief, noise: Tensor) -> Tensor:
    """By how much a compound is expected to be better than the best one; of classes, its chance to be good.

    Source: Mockus 1978; Jones et al. 1998, J. Global Optim. 13, 455, equation 15.
    """
    if belief.of_classes:
        return belief.good
    z = (belief.mean - belief.best) / belief.std
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
    # The sum cancels where z is far below 0; a gain is never negative.
    return (belief.std * (z * _below(z) + density)).clamp(min=0.0)


def upper_confidence_bound(belief: Belief, noise: Tensor) -> Tensor:
    """Mean plus half a standard deviation; more found less in replays (docs/experiments.md).

    Source: Auer 2002; Srinivas et al. 2010 (GP-UCB), with a constant in the place of its growing factor.
    """
    return belief.mean + _BETA * belief.std


def thompson(belief: Belief, noise: Tensor) -> Tensor:
    """What the compound may be, at random. Source: Thompson 1933, Biometrika 25, 285."""
    return belief.mean + belief.std * noise


def uncertainty(belief: Belief, noise: Tensor) -> Tensor:
    """How little is known: the standard deviation; of classes, the variance of the label."""
    return belief.good * (1 - belief.good) if belief.of_classes else belief.std


# With prices it has to be a gain; of classes the two rank alike.
DEFAULT, DEFAULT_PER_COST = "greedy", "ei"
ACQUISITIONS = {
    one.name: one
    for one in (
        Acquisition("greedy", greedy),
        Acquisition("ei", expected_improvement, positive=True),
        Acquisition("ucb", upper_confidence_bound),
        Acquisition("thompson", thompson),
        Acquisition("uncertainty", uncertainty, positive=True),
    )
}


def find_acquisition(name: str) -> Acquisition:
    """Raises ConfigError where there is no such acquisition."""
    if name not in ACQUISITIONS:
        raise ConfigError(f"no acquisition '{name}'; there are {', '.join(ACQUISITIONS)}")
    return ACQUISITIONS[name]


def noise_of(compounds: NDArray[np.int64], seed: int, number: int = 0) -> NDArray[np.float64]:
    """Standard normal draws float64[n], of compounds by their hashes int64[n], for a pick of a number.

    What is drawn for a compound depends on it, the seed and the pick alone, not on its row or its chunk.
    """
    state = _mixed(_mixed(np.array([seed % 2**63], dtype=np.uint64)) ^ np.uint64(number))
    state = _mixed(compounds.view(np.uint64) ^ state)
    uniform = [(_mixed(state + np.uint64(i)) >> np.uint64(11)) * 2.0**-53 for i in (1, 2)]
    # Box and Muller 1958; 1 - u is above 0.
    draws: NDArray[np.float64] = np.sqrt(-2 * np.log1p(-uniform[0])) * np.cos(2 * np.pi * uniform[1])
    return draws


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64 (Steele et al. 2014): a number for each number, as if at random."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _below(z: Tensor) -> Tensor:
    """P(Z < z) of a standard normal Z."""
    share: Tensor = torch.special.erfc(-z / _SQRT_2)
    return 0.5 * share
