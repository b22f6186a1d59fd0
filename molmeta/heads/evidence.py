"""The default head: a Gaussian process with a prior that earlier assays leave, averaged by evidence.

Labels are y ~ N(c + g(x), A (M + r I)). The covariance M mixes kernels on the embedding, on fingerprints
and, where the compounds are those of a panel, the covariance that they had in earlier assays. The mean g
is a share of what earlier assays say of a compound: on average over all of them (from its embedding),
of that compound itself, and of the panel. Nothing is chosen: predictions are averaged over all settings
with weights evidence x hyper-prior, and the hyper-prior is meta-learned. Pure fingerprint GPs and a mean
of zero stay among the settings, for assays that earlier ones say nothing of.

Sources: Wilson et al. 2016 (deep kernels); Patacchiola et al. 2020 (deep kernel transfer); Harrison et
al. 2018 (a mean and a covariance that earlier tasks leave); Ralaivola et al. 2005 (Tanimoto).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from molmeta.chem.batch import MolBatch
from molmeta.data.episode import Labelled
from molmeta.data.history import History
from molmeta.encoders.base import Encoder
from molmeta.heads.averaging import Grid, Posterior, average, join
from molmeta.heads.base import Conditioned, Head
from molmeta.heads.kernels import RATIOS, fingerprint_kernels, mixtures, unit, unit_kernels
from molmeta.heads.link import Link, Regressed
from molmeta.heads.memory import Levels, Panels
from molmeta.prediction import Prediction

# Shares of the mean over earlier assays, and of a compound's own level, that go together.
SHARES = ((0.0, 0.0), (0.25, 0.0), (0.5, 0.0), (0.25, 0.5), (0.25, 1.0))
# Of the mean of a panel, with log-odds: what one lab calls active (residual activity), another calls
# inactive (inhibition), which is less likely but must not mislead.
PANEL_SHARES = ((0.5, 0.0), (1.0, 0.0), (-0.5, -2.0), (-1.0, -2.0))
PANEL_WEIGHTS = (0.5, 0.25)


class Evidence(Head):
    """Evidence-averaged GP for classification (on -1/+1 labels) and regression.

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
    shares : sequence of (float, float)
        Shares of the mean over earlier assays and of the levels among which evidence chooses.
    rank : int
        Number of factors of a panel; 0 keeps nothing of single compounds.
    """

    kinds = frozenset({"classification", "regression"})
    learned_kernels: ClassVar[int] = 2

    def __init__(
        self,
        dim: int = 256,
        fingerprints: Sequence[str] = ("counts", "pairs"),
        presence: Sequence[str] = ("counts", "pairs"),
        ratios: Sequence[float] = RATIOS,
        shares: Sequence[Sequence[float]] = SHARES,
        rank: int = 8,
    ) -> None:
        super().__init__()
        self.fingerprints, self.presence, self.rank = tuple(fingerprints), tuple(presence), rank
        self.needs = frozenset({*fingerprints, *presence, *(("identity",) if rank else ())})
        self.n_kernels = self.learned_kernels + len(self.fingerprints) + len(self.presence)
        grid = [(*mixture, ratio) for mixture in mixtures(self.n_kernels) for ratio in ratios]
        self.register_buffer("grid", torch.tensor(grid, dtype=torch.float64), persistent=False)
        self.register_buffer("ratios", torch.tensor(ratios, dtype=torch.float64), persistent=False)
        self.register_buffer("shares", torch.tensor(shares, dtype=torch.float64), persistent=False)
        self.log_length = nn.Parameter(torch.tensor(math.log(0.7)))
        # Hyper-prior over the grid and over the shares, and how it moves with log(n / 32).
        self.prior = nn.Parameter(torch.zeros(len(grid)))
        self.prior_slope = nn.Parameter(torch.zeros(len(grid)))
        self.share_prior = nn.Parameter(torch.zeros(len(shares)))
        self.share_slope = nn.Parameter(torch.zeros(len(shares)))
        # Not parameters: the few assays of stage B would overrule the thousands that they are made of.
        self.register_buffer("prior_mean", torch.zeros(dim))
        if rank:
            self.levels, self.panels = Levels(), Panels(rank)
            # Log-odds of the settings of a panel, once one is at hand, and how they move.
            self.panel_prior = nn.Parameter(torch.tensor([1.0, 0.0]))
        # Inverse gamma prior of the scale A.
        self.log_shape = nn.Parameter(torch.tensor(math.log(2.0)))
        self.log_rate = nn.Parameter(torch.tensor(math.log(1.0)))
        self.link = Link()

    def start_from(self, outputs: Tensor, history: History) -> None:
        """The prior mean is the mean over the training assays; half a log-odds is about a -1/+1 label."""
        self.get_buffer("prior_mean").copy_(outputs.mean(0) / 2)
        if self.rank:
            self.levels.learn(history)
            self.panels.learn(history)

    def features(self, encoder: Encoder, mols: MolBatch) -> Tensor:
        """Unit vectors float64[n, dim] on which the prior mean, the linear and the Matern kernel act."""
        return unit(encoder, mols)

    def learned(self, a: Tensor, b: Tensor) -> list[Tensor]:
        """Kernels float64[n, m] of the features, each 1 on the diagonal."""
        return unit_kernels(a, b, self.log_length.double().exp())

    def kernels(self, a: Tensor, b: Tensor, mols_a: MolBatch, mols_b: MolBatch) -> Tensor:
        """float64[K, n, m]: learned ones, one a fingerprint, one a fingerprint's presence."""
        fixed = fingerprint_kernels(mols_a, mols_b, self.fingerprints, self.presence)
        return torch.stack([*self.learned(a, b), *fixed])

    def condition(self, encoder: Encoder, support: Labelled) -> Conditioned:
        self.check_support(support)
        data = Regressed.of(support)
        sign = 1.0 if support.target.higher_is_better else -1.0
        own, phi = support.mols, self.features(encoder, support.mols)
        panels = self.panels.relevant(own.need("identity")) if self.rank else []
        rows = [self.panels.at(p, own.need("identity")) for p in panels]
        kernels = self.kernels(phi, phi, own, own)
        if panels:
            kernels = torch.cat([kernels, torch.stack([self.panels.covariance(at, at) for at in rows])])
        means = sign * self.means(phi, own, rows)
        level = means.mean(0)
        posterior = self.posterior(kernels, data.y, means - level)

        def predict(mols: MolBatch) -> Prediction:
            new = self.features(encoder, mols)
            cross = self.kernels(new, phi, mols, own)
            itself = torch.ones_like(cross[:, :, 0])
            at = [self.panels.at(p, mols.need("identity")) for p in panels]
            if panels:
                both = zip(at, rows, strict=True)
                cross = torch.cat([cross, torch.stack([self.panels.covariance(a, b) for a, b in both])])
                itself = torch.cat([itself, torch.stack([self.panels.variance(a) for a in at])])
            latent = posterior.latent(cross, itself, sign * self.means(new, mols, at) - level)
            return self.link.prediction(data, *latent)

        return predict

    def means(self, phi: Tensor, mols: MolBatch, rows: Sequence[Tensor]) -> Tensor:
        """float64[n, 2 + P]: what earlier assays say on average, of each compound itself, and of the
        panels in which the compounds are at `rows`."""
        general = phi @ self.get_buffer("prior_mean").double()
        if not self.rank:
            return torch.stack([general, torch.zeros_like(general)], dim=1)
        own = self.levels(mols.need("identity"))
        return torch.stack([general, own, *(self.panels.average(at) for at in rows)], dim=1)

    def posterior(self, kernels: Tensor, y: Tensor, means: Tensor) -> Posterior:
        """Of kernels float64[K + P, n, n], y float64[n] and means float64[n, 2 + P]."""
        grid = self.settings(len(kernels) - self.n_kernels, math.log(len(y) / 32))
        return average(kernels, y, means, grid, self.log_shape.double().exp(), self.log_rate.double().exp())

    def settings(self, panels: int, size: float) -> Grid:
        """The grid for a support set with so many panels at hand; size is log(n / 32)."""
        grid, shares = self.get_buffer("grid"), self.get_buffer("shares")
        hyper = (self.prior + size * self.prior_slope).double()
        believed = (self.share_prior + size * self.share_slope).double()
        mixture, share = (nn.functional.pad(part, (0, panels)) for part in (grid[:, :-1], shares))
        general = Grid(mixture, grid[:, -1], share, hyper[:, None] + believed)
        if not panels:
            return general
        odds = (self.panel_prior[0] + size * self.panel_prior[1]).double()
        mass = general.log_prior.logsumexp((0, 1)) + odds - math.log(panels)
        return join([general, *(self._of_panel(p, panels, mass) for p in range(panels))])

    def _of_panel(self, number: int, panels: int, mass: Tensor) -> Grid:
        """Settings with the kernel and the mean of one of the panels at hand; they weigh exp(mass)."""
        ratios, n = self.get_buffer("ratios"), self.n_kernels
        eye = torch.eye(n + panels, dtype=ratios.dtype, device=ratios.device)
        alone = eye[n + number]
        mixture = torch.stack(
            [alone, *(w * alone + (1 - w) * eye[b] for w in PANEL_WEIGHTS for b in range(n))]
        )
        believed, odds = ratios.new_tensor(PANEL_SHARES).T
        which = nn.functional.one_hot(torch.tensor(2 + number, device=ratios.device), 2 + panels)
        log_prior = mass + odds.log_softmax(0) - math.log(len(mixture) * len(ratios))
        return Grid(
            mixture.repeat_interleave(len(ratios), 0),
            ratios.repeat(len(mixture)),
            believed[:, None] * which,
            log_prior.expand(len(mixture) * len(ratios), -1),
        )
