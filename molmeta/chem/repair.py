"""Structures that programs before molmeta have damaged, and that can be mended without a doubt."""

from __future__ import annotations

from rdkit import Chem


def with_acid_phosphorus(smiles: str) -> Chem.Mol | None:
    """Read `[PH](=O)(=O)` as the acid `P(=O)(O)` that it stands for; None where that does not help.

    An older normalization left 2,081 rows of FS-Mol with phosphorus of six bonds.
    """
    mol = Chem.MolFromSmiles(smiles, sanitize=False)
    if mol is None:
        return None
    for atom in mol.GetAtoms():
        oxo = [bond for bond in atom.GetBonds() if _is_oxo(bond, atom)]
        if atom.GetAtomicNum() == 15 and atom.GetNumExplicitHs() == 1 and len(oxo) == 2:
            atom.SetNumExplicitHs(0)
            oxo[0].SetBondType(Chem.BondType.SINGLE)
    return Chem.MolFromSmiles(Chem.MolToSmiles(mol))


def _is_oxo(bond: Chem.Bond, atom: Chem.Atom) -> bool:
    other = bond.GetOtherAtom(atom)
    return bond.GetBondType() == Chem.BondType.DOUBLE and other.GetSymbol() == "O" and other.GetDegree() == 1
