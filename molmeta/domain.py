"""`Domain`: which compounds a support set can speak for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from molmeta.chem.similarity import tanimoto
from molmeta.prediction import Bernoulli, Prediction

Array = NDArray[np.float64]
# Tanimoto similarity of ECFP4 counts from which on two compounds are called alike.
ALIKE = 0.4


@dataclass(frozen=True)
class Domain:
    """Which compounds a support set can speak for.

    Attributes
    ----------
    similarity : float
        Least Tanimoto similarity to the nearest support compound.
    std : float or None
        Largest standard deviation of the heads; None where no cross-validation was possible.
    """

    similarity: float
    std: float | None

    @classmethod
    def fit(cls, counts: torch.Tensor, prediction: Prediction | None) -> Domain:
        """From the support set's counts uint8[n, 2048] and its out-of-fold prediction, if there is one.

        A compound is in the domain where it is as close to the support set as 95 % of the support's own
        compounds are to the rest of it (but 0.5 is always close enough, and below 0.1 never), and where
        the heads are as sure of it as of 95 % of the held-out support compounds, give or take 10 %.
        """
        similarity = tanimoto(counts, counts).fill_diagonal_(-1).max(1).values
        least = float(np.quantile(_numpy(similarity), 0.05))
        std = None if prediction is None else 1.1 * float(np.quantile(_numpy(spread(prediction)), 0.95))
        return cls(min(max(least, 0.1), 0.5), std)

    def contains(self, similarity: Array, std: Array) -> NDArray[np.bool_]:
        """bool[n]"""
        near = similarity >= self.similarity
        return near if self.std is None else near & (std <= self.std)


def neighbours(counts: torch.Tensor, labelled: torch.Tensor) -> tuple[Array, NDArray[np.int64]]:
    """Similarity float64[m] to the nearest of n labelled compounds, and which it is, int64[m].

    Both from counts uint8[m, 2048] and uint8[n, 2048]; nan and -1 where nothing is labelled.
    """
    if not len(labelled):
        return np.full(len(counts), np.nan), np.full(len(counts), -1)
    best = tanimoto(counts, labelled).max(1)
    return _numpy(best.values), best.indices.cpu().numpy()


def spread(prediction: Prediction) -> torch.Tensor:
    """Standard deviation float[n] that `Domain` compares."""
    return prediction.logit_std if isinstance(prediction, Bernoulli) else prediction.std


def _numpy(x: torch.Tensor) -> Array:
    return x.detach().cpu().double().numpy()
