"""What the tables of single compounds have to say of a support set, and the settings that use it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from molmeta.chem.batch import MolBatch
from molmeta.heads.evidence.grid import Grid
from molmeta.heads.evidence.panels import Remembered
from molmeta.heads.evidence.profiles import Together
from molmeta.heads.kernels import Kernel

# Shares of the mean over earlier assays, and of a compound's own level, that go together.
SHARES = ((0.0, 0.0), (0.25, 0.0), (0.5, 0.0), (0.25, 0.5), (0.25, 1.0))
# Of the mean of a panel, with log-odds: what one lab calls active (residual activity), another calls
# inactive (inhibition), which is less likely but must not mislead.
PANEL_SHARES = ((0.5, 0.0), (1.0, 0.0), (-0.5, -2.0), (-1.0, -2.0))
# Of the covariance in earlier assays, beside one other kernel.
WEIGHTS = (0.5, 0.25)


@dataclass(frozen=True, eq=False)
class Earlier:
    """The panels, and at most once the profiles, that are of use to a support set."""

    panels: list[Remembered]
    profiles: list[Together]

    @property
    def _all(self) -> list[Remembered | Together]:
        return [*self.panels, *self.profiles]

    @property
    def numbers(self) -> tuple[int, int]:
        """How many there are of either."""
        return len(self.panels), len(self.profiles)

    @property
    def same(self) -> tuple[tuple[int, ...], bool]:
        """What tells which they are."""
        return tuple(panel.number for panel in self.panels), bool(self.profiles)

    def covariances(self, mols: MolBatch) -> list[Kernel]:
        """float64[m, n] each: of m compounds with the support set."""
        return [partial(one.covariance, mols) for one in self._all]

    def variances(self, mols: MolBatch, others: int) -> list[Tensor]:
        """float64[m] each: of m compounds that are not in the support set, after as many `others` of 1."""
        one = torch.ones(len(mols), dtype=torch.float64, device=mols.device)
        return [one] * others + [one.variance(mols) for one in self._all]


def moved(log_odds: Tensor, size: float) -> Tensor:
    """Log-odds float64[] with their slope, at `size`."""
    return (log_odds[0] + size * log_odds[1]).double()


def beside(
    ratios: Tensor, kernels: int, number: int, extra: int, alone: bool = False
) -> tuple[Tensor, Tensor]:
    """Mixtures float64[S, kernels + extra] of one of the extra kernels with each of the others, and the noise
    ratio float64[S] of each setting."""
    eye = torch.eye(kernels + extra, dtype=ratios.dtype, device=ratios.device)
    own = eye[kernels + number]
    mixture = torch.stack(
        [*([own] if alone else []), *(w * own + (1 - w) * eye[b] for w in WEIGHTS for b in range(kernels))]
    )
    return mixture.repeat_interleave(len(ratios), 0), ratios.repeat(len(mixture))


def of_panel(ratios: Tensor, kernels: int, number: int, panels: int, extra: int, mass: Tensor) -> Grid:
    """Settings with the kernel and the mean of one of the panels at hand; they weigh exp(mass)."""
    mixture, ratio = beside(ratios, kernels, number, extra, alone=True)
    believed, odds = ratio.new_tensor(PANEL_SHARES).T
    which = nn.functional.one_hot(torch.tensor(2 + number, device=ratio.device), 2 + panels)
    log_prior = mass + odds.log_softmax(0) - math.log(len(mixture))
    return Grid(mixture, ratio, believed[:, None] * which, log_prior.expand(len(mixture), -1))
