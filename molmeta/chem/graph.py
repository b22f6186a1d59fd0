"""Molecules to `Graphs`: categorical features of atoms and bonds, each vocabulary with a slot for "other".

Handling atoms and bonds one by one from Python would cost more than reading the SMILES does, so each
feature is asked of RDKit once a molecule, and each *kind* of atom of a batch (element, degree, hydrogens,
charge) is looked at only once. Atoms are counted over the whole batch until the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from molmeta.chem.batch import Graphs
from molmeta.chem.stereo import stereo_labels

# Slot 0 is "other" here, and slot i + 1 the i-th entry.
ELEMENTS = ("C", "N", "O", "F", "P", "S", "Cl", "Br", "I", "B", "Si", "Se", "H")
CHARGES = (0, 1, -1, 2, -2)
BOND_ORDERS = (1.0, 2.0, 3.0, 1.5)  # dative bonds count as single, as RDKit orders them; 1.5 is aromatic

# Slot 0 is "none" here, and the last one "other": marked, but without a label (`molmeta.chem.stereo`).
CHIRALITY = ("R", "S", "cw", "ccw")
BOND_STEREO = ("E", "Z")

MAX_DEGREE, MAX_HYDROGENS, MAX_RING = 7, 5, 8  # these and all above share the last slot

ATOM_SIZES = (
    len(ELEMENTS) + 1,
    len(CHARGES) + 1,
    MAX_HYDROGENS + 1,
    MAX_DEGREE + 1,
    3,  # hybridization: sp3 and other, sp2, sp
    2,  # aromatic
    MAX_RING - 1,  # smallest ring: none, 3, 4, 5, 6, 7, 8 and larger
    len(CHIRALITY) + 2,
)
BOND_SIZES = (
    len(BOND_ORDERS) + 1,
    2,  # in a ring
    2,  # conjugated: a single or aromatic bond between atoms that are sp2 or sp
    len(BOND_STEREO) + 2,
)

_SP2, _SP = Chem.MolFromSmarts("[^2]"), Chem.MolFromSmarts("[^1]")
_MAX_ATOMS = 1_000_000

Ints = NDArray[np.int64]


def graphs(mols: Sequence[Chem.Mol]) -> Graphs:
    """Graphs of n sanitized molecules; columns as in `ATOM_SIZES` and `BOND_SIZES`.

    Atoms are in the order of the molecule, bonds in the order of their atoms. The features of a compound
    do not depend on the compounds beside it, nor on the spelling of its SMILES.
    """
    atom_ptr = _pointers([mol.GetNumAtoms() for mol in mols])
    ends, orders, bond_ptr = _bonds(mols, atom_ptr)
    rings = _rings(mols, atom_ptr)
    atoms = np.zeros((atom_ptr[-1], len(ATOM_SIZES)), dtype=np.uint8)
    atoms[:, :3] = _kinds(mols, atom_ptr)
    atoms[:, 3] = np.minimum(np.bincount(ends.ravel(), minlength=len(atoms)), MAX_DEGREE)
    atoms[_matches(mols, atom_ptr, _SP2), 4] = 1
    atoms[_matches(mols, atom_ptr, _SP), 4] = 2
    atoms[ends[orders == 1.5].ravel(), 5] = 1
    atoms[:, 6] = _smallest_ring(rings, len(atoms))
    bonds = np.zeros((len(ends), len(BOND_SIZES)), dtype=np.uint8)
    for slot, order in enumerate(BOND_ORDERS, start=1):
        bonds[orders == order, 0] = slot
    bonds[:, 1] = np.isin(_key(ends[:, 0], ends[:, 1], len(atoms)), _key(rings[0], rings[1], len(atoms)))
    bonds[:, 2] = (atoms[ends, 4] > 0).all(1) & ((orders == 1.0) | (orders == 1.5))
    centres, marked = _stereo(mols, atom_ptr, ends, np.flatnonzero(orders == 2.0))
    atoms[centres[0], 7] = centres[1]
    bonds[marked[0], 3] = marked[1]
    local = ends - np.repeat(atom_ptr[:-1], np.diff(bond_ptr))[:, None]
    return Graphs(
        atoms=torch.from_numpy(atoms),
        atom_ptr=torch.from_numpy(atom_ptr),
        ends=torch.from_numpy(local.astype(np.int32)),
        bonds=torch.from_numpy(bonds),
        bond_ptr=torch.from_numpy(bond_ptr),
    )


def _pointers(sizes: Sequence[int]) -> Ints:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def _key(a: Ints, b: Ints, n: int) -> Ints:
    """One number for the pair of atoms, in either order."""
    key: Ints = np.minimum(a, b) * n + np.maximum(a, b)
    return key


def _matches(mols: Sequence[Chem.Mol], atom_ptr: Ints, pattern: Chem.Mol) -> list[int]:
    """Atoms that match a pattern of one atom."""
    found = (mol.GetSubstructMatches(pattern, maxMatches=_MAX_ATOMS) for mol in mols)
    return [start + atom for start, atoms in zip(atom_ptr.tolist(), found, strict=False) for (atom,) in atoms]


def _kinds(mols: Sequence[Chem.Mol], atom_ptr: Ints) -> NDArray[np.uint8]:
    """Slots of element, charge and hydrogens uint8[A, 3].

    RDKit's invariant of an atom is a 32-bit hash of these (and of more), so that reading the first atom
    of each value is enough. It counts hydrogens that are atoms of their own, such as deuterium.
    """
    invariants = [value for mol in mols for value in rdMolDescriptors.GetConnectivityInvariants(mol)]
    _, first, kind = np.unique(np.array(invariants, dtype=np.int64), return_index=True, return_inverse=True)
    owner = np.searchsorted(atom_ptr, first, side="right") - 1
    places = zip(owner.tolist(), (first - atom_ptr[owner]).tolist(), strict=True)
    known = [_kind(mols[molecule].GetAtomWithIdx(atom)) for molecule, atom in places]
    return np.array(known, dtype=np.uint8).reshape(-1, 3)[kind]


def _kind(atom: Chem.Atom) -> tuple[int, int, int]:
    symbol, charge = atom.GetSymbol(), atom.GetFormalCharge()
    return (
        ELEMENTS.index(symbol) + 1 if symbol in ELEMENTS else 0,
        CHARGES.index(charge) + 1 if charge in CHARGES else 0,
        min(atom.GetTotalNumHs(includeNeighbors=True), MAX_HYDROGENS),
    )


def _rings(mols: Sequence[Chem.Mol], atom_ptr: Ints) -> Ints:
    """Each step around a ring int64[3, r]: an atom, the next atom, the size of the ring."""
    here: list[int] = []
    after: list[int] = []
    sizes: list[int] = []
    for start, mol in zip(atom_ptr.tolist(), mols, strict=False):
        for ring in mol.GetRingInfo().AtomRings():
            atoms = [start + atom for atom in ring]
            here += atoms
            after += atoms[1:] + atoms[:1]
            sizes += [len(atoms)] * len(atoms)
    return np.array([here, after, sizes], dtype=np.int64)


def _smallest_ring(rings: Ints, n_atoms: int) -> Ints:
    """Slot of the smallest ring of each atom."""
    smallest = np.full(n_atoms, 2)
    order = np.argsort(-rings[2], kind="stable")  # the last assignment stands
    smallest[rings[0, order]] = np.minimum(rings[2, order], MAX_RING)
    return smallest - 2


def _bonds(mols: Sequence[Chem.Mol], atom_ptr: Ints) -> tuple[Ints, NDArray[np.float64], Ints]:
    """Ends int64[B, 2] and order float64[B] of each bond, and the borders of the molecules int64[n + 1]."""
    cells, orders = [np.empty(0, dtype=np.int64)], [np.empty(0)]
    for mol in mols:
        matrix = Chem.GetAdjacencyMatrix(mol, useBO=True, force=True)
        if np.count_nonzero(matrix) < 2 * mol.GetNumBonds():
            matrix = _with_zero_orders(mol, matrix)
        matrix = matrix.ravel()
        cell = np.flatnonzero(matrix)
        cells.append(cell)
        orders.append(matrix[cell])
    sizes = [len(cell) for cell in cells[1:]]
    owner = np.repeat(np.arange(len(mols)), sizes)
    a, b = np.divmod(np.concatenate(cells), np.diff(atom_ptr)[owner])
    once = a < b
    ends = np.stack([a, b], axis=1)[once] + atom_ptr[owner[once], None]
    return ends, np.concatenate(orders)[once], _pointers([size // 2 for size in sizes])


def _with_zero_orders(mol: Chem.Mol, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Marks bonds of order zero (between a metal and its ligand) by a number that no order has."""
    matrix = matrix.copy()
    for bond in mol.GetBonds():
        a, b = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if matrix[a, b] == 0.0:
            matrix[a, b] = matrix[b, a] = -1.0
    return matrix


