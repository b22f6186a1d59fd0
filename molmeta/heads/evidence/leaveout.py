"""Predictions of parts of a support set from its other compounds, by one factorization of all of it.

With P = (M + r I)^-1 of all compounds, a part I of them and a column e of labels less a prior mean, the
others J say of the part, with u = (P e)_I:

    e_I - E[e_I | e_J] = P_II^-1 u             Cov[e_I | e_J] = A P_II^-1
    log |M_JJ + r I| = log |M + r I| + log |P_II|
    e_J' (M_JJ + r I)^-1 e_J = e' P e - u' P_II^-1 u

Source: Dubrule 1983 (kriging in a unique neighbourhood); Rasmussen and Williams 2006, equation 5.12, for
parts of one compound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from molmeta.heads.evidence.grid import Grid, blend, blocks, covariance, log_evidence, scale_of, weigh
from molmeta.heads.linalg import cholesky


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What S settings say of a part of m compounds from the n others, of C columns: labels, 1, and means.

    half_log_det float64[S]: half the log determinant of M + r I of the others; gram float64[S, C, C]: their
    columns over it; error float64[S, m, C]: by how much each column of the part is off; left float64[S, m]:
    latent variance of the part, over the scale A.
    """

    n: int
    half_log_det: Tensor
    gram: Tensor
    error: Tensor
    left: Tensor

    def latent(
        self,
        grid: Grid,
        y: Tensor,
        level: Tensor,
        shift: Tensor,
        stretch: Tensor,
        shape: Tensor,
        rate: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, latent variance and noise variance, float64[m] each; see `Posterior.latent`.

        Parameters
        ----------
        grid : Grid
            With the hyper-prior for n compounds.
        y : float64[m]
            Labels of the part, on the scale of the others.
        level : float64[J]
            That is taken from the means.
        shift, stretch : float64[]
            To the scale of the others from that of the labels that were given: less the one, over the other.
        shape, rate : float64[]
            As in `molmeta.heads.evidence.averaging.average`.
        """
        # Of each column, how much of it is in the labels less each prior mean.
        of_one = level @ grid.share.T - shift / stretch
        share = torch.cat([(torch.ones_like(of_one) / stretch)[None], of_one[None], -grid.share.T])
        rates = rate + torch.einsum("ch,scd,dh->sh", share, self.gram, share) / 2
        weight = weigh(log_evidence(self.half_log_det, rates, shape, self.n) + grid.log_prior)
        scale = scale_of(rates, shape, self.n)
        mean, variance = blend(weight, scale, y[:, None] - self.error @ share, self.left)
        noise = (weight * scale).sum(1) @ grid.ratio
        return mean, variance, noise.expand_as(mean)


def leave_out(
    kernels: Tensor, itself: Tensor, y: Tensor, means: Tensor, grid: Grid, parts: Sequence[Tensor]
) -> list[LeftOut]:
    """Leaves out each part of a support set.

    Parameters
    ----------
    kernels : float64[K, n, n]
    itself : float64[K, n]
        Of each compound with itself, where it is no compound of the support set.
    y : float64[n]
    means : float64[n, J]
    grid : Grid
        Its hyper-prior does not matter.
    parts : sequence of int64[m]

    Raises
    ------
    NotEnoughData
        A mixed kernel is not positive definite (see `molmeta.heads.linalg.cholesky`).
    """
    if not parts:
        return []
    alike: dict[int, list[int]] = {}
    for at, part in enumerate(parts):
        alike.setdefault(len(part), []).append(at)
    groups = {size: torch.stack([parts[at] for at in group]) for size, group in alike.items()}
    n, columns = len(y), torch.cat([y[:, None], torch.ones_like(y)[:, None], means], 1)
    own = grid.mixture @ (itself - kernels.diagonal(dim1=1, dim2=2)) - grid.ratio[:, None]
    found: dict[int, list[_Settings]] = {size: [] for size in groups}
    for block in blocks(grid, n):
        factor = cholesky(covariance(block, kernels))
        half_log_det = factor.diagonal(dim1=1, dim2=2).log().sum(1)
        precision = torch.cholesky_inverse(factor)
        for size, group in groups.items():
            found[size].append(_of_settings(half_log_det, precision, columns, group))
    left_out: dict[int, LeftOut] = {}
    for size, group in groups.items():
        half, gram, error, variance = (torch.cat(part) for part in zip(*found[size], strict=True))
        for i, at in enumerate(alike[size]):
            left = variance[:, i] + own[:, group[i]]
            left_out[at] = LeftOut(n - size, half[:, i], gram[:, i], error[:, i], left)
    return [left_out[at] for at in range(len(parts))]


_Settings = tuple[Tensor, Tensor, Tensor, Tensor]


def _of_settings(half_log_det: Tensor, precision: Tensor, columns: Tensor, parts: Tensor) -> _Settings:
    """Of precision float64[S, n, n] and F parts int64[F, m]: half_log_det float64[S, F], gram float64[S, F,
    C, C] and error float64[S, F, m, C] of `LeftOut`, and the variance of labels float64[S, F, m]."""
    inner = precision[:, parts[:, :, None], parts[:, None]]
    root = cholesky(inner)
    pulled = precision @ columns
    own = pulled[:, parts]
    error = torch.cholesky_solve(own, root)
    gram = (columns.T @ pulled)[:, None] - own.transpose(2, 3) @ error
    variance = torch.cholesky_inverse(root).diagonal(dim1=2, dim2=3)
    return half_log_det[:, None] + root.diagonal(dim1=2, dim2=3).log().sum(2), gram, error, variance
