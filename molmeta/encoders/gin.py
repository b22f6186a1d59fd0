"""GINE on the molecular graph; the only module that imports torch-geometric."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch_geometric.nn import GINEConv
from torch_geometric.utils import scatter

from molmeta.chem.batch import MolBatch
from molmeta.chem.graph import ATOM_SIZES, BOND_SIZES
from molmeta.encoders.base import Network
from molmeta.errors import ConfigError, InputError

# About the size of a drug: keeps the sum readout of the same order of magnitude as the mean.
_TYPICAL_ATOMS = 28.0
# What a readout takes from the atoms of a molecule: an operation of `scatter`, and what to divide it by.
READOUTS = {"mean": ("mean", 1.0), "max": ("max", 1.0), "sum": ("sum", _TYPICAL_ATOMS)}


class Categories(nn.Module):
    """Sum of the embeddings of several categorical features: uint8[m, c] -> float32[m, width]."""

    def __init__(self, sizes: tuple[int, ...], width: int) -> None:
        super().__init__()
        # One table for all columns, looked up at once; `start` is where each column begins.
        self.table = nn.Embedding(sum(sizes), width)
        nn.init.normal_(self.table.weight, std=len(sizes) ** -0.5)
        start = torch.tensor([0, *sizes[:-1]]).cumsum(0)
        self.register_buffer("start", start, persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        rows = values.long() + self.get_buffer("start")
        # A product with ones and zeros: embedding_bag has no second derivative, which MAML needs.
        ones = torch.zeros(len(rows), self.table.num_embeddings, device=rows.device).scatter_(1, rows, 1.0)
        return ones @ self.table.weight


class Layer(nn.Module):
    """h + GINE(LayerNorm(h)); LayerNorm, because a compound must not depend on its batch."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.bonds = Categories(BOND_SIZES, width)
        self.norm = nn.LayerNorm(width)
        update = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.conv = GINEConv(update, train_eps=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, atoms: Tensor, edges: Tensor, bonds: Tensor) -> Tensor:
        """float32[A, width], of the edges int64[2, 2B] there and back along the bonds uint8[B, G]."""
        bond = self.bonds(bonds)
        change = self.conv(self.norm(atoms), edges, torch.cat([bond, bond]))
        out: Tensor = atoms + self.dropout(change)
        return out


class GIN(Network):
    """Graph isomorphism network with bond features, as Hu et al. 2020, "Strategies for pre-training GNNs".

    Residual layers with LayerNorm in place of BatchNorm.

    Parameters
    ----------
    width, depth : int
        Length of the atom vectors, and number of message-passing layers.
    dim : int
        Length of the embedding.
    dropout : float
        After each layer and before the projection.
    readout : sequence of str
        What of the atoms becomes the vector of the molecule, of `READOUTS`: mean, maximum, scaled sum.

    Raises
    ------
    ConfigError
        A readout is not known, or none is given.
    """

    needs = frozenset({"graph"})

    def __init__(
        self,
        width: int = 128,
        depth: int = 5,
        dim: int = 256,
        dropout: float = 0.1,
        readout: Sequence[str] = ("mean", "max", "sum"),
    ) -> None:
        super().__init__()
        if not readout or not set(readout) <= READOUTS.keys():
            raise ConfigError(f"found readout = {list(readout)}; give one or more of {', '.join(READOUTS)}")
        self.dim = dim
        self.pools = tuple(READOUTS[name] for name in readout)
        self.atoms = Categories(ATOM_SIZES, width)
        self.layers = nn.ModuleList(Layer(width, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Sequential(nn.Linear(len(self.pools) * width, dim), nn.ReLU(), nn.Dropout(dropout))
        self.output = nn.Linear(dim, dim)

    def trunk(self, mols: MolBatch) -> Tensor:
        graph = mols.graph
        if graph is None:
            raise InputError("this batch has no graph; featurize the compounds with needs={'graph'}")
        edges = graph.edges()
        atoms = self.atoms(graph.atoms)
        for layer in self.layers:
            atoms = layer(atoms, edges, graph.bonds)
        atoms = self.norm(atoms)
        # The number of molecules is given, as those without atoms at the end would be missing otherwise.
        parts = [
            scatter(atoms, graph.owner, dim_size=len(graph), reduce=reduce) / scale
            for reduce, scale in self.pools
        ]
        out: Tensor = self.readout(torch.cat(parts, dim=1))
        return out
