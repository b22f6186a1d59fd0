"""Kernels of Gaussian process heads: on embeddings, on fingerprints, and the ways to mix them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import combinations

import torch
from torch import Tensor, nn

from molmeta.chem.batch import MolBatch
from molmeta.chem.similarity import jaccard, tanimoto
from molmeta.encoders.base import Encoder

# A kernel float64[n, m] between n and m compounds, when it is asked for: evidence leaves many of them out.
Kernel = Callable[[], Tensor]
_ROWS = 1024  # of a kernel at a time, so that what is computed on the way stays in the cache
RATIOS = (0.03, 0.1, 0.3, 1.0, 3.0)


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


def unit(encoder: Encoder, mols: MolBatch) -> Tensor:
    """Embeddings of length 1, float64[n, dim]."""
    return nn.functional.normalize(encoder(mols).double(), dim=1, eps=1e-9)


def matern(squared: Tensor, length: Tensor) -> Tensor:
    """Matern-5/2 kernel of squared distances (Rasmussen and Williams 2006, equation 4.17).

    >>> float(matern(torch.zeros(1), torch.ones(())))
    1.0
    """
    # sqrt has no gradient at 0, where identical compounds are.
    distance = squared.clamp(min=1e-12).sqrt() * (math.sqrt(5) / length)
    return (1 + distance + distance.square() / 3) * torch.exp(-distance)


def unit_kernels(a: Tensor, b: Tensor, length: Tensor) -> list[Kernel]:
    """Linear and Matern-5/2 kernels of n and m unit vectors, each 1 on the diagonal."""
    linear = cache(lambda: a @ b.T)

    def near() -> Tensor:
        return torch.cat([matern(2 - 2 * part, length) for part in torch.split(linear(), _ROWS)])

    return [linear, near]


def fingerprint_kernels(
    a: MolBatch, b: MolBatch, fingerprints: Sequence[str], presence: Sequence[str]
) -> list[Kernel]:
    """Tanimoto kernels of n and m compounds on counts, and on whether a substructure occurs at all.

    Source: Ralaivola et al. 2005 (the min-max kernel is positive definite).
    """

    def kernel(similarity: Callable[[Tensor, Tensor], Tensor], name: str) -> Tensor:
        return similarity(a.need(name), b.need(name)).double()

    counted = [partial(kernel, tanimoto, name) for name in fingerprints]
    present = [partial(kernel, jaccard, name) for name in presence]
    return [*counted, *present]
