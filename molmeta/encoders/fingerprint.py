"""ECFP counts and descriptors through a multilayer perceptron: the fastest trunk, and the one to beat."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from molmeta.chem.batch import MolBatch
from molmeta.chem.fingerprint import COUNT_BITS, DESCRIPTORS
from molmeta.encoders.base import Encoder

# Typical mean and spread of the descriptors of drug-like compounds, in the order of DESCRIPTORS; they
# only bring the inputs to the same order of magnitude, the first layer learns the rest.
_CENTRE = (28.0, 400.0, 1.9, 5.4, 8.1, 5.5, 88.0, 3.8, 2.7, 1.1, 0.32, 1.1, 0.8, 0.0)
_SPREAD = (8.4, 118.0, 1.6, 2.1, 3.0, 3.2, 38.0, 1.3, 1.2, 1.0, 0.2, 1.1, 1.1, 0.3)


class FingerprintMLP(Encoder):
    """log(1 + ECFP4 counts) and standardized descriptors through `depth` hidden layers.

    Parameters
    ----------
    width, depth : int
        Hidden layers.
    dim : int
        Length of the embedding.
    dropout, input_dropout : float
        After each hidden layer, and on the counts.
    """

    needs = frozenset({"counts", "descriptors"})

    def __init__(
        self,
        width: int = 1024,
        depth: int = 2,
        dim: int = 256,
        dropout: float = 0.35,
        input_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("centre", torch.tensor(_CENTRE))
        self.register_buffer("spread", torch.tensor(_SPREAD))
        self.input_dropout = nn.Dropout(input_dropout)
        layers: list[nn.Module] = []
        inputs = COUNT_BITS + len(DESCRIPTORS)
        for _ in range(depth):
            layers += [nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(dropout)]
            inputs = width
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(inputs, dim)

    def forward(self, mols: MolBatch) -> Tensor:
        counts = self.input_dropout(torch.log1p(mols.need("counts").float()))
        centre, spread = self.get_buffer("centre"), self.get_buffer("spread")
        # Descriptors of a macrocycle or a peptide must not swamp the counts.
        scaled = ((mols.need("descriptors") - centre) / spread).clamp(-6.0, 6.0)
        out: Tensor = self.output(self.hidden(torch.cat([counts, scaled], dim=1)))
        return out.float()
