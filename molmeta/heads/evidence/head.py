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
from itertools import compress
from typing import ClassVar

import torch
from torch import Tensor, nn

from molmeta.chem.batch import MolBatch
from molmeta.data.episode import Labelled
from molmeta.data.history import History
from molmeta.encoders.base import Encoder
from molmeta.heads.base import Conditioned, Head
from molmeta.heads.evidence.averaging import average
from molmeta.heads.evidence.earlier import SHARES, Earlier, beside, moved, of_panel
from molmeta.heads.evidence.grid import Grid, join
from molmeta.heads.evidence.leaveout import LeftOut, leave_out
from molmeta.heads.evidence.panels import Panels, Remembered
from molmeta.heads.evidence.profiles import Profiles
from molmeta.heads.kernels import RATIOS, Kernel, fingerprint_kernels, mixtures, unit, unit_kernels
from molmeta.heads.link import Link, Regressed
from molmeta.prediction import Prediction

# Log-odds that learned kernels start with for each doubling of the labels beyond 64: with fewer labels, what
# the embedding explains beyond its mean is mostly chance.
_PER_DOUBLING = 0.75


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

    @property
    def scale(self) -> tuple[Tensor, Tensor]:
        """Shape and rate of the prior of the scale, float64[] each."""
        return self.log_shape.double().exp(), self.log_rate.double().exp()

    def kernels(self, a: Tensor, b: Tensor, mols_a: MolBatch, mols_b: MolBatch) -> list[Kernel]:
        """Learned ones, one a fingerprint, one a fingerprint's presence."""
        return [*self.learned(a, b), *fingerprint_kernels(mols_a, mols_b, self.fingerprints, self.presence)]

    def condition(self, encoder: Encoder, support: Labelled) -> Conditioned:
        self.check_support(support)
        data, sign = Regressed.of(support), support.target.sign
        own, phi = support.mols, self.features(encoder, support.mols)
        earlier = self.earlier(own)
        means = sign * self.means(phi, own, earlier.panels)
        level = means.mean(0)
        grid = self.settings(*earlier.numbers, math.log(len(support) / 32))
        posterior = average(self._among(phi, own, earlier), data.y, means - level, grid, *self.scale)

        def predict(mols: MolBatch) -> Prediction:
            new = self.features(encoder, mols)
            kernels = [*self.kernels(new, phi, mols, own), *earlier.covariances(mols)]
            itself = earlier.variances(mols, self.n_kernels)
            latent = posterior.latent(
                [kernels[k]() for k in posterior.used],
                [itself[k] for k in posterior.used],
                sign * self.means(new, mols, earlier.panels) - level,
            )
            return self.link.prediction(data, *latent)

        return predict

    def held_out(self, encoder: Encoder, data: Labelled, parts: Sequence[Tensor]) -> list[Prediction]:
        y, own, kind = data.y, data.mols, data.target.kind
        phi, earlier = self.features(encoder, own), self.earlier(own)
        others = [torch.ones_like(y, dtype=torch.bool).index_fill(0, part, False) for part in parts]
        # Of the others of a part alone, the tables may have something else to say.
        alike = [self.earlier(own, rest).same == earlier.same for rest in others]
        whole, grid = Regressed.of(data), self.settings(*earlier.numbers, 0.0)
        means = data.target.sign * self.means(phi, own, earlier.panels)
        kernels, itself = self._among(phi, own, earlier), torch.stack(earlier.variances(own, self.n_kernels))
        found = iter(leave_out(kernels, itself, whole.y, means, grid, list(compress(parts, alike))))

        def predicted(part: Tensor, rest: Tensor, left: LeftOut) -> Prediction:
            self.check_labels(kind, y[rest])
            labels = Regressed.of_labels(y[rest], kind)
            grid = self.settings(*earlier.numbers, labels.size)
            # As those of any support set, these labels are standardized, and these means centred.
            shift, stretch = (labels.centre - whole.centre) / whole.spread, labels.spread / whole.spread
            level = means[rest].mean(0)
            latent = left.latent(grid, (whole.y[part] - shift) / stretch, level, shift, stretch, *self.scale)
            return self.link.prediction(labels, *latent)

        return [
            predicted(part, rest, next(found))
            if same
            else self.condition(encoder, data.select(rest.nonzero().squeeze(1)))(own.select(part))
            for part, rest, same in zip(parts, others, alike, strict=True)
        ]

    def _among(self, phi: Tensor, own: MolBatch, earlier: Earlier) -> Tensor:
        """Kernels float64[K, n, n] of a support set."""
        return torch.stack([k() for k in (*self.kernels(phi, phi, own, own), *earlier.covariances(own))])

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

    def earlier(self, support: MolBatch, rows: Tensor | None = None) -> Earlier:
        """What the tables have to say of a support set, or of some rows of it."""
        if not self.rank:
            return Earlier([], [])
        identity = support.need("identity") if rows is None else support.need("identity")[rows]
        return Earlier(self.panels.relevant(identity), self.profiles.relevant(identity))

    def means(self, phi: Tensor, mols: MolBatch, panels: Sequence[Remembered]) -> Tensor:
        """float64[n, 2 + P]: what earlier assays say on average, of each compound itself, and of the
        compounds of P panels."""
        general = phi @ self.get_buffer("prior_mean").double()
        own = self.profiles.levels(mols.need("identity")) if self.rank else torch.zeros_like(general)
        return torch.stack([general, own, *(panel.average(mols) for panel in panels)], dim=1)

    def settings(self, panels: int, profiles: int, size: float) -> Grid:
        """The grid with so many panels, and with profiles (1) or without (0); size is log(n / 32).

        Kernels come in the order: those of `kernels`, one a panel, one for profiles.
        """
        extra, grid, ratios = panels + profiles, self.get_buffer("grid"), self.get_buffer("ratios")
        hyper = (self.prior + size * self.prior_slope).double()
        believed = (self.share_prior + size * self.share_slope).double()
        mixture, ratio = nn.functional.pad(grid[:, :-1], (0, extra)), grid[:, -1]
        mass = hyper.logsumexp(0)
        if profiles:
            more, its_ratio = beside(ratios, self.n_kernels, panels, extra)
            mixture, ratio = torch.cat([mixture, more]), torch.cat([ratio, its_ratio])
            each = mass + moved(self.profile_prior, size) - math.log(len(more))
            hyper = torch.cat([hyper, each.expand(len(more))])
        share = nn.functional.pad(self.get_buffer("shares"), (0, panels))
        general = Grid(mixture, ratio, share, hyper[:, None] + believed)
        if not panels:
            return general
        mass = mass + believed.logsumexp(0) + moved(self.panel_prior, size) - math.log(panels)
        own = [of_panel(ratios, self.n_kernels, p, panels, extra, mass) for p in range(panels)]
        return join([general, *own])
