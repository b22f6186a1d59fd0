"""Gaussian processes averaged over settings by their evidence: the linear algebra.

A setting s mixes K kernels into M_s and has a noise-to-signal ratio r_s; a column h is a prior mean g_h.
Labels are y ~ N(g_h, A (M_s + r_s I)). The scale A has an inverse gamma prior, so that it integrates out:
the evidence is a multivariate Student t, and no optimizer runs.

Source: Rasmussen and Williams 2006 (sections 2.2, 2.7, 5.4 and equation 9.18 for the t evidence).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from molmeta.heads.linalg import cholesky

_BLOCK = 2**22  # numbers in one block of settings x query x support
_CACHED = 2**17  # numbers in a block that stays in the cache of a core
_NEGLIGIBLE = 1e-3  # settings that weigh less are left out of predictions that need no gradient


@dataclass(frozen=True, eq=False)
class Grid:
    """S settings and H prior means.

    mixture float64[S, K]; ratio float64[S]; share float64[H, J]: how much of each of J mean functions;
    log_prior float64[S, H]: the hyper-prior, -inf where a setting does not go with a mean.
    """

    mixture: Tensor
    ratio: Tensor
    share: Tensor
    log_prior: Tensor


def join(parts: Sequence[Grid]) -> Grid:
    """One grid out of several with the same kernels and mean functions; the settings of each go with its
    own prior means only."""
    mixture, ratio, share = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("mixture", "ratio", "share")
    )
    log_prior = mixture.new_full((len(mixture), len(share)), -torch.inf)
    row = column = 0
    for part in parts:
        rows, columns = part.log_prior.shape
        log_prior[row : row + rows, column : column + columns] = part.log_prior
        row, column = row + rows, column + columns
    return Grid(mixture, ratio, share, log_prior)


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
            predict, size = self.moments.latent, _CACHED // len(self.moments.mixture)
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
        average = torch.einsum("sh,smh->m", self.weight, means)
        between = torch.einsum("sh,smh->m", self.weight, (means - average[:, None]).square())
        within = (self.weight * self.scale).sum(1) @ left.clamp(min=1e-9)
        return average, within + between


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
        weighed = weight[:, None] * alpha
        explained = scale[:, None, None] * torch.cholesky_inverse(posterior.factor)
        square = explained.new_zeros(len(mixture), *explained.shape[1:])
        square.index_add_(0, which, weighed @ alpha.transpose(1, 2) - explained)
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
    n = len(y)
    covariance = torch.einsum("sb,bmn->smn", grid.mixture, kernels)
    noise = grid.ratio[:, None, None] * torch.eye(n, dtype=y.dtype, device=y.device)
    factor = cholesky(covariance + noise)
    residual = y[:, None] - mean @ grid.share.T
    white = torch.linalg.solve_triangular(factor, residual.expand(len(factor), -1, -1), upper=False)
    alpha = torch.linalg.solve_triangular(factor.transpose(1, 2), white, upper=True)
    rate = rate + white.square().sum(1) / 2
    log_det = factor.diagonal(dim1=1, dim2=2).log().sum(1, keepdim=True)
    evidence = -log_det - (shape + n / 2) * rate.log()
    weight = torch.softmax((evidence + grid.log_prior).flatten(), 0).view_as(evidence)
    scale = rate / (shape + n / 2 - 1).clamp(min=0.5)
    posterior = Posterior(grid, weight, factor, alpha, scale)
    return posterior if torch.is_grad_enabled() else _pruned(posterior)


def _pruned(posterior: Posterior) -> Posterior:
    """Without the settings that weigh next to nothing."""
    weight, grid = posterior.weight, posterior.grid
    keep = weight.sum(1) > _NEGLIGIBLE * weight.sum(1).max()
    if not keep.any():
        raise FloatingPointError("the evidence of no setting is a number: parameters or labels are too large")
    kept = replace(grid, mixture=grid.mixture[keep], ratio=grid.ratio[keep], log_prior=grid.log_prior[keep])
    return Posterior(
        kept,
        weight[keep] / weight[keep].sum(),
        posterior.factor[keep],
        posterior.alpha[keep],
        posterior.scale[keep],
    )
