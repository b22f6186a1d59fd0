"""What a molecule may be that is scored: its size, its rings, atoms and bonds that are definite."""

from __future__ import annotations

from rdkit import Chem
from rdkit.Chem import BondType

from molmeta.chem.funnel import MAX_RINGS, REASONS, Refusal

MAX_HEAVY_ATOMS = 500
MAX_FRAGMENTS = 60

_BONDS = frozenset([BondType.SINGLE, BondType.DOUBLE, BondType.TRIPLE, BondType.AROMATIC, BondType.DATIVE])
_ODD_AROMATIC = Chem.MolFromSmarts("A:*")


def oversize(mol: Chem.Mol) -> Refusal | None:
    """No heavy atoms, or more of them or of parts than are scored."""
    heavy = mol.GetNumHeavyAtoms()
    if heavy == 0:
        return Refusal("no_heavy_atoms", REASONS["no_heavy_atoms"])
    if heavy > MAX_HEAVY_ATOMS:
        return Refusal("too_large", f"{heavy:,} heavy atoms; at most {MAX_HEAVY_ATOMS} are scored")
    if mol.GetNumAtoms() > MAX_FRAGMENTS and (parts := len(Chem.GetMolFrags(mol))) > MAX_FRAGMENTS:
        return Refusal("too_large", f"{parts:,} separate parts; at most {MAX_FRAGMENTS} are scored")
    return None


def overringed(mol: Chem.Mol) -> Refusal | None:
    """The funnel's limit on rings, for records."""
    rings = mol.GetNumBonds() - mol.GetNumAtoms() + len(Chem.GetMolFrags(mol))
    return (
        Refusal("too_large", f"{rings:,} rings; at most {MAX_RINGS} are read") if rings > MAX_RINGS else None
    )


def indefinite(mol: Chem.Mol) -> Refusal | None:
    """Atoms and bonds of an SDF record that stand for more than one structure."""
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() == 0 or atom.HasQuery():
            return Refusal("query_or_wildcard", f"atom {atom.GetIdx() + 1} is a query, wildcard or R-group")
    for bond in mol.GetBonds():
        if bond.HasQuery() or bond.GetBondType() not in _BONDS:
            return Refusal("query_or_wildcard", f"bond {bond.GetIdx() + 1} has no definite order")
    return None


def misplaced_aromatic(mol: Chem.Mol) -> Refusal | None:
    """A bond that is said to be aromatic where RDKit finds no such ring: its order would be a guess."""
    if not mol.HasSubstructMatch(_ODD_AROMATIC):
        return None
    return Refusal("invalid_chemistry", "an aromatic bond ':' outside of aromatic rings")


def is_bare(mol: Chem.Mol) -> bool:
    """Whether every carbon is a radical without hydrogens, as SELFIES read as SMILES give."""
    carbons = [atom for atom in mol.GetAtoms() if atom.GetAtomicNum() == 6]
    return all(atom.GetNumRadicalElectrons() and not atom.GetTotalNumHs() for atom in carbons)
