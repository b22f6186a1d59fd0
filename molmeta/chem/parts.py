"""Which atoms each feature of a molecule comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors
from scipy.sparse import csr_array

from molmeta.chem.fingerprint import DESCRIPTORS, PAIRS, SUBSTRUCTURES, rotatable_bonds

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Parts:
    """k parts of a molecule of n atoms.

    Attributes
    ----------
    touches : sparse float32[k, n]
        1 where a part has the atom.
    value : float64[k]
        What a part adds to a descriptor; of a fingerprint, 1.
    bit : int64[k]
        Which count of a fingerprint it is of; of a descriptor, 0.
    """

    touches: csr_array
    value: Floats
    bit: NDArray[np.int64]

    def whole(self, hidden: NDArray[np.bool_]) -> NDArray[np.float32]:
        """float32[m, k]: 1 where a part has none of the atoms hidden bool[m, n]."""
        found: NDArray[np.float32] = (self.touches @ hidden.T.astype(np.float32) == 0).T.astype(np.float32)
        return found


def substructures(mol: Chem.Mol) -> Parts:
    """The environments that ECFP4 counts (`molmeta.chem.fingerprint.counts`)."""
    within = Chem.GetDistanceMatrix(mol)
    found = list(_occurrences(SUBSTRUCTURES, mol))
    centre, radius = (np.array([place[i] for _, place in found], dtype=np.int64) for i in range(2))
    return _fingerprint(csr_array((within[centre] <= radius[:, None]).astype(np.float32)), found)


def pairs(mol: Chem.Mol) -> Parts:
    """The two ends of the pairs of atoms that `molmeta.chem.fingerprint.pairs` counts."""
    found = list(_occurrences(PAIRS, mol))
    return _fingerprint(_touches(mol, [ends for _, ends in found]), found)


def _occurrences(generator: Any, mol: Chem.Mol) -> Iterator[tuple[int, tuple[int, int]]]:
    """Bit and two numbers of each thing that is counted: centre and radius, or the ends of a pair."""
    output = rdFingerprintGenerator.AdditionalOutput()
    output.AllocateBitInfoMap()
    generator.GetCountFingerprint(mol, additionalOutput=output)
    for bit, places in output.GetBitInfoMap().items():
        yield from ((bit, place) for place in places)


def _fingerprint(touches: csr_array, found: Sequence[tuple[int, Any]]) -> Parts:
    return Parts(touches, np.ones(len(found)), np.array([bit for bit, _ in found], dtype=np.int64))


FINGERPRINTS: dict[str, Callable[[Chem.Mol], Parts]] = {"counts": substructures, "pairs": pairs}


def _touches(mol: Chem.Mol, groups: Sequence[Sequence[int]]) -> csr_array:
    atoms = [atom for group in groups for atom in group]
    until = np.cumsum([0, *map(len, groups)])
    ones = np.ones(len(atoms), dtype=np.float32)
    return csr_array((ones, np.array(atoms, dtype=np.int64), until), shape=(len(groups), mol.GetNumAtoms()))


def _groups(mol: Chem.Mol, groups: Sequence[Sequence[int]], value: Iterable[float] | None = None) -> Parts:
    values = np.ones(len(groups)) if value is None else np.array(list(value), dtype=np.float64)
    return Parts(_touches(mol, groups), values, np.zeros(len(groups), dtype=np.int64))


def _atoms(mol: Chem.Mol, value: Iterable[float]) -> Parts:
    return _groups(mol, [[i] for i in range(mol.GetNumAtoms())], value)


def _per_atom(function: Callable[[Chem.Atom], float]) -> Callable[[Chem.Mol], Parts]:
    return lambda mol: _atoms(mol, [float(function(atom)) for atom in mol.GetAtoms()])


def _rings(aromatic: bool | None) -> Callable[[Chem.Mol], Parts]:
    """The rings of the smallest set: all, those of aromatic bonds alone, or the others."""

    def rings(mol: Chem.Mol) -> Parts:
        info = mol.GetRingInfo()
        flags = [
            all(mol.GetBondWithIdx(bond).GetIsAromatic() for bond in bonds) for bonds in info.BondRings()
        ]
        pairs = zip(info.AtomRings(), flags, strict=True)
        return _groups(mol, [atoms for atoms, flag in pairs if aromatic is None or flag is aromatic])

    return rings


def _kier(mol: Chem.Mol) -> Parts:
    values = [0.0] * mol.GetNumAtoms()
    rdMolDescriptors.CalcHallKierAlpha(mol, values)  # type: ignore[arg-type]  # the stubs are wrong
    return _atoms(mol, values)


_TABLE = Chem.GetPeriodicTable()
_AMIDE = Chem.MolFromSmarts("C(=[O;!R])N")


def _mass(atom: Chem.Atom) -> float:
    own = atom.GetIsotope()
    number = atom.GetAtomicNum()
    mass = _TABLE.GetMassForIsotope(number, own) if own else _TABLE.GetMostCommonIsotopeMass(number)
    return float(mass + atom.GetTotalNumHs() * _TABLE.GetMostCommonIsotopeMass(1))


def _polar(atom: Chem.Atom) -> bool:
    return atom.GetAtomicNum() in (7, 8)


def _connectivity(mol: Chem.Mol) -> Parts:
    """Bonds by the valence electrons of their ends. Source: Hall and Kier 1991 (1-chi-v)."""
    delta = np.array([_valence_delta(atom) for atom in mol.GetAtoms()])
    ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    return _groups(mol, ends, [delta[a] * delta[b] for a, b in ends])


def _valence_delta(atom: Chem.Atom) -> float:
    number = atom.GetAtomicNum()
    if number <= 1:
        return 0.0
    electrons = float(_TABLE.GetNOuterElecs(number) - atom.GetTotalNumHs())
    if number > 10:
        electrons /= number - _TABLE.GetNOuterElecs(number) - 1
    return electrons**-0.5 if electrons > 0 else 0.0


_AROMATIC, _ALIPHATIC = True, False
# Each descriptor but the share of sp3 carbons is a sum over atoms, bonds, rings or groups of the molecule.
_SUMS: dict[str, Callable[[Chem.Mol], Parts]] = {
    "heavy_atoms": _per_atom(lambda atom: atom.GetAtomicNum() > 1),
    "exact_mass": _per_atom(_mass),
    "nh_oh": _per_atom(lambda atom: _polar(atom) * atom.GetTotalNumHs()),
    "n_o": _per_atom(_polar),
    "heteroatoms": _per_atom(lambda atom: atom.GetAtomicNum() not in (1, 6)),
    "rotatable_bonds": lambda mol: _groups(mol, rotatable_bonds(mol)),
    "tpsa": lambda mol: _atoms(mol, rdMolDescriptors._CalcTPSAContribs(mol)),
    "rings": _rings(None),
    "aromatic_rings": _rings(_AROMATIC),
    "aliphatic_rings": _rings(_ALIPHATIC),
    "amide_bonds": lambda mol: _groups(mol, mol.GetSubstructMatches(_AMIDE)),
    "hall_kier_alpha": _kier,
    "chi1v": _connectivity,
    "formal_charge": _per_atom(Chem.Atom.GetFormalCharge),
}
_CARBONS = _per_atom(lambda atom: atom.GetAtomicNum() == 6)
_SP3 = _per_atom(
    lambda atom: atom.GetAtomicNum() == 6 and atom.GetHybridization() == Chem.HybridizationType.SP3
)


def descriptors_without(mol: Chem.Mol, hidden: NDArray[np.bool_]) -> Floats:
    """What parts with hidden atoms add to the descriptors, to be taken from those of the molecule.

    Parameters
    ----------
    hidden : bool[m, n_atoms]

    Returns
    -------
    float64[m, D]
        In the order of `molmeta.chem.fingerprint.DESCRIPTORS`.
    """
    out = np.zeros((len(hidden), len(DESCRIPTORS)))
    for column, name in enumerate(DESCRIPTORS):
        if name in _SUMS:
            parts = _SUMS[name](mol)
            out[:, column] = (1.0 - parts.whole(hidden)) @ parts.value
        else:
            out[:, column] = _sp3_share(mol, hidden[:1] & False) - _sp3_share(mol, hidden)
    return out


def _sp3_share(mol: Chem.Mol, hidden: NDArray[np.bool_]) -> Floats:
    """float64[m]"""
    sp3, carbons = (parts.whole(hidden) @ parts.value for parts in (_SP3(mol), _CARBONS(mol)))
    share: Floats = sp3 / np.maximum(carbons, 1.0)
    return share
