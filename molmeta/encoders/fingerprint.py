"""Fingerprint counts and descriptors through a multilayer perceptron: the fastest trunk."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from molmeta.chem.batch import Kept, MolBatch
from molmeta.chem.fingerprint import COUNT_BITS, DESCRIPTORS
from molmeta.chem.similarity import sparse
from molmeta.encoders.base import Network

# Typical mean and spread of the descriptors of drug-like compounds, in the order of DESCRIPTORS; they
# only bring the inputs to the same order of magnitude, the first layer learns the rest.
_CENTRE = (28.0, 400.0, 1.8, 6.1, 7.3, 6.4, 81.0, 3.6, 2.7, 0.8, 0.29, 0.7, -2.8, 9.8, 0.0)
_SPREAD = (7.5, 106.0, 1.6, 2.5, 2.8, 3.9, 37.0, 1.2, 1.1, 1.0, 0.19, 1.0, 1.0, 2.8, 0.3)
# While it predicts: rows at a time, and columns of the first layer, that stay in the cache of a core.
_ROWS, _COLUMNS = 1024, 256


class _Linear(nn.Linear):
    """A linear layer that predicts by oneDNN, where MKL leaves half of an AMD core idle."""

    def forward(self, x: Tensor) -> Tensor:
        there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        if not (there and _predicts(x)):
            return super().forward(x)
        return functional.linear(x.to_mkldnn(), self.weight, self.bias).to_dense()


class FingerprintMLP(Network):
    """log(1 + counts) and standardized descriptors through `depth` hidden layers.

    Of 2048 counts 50 to 200 are not zero: without gradients, the first layer adds up their rows alone.

    Parameters
    ----------
    fingerprints : sequence of str
        Fields of `MolBatch` that hold counts.
    width, depth : int
        Hidden layers.
    dim : int
        Length of the embedding.
    dropout, input_dropout : float
        After each hidden layer, and on the counts.
    """

    def __init__(
        self,
        fingerprints: Sequence[str] = ("counts", "pairs"),
        width: int = 1024,
        depth: int = 2,
        dim: int = 256,
        dropout: float = 0.35,
        input_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.fingerprints = tuple(fingerprints)
        self.needs = frozenset({*fingerprints, "descriptors"})
        self.register_buffer("centre", torch.tensor(_CENTRE))
        self.register_buffer("spread", torch.tensor(_SPREAD))
        self.input_dropout = nn.Dropout(input_dropout)
        layers: list[nn.Module] = []
        inputs = COUNT_BITS * len(self.fingerprints) + len(DESCRIPTORS)
        for _ in range(depth):
            layers += [_Linear(inputs, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(dropout)]
            inputs = width
        self.hidden = nn.Sequential(*layers)
        self.output = _Linear(inputs, dim)

    def trunk(self, mols: MolBatch) -> Tensor:
        centre, spread = self.get_buffer("centre"), self.get_buffer("spread")
        # Descriptors of a macrocycle or a peptide must not swamp the counts.
        scaled = ((mols.need("descriptors") - centre) / spread).clamp(-6.0, 6.0)
        if _predicts(scaled) and not self.training:
            parts = torch.split(self._first(mols, scaled), _ROWS)
            return torch.cat([self.hidden[1:](part) for part in parts])
        # Whoever wants gradients is about to change the weights.
        _transposed.forget(self._layer.weight)
        counts = torch.cat([mols.need(name) for name in self.fingerprints], dim=1)
        out: Tensor = self.hidden(torch.cat([self.input_dropout(counts.float().log1p()), scaled], dim=1))
        return out

    @property
    def _layer(self) -> nn.Linear:
        layer = self.hidden[0]
        assert isinstance(layer, nn.Linear)
        return layer

    def _first(self, mols: MolBatch, scaled: Tensor) -> Tensor:
        """float32[n, width]: output of the first layer; scaled are the descriptors float32[n, 15]."""
        weight, bias = self._layer.weight, self._layer.bias
        out = functional.linear(scaled, weight[:, -scaled.shape[1] :], bias)
        logarithm = torch.arange(256.0).log1p()
        for name, blocks in zip(self.fingerprints, _transposed(weight), strict=True):
            counts = sparse(mols.need(name))
            factor = logarithm.index_select(0, counts.value.int())
            out += torch.cat([counts.look_up(block, weight=factor) for block in blocks], dim=1)
        return out


def _predicts(x: Tensor) -> bool:
    """Whether there is no gradient to be had of float32 numbers on a CPU."""
    plain = x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return plain and x.device.type == "cpu" and not torch.is_grad_enabled()


@Kept
def _transposed(weight: Tensor) -> list[list[Tensor]]:
    """Of weight float32[width, d], the rows of each fingerprint in blocks of columns float32[2048, 256]."""
    *fingerprints, _ = torch.split(weight.detach().T, COUNT_BITS)
    return [[part.contiguous() for part in torch.split(one, _COLUMNS, dim=1)] for one in fingerprints]
