"""What is scored on one draw: support, query and the prediction of the query in, numbers out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from molmeta import metrics
from molmeta.data.protocol import Rows
from molmeta.metrics import Array
from molmeta.prediction import Gaussian, Prediction
from molmeta.units import Kind

# Support, query, and the prediction of the readable compounds of the query.
Score = Callable[[Rows, Rows, Prediction], dict[str, Any]]


def score_classes(support: Rows, query: Rows, prediction: Prediction) -> dict[str, float]:
    """Scores of a classification; an unreadable compound gets the support set's prevalence."""
    blind = torch.full((len(query),), float(support.y.mean(dtype=np.float64)))
    probability = _filled(query, prediction.probability, blind)
    return metrics.score_classes((query.y > 0.5).astype(np.float64), probability)


def score_values(support: Rows, query: Rows, prediction: Prediction) -> dict[str, float]:
    """Scores of a regression; an unreadable compound gets the support set's mean and spread."""
    y = torch.from_numpy(query.y).double()
    centre, spread = float(support.y.mean(dtype=np.float64)), float(support.y.std(ddof=1))
    blind = Gaussian(torch.full_like(y, centre), torch.full_like(y, spread))
    (low, high), (blind_low, blind_high) = prediction.interval(0.9), blind.interval(0.9)
    known = y[torch.from_numpy(query.readable)].to(prediction.mean.device)
    return metrics.score_values(
        y=y.numpy(),
        mean=_filled(query, prediction.mean, blind.mean),
        log_density=_filled(query, prediction.log_prob(known), blind.log_prob(y)),
        low=_filled(query, low, blind_low),
        high=_filled(query, high, blind_high),
        baseline=centre,
    )


def _filled(query: Rows, readable: Tensor, otherwise: Tensor) -> Array:
    """float64[n]: the numbers of the readable rows, and `otherwise` float[n] elsewhere."""
    out = otherwise.double().numpy().copy()
    out[query.readable] = readable.double().cpu().numpy()
    return out


# By kind of target: the names of the numbers, and what makes them.
SCORES: dict[Kind, tuple[tuple[str, ...], Score]] = {
    "classification": (metrics.CLASSES, score_classes),
    "regression": (metrics.VALUES, score_values),
}
