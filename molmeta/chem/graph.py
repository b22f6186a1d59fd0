"""Molecules to `Graphs`: categorical features of atoms and bonds, each vocabulary with a slot for "other".

Handling atoms and bonds one by one from Python costs more than everything else that featurizing a
compound does, so each feature is asked of RDKit once a molecule, and each *kind* of atom of a batch
(element, degree, hydrogens, charge) is looked at only once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdCIPLabeler, rdMolDescriptors, rdqueries

from molmeta.chem.batch import Graphs

# Slot 0 is "other" here, and slot i + 1 the i-th entry.
ELEMENTS = ("C", "N", "O", "F", "P", "S", "Cl", "Br", "I", "B", "Si", "Se", "H")
CHARGES = (0, 1, -1, 2, -2)
BOND_ORDERS = (1.0, 2.0, 3.0, 1.5)  # dative bonds count as single, as RDKit orders them; 1.5 is aromatic

# Slot 0 is "none" here, and the last one "other": marked as stereogenic, but no CIP rule gives a label.
CHIRALITY = ("R", "S", "r", "s")
BOND_STEREO = ("E", "Z")

MAX_DEGREE, MAX_HYDROGENS, MAX_RING = 7, 5, 8  # these and all above share the last slot

ATOM_SIZES = (
    len(ELEMENTS) + 1,
    MAX_DEGREE + 1,
    MAX_HYDROGENS + 1,
    len(CHARGES) + 1,
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
_TAGGED = Chem.RWMol()
_TAGGED.AddAtom(rdqueries.HasChiralTagQueryAtom())

_NO_STEREO = {Chem.BondStereo.STEREONONE, Chem.BondStereo.STEREOANY}
_CLASSIC = {Chem.BondStereo.STEREOE: "E", Chem.BondStereo.STEREOZ: "Z"}
_MAX_CIP_STEPS = 20_000  # a fraction of a second; the CIP rules are exponential on fullerene-like cages
_ALL = 1_000_000_000


def graphs(mols: Sequence[Chem.Mol]) -> Graphs:
    """Graphs of n sanitized molecules; columns as in `ATOM_SIZES` and `BOND_SIZES`.

    Atoms are in the order of the molecule, bonds in the order of their atoms.
    """
    read = _Batch()
    bonds = [read.add(mol) for mol in mols]
    atom_ptr = _pointers([mol.GetNumAtoms() for mol in mols])
    bond_ptr = _pointers([len(orders) for _, orders in bonds])
    ends = np.concatenate([np.empty((0, 2), dtype=np.int32), *(e for e, _ in bonds)])
    orders = np.concatenate([np.empty(0), *(o for _, o in bonds)])
    # Atoms counted over the batch, the smaller first: the key by which rings and stereo find their bond.
    whole = ends + np.repeat(atom_ptr[:-1], np.diff(bond_ptr))[:, None]
    atoms = read.atom_features(mols, atom_ptr, whole[orders == 1.5])
    return Graphs(
        atoms=torch.from_numpy(atoms),
        atom_ptr=torch.from_numpy(atom_ptr),
        ends=torch.from_numpy(ends),
        bonds=torch.from_numpy(read.bond_features(whole, orders, atoms)),
        bond_ptr=torch.from_numpy(bond_ptr),
    )


@dataclass
class _Batch:
    """What was read of the molecules so far; atoms are counted over the whole batch."""

    n_atoms: int = 0
    kinds: list[int] = field(default_factory=list)
    sp2: list[int] = field(default_factory=list)
    sp: list[int] = field(default_factory=list)
    ring_from: list[int] = field(default_factory=list)
    ring_to: list[int] = field(default_factory=list)
    ring_size: list[int] = field(default_factory=list)
    chirality: list[tuple[int, int]] = field(default_factory=list)
    stereo: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, mol: Chem.Mol) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Reads a molecule; returns its bonds int32[b, 2] and their orders float64[b]."""
        start = self.n_atoms
        self.n_atoms += mol.GetNumAtoms()
        self.kinds += rdMolDescriptors.GetConnectivityInvariants(mol)
        self.sp2 += [start + atom for (atom,) in mol.GetSubstructMatches(_SP2, maxMatches=_ALL)]
        self.sp += [start + atom for (atom,) in mol.GetSubstructMatches(_SP, maxMatches=_ALL)]
        for ring in mol.GetRingInfo().AtomRings():
            atoms = [start + atom for atom in ring]
            self.ring_from += atoms
            self.ring_to += atoms[1:] + atoms[:1]
            self.ring_size += [len(atoms)] * len(atoms)
        ends, orders = _bonds(mol)
        tagged, marked = _stereocentres(mol, ends[orders == 2.0].tolist())
        if tagged or marked:
            labels = _labels(mol, tagged, marked)
            self.chirality += [(start + a, _slot(CHIRALITY, s)) for a, s in zip(tagged, labels, strict=False)]
            self.stereo += [
                (start + a, start + b, _slot(BOND_STEREO, label))
                for (a, b), label in zip(marked, labels[len(tagged) :], strict=True)
            ]
        return ends, orders

    def atom_features(
        self, mols: Sequence[Chem.Mol], atom_ptr: NDArray[np.int64], aromatic: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """uint8[A, len(ATOM_SIZES)], given the ends of the aromatic bonds int64[a, 2]."""
        out = np.zeros((self.n_atoms, len(ATOM_SIZES)), dtype=np.uint8)
        _, first, kind = np.unique(np.array(self.kinds, dtype=np.int64), return_index=True, return_inverse=True)
        owner = np.searchsorted(atom_ptr, first, side="right") - 1
        known = [
            _kind(mols[m].GetAtomWithIdx(int(i))) for m, i in zip(owner, first - atom_ptr[owner], strict=True)
        ]
        out[:, :4] = np.array(known, dtype=np.uint8).reshape(-1, 4)[kind]
        out[self.sp2, 4] = 1
        out[self.sp, 4] = 2
        out[aromatic.ravel(), 5] = 1
        smallest = np.full(self.n_atoms, MAX_RING + 1)
        np.minimum.at(smallest, self.ring_from, np.minimum(self.ring_size, MAX_RING))
        out[:, 6] = np.where(smallest > MAX_RING, 0, smallest - 2)
        if self.chirality:
            atom, slot = np.array(self.chirality).T
            out[atom, 7] = slot
        return out

    def bond_features(
        self, ends: NDArray[np.int64], orders: NDArray[np.float64], atoms: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """uint8[B, len(BOND_SIZES)] of the bonds `ends` int64[B, 2]."""
        out = np.zeros((len(ends), len(BOND_SIZES)), dtype=np.uint8)
        for slot, order in enumerate(BOND_ORDERS, start=1):
            out[orders == order, 0] = slot
        key = ends.min(1) * self.n_atoms + ends.max(1)
        ring = np.sort(np.array([self.ring_from, self.ring_to], dtype=np.int64), axis=0)
        out[:, 1] = np.isin(key, ring[0] * self.n_atoms + ring[1])
        flat = (atoms[ends, 4] > 0).all(1)
        out[:, 2] = flat & ((orders == 1.0) | (orders == 1.5))
        for a, b, slot in self.stereo:
            out[key == a * self.n_atoms + b, 3] = slot
        return out


def _pointers(sizes: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def _kind(atom: Chem.Atom) -> tuple[int, int, int, int]:
    """Element, degree, hydrogens, charge."""
    symbol, charge = atom.GetSymbol(), atom.GetFormalCharge()
    return (
        ELEMENTS.index(symbol) + 1 if symbol in ELEMENTS else 0,
        min(atom.GetDegree(), MAX_DEGREE),
        min(atom.GetTotalNumHs(), MAX_HYDROGENS),
        CHARGES.index(charge) + 1 if charge in CHARGES else 0,
    )


def _slot(vocabulary: Sequence[str], label: str) -> int:
    """Slot of a stereo label: 0 is taken by "none", the last one is "other"."""
    return vocabulary.index(label) + 1 if label in vocabulary else len(vocabulary) + 1


def _stereocentres(mol: Chem.Mol, double: list[list[int]]) -> tuple[list[int], list[list[int]]]:
    """Atoms with a chirality tag, and those of the bonds `double` that are marked as E or Z."""
    tagged = [atom for (atom,) in mol.GetSubstructMatches(_TAGGED, maxMatches=_ALL)]
    return tagged, [ends for ends in double if mol.GetBondBetweenAtoms(*ends).GetStereo() not in _NO_STEREO]


def _labels(mol: Chem.Mol, tagged: list[int], marked: list[list[int]]) -> list[str]:
    """CIP labels of atoms, then of bonds; "" where there is none.

    The tag of an atom (clockwise or not) refers to the order of its neighbours in the SMILES and would
    change with the spelling; its CIP label does not. Ring stereocentres (cis and trans) get a label only
    from the full CIP rules (Hanson et al. 2018), which take ten times as long as RDKit's classic ones and
    so are asked only about what these leave open.
    """
    # On a copy, and whatever labels the molecule carries: they depend on what was done to it before.
    mol = Chem.Mol(mol)
    Chem.AssignStereochemistry(mol, cleanIt=False, force=True)
    centres = [mol.GetAtomWithIdx(atom) for atom in tagged]
    bonds = [mol.GetBondBetweenAtoms(*ends) for ends in marked]
    labels = [_label(c) for c in centres] + [_CLASSIC.get(b.GetStereo(), "") for b in bonds]
    if "" in labels:
        try:
            rdCIPLabeler.AssignCIPLabels(mol, maxRecursiveIterations=_MAX_CIP_STEPS)
        except RuntimeError:  # too intricate: the centre stays "other"
            return labels
        labels = [label or _label(c) for label, c in zip(labels, centres + bonds, strict=True)]
    return labels


def _label(centre: Chem.Atom | Chem.Bond) -> str:
    return str(centre.GetProp("_CIPCode")) if centre.HasProp("_CIPCode") else ""


def _bonds(mol: Chem.Mol) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    matrix = Chem.GetAdjacencyMatrix(mol, useBO=True, force=True)
    flat = np.flatnonzero(matrix)
    ends = np.stack(np.divmod(flat, max(len(matrix), 1)), axis=1).astype(np.int32)
    first = ends[:, 0] < ends[:, 1]
    ends, orders = ends[first], matrix.ravel()[flat[first]]
    if len(ends) < mol.GetNumBonds():  # bonds of order zero, between a metal and its ligand
        zero = [b for b in mol.GetBonds() if matrix[b.GetBeginAtomIdx(), b.GetEndAtomIdx()] == 0.0]
        more = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in zero]
        ends = np.concatenate([ends, np.array(more, dtype=np.int32)])
        orders = np.concatenate([orders, np.zeros(len(more))])
    return ends, orders
