"""The contract of encoders: a `MolBatch` in, one vector per compound out."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from molmeta.chem.batch import MolBatch


class Encoder(nn.Module, ABC):
    """Maps compounds to vectors; never sees labels.

    The vector of a compound may depend on nothing but that compound: not on its batch, its place in it
    or the spelling of its SMILES (`tests/contracts/test_encoders.py`).

    Attributes
    ----------
    dim : int
        Length of the vector.
    needs : frozenset of str
        Fields of `MolBatch` that it reads (`molmeta.chem.features.FIELDS`).
    """

    dim: int
    needs: frozenset[str]

    @abstractmethod
    def forward(self, mols: MolBatch) -> Tensor:
        """float32[n, dim]"""

    def __call__(self, mols: MolBatch) -> Tensor:
        out: Tensor = super().__call__(mols)
        return out


class Frozen(Encoder):
    """Reads the embedding that a frozen encoder left in the batch, so that it is computed only once."""

    needs = frozenset({"embedding"})

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, mols: MolBatch) -> Tensor:
        return mols.need("embedding")
