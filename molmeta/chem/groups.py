"""The groups of a compound by the names that chemists use: ring systems, functional groups, carbon chains."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache

from rdkit import Chem

from molmeta.chem.groupnames import FUNCTIONAL_GROUPS, RINGS

_PATTERNS = {name: Chem.MolFromSmarts(smarts) for name, smarts in FUNCTIONAL_GROUPS.items()}
_TERMINAL = {1: "methyl", 2: "ethyl", 3: "propyl", 4: "butyl"}
_BRANCHED = {3: "isopropyl", 4: "tert-butyl"}


@dataclass(frozen=True)
class Group:
    """Atoms that have a name together."""

    name: str
    atoms: tuple[int, ...]


def groups(mol: Chem.Mol) -> list[Group]:
    """Every atom of a molecule in one group, in the order of their first atoms.

    A ring system is all rings that share atoms, with oxygen that is doubly bonded to it.

    >>> [group.name for group in groups(Chem.MolFromSmiles("CC(C)NCC(O)COc1cccc2ccccc12"))]
    ['isopropyl', 'NH', 'chain of 3 carbons', 'hydroxyl', 'ether oxygen', 'naphthalene']
    """
    free = set(range(mol.GetNumAtoms()))
    found: list[Group] = []
    for finder in (_ring_systems, _functional, _rest):
        for group in finder(mol, frozenset(free)):
            if free.issuperset(group.atoms):
                free -= set(group.atoms)
                found.append(group)
    return sorted(found, key=lambda group: group.atoms)


def _ring_systems(mol: Chem.Mol, free: Collection[int]) -> Iterator[Group]:
    systems: list[set[int]] = []
    for ring in map(set, mol.GetRingInfo().AtomRings()):
        joined = [system for system in systems if system & ring]
        systems = [system for system in systems if not system & ring] + [ring.union(*joined)]
    for system in systems:
        atoms = sorted(system | _oxo(mol, system))
        text = _text(mol, atoms)
        yield Group(_known_rings().get(text, f"ring system {text}"), tuple(atoms))


def _oxo(mol: Chem.Mol, ring: Collection[int]) -> set[int]:
    bonds = (bond for atom in ring for bond in mol.GetAtomWithIdx(atom).GetBonds())
    ends = (bond for bond in bonds if bond.GetBondType() == Chem.BondType.DOUBLE and not bond.IsInRing())
    atoms = (atom for bond in ends for atom in (bond.GetBeginAtom(), bond.GetEndAtom()))
    return {atom.GetIdx() for atom in atoms if atom.GetAtomicNum() == 8 and atom.GetIdx() not in ring}


def _functional(mol: Chem.Mol, free: Collection[int]) -> Iterator[Group]:
    for name, pattern in _PATTERNS.items():
        for match in mol.GetSubstructMatches(pattern):
            if all(atom in free for atom in match):
                yield Group(name, tuple(sorted(match)))


def _rest(mol: Chem.Mol, free: Collection[int]) -> Iterator[Group]:
    """What is left, as far as it hangs together."""
    left = set(free)
    while left:
        part, border = set[int](), [min(left)]
        while border:
            atom = border.pop()
            part.add(atom)
            beside = {one.GetIdx() for one in mol.GetAtomWithIdx(atom).GetNeighbors()}
            border += sorted((beside & left) - part)
        left -= part
        atoms = sorted(part)
        yield Group(_carbons(mol, atoms), tuple(atoms))


def _carbons(mol: Chem.Mol, atoms: list[int]) -> str:
    members = [mol.GetAtomWithIdx(atom) for atom in atoms]
    if any(
        one.GetAtomicNum() != 6 or one.GetHybridization() != Chem.HybridizationType.SP3 for one in members
    ):
        return _text(mol, atoms)
    n = len(members)
    outside = [sum(b.GetIdx() not in atoms for b in one.GetNeighbors()) for one in members]
    if sum(outside) == 1 and n in _TERMINAL:
        carrier = members[outside.index(1)]
        ends = sum(one.GetDegree() == 1 for one in members)
        return _BRANCHED[n] if n in _BRANCHED and ends == n - 1 == carrier.GetDegree() - 1 else _TERMINAL[n]
    return (
        f"chain of {n} carbons"
        if n > 1
        else ("carbon", "CH", "CH2", "CH3", "CH4")[members[0].GetTotalNumHs()]
    )


def _text(mol: Chem.Mol, atoms: Collection[int]) -> str:
    """SMILES of a part without hydrogens, charges and stereochemistry."""
    symbols = [
        atom.GetSymbol().lower() if atom.GetIsAromatic() else atom.GetSymbol() for atom in mol.GetAtoms()
    ]
    return str(Chem.MolFragmentToSmiles(mol, list(atoms), atomSymbols=symbols, isomericSmiles=False))


@cache
def _known_rings() -> dict[str, str]:
    mols = {name: Chem.MolFromSmiles(smiles) for name, smiles in RINGS.items()}
    return {_text(mol, range(mol.GetNumAtoms())): name for name, mol in mols.items()}
