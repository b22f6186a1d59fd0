"""Names of groups: known drugs are called as chemists call them, and no atom is left out or twice."""

from __future__ import annotations

from importlib.resources import files

import pytest
from rdkit import Chem

from molmeta.chem.groupnames import FUNCTIONAL_GROUPS, RINGS
from molmeta.chem.groups import groups

DRUGS = [row.split()[0] for row in (files("molmeta.assays") / "drugs.smi").read_text().splitlines()]


def names(smiles: str) -> list[str]:
    return [group.name for group in groups(Chem.MolFromSmiles(smiles))]


def test_every_atom_is_in_one_group() -> None:
    for smiles in [*DRUGS, "[Na+].[Cl-]", "C", "F[P-](F)(F)(F)(F)F", "C1CC12CC2", "OB(O)c1ccccc1"]:
        mol = Chem.MolFromSmiles(smiles)
        if mol is not None:
            atoms = sorted(atom for group in groups(mol) for atom in group.atoms)
            assert atoms == list(range(mol.GetNumAtoms())), smiles


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CC(=O)Oc1ccccc1C(=O)O", {"ester", "methyl", "benzene", "carboxylic acid"}),
        ("CC(C)NCCOc1cccc2ccccc12", {"isopropyl", "NH", "chain of 2 carbons", "ether oxygen", "naphthalene"}),
        ("NS(=O)(=O)c1ccc(-n2nc(C(F)(F)F)cc2)cc1", {"sulfonamide", "benzene", "pyrazole", "trifluoromethyl"}),
        ("CN1CCN(C(=O)c2ccccc2)CC1", {"methyl", "piperazine", "amide carbonyl", "benzene"}),
        ("CC(C)(C)NC(=O)OC", {"tert-butyl", "carbamate", "methyl"}),
        ("Cn1c(=O)c2c(ncn2C)n(C)c1=O", {"methyl", "xanthine"}),
        ("CC(=O)CC#N", {"methyl", "ketone", "CH2", "nitrile"}),
    ],
)  # fmt: skip
def test_known_compounds(smiles: str, expected: set[str]) -> None:
    assert set(names(smiles)) == expected


def test_no_two_rings_have_one_name_and_each_is_found() -> None:
    for name, smiles in RINGS.items():
        assert names(smiles) == [name], name
        # Substituted and protonated ones are called the same.
        mol = Chem.MolFromSmiles(smiles)
        for atom in mol.GetAtoms():
            if atom.GetTotalNumHs():
                grown = Chem.RWMol(mol)
                grown.GetAtomWithIdx(atom.GetIdx()).SetNumExplicitHs(max(0, atom.GetNumExplicitHs() - 1))
                grown.AddBond(atom.GetIdx(), grown.AddAtom(Chem.Atom(6)), Chem.BondType.SINGLE)
                Chem.SanitizeMol(grown)
                assert [group.name for group in groups(grown)] == [name, "methyl"], (name, atom.GetIdx())
                break


def test_the_order_of_the_atoms_does_not_matter() -> None:
    for smiles in DRUGS[::10]:
        mol = Chem.MolFromSmiles(smiles)
        if mol is not None:
            other = Chem.MolFromSmiles(
                Chem.MolToSmiles(mol, rootedAtAtom=mol.GetNumAtoms() - 1, canonical=False)
            )
            assert sorted(names(smiles)) == sorted(group.name for group in groups(other)), smiles


def test_all_patterns_are_patterns() -> None:
    assert all(Chem.MolFromSmarts(smarts) is not None for smarts in FUNCTIONAL_GROUPS.values())
