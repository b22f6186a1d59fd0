"""Out-of-fold predictions of an assay's own compounds, the only evidence about a new assay that there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from molmeta.data.episode import Labelled
from molmeta.heads.base import Conditioned
from molmeta.prediction import Prediction, assemble

# Anything that learns from labelled compounds: `Head.condition` with its encoder, an ensemble, ...
Method = Callable[[Labelled], Conditioned]

FOLDS = 5
_FEWEST_VALUES = 4


@runtime_checkable
class LeavesOut(Protocol):
    """A method that may know a faster way to held-out predictions: see `Head.held_out`."""

    def held_out(self, data: Labelled, parts: Sequence[Tensor], /) -> list[Prediction] | None: ...


def draw_folds(data: Labelled, seed: int, most: int = FOLDS) -> list[Tensor]:
    """Held-out parts int64 of a shuffled cross-validation, stratified for classes.

    As many as the smallest class has compounds (all compounds, for values), and at most `most`; none at
    all where a class has one compound, or where fewer than 4 values were measured.
    """
    # scikit-learn takes a second to import, which whoever only loads a model need not wait for.
    from sklearn.model_selection import KFold, StratifiedKFold

    y = data.y.cpu().numpy()
    if data.target.kind == "classification":
        active = y > 0.5
        n_folds = min(most, int(active.sum()), int((~active).sum()))
        splitter = StratifiedKFold(max(n_folds, 2), shuffle=True, random_state=seed)
    else:
        active = np.zeros(len(y), dtype=bool)
        n_folds = min(most, len(y)) if len(y) >= _FEWEST_VALUES else 0
        splitter = KFold(max(n_folds, 2), shuffle=True, random_state=seed)
    if n_folds < 2:
        return []
    return [torch.as_tensor(held, device=data.y.device) for _, held in splitter.split(y, active)]


def predict_held_out(method: Method, data: Labelled, folds: Sequence[Tensor]) -> Prediction:
    """Prediction of every compound by `method` conditioned on the folds that do not hold it."""
    return assemble(predict_parts(method, data, folds), folds)


@torch.no_grad()
def predict_parts(method: Method, data: Labelled, parts: Sequence[Tensor]) -> list[Prediction]:
    """Prediction of each part int64[m] of an assay by `method` conditioned on its other compounds.

    Parts may overlap; many at once take a method that `LeavesOut` little more time than one.
    """
    found = method.held_out(data, parts) if isinstance(method, LeavesOut) else None
    return [_left_out(method, data, part) for part in parts] if found is None else found


def _left_out(method: Method, data: Labelled, part: Tensor) -> Prediction:
    rest = torch.ones(len(data), dtype=torch.bool, device=data.y.device)
    rest[part] = False
    return method(data.select(rest.nonzero().squeeze(1)))(data.mols.select(part))


def weigh(log_scores: Tensor, log_prior: Tensor, seed: int, draws: int = 200) -> Tensor:
    """Weights float64[h] of methods by their held-out log predictive scores float64[h, n].

    Softmax of prior + summed score, averaged over Bayesian bootstraps of the compounds, which keeps one
    lucky compound from deciding. Source: Yao et al. 2018, Using stacking to average Bayesian predictive
    distributions (pseudo-BMA+, equation 11).

    >>> weigh(torch.zeros(2, 8), torch.tensor([0.0, 0.0]), seed=0).tolist()
    [0.5, 0.5]
    """
    n = log_scores.shape[1]
    share = np.random.default_rng(seed).dirichlet(np.ones(n), size=draws)
    summed = n * log_scores.double() @ torch.as_tensor(share.T, device=log_scores.device)
    return torch.softmax(summed + log_prior.to(summed)[:, None], 0).mean(1)
