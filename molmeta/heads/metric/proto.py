"""Prototypical heads: a compound belongs to the class whose mean it is nearest to."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from molmeta.chem.batch import MolBatch
from molmeta.data.episode import Labelled
from molmeta.encoders.base import Encoder
from molmeta.errors import ConfigError
from molmeta.heads.base import Conditioned, Head
from molmeta.heads.linalg import cholesky
from molmeta.prediction import Bernoulli

# Features float64[m, d] -> squared distance to a prototype float64[m], and the variance float64[m] that
# the sampling error of the prototype, known from so few compounds, gives to that distance.
Distance = Callable[[Tensor], tuple[Tensor, Tensor]]


class _Prototypical(Head):
    """Score = temperature * (distance to the inactives - distance to the actives), squared distances.

    The logit is that score plus log((actives + 1) / (inactives + 1)) of the support set: prototypes
    know nothing of how rare actives are. `mean` is the score before this shift, and `std` its standard
    error by the delta method, from the sampling error of the two prototypes.

    Parameters
    ----------
    dim : int
        Length of the encoder's vectors.
    project : int or None
        Length of a learned linear projection of them; None compares the vectors themselves.
    normalize : bool
        Scale the vectors that are compared to unit length.
    """

    kinds = frozenset({"classification"})

    def __init__(self, dim: int, project: int | None, normalize: bool, temperature: float) -> None:
        super().__init__()
        if dim < 1 or (project is not None and project < 1):
            raise ConfigError(f"found dim = {dim} and project = {project}; they count features, at least 1")
        self.project = None if project is None else nn.Linear(dim, project, bias=False)
        self.normalize = normalize
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))

    def features(self, encoder: Encoder, mols: MolBatch) -> Tensor:
        """float64[n, d]: what is compared."""
        z = encoder(mols).double()
        if self.project is not None:
            z = z @ self.project.weight.double().T
        return F.normalize(z, dim=1) if self.normalize else z

    @abstractmethod
    def distance(self, members: Tensor, everyone: Tensor) -> Distance:
        """Distance to the class of `members` float64[n, d] among the support set float64[N, d]."""

    def condition(self, encoder: Encoder, support: Labelled) -> Conditioned:
        self.check_support(support)
        z, active = self.features(encoder, support.mols), support.y > 0.5
        to_active, to_inactive = self.distance(z[active], z), self.distance(z[~active], z)
        prior = math.log((int(active.sum()) + 1) / (int((~active).sum()) + 1))
        temperature = self.log_temperature.double().exp()

        def predict(mols: MolBatch) -> Bernoulli:
            query = self.features(encoder, mols)
            (near, near_var), (far, far_var) = to_active(query), to_inactive(query)
            score = temperature * (far - near)
            std = temperature * (near_var + far_var).clamp_min(1e-12).sqrt()
            return Bernoulli(mean=score, std=std, logit=score + prior)

        return predict


class Proto(_Prototypical):
    """Squared Euclidean distance to the class means, with a learned temperature.

    The standard error takes the support set's mean variance per feature as that of each class, so it
    is not zero at one compound per class.

    With a `sharpness` s the means and distances are those of the feature space of the Gaussian kernel
    k(a, b) = exp(-s |a - b|^2 / 2), in units in which s -> 0 gives the Euclidean ones back. A mean of this
    space is not one point: it remembers that actives may lie in several places.

    Sources: Snell et al. 2017, Prototypical networks for few-shot learning, eq. 1-2; Gretton et al. 2012,
    A kernel two-sample test, section 2.2 (means in the feature space of a kernel).

    Parameters
    ----------
    sharpness : float or None
        Where the learned sharpness starts; None is Euclidean.
    """

    def __init__(
        self, dim: int, project: int | None = None, normalize: bool = True, sharpness: float | None = None
    ) -> None:
        super().__init__(dim, project, normalize, temperature=10.0 if normalize else 1.0 / (project or dim))
        if sharpness is not None and sharpness <= 0:
            raise ConfigError(f"found sharpness = {sharpness}; it must be positive")
        self.log_sharpness = None if sharpness is None else nn.Parameter(torch.tensor(math.log(sharpness)))

    def distance(self, members: Tensor, everyone: Tensor) -> Distance:
        if self.log_sharpness is not None:
            return _kernel_distance(members, everyone, self.log_sharpness.double().exp())
        mean, n = members.mean(0), len(members)
        spread = everyone.var(0, correction=0).mean()

        def measure(query: Tensor) -> tuple[Tensor, Tensor]:
            squared = (query - mean).square().sum(1)
            return squared, 4.0 * spread * squared / n

        return measure


class Mahalanobis(_Prototypical):
    """Squared Mahalanobis distance to the class means, each class with its own shrunk covariance.

    Q_c = l_c S_c + (1 - l_c) S + beta s I with l_c = n_c / (n_c + 1), where S_c and S are population
    covariances of the class and of the whole support set, and s is the mean variance of a feature, so
    that the learned beta means the same whatever the scale of the encoder. A class of one compound has
    S_c = 0 and rests on S and the identity. The temperature multiplies the distance per feature.

    A few compounds say little of the covariance of hundreds of features: a small beta lets chance decide,
    a large one is the Euclidean distance. The published beta = 1 is for an encoder trained through it.

    Parameters
    ----------
    beta : float
        Where the learned beta starts.

    Source: Bateni et al. 2020, Improved few-shot visual classification (Simple CNAPS), eq. 2-3.
    """

    def __init__(
        self, dim: int, project: int | None = None, normalize: bool = True, beta: float = 50.0
    ) -> None:
        if beta <= 0:
            raise ConfigError(f"found beta = {beta}; it must be positive")
        super().__init__(dim, project, normalize, temperature=beta / (project or dim))
        self.log_beta = nn.Parameter(torch.tensor(math.log(beta)))

    def distance(self, members: Tensor, everyone: Tensor) -> Distance:
        mean, n = members.mean(0), len(members)
        weight = n / (n + 1)
        pooled = _covariance(everyone)
        scale = pooled.diagonal().mean().clamp_min(1e-9)
        ridge = self.log_beta.double().exp() * scale * torch.eye(len(pooled)).to(pooled)
        factor = cholesky(weight * _covariance(members) + (1 - weight) * pooled + ridge)

        def measure(query: Tensor) -> tuple[Tensor, Tensor]:
            whitened = torch.linalg.solve_triangular(factor, (query - mean).T, upper=False)
            squared = whitened.square().sum(0)
            return squared, 4.0 * squared / n

        return measure


def _kernel_distance(members: Tensor, everyone: Tensor, sharpness: Tensor) -> Distance:
    """Distance to the mean of `members` in the feature space of a Gaussian kernel, over the sharpness."""

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        squared = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T
        return torch.exp(-sharpness / 2 * squared.clamp_min(0.0))

    n, within = len(members), kernel(members, members).mean()
    towards = kernel(members, everyone).mean(0)

    def measure(query: Tensor) -> tuple[Tensor, Tensor]:
        squared = (1 - 2 * kernel(query, members).mean(1) + within) / sharpness
        # Along the line from the mean to the query, the support set's own variance.
        along = (kernel(query, everyone) - towards).var(1, correction=0) / sharpness.square()
        return squared, 4.0 * along / n

    return measure


def _covariance(z: Tensor) -> Tensor:
    """Population covariance float64[d, d] of z float64[n, d]; zero at n = 1."""
    centred = z - z.mean(0)
    return centred.T @ centred / len(z)
