"""What a method has to beat: the mean, similarity search, neighbours and a random forest on ECFP counts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molmeta.chem.batch import MolBatch
from molmeta.chem.similarity import tanimoto
from molmeta.data.episode import Labelled
from molmeta.encoders.base import Encoder
from molmeta.errors import ConfigError
from molmeta.heads.base import Conditioned, Head
from molmeta.prediction import Bernoulli, Gaussian, Prediction

BOTH = frozenset({"classification", "regression"})


def _odds(active: Tensor, inactive: Tensor) -> Bernoulli:
    """Prediction from (fractional) numbers of actives and inactives float64[n], none of them zero.

    The latent score is the log-odds; its standard deviation is sqrt(1/active + 1/inactive).
    """
    score = torch.log(active / inactive)
    return Bernoulli(mean=score, std=(1 / active + 1 / inactive).sqrt(), logit=score)


def _spread(y: Tensor) -> Tensor:
    """Sample standard deviation of the values, float64[]; 1 where they are all the same."""
    spread = y.std()
    return torch.where(spread > 1e-9, spread, torch.ones_like(spread))


class Mean(Head):
    """Says the same of every compound: the support set's mean, or its share of actives.

    `std` is the sample standard deviation times sqrt(1 + 1/n), and that of the log-odds of n compounds.
    """

    kinds = BOTH

    def condition(self, encoder: Encoder, support: Labelled) -> Conditioned:
        self.check_support(support)
        y, n = support.y.double(), len(support)

        def predict(mols: MolBatch) -> Prediction:
            one = torch.ones(len(mols), dtype=y.dtype, device=y.device)
            if support.target.kind == "classification":
                n_active = (y > 0.5).sum()
                return _odds(n_active * one, (n - n_active) * one)
            return Gaussian(mean=y.mean() * one, std=_spread(y) * (1 + 1 / n) ** 0.5 * one)

        return predict


class SimilaritySearch(Head):
    """Ranks by the min-max Tanimoto similarity to the nearest active compound, as screening does by hand.

    It knows no probabilities: the logit is that of the support set's share of actives, moved by the
    similarity minus one half, and `std` is 1.

    Source: Willett et al. 1998, Chemical similarity searching.
    """

    kinds = frozenset({"classification"})
    needs = frozenset({"counts"})

    def condition(self, encoder: Encoder, support: Labelled) -> Conditioned:
        self.check_support(support)
        active = support.y > 0.5
        counts = support.mols.need("counts")[active]
        share = active.double().mean()

        def predict(mols: MolBatch) -> Prediction:
            nearest = tanimoto(mols.need("counts"), counts).double().max(1).values
            return Bernoulli(nearest, torch.ones_like(nearest), share.logit() + nearest - 0.5)

        return predict


class NearestNeighbours(Head):
    """Mean label of the k most similar compounds of the support set, weighted by min-max Tanimoto.

    The whole support set counts as `smoothing` further neighbours of similarity 1, with its mean label
    (and its variance), so a compound that resembles nothing gets the mean. Neighbours as similar as
    the k-th all count, whatever their order.

    Source: Cover and Hart 1967; Tanimoto weights as in the kNN baseline of FS-Mol (Stanley et al. 2021).

    Parameters
    ----------
    k : int
    smoothing : float
    """

    kinds = BOTH
    needs = frozenset({"counts"})

    def __init__(self, k: int = 5, smoothing: float = 0.5) -> None:
        super().__init__()
        if k < 1 or smoothing <= 0:
            raise ConfigError(
                f"found k = {k}, smoothing = {smoothing}; k must be at least 1, smoothing positive"
            )
        self.k, self.smoothing = k, smoothing

    def condition(self, encoder: Encoder, support: Labelled) -> Conditioned:
        self.check_support(support)
        counts, y = support.mols.need("counts"), support.y.double()

        def predict(mols: MolBatch) -> Prediction:
            weight = self._weights(tanimoto(mols.need("counts"), counts).double())
            if support.target.kind == "classification":
                active = (y > 0.5).double()
                prior = self.smoothing * active.mean()
                return _odds(weight @ active + prior, weight @ (1 - active) + self.smoothing - prior)
            return self._values(weight, y)

        return predict

    def _weights(self, similarity: Tensor) -> Tensor:
        """float64[m, n]: the similarity to the k nearest, 0 to the others."""
        least = similarity.topk(min(self.k, similarity.shape[1]), dim=1).values[:, -1:]
        return torch.where(similarity >= least, similarity, 0.0)

    def _values(self, weight: Tensor, y: Tensor) -> Gaussian:
        total = weight.sum(1) + self.smoothing
        mean = (weight @ y + self.smoothing * y.mean()) / total
        squares = (weight * (y - mean[:, None]).square()).sum(1) + self.smoothing * _spread(y).square()
        return Gaussian(mean=mean, std=(squares / total).sqrt())


class RandomForest(Head):
    """scikit-learn's random forest on ECFP counts: 100 trees, fixed seed, its defaults otherwise.

    Classification: the support set's prevalence counts as one more tree, so that no probability is 0
    or 1; `std` is that of the log-odds of a share p seen in n compounds. Regression: mean and standard
    deviation over the trees, with a tenth of the support set's standard deviation as a floor.

    Source: Breiman 2001. The support set is sorted before fitting, so that its order does not matter.
    """

    kinds = BOTH
    needs = frozenset({"counts"})
    trees: ClassVar[int] = 100

    def condition(self, encoder: Encoder, support: Labelled) -> Conditioned:
        self.check_support(support)
        x, y = _sorted(_array(support.mols), support.y.cpu().numpy())
        if support.target.kind == "classification":
            return self._classifier(x, y > 0.5)
        return self._regressor(x, y.astype(np.float64))

    def _classifier(self, x: NDArray[np.float32], active: NDArray[np.bool_]) -> Conditioned:
        from sklearn.ensemble import RandomForestClassifier  # a second, which only this head needs

        with _trusted():
            forest = RandomForestClassifier(self.trees, random_state=0, n_jobs=1).fit(x, active)
        prevalence, n = float(active.mean()), len(active)

        def predict(mols: MolBatch) -> Prediction:
            votes = self.trees * _of_rows(lambda x: forest.predict_proba(x)[:, 1], _array(mols))
            share = torch.as_tensor(
                (votes + prevalence) / (self.trees + 1), device=mols.need("counts").device
            )
            return _odds(n * share, n * (1 - share))

        return predict

    def _regressor(self, x: NDArray[np.float32], y: NDArray[np.float64]) -> Conditioned:
        from sklearn.ensemble import RandomForestRegressor

        with _trusted():
            forest = RandomForestRegressor(self.trees, random_state=0, n_jobs=1).fit(x, y)
        floor = 0.1 * float(_spread(torch.as_tensor(y)))

        def predict(mols: MolBatch) -> Prediction:
            rows = _array(mols)
            trees = np.stack([_of_rows(tree.predict, rows) for tree in forest.estimators_])
            mean = torch.as_tensor(trees.mean(0), device=mols.need("counts").device)
            std = torch.as_tensor(trees.std(0), device=mean.device)
            return Gaussian(mean=mean, std=(std.square() + floor**2).sqrt())

        return predict


def _trusted() -> AbstractContextManager[None]:
    """Spares scikit-learn to check each of the trees; that takes a fifth of the time of a small forest."""
    from sklearn import config_context

    trusted: AbstractContextManager[None] = config_context(assume_finite=True, skip_parameter_validation=True)
    return trusted


def _of_rows(
    predict: Callable[[NDArray[np.float32]], NDArray[np.float64]], rows: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Of no rows nothing, which scikit-learn refuses to say."""
    return predict(rows) if len(rows) else np.zeros(0)


def _array(mols: MolBatch) -> NDArray[np.float32]:
    return np.asarray(mols.need("counts").cpu().numpy(), dtype=np.float32)


def _sorted(
    x: NDArray[np.float32], y: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The rows in an order that depends on nothing but the rows."""
    order = sorted(range(len(y)), key=lambda i: (x[i].tobytes(), float(y[i])))
    return x[order], y[order]
