"""Cholesky factors of covariance matrices that may be singular."""

from __future__ import annotations

import torch
from torch import Tensor

from molmeta.errors import NotEnoughData

JITTERS = (0.0, 1e-8, 1e-6, 1e-4)


def cholesky(matrix: Tensor) -> Tensor:
    """Lower Cholesky factors float64[..., n, n], with as little jitter on the diagonal as it takes.

    Raises
    ------
    NotEnoughData
        Even the largest jitter leaves a matrix that is not positive definite (nan inputs do that).
    """
    for jitter in JITTERS:
        size = matrix.shape[-1]
        moved = (
            matrix + jitter * torch.eye(size, dtype=matrix.dtype, device=matrix.device) if jitter else matrix
        )
        factor, info = torch.linalg.cholesky_ex(moved)
        if not info.any():
            return torch.as_tensor(factor)
    raise NotEnoughData(
        "the covariance of the support set is not positive definite; its features are constant or not "
        "finite: check the structures with `molmeta check`"
    )
