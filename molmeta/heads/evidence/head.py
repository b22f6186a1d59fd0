"""The default head: a Gaussian process with a prior that earlier assays leave, averaged by evidence.

Labels are y ~ N(c + g(x), A (M + r I)). The covariance M mixes kernels on the embedding, on fingerprints
and, where compounds were measured before, the covariance that they had in earlier assays: those of a
panel, or any. The mean g is a share of what earlier assays say of a compound: on average over all of
them (from its embedding), of that compound itself, and of the panel. Nothing is chosen: predictions are
averaged over all settings with weights evidence x hyper-prior, and the hyper-prior is meta-learned. Pure
fingerprint GPs and a mean of zero stay among the settings, for assays that earlier ones say nothing of.

Sources: Wilson et al. 2016 (deep kernels); Patacchiola et al. 2020 (deep kernel transfer); Harrison et
al. 2018 (a mean and a covariance that earlier tasks leave); Ralaivola et al. 2005 (Tanimoto); Martin et
al. 2017 (profiles).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from molmeta.chem.batch import MolBatch
from molmeta.data.episode import Labelled
from molmeta.data.history import History
from molmeta.encoders.base import Encoder
from molmeta.heads.base import Conditioned, Head
from molmeta.heads.evidence.averaging import Grid, Posterior, average, join
from molmeta.heads.evidence.panels import Panels, Remembered
from molmeta.heads.evidence.profiles import Profiles, Together
from molmeta.heads.kernels import RATIOS, Kernel, fingerprint_kernels, mixtures, unit, unit_kernels
from molmeta.heads.link import Link, Regressed
from molmeta.prediction import Prediction

# Shares of the mean over earlier assays, and of a compound's own level, that go together.
SHARES = ((0.0, 0.0), (0.25, 0.0), (0.5, 0.0), (0.25, 0.5), (0.25, 1.0))
# Of the mean of a panel, with log-odds: what one lab calls active (residual activity), another calls
# inactive (inhibition), which is less likely but must not mislead.
PANEL_SHARES = ((0.5, 0.0), (1.0, 0.0), (-0.5, -2.0), (-1.0, -2.0))
# Log-odds that learned kernels start with for each doubling of the labels beyond 64: with fewer labels, what
# the embedding explains beyond its mean is mostly chance.
_PER_DOUBLING = 0.75
# Of the covariance in earlier assays, beside one other kernel.
WEIGHTS = (0.5, 0.25)


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
        learned = torch.tensor([sum(setting[: self.learned_kernels]) for setting in grid])
        self.prior = nn.Parameter(-_PER_DOUBLING * learned)
        self.prior_slope = nn.Parameter(_PER_DOUBLING / math.log(2) * learned)
        self.share_prior = nn.Parameter(torch.zeros(len(shares)))
        self.share_slope = nn.Parameter(torch.zeros(len(shares)))
        # Not parameters: the few assays of stage B would overrule the thousands that they are made of.
        self.register_buffer("prior_mean", torch.zeros(dim))
        if rank:
            self.profiles, self.panels = Profiles(), Panels(rank)
            # Log-odds of the settings of a panel and of profiles, once they are at hand, and how they move.
            self.panel_prior = nn.Parameter(torch.tensor([1.0, 0.0]))
            self.profile_prior = nn.Parameter(torch.tensor([0.0, 0.0]))
        # Inverse gamma prior of the scale A.
        self.log_shape = nn.Parameter(torch.tensor(math.log(2.0)))
        self.log_rate = nn.Parameter(torch.tensor(math.log(1.0)))
        self.link = Link()

    def start_from(self, outputs: Tensor, history: History) -> None:
        """The prior mean is the mean over the training assays; half a log-odds is about a -1/+1 label."""
        self.expect(outputs.mean(0))
        if self.rank:
            self.profiles.learn(history)
            self.panels.learn(history)

    def extend(self, outputs: Tensor, history: History, known: int) -> None:
        """The prior mean becomes that over old and new assays; tables of single compounds grow."""
        told = outputs[outputs.any(dim=1)].to(self.get_buffer("prior_mean"))
        # `expect` halves what it is given, as `start_from` does.
        self.expect((2 * known * self.get_buffer("prior_mean") + told.sum(0)) / (known + len(told)))
        if self.rank:
            self.profiles.extend(history, known)
            self.panels.extend(history)

    def features(self, encoder: Encoder, mols: MolBatch) -> Tensor:
        """Unit vectors float64[n, dim] on which the prior mean, the linear and the Matern kernel act."""
        return unit(encoder, mols)

    def learned(self, a: Tensor, b: Tensor) -> list[Kernel]:
        """Kernels of n and m features, each 1 on the diagonal."""
        return unit_kernels(a, b, self.log_length.double().exp())

    def kernels(self, a: Tensor, b: Tensor, mols_a: MolBatch, mols_b: MolBatch) -> list[Kernel]:
        """Learned ones, one a fingerprint, one a fingerprint's presence."""
        return [*self.learned(a, b), *fingerprint_kernels(mols_a, mols_b, self.fingerprints, self.presence)]

    def condition(self, encoder: Encoder, support: Labelled) -> Conditioned:
        self.check_support(support)
        data, sign = Regressed.of(support), support.target.sign
        own, phi = support.mols, self.features(encoder, support.mols)
        panels, profiles = self.earlier(own)
        sources: list[Remembered | Together] = [*panels, *profiles]
        means = sign * self.means(phi, own, panels)
        level = means.mean(0)
        grid = self.settings(len(panels), len(profiles), math.log(len(support) / 32))

        def cross(new: Tensor, mols: MolBatch) -> list[Kernel]:
            """All kernels between compounds, with their features, and the support set."""
            return [*self.kernels(new, phi, mols, own), *(partial(x.covariance, mols) for x in sources)]

        kernels = torch.stack([kernel() for kernel in cross(phi, own)])
        posterior = self.posterior(kernels, data.y, means - level, grid)

        def predict(mols: MolBatch) -> Prediction:
            new = self.features(encoder, mols)
            kernels, itself = cross(new, mols), [new.new_ones(len(mols))] * self.n_kernels
            itself += [x.variance(mols) for x in sources]
            latent = posterior.latent(
                [kernels[k]() for k in posterior.used],
                [itself[k] for k in posterior.used],
                sign * self.means(new, mols, panels) - level,
            )
            return self.link.prediction(data, *latent)

        return predict

    def unconditioned(self, encoder: Encoder) -> Conditioned:
        """The prior mean, averaged over the shares as a support set of one compound would weigh them."""
        if not self.get_buffer("prior_mean").any():
            return super().unconditioned(encoder)
        scale = (self.log_rate - self.log_shape).double().exp()
        size = -math.log(32)
        zero = torch.zeros_like(scale)
        nothing = Regressed(zero, zero, zero, classes=True, odds=0.0, size=size)
        believed = (self.share_prior + size * self.share_slope).double().softmax(0)
        share = believed @ self.get_buffer("shares")

        def predict(mols: MolBatch) -> Prediction:
            mean = self.means(self.features(encoder, mols), mols, ()) @ share
            return self.link.prediction(nothing, mean, scale.expand_as(mean), torch.zeros_like(mean))

        return predict

    def expect(self, output: Tensor, assays: Tensor | None = None) -> None:
        """Takes the direction float32[dim] of some earlier assays in place of the mean over all of them,
        and of what single compounds were measured to be what these assays, int64[k], say."""
        self.get_buffer("prior_mean").copy_(output / 2)
        if self.rank and assays is not None:
            self.profiles.restrict(assays)

    def earlier(self, support: MolBatch) -> tuple[list[Remembered], list[Together]]:
        """The panels, and at most once the profiles, that have something to say of a support set."""
        if not self.rank:
            return [], []
        identity = support.need("identity")
        return self.panels.relevant(identity), self.profiles.relevant(identity)

    def means(self, phi: Tensor, mols: MolBatch, panels: Sequence[Remembered]) -> Tensor:
        """float64[n, 2 + P]: what earlier assays say on average, of each compound itself, and of the
        compounds of P panels."""
        general = phi @ self.get_buffer("prior_mean").double()
        own = self.profiles.levels(mols.need("identity")) if self.rank else torch.zeros_like(general)
        return torch.stack([general, own, *(panel.average(mols) for panel in panels)], dim=1)

    def posterior(self, kernels: Tensor, y: Tensor, means: Tensor, grid: Grid) -> Posterior:
        """Of kernels float64[K, n, n], y float64[n] and means float64[n, J], as the grid mixes them."""
        return average(kernels, y, means, grid, self.log_shape.double().exp(), self.log_rate.double().exp())

    def settings(self, panels: int, profiles: int, size: float) -> Grid:
        """The grid with so many panels, and with profiles (1) or without (0); size is log(n / 32).

        Kernels come in the order: those of `kernels`, one a panel, one for profiles.
        """
        extra, grid = panels + profiles, self.get_buffer("grid")
        hyper = (self.prior + size * self.prior_slope).double()
        believed = (self.share_prior + size * self.share_slope).double()
        mixture, ratio = nn.functional.pad(grid[:, :-1], (0, extra)), grid[:, -1]
        mass = hyper.logsumexp(0)
        if profiles:
            beside, its_ratio = self._beside(panels, extra)
            mixture, ratio = torch.cat([mixture, beside]), torch.cat([ratio, its_ratio])
            each = mass + _moved(self.profile_prior, size) - math.log(len(beside))
            hyper = torch.cat([hyper, each.expand(len(beside))])
        share = nn.functional.pad(self.get_buffer("shares"), (0, panels))
        general = Grid(mixture, ratio, share, hyper[:, None] + believed)
        if not panels:
            return general
        mass = mass + believed.logsumexp(0) + _moved(self.panel_prior, size) - math.log(panels)
        return join([general, *(self._of_panel(p, panels, extra, mass) for p in range(panels))])

    def _beside(self, number: int, extra: int, alone: bool = False) -> tuple[Tensor, Tensor]:
        """Mixtures of one of the extra kernels with each of the others, and noise ratios, of all settings."""
        ratios, n = self.get_buffer("ratios"), self.n_kernels
        eye = torch.eye(n + extra, dtype=ratios.dtype, device=ratios.device)
        own = eye[n + number]
        mixture = torch.stack(
            [*([own] if alone else []), *(w * own + (1 - w) * eye[b] for w in WEIGHTS for b in range(n))]
        )
        return mixture.repeat_interleave(len(ratios), 0), ratios.repeat(len(mixture))

    def _of_panel(self, number: int, panels: int, extra: int, mass: Tensor) -> Grid:
        """Settings with the kernel and the mean of one of the panels at hand; they weigh exp(mass)."""
        mixture, ratio = self._beside(number, extra, alone=True)
        believed, odds = ratio.new_tensor(PANEL_SHARES).T
        which = nn.functional.one_hot(torch.tensor(2 + number, device=ratio.device), 2 + panels)
        log_prior = mass + odds.log_softmax(0) - math.log(len(mixture))
        return Grid(mixture, ratio, believed[:, None] * which, log_prior.expand(len(mixture), -1))


def _moved(log_odds: Tensor, size: float) -> Tensor:
    """Log-odds float64[] with their slope, at `size`."""
    return (log_odds[0] + size * log_odds[1]).double()
