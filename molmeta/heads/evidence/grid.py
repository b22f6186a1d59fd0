"""The settings over which a Gaussian process is averaged, and what they weigh.

A setting s mixes K kernels into M_s and has a noise-to-signal ratio r_s; a column h is a prior mean g_h.
Labels are y ~ N(g_h, A (M_s + r_s I)). The scale A has an inverse gamma prior, so that it integrates out:
the evidence is a multivariate Student t, and no optimizer runs.

Source: Rasmussen and Williams 2006 (sections 2.2, 2.7, 5.4 and equation 9.18 for the t evidence).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

CACHED = 2**17  # numbers in a block that stays in the cache of a core
_FEWEST = 5  # settings in a block
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

    def rows(self, which: slice | Tensor) -> Grid:
        """Some of the settings."""
        return Grid(self.mixture[which], self.ratio[which], self.share, self.log_prior[which])


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


def block_size(n: int) -> int:
    """Settings whose covariances of n compounds stay in the cache, or at least are few."""
    return max(_FEWEST, CACHED // n**2)


def blocks(grid: Grid, n: int) -> list[Grid]:
    """A grid in parts of `block_size`."""
    size = block_size(n)
    return [grid.rows(slice(start, start + size)) for start in range(0, len(grid.ratio), size)]


def covariance(grid: Grid, kernels: Tensor) -> Tensor:
    """M + r I, float64[S, n, n], of kernels float64[K, n, n]."""
    # Settings that follow each other mostly differ in the noise alone.
    mixture, which = torch.unique_consecutive(grid.mixture, dim=0, return_inverse=True)
    mixed = torch.einsum("sb,bmn->smn", mixture, kernels).index_select(0, which)
    mixed.diagonal(dim1=1, dim2=2).add_(grid.ratio[:, None])
    return mixed


def log_evidence(half_log_det: Tensor, rate: Tensor, shape: Tensor, n: int) -> Tensor:
    """float64[S, H], but for a constant, of n labels.

    half_log_det float64[S] is half the log determinant of M + r I, rate float64[S, H] that of the posterior
    of the scale.
    """
    return -half_log_det[:, None] - (shape + n / 2) * rate.log()


def scale_of(rate: Tensor, shape: Tensor, n: int) -> Tensor:
    """Posterior mean of the scale A after n labels, of its rate float64[S, H]."""
    return rate / (shape + n / 2 - 1).clamp(min=0.5)


def weigh(log_weight: Tensor) -> Tensor:
    """Weights float64[S, H] that sum to 1, from their logarithms; 0 for settings that hardly matter.

    Raises
    ------
    FloatingPointError
        There are none, see `average`.
    """
    total = log_weight.logsumexp(1)
    kept = matters(total, total.max())
    check_weighed(total[kept])
    return torch.softmax(torch.where(kept[:, None], log_weight, -torch.inf).flatten(), 0).view_as(log_weight)


def matters(total: Tensor, most: Tensor) -> Tensor:
    """bool[S]: which settings, of log weight float64[S], weigh enough beside the heaviest one, float64[]."""
    return total > most + math.log(_NEGLIGIBLE)


def blend(weight: Tensor, scale: Tensor, means: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and latent variance float64[m] of all settings together.

    Of weight and scale float64[S, H], means float64[S, m, H] and the variance left float64[S, m].
    """
    average = torch.einsum("sh,smh->m", weight, means)
    between = torch.einsum("sh,smh->m", weight, (means - average[:, None]).square())
    within = (weight * scale).sum(1) @ left.clamp(min=1e-9)
    return average, within + between


def check_weighed(total: Tensor) -> None:
    """Raises FloatingPointError where no setting is left."""
    if not len(total):
        raise FloatingPointError("the evidence of no setting is a number: parameters or labels are too large")
