"""Zero-mean deep-kernel Gaussian processes: hyper-parameters shared by all assays, or fitted to each."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn

from molmeta.chem.batch import MolBatch
from molmeta.data.episode import Labelled
from molmeta.encoders.base import Encoder
from molmeta.heads.base import Conditioned, Head
from molmeta.heads.evidence.averaging import average
from molmeta.heads.evidence.grid import Grid
from molmeta.heads.kernels import matern, unit
from molmeta.heads.linalg import cholesky
from molmeta.heads.link import Link, Regressed
from molmeta.prediction import Prediction


class _DeepKernel(Head):
    """A Matern-5/2 kernel on unit embeddings, with one length and one noise-to-signal ratio an assay.

    The scale of the kernel has an inverse gamma prior, and integrates out as in the default head.

    Parameters
    ----------
    dim : int
        Length of the embedding.
    """

    kinds = frozenset({"classification", "regression"})

    def __init__(self, dim: int = 256) -> None:
        super().__init__()
        self.log_shape = nn.Parameter(torch.tensor(math.log(2.0)))
        self.log_rate = nn.Parameter(torch.tensor(math.log(1.0)))
        self.link = Link()

    @abstractmethod
    def fit(self, squared: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Length and noise-to-signal ratio float64[] for squared distances float64[n, n] and y float64[n]."""

    def condition(self, encoder: Encoder, support: Labelled) -> Conditioned:
        self.check_support(support)
        data = Regressed.of(support)
        own = unit(encoder, support.mols)
        length, ratio = self.fit(_squared(own, own), data.y)
        zero = data.y.new_zeros(1, 1)
        grid = Grid(torch.ones_like(zero), ratio[None], zero, zero)
        posterior = average(
            matern(_squared(own, own), length)[None],
            data.y,
            torch.zeros_like(data.y)[:, None],
            grid,
            self.log_shape.double().exp(),
            self.log_rate.double().exp(),
        )

        def predict(mols: MolBatch) -> Prediction:
            new = unit(encoder, mols)
            cross = matern(_squared(new, own), length)[None]
            nothing = torch.zeros_like(new[:, :1])
            return self.link.prediction(
                data, *posterior.latent(cross, torch.ones_like(cross[:, :, 0]), nothing)
            )

        return predict


class DKT(_DeepKernel):
    """Deep kernel transfer: hyper-parameters are learned once, over all assays.

    Source: Patacchiola et al. 2020.
    """

    def __init__(self, dim: int = 256) -> None:
        super().__init__(dim)
        self.log_length = nn.Parameter(torch.tensor(math.log(0.7)))
        self.log_ratio = nn.Parameter(torch.tensor(math.log(0.3)))

    def fit(self, squared: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.log_length.double().exp(), self.log_ratio.double().exp()


class ADKF(_DeepKernel):
    """Adaptive deep kernel fitting: hyper-parameters are fitted to each assay by its evidence.

    Log-normal priors keep them near what suits most assays: the length near the median distance of the
    support set, the noise near `ratio`. What differs from the paper: the embedding is the one that all
    heads here share, so there is no hypergradient through the fit (its "IFT").

    Source: Chen, Tripp and Hernandez-Lobato 2023.

    Parameters
    ----------
    ratio : float
        Median of the prior of the noise-to-signal ratio.
    width : float
        Standard deviation of both priors, in natural logarithms.
    steps : int
        Limit of L-BFGS iterations.
    """

    def __init__(self, dim: int = 256, ratio: float = 0.3, width: float = 1.0, steps: int = 30) -> None:
        super().__init__(dim)
        self.ratio, self.width, self.steps = ratio, width, steps

    def fit(self, squared: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        squared, y = squared.detach(), y.detach()
        apart = squared[torch.triu(torch.ones_like(squared), 1) > 0]
        start = torch.stack([apart.median().clamp(min=1e-6).log() / 2, y.new_tensor(math.log(self.ratio))])
        shape, rate = self.log_shape.detach().double().exp(), self.log_rate.detach().double().exp()
        eye = torch.eye(len(y), dtype=y.dtype, device=y.device)
        with torch.enable_grad():
            point = start.clone().requires_grad_()
            search = torch.optim.LBFGS([point], max_iter=self.steps, line_search_fn="strong_wolfe")

            def loss() -> Tensor:
                search.zero_grad()
                # Far out nothing changes any more, and the exponential overflows.
                length, ratio = (start + (point - start).clamp(-6, 6)).exp()
                factor = cholesky(matern(squared, length) + ratio * eye)
                white = torch.linalg.solve_triangular(factor, y[:, None], upper=False)
                value = factor.diagonal().log().sum()
                value = value + (shape + len(y) / 2) * (rate + white.square().sum() / 2).log()
                value = value + ((point - start) / self.width).square().sum() / 2
                value.backward()
                return torch.as_tensor(value)

            search.step(loss)  # type: ignore[no-untyped-call]
        length, ratio = (start + (point.detach() - start).clamp(-6, 6)).exp()
        return length, ratio


def _squared(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances float64[n, m] of unit vectors."""
    return (2 - 2 * a @ b.T).clamp(min=0)
