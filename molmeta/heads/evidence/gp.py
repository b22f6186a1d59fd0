"""Gaussian processes that are one corner of the default head each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from molmeta.chem.batch import MolBatch
from molmeta.data.history import History
from molmeta.encoders.base import Encoder
from molmeta.heads.evidence.head import Evidence
from molmeta.heads.kernels import RATIOS, Kernel


class TanimotoGP(Evidence):
    """The fingerprint-only corner: a Tanimoto GP on ECFP4 counts, which needs no meta-training."""

    learned_kernels = 0

    def __init__(self, fingerprints: Sequence[str] = ("counts",), ratios: Sequence[float] = RATIOS) -> None:
        super().__init__(1, fingerprints, (), ratios, shares=((0.0, 0.0),), rank=0)

    def start_from(self, outputs: Tensor, history: History) -> None:
        """Nothing: this head knows of no earlier assay."""

    def extend(self, outputs: Tensor, history: History, known: int) -> None:
        """Nothing, as in `start_from`."""

    def features(self, encoder: Encoder, mols: MolBatch) -> Tensor:
        return torch.zeros(len(mols), 1, dtype=torch.float64, device=self.log_shape.device)

    def learned(self, a: Tensor, b: Tensor) -> list[Kernel]:
        return []
