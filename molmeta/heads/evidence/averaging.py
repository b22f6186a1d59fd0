"""Gaussian processes averaged over the settings of a grid by their evidence: the linear algebra.

Source: Rasmussen and Williams 2006 (sections 2.2, 2.7, 5.4 and equation 9.18 for the t evidence).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from molmeta.heads.evidence.grid import (
    CACHED,
    Grid,
    blend,
    block_size,
    blocks,
    check_weighed,
    covariance,
    log_evidence,
    matters,
    scale_of,
)
from molmeta.heads.linalg import cholesky

_BLOCK = 2**22  # numbers in one block of settings x query x support


@dataclass(frozen=True, eq=False)
class Posterior:
    """The settings that matter for one support set, with what their predictions need.

    weight float64[S, H]; factor float64[S, n, n] (Cholesky of M + r I); alpha float64[S, n, H];
    scale float64[S, H] (posterior mean of A).
    """

    grid: Grid
    weight: Tensor
    factor: Tensor
    alpha: Tensor
    scale: Tensor

    @cached_property
    def used(self) -> list[int]:
        """The kernels that any setting mixes, in order: those that predictions are made of."""
        used: list[int] = self.grid.mixture.any(0).nonzero().flatten().tolist()
        return used

    @cached_property
    def moments(self) -> Moments:
        """What many predictions are made of faster."""
        return Moments.of(self)

    def latent(
        self, cross: Iterable[Tensor], own: Iterable[Tensor], mean: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, latent variance and noise variance, float64[m] each.

        cross float64[m, n] are the kernels `used` with the support, own float64[m] those of each compound
        with itself, mean float64[m, J] the mean functions.
        """
        m, n = len(mean), self.factor.shape[1]
        # Moments take a matrix product for each setting, as the predictions of n compounds do.
        if m > n and not torch.is_grad_enabled():
            predict, size = self.moments.latent, CACHED // len(self.moments.mixture)
        else:
            predict, size = self._latent, _BLOCK // len(self.weight)
        rows = max(1, size // n)
        kernels, selves = (zip(*(torch.split(k, rows) for k in each), strict=True) for each in (cross, own))
        parts = [
            predict(torch.stack(k), torch.stack(x), g)
            for k, x, g in zip(kernels, selves, torch.split(mean, rows), strict=True)
        ]
        means, variance = (torch.cat(both) for both in zip(*parts, strict=True))
        noise = (self.weight * self.scale).sum(1) @ self.grid.ratio
        return means, variance, noise.expand_as(means)

    def _latent(self, cross: Tensor, own: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and latent variance float64[m], from cross float64[K, m, n] and own float64[K, m]."""
        mixture = self.grid.mixture[:, self.used]
        mixed = torch.einsum("sb,bmn->smn", mixture, cross)
        means = mixed @ self.alpha + mean @ self.grid.share.T
        solved = torch.linalg.solve_triangular(self.factor, mixed.transpose(1, 2), upper=False)
        left = mixture @ own - solved.square().sum(1)
        return blend(self.weight, self.scale, means, left)


@dataclass(frozen=True, eq=False)
class Moments:
    """A posterior as forms in the kernels k_b of a compound with the support set, and its mean functions g.

    The mean is sum_b level_b k_b + given g. With v_d for the kernels as the d-th mixture mixes them, the
    variance within and between settings is sum_b own_b k_b(x, x) + sum_d v_d square_d v_d + g (sum_b mutual_b
    k_b + rest g) - mean^2: settings of one mixture differ in matrices that are the same for all compounds.

    mixture float64[D, K]: the different ones; linear float64[K, n, 1 + J]: level and mutual; given
    float64[J]; own float64[K]; square float64[D, n, n]; rest float64[J, J]; least float64[]: of a variance.
    """

    mixture: Tensor
    linear: Tensor
    given: Tensor
    own: Tensor
    square: Tensor
    rest: Tensor
    least: Tensor

    @classmethod
    def of(cls, posterior: Posterior) -> Moments:
        weight, alpha, share = posterior.weight, posterior.alpha, posterior.grid.share
        each = posterior.grid.mixture[:, posterior.used]
        mixture, which = torch.unique(each, dim=0, return_inverse=True)
        scale = (weight * posterior.scale).sum(1)
        weighed, n = weight[:, None] * alpha, alpha.shape[1]
        square = alpha.new_zeros(len(mixture), n, n)
        for rows in torch.split(torch.arange(len(which), device=which.device), block_size(n)):
            explained = scale[rows, None, None] * torch.cholesky_inverse(posterior.factor[rows])
            square.index_add_(0, which[rows], weighed[rows] @ alpha[rows].transpose(1, 2) - explained)
        level_and_mutual = weighed @ torch.cat([torch.ones_like(share[:, :1]), 2 * share], 1)
        return cls(
            mixture=mixture,
            linear=torch.einsum("sk,snj->knj", each, level_and_mutual),
            given=weight.sum(0) @ share,
            own=scale @ each,
            square=square,
            rest=share.T @ (weight.sum(0)[:, None] * share),
            least=1e-9 * scale.sum(),
        )

    def latent(self, cross: Tensor, own: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and latent variance float64[m], from cross float64[K, m, n] and own float64[K, m]."""
        linear = (cross @ self.linear).sum(0)
        average, mutual = linear[:, 0] + mean @ self.given, linear[:, 1:]
        mixed = torch.einsum("dk,kmn->dmn", self.mixture, cross)
        second = (mixed @ self.square * mixed).sum((0, 2)) + (mean * (mutual + mean @ self.rest)).sum(1)
        variance = self.own @ own + second - average.square()
        return average, variance.clamp(min=self.least)


def average(kernels: Tensor, y: Tensor, mean: Tensor, grid: Grid, shape: Tensor, rate: Tensor) -> Posterior:
    """Weighs every setting and prior mean by evidence x hyper-prior.

    Parameters
    ----------
    kernels : float64[K, n, n]
        Of the support set.
    y : float64[n]
    mean : float64[n, J]
    grid : Grid
    shape, rate : float64[]
        Of the inverse gamma prior of the scale A.

    Raises
    ------
    NotEnoughData
        A mixed kernel is not positive definite (see `molmeta.heads.linalg.cholesky`).
    FloatingPointError
        No setting has a weight, as parameters or labels are out of all bounds.
    """
    n, residual = len(y), y[:, None] - mean @ grid.share.T
    learns = torch.is_grad_enabled()
    parts, most = [], y.new_tensor(-torch.inf)
    for part in [grid] if learns else blocks(grid, n):
        factor = cholesky(covariance(part, kernels))
        white = torch.linalg.solve_triangular(factor, residual.expand(len(factor), -1, -1), upper=False)
        rates = rate + white.square().sum(1) / 2
        evidence = log_evidence(factor.diagonal(dim1=1, dim2=2).log().sum(1), rates, shape, n)
        found = _Part(part, evidence + part.log_prior, factor, white, rates)
        if not learns:
            # So that no more than what may matter is kept of all the settings.
            most = torch.maximum(most, found.total.max())
            found = found.where(matters(found.total, most))
        parts.append(found)
    whole = _Part.joined(parts)
    if not learns:
        whole = whole.where(matters(whole.total, most))
        check_weighed(whole.total)
    alpha = torch.linalg.solve_triangular(whole.factor.transpose(1, 2), whole.white, upper=True)
    weight = torch.softmax(whole.log_weight.flatten(), 0).view_as(whole.log_weight)
    return Posterior(whole.grid, weight, whole.factor, alpha, scale_of(whole.rate, shape, n))


@dataclass(frozen=True, eq=False)
class _Part:
    """Some settings with what is known of them; see `Posterior`.

    log_weight float64[S, H]: log of evidence x hyper-prior; white float64[S, n, H]: residuals over the
    factor; rate float64[S, H]: of the scale.
    """

    grid: Grid
    log_weight: Tensor
    factor: Tensor
    white: Tensor
    rate: Tensor

    @property
    def total(self) -> Tensor:
        """float64[S]: log weight of each setting."""
        return self.log_weight.logsumexp(1)

    def where(self, which: Tensor) -> _Part:
        if which.all():
            return self
        own = (self.log_weight, self.factor, self.white, self.rate)
        return _Part(self.grid.rows(which), *(value[which] for value in own))

    @classmethod
    def joined(cls, parts: Sequence[_Part]) -> _Part:
        if len(parts) == 1:
            return parts[0]
        grids = [part.grid for part in parts]
        whole = Grid(
            torch.cat([one.mixture for one in grids]),
            torch.cat([one.ratio for one in grids]),
            grids[0].share,
            torch.cat([one.log_prior for one in grids]),
        )
        names = ("log_weight", "factor", "white", "rate")
        return cls(whole, *(torch.cat([getattr(part, name) for part in parts]) for name in names))
