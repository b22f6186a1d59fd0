"""Exact Gaussian processes: a deep kernel with a Tanimoto part, averaged over settings by evidence.

Each setting s mixes kernels, M_s = w_1 linear(phi) + w_2 Matern(phi) + w_3 Tanimoto(counts) + ..., and
has a noise-to-signal ratio r_s. Labels are y ~ N(c + h m(phi), A (M_s + r_s I)): m is the mean of what
earlier assays say of a compound, of which a share h is believed. The scale A has an inverse gamma prior,
so that it integrates out: the evidence is a multivariate Student t, and no optimizer runs. Predictions
are averaged over settings and shares with weights evidence x hyper-prior; the hyper-prior is meta-learned.

Sources: Rasmussen and Williams 2006 (sections 2.2, 2.7, 5.4 and equation 9.18 for the t evidence); Wilson
et al. 2016 (deep kernels); Patacchiola et al. 2020 (deep kernel transfer); Harrison et al. 2018 (a mean
that earlier tasks leave); Ralaivola et al. 2005 (Tanimoto).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor, nn

from molmeta.chem.batch import MolBatch
from molmeta.chem.similarity import tanimoto
from molmeta.data.episode import Labelled
from molmeta.encoders.base import Encoder
from molmeta.heads.base import Conditioned, Head
from molmeta.heads.linalg import cholesky
from molmeta.prediction import Bernoulli, Gaussian, Prediction

RATIOS = (0.03, 0.1, 0.3, 1.0, 3.0)
SHARES = (0.0, 0.25, 0.5)
_BLOCK = 2**22  # numbers in one block of settings x query x support
_NEGLIGIBLE = 1e-3  # settings that weigh less are left out of predictions that need no gradient


def mixtures(kernels: int) -> list[tuple[float, ...]]:
    """Weights of the kernels: each alone, each pair, and the mean of all.

    Fingerprints stand alone among them on purpose: they win where earlier assays do not help.

    >>> mixtures(2)
    [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)]
    """
    chosen: list[tuple[int, ...]] = [*combinations(range(kernels), 1), *combinations(range(kernels), 2)]
    if kernels > 2:
        chosen.append(tuple(range(kernels)))
    return [tuple(1 / len(part) if i in part else 0.0 for i in range(kernels)) for part in chosen]


@dataclass(frozen=True, eq=False)
class _Posterior:
    """S settings that matter for one support set, times H shares, with what their predictions need.

    weight float64[S, H]; share float64[H]; mixture float64[S, K]; ratio float64[S];
    factor float64[S, n, n] (Cholesky of M + r I); alpha float64[S, n, H]; scale float64[S, H] (posterior
    mean of A).
    """

    weight: Tensor
    share: Tensor
    mixture: Tensor
    ratio: Tensor
    factor: Tensor
    alpha: Tensor
    scale: Tensor

    def latent(self, cross: Tensor, prior: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, latent variance and noise variance, float64[m] each.

        cross float64[K, m, n] are the kernels with the support, prior float64[m] the prior mean.
        """
        rows = max(1, _BLOCK // (len(self.weight) * cross.shape[2]))
        blocks = zip(torch.split(cross, rows, dim=1), torch.split(prior, rows), strict=True)
        mean, variance = (torch.cat(both) for both in zip(*(self._latent(*b) for b in blocks), strict=True))
        noise = (self.weight * self.scale).sum(1) @ self.ratio
        return mean, variance, noise.expand_as(mean)

    def _latent(self, cross: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        mixed = torch.einsum("sb,bmn->smn", self.mixture, cross)
        means = mixed @ self.alpha + prior[:, None] * self.share
        solved = torch.linalg.solve_triangular(self.factor, mixed.transpose(1, 2), upper=False)
        own = self.mixture.sum(1, keepdim=True) - solved.square().sum(1)
        mean = torch.einsum("sh,smh->m", self.weight, means)
        between = torch.einsum("sh,smh->m", self.weight, (means - mean[:, None]).square())
        within = (self.weight * self.scale).sum(1) @ own.clamp(min=1e-9)
        return mean, within + between


class GP(Head):
    """Evidence-averaged deep-kernel GP for classification (on -1/+1 labels) and regression.

    Parameters
    ----------
    dim : int
        Length of the embedding.
    fingerprints : sequence of str
        Fields of `MolBatch` that get a Tanimoto kernel each.
    presence : sequence of str
        Fields that get one more, on whether a substructure occurs at all.
    ratios : sequence of float
        Noise-to-signal ratios; with `mixtures` they make the grid of settings.
    shares : sequence of float
        Shares of the prior mean among which evidence chooses.
    """

    kinds = frozenset({"classification", "regression"})
    learned_kernels: ClassVar[int] = 2

    def __init__(
        self,
        dim: int = 256,
        fingerprints: Sequence[str] = ("counts", "pairs"),
        presence: Sequence[str] = ("counts", "pairs"),
        ratios: Sequence[float] = RATIOS,
        shares: Sequence[float] = SHARES,
    ) -> None:
        super().__init__()
        self.fingerprints, self.presence = tuple(fingerprints), tuple(presence)
        self.needs = frozenset({*fingerprints, *presence})
        settings = mixtures(self.learned_kernels + len(self.fingerprints) + len(self.presence))
        grid = [(*mixture, ratio) for mixture in settings for ratio in ratios]
        self.register_buffer("grid", torch.tensor(grid, dtype=torch.float64), persistent=False)
        self.log_length = nn.Parameter(torch.tensor(math.log(0.7)))
        # Hyper-prior over the grid, and how it moves with log(n / 32).
        self.prior = nn.Parameter(torch.zeros(len(grid)))
        self.prior_slope = nn.Parameter(torch.zeros(len(grid)))
        self.register_buffer("shares", torch.tensor(shares, dtype=torch.float64), persistent=False)
        self.share_prior = nn.Parameter(torch.zeros(len(shares)))
        self.share_slope = nn.Parameter(torch.zeros(len(shares)))
        # Not a parameter: the few assays of stage B would overrule the thousands that it is made of.
        self.register_buffer("prior_mean", torch.zeros(dim))
        # Inverse gamma prior of the scale A.
        self.log_shape = nn.Parameter(torch.tensor(math.log(2.0)))
        self.log_rate = nn.Parameter(torch.tensor(math.log(1.0)))
        # Link: gain, its slope in log(n / 32), weight of the variance; offset, weight of the class prior.
        self.link = nn.Parameter(torch.tensor([math.log(2.0), 0.0, 0.0, 0.0, 1.0]))

    def start_from(self, outputs: Tensor) -> None:
        """The prior mean is the mean over the training assays; half a log-odds is about a -1/+1 label."""
        self.get_buffer("prior_mean").copy_(outputs.mean(0) / 2)

    def features(self, encoder: Encoder, mols: MolBatch) -> Tensor:
        """Unit vectors float64[n, dim] on which the prior mean, the linear and the Matern kernel act."""
        return nn.functional.normalize(encoder(mols).double(), dim=1, eps=1e-9)

    def learned(self, a: Tensor, b: Tensor) -> list[Tensor]:
        """Linear and Matern-5/2 kernels float64[n, m] of unit vectors, each 1 on the diagonal."""
        linear = a @ b.T
        # sqrt has no gradient at 0, where identical compounds are.
        distance = (2 - 2 * linear).clamp(min=1e-12).sqrt() * (math.sqrt(5) / self.log_length.double().exp())
        return [linear, (1 + distance + distance.square() / 3) * torch.exp(-distance)]

    def kernels(self, a: Tensor, b: Tensor, mols_a: MolBatch, mols_b: MolBatch) -> Tensor:
        """All kernels float64[K, n, m]: learned ones, one a fingerprint, one a fingerprint's presence."""
        fixed = [tanimoto(mols_a.need(name), mols_b.need(name)) for name in self.fingerprints]
        fixed += [
            tanimoto((mols_a.need(name) > 0).byte(), (mols_b.need(name) > 0).byte()) for name in self.presence
        ]
        return torch.stack([*self.learned(a, b), *(kernel.double() for kernel in fixed)])

    def condition(self, encoder: Encoder, support: Labelled) -> Conditioned:
        self.check_support(support)
        y = support.y.double()
        classes = support.target.kind == "classification"
        if classes:
            y = 2 * y - 1
        centre = y.mean()
        spread = torch.ones_like(centre) if classes else _spread(y)
        own, phi = support.mols, self.features(encoder, support.mols)
        sign = 1.0 if support.target.higher_is_better else -1.0
        direction = sign * self.get_buffer("prior_mean").double()
        level = (phi @ direction).mean()
        posterior = self._posterior(
            self.kernels(phi, phi, own, own), (y - centre) / spread, phi @ direction - level
        )
        n_pos = float((support.y > 0.5).sum()) if classes else 0.0
        odds = math.log((n_pos + 0.5) / (len(support) - n_pos + 0.5))
        size = math.log(len(support) / 32)

        def predict(mols: MolBatch) -> Prediction:
            new = self.features(encoder, mols)
            cross = self.kernels(new, phi, mols, own)
            mean, variance, noise = posterior.latent(cross, new @ direction - level)
            if not classes:
                return Gaussian(centre + spread * mean, spread * (variance + noise).sqrt())
            gain, slope, shrink, offset, base = self.link.double()
            pull = (1 + shrink.exp() * variance).sqrt()
            steep = torch.exp(gain + slope * size) / pull
            logit = steep * mean + offset + base * odds
            return Bernoulli(mean + centre, variance.sqrt(), logit, steep)

        return predict

    def _posterior(self, kernels: Tensor, y: Tensor, prior: Tensor) -> _Posterior:
        """kernels float64[K, n, n] of the support, y float64[n], and its prior mean float64[n]."""
        n = len(y)
        size = math.log(n / 32)
        grid, share = self.get_buffer("grid"), self.get_buffer("shares")
        mixture, ratio = grid[:, :-1], grid[:, -1]
        covariance = torch.einsum("sb,bmn->smn", mixture, kernels)
        factor = cholesky(covariance + ratio[:, None, None] * torch.eye(n, dtype=y.dtype, device=y.device))
        residual = y[:, None] - prior[:, None] * share
        white = torch.linalg.solve_triangular(factor, residual.expand(len(grid), -1, -1), upper=False)
        alpha = torch.linalg.solve_triangular(factor.transpose(1, 2), white, upper=True)
        shape = self.log_shape.double().exp()
        rate = self.log_rate.double().exp() + white.square().sum(1) / 2
        log_det = factor.diagonal(dim1=1, dim2=2).log().sum(1, keepdim=True)
        evidence = -log_det - (shape + n / 2) * rate.log()
        hyper = self.prior.double() + size * self.prior_slope.double()
        believed = self.share_prior.double() + size * self.share_slope.double()
        weight = torch.softmax((evidence + hyper[:, None] + believed).flatten(), 0).view_as(evidence)
        scale = rate / (shape + n / 2 - 1).clamp(min=0.5)
        if not torch.is_grad_enabled():
            keep = weight.sum(1) > _NEGLIGIBLE * weight.sum(1).max()
            weight = weight[keep] / weight[keep].sum()
            mixture, ratio, factor, alpha, scale = (t[keep] for t in (mixture, ratio, factor, alpha, scale))
        return _Posterior(weight, share, mixture, ratio, factor, alpha, scale)


def _spread(y: Tensor) -> Tensor:
    """Standard deviation float64[] of values; of equal values it says nothing, and 5 % of them stands in."""
    size = y.abs().max().clamp(min=1e-6)
    spread = y.std(correction=0)
    return torch.where(spread < 1e-3 * size, 0.05 * size, spread)


class TanimotoGP(GP):
    """The fingerprint-only corner: a Tanimoto GP on ECFP4 counts, which needs no meta-training."""

    learned_kernels = 0

    def __init__(self, fingerprints: Sequence[str] = ("counts",), ratios: Sequence[float] = RATIOS) -> None:
        super().__init__(1, fingerprints, (), ratios, shares=(0.0,))

    def start_from(self, outputs: Tensor) -> None:
        """Nothing: outputs are on an embedding, which this head does not read."""

    def features(self, encoder: Encoder, mols: MolBatch) -> Tensor:
        return torch.zeros(len(mols), 1, dtype=torch.float64, device=self.link.device)

    def learned(self, a: Tensor, b: Tensor) -> list[Tensor]:
        return []