def _stereo(mols: Sequence[Chem.Mol], atom_ptr: Ints, ends: Ints, double: Ints) -> tuple[Ints, Ints]:
    """(atom, slot) of each stereocentre int64[2, s], and (bond, slot) of each marked bond int64[2, t].

    `double` int64[d] are the double bonds.
    """
    owner = np.searchsorted(atom_ptr, ends[double, 0], side="right") - 1
    local = (ends[double] - atom_ptr[owner, None]).tolist()
    border = np.searchsorted(owner, np.arange(len(mols) + 1)).tolist()
    atoms: list[tuple[int, int]] = []
    bonds: list[tuple[int, int]] = []
    for mol, start, low, high in zip(mols, atom_ptr.tolist(), border, border[1:], strict=False):
        chirality, stereo = stereo_labels(mol, local[low:high])
        atoms += [(start + atom, _slot(CHIRALITY, label)) for atom, label in chirality]
        bonds += [(int(double[low + i]), _slot(BOND_STEREO, label)) for i, label in stereo]
    return np.array(atoms, dtype=np.int64).reshape(-1, 2).T, np.array(bonds, dtype=np.int64).reshape(-1, 2).T


def _slot(vocabulary: Sequence[str], label: str) -> int:
    """Slot of a stereo label: 0 is taken by "none", the last one is "other"."""
    return vocabulary.index(label) + 1 if label in vocabulary else len(vocabulary) + 1
