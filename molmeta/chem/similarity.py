"""Similarity of count fingerprints."""

from __future__ import annotations

import torch
from torch import Tensor


def tanimoto(a: Tensor, b: Tensor) -> Tensor:
    """Min-max (count Tanimoto) similarity of counts a uint8[n, d] and b uint8[m, d]: float32[n, m].

    sum(min) / sum(max) over the d counts; 1 for identical counts, and for two empty ones.
    Source: Ralaivola et al. 2005 (min-max kernel); it is positive semidefinite.

    min(x, y) is the number of levels l = 1, 2, ... that both reach, so sum(min) is a sum of products
    of 0/1 matrices, one a level, over the ever fewer columns of b that reach the level.

    >>> tanimoto(torch.tensor([[2, 1, 0]]), torch.tensor([[1, 1, 1], [2, 1, 0]])).tolist()
    [[0.5, 1.0]]
    """
    total_a, total_b = a.sum(1, dtype=torch.float32), b.sum(1, dtype=torch.float32)
    smaller = total_a.new_zeros(len(a), len(b))
    # The levels are counted out, as a level of 256 would be 0 to a uint8 and the loop would never end.
    for level in range(1, int(b.max()) + 1 if b.numel() else 1):
        columns = (b >= level).any(0)
        a, b = a[:, columns], b[:, columns]
        smaller += (a >= level).float() @ (b >= level).float().T
    larger = total_a[:, None] + total_b[None] - smaller
    return torch.where(larger > 0, smaller / larger.clamp(min=1e-9), torch.ones_like(larger))
