"""A compound of which some atoms are hidden: its features without all that touches these atoms."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rdkit import Chem
from scipy.sparse import csr_array

from molmeta.chem.batch import Graphs, MolBatch
from molmeta.chem.features import featurize
from molmeta.chem.fingerprint import COUNT_BITS
from molmeta.chem.molecule import Molecule
from molmeta.chem.parts import FINGERPRINTS, Parts, descriptors_without

# Numbers in one table of ways to hide atoms and of parts.
_TABLE = 2**23


@dataclass(frozen=True, eq=False)
class Maskable:
    """A molecule with its features, any atoms of which can be hidden.

    A count loses each environment and each pair of atoms with a hidden one; a descriptor what hidden atoms,
    and bonds, rings and groups with one, add to it; a graph its hidden atoms with their bonds. What is left
    is as it was: no atom gets the hydrogens, the charge or the rings of another molecule. As such a thing
    is no compound that was ever measured, it has the identity of none, also where no atom is hidden.

    Attributes
    ----------
    mol : Chem.Mol
    whole : MolBatch
        One row: no atom is hidden.
    fingerprints : dict of str to Parts
        What is counted, by field of the batch.
    """

    mol: Chem.Mol
    whole: MolBatch
    fingerprints: dict[str, Parts]

    @classmethod
    def of(cls, molecule: Molecule, needs: Collection[str]) -> Maskable:
        """With the features `needs` (`molmeta.chem.features.FIELDS`)."""
        mol = molecule.mol
        found = {name: parts(mol) for name, parts in FINGERPRINTS.items() if name in needs}
        return cls(mol, featurize([molecule], needs), found)

    def hide(self, masks: NDArray[np.bool_]) -> MolBatch:
        """The molecule with atoms hidden in m ways, bool[m, n_atoms]: m rows."""
        made: dict[str, Any] = {name: _counts(parts, masks) for name, parts in self.fingerprints.items()}
        if self.whole.descriptors is not None:
            lost = torch.from_numpy(descriptors_without(self.mol, masks))
            made["descriptors"] = (self.whole.descriptors.double() - lost).float()
        if self.whole.graph is not None:
            made["graph"] = _left(self.whole.graph, ~masks)
        if self.whole.identity is not None:
            made["identity"] = torch.zeros(len(masks), dtype=torch.long)
        return MolBatch(n=len(masks), **made)


def _counts(parts: Parts, masks: NDArray[np.bool_]) -> torch.Tensor:
    """uint8[m, 2048], as `molmeta.chem.fingerprint` counts."""
    bits, place = np.unique(parts.bit, return_inverse=True)
    k = len(place)
    adds = csr_array((np.ones(k, dtype=np.float32), (place, np.arange(k))), shape=(len(bits), k))
    out = np.zeros((len(masks), COUNT_BITS), dtype=np.uint8)
    step = max(1, _TABLE // max(1, k))
    for start in range(0, len(masks), step):
        rows = slice(start, start + step)
        out[rows, bits] = np.minimum(adds @ parts.whole(masks[rows]).T, 255).T
    return torch.from_numpy(out)


def _left(graph: Graphs, shown: NDArray[np.bool_]) -> Graphs:
    """The graph of one molecule with the atoms shown bool[m, n_atoms] alone: m graphs."""
    row, atom = (torch.from_numpy(part) for part in np.nonzero(shown))
    number = torch.from_numpy(shown.cumsum(1) - 1)
    ends = graph.ends.long()
    bond_row, bond = (torch.from_numpy(shown)[:, ends].all(2)).nonzero().T
    return Graphs(
        atoms=graph.atoms[atom],
        atom_ptr=_pointers(row, len(shown)),
        ends=torch.stack([number[bond_row, ends[bond, side]] for side in range(2)], dim=1).int(),
        bonds=graph.bonds[bond],
        bond_ptr=_pointers(bond_row, len(shown)),
    )


def _pointers(owner: torch.Tensor, n: int) -> torch.Tensor:
    """int64[n + 1]: where the items of each of n owners begin; owner is sorted."""
    return torch.searchsorted(owner.contiguous(), torch.arange(n + 1))
