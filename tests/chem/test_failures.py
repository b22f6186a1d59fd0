"""Where RDKit itself fails, a row has its reason and the rows beside it are read."""

from __future__ import annotations

import pytest
from rdkit import Chem

import molmeta.chem.smiles
import molmeta.chem.standardize
from molmeta.chem.features import featurize
from molmeta.chem.molecule import Molecule, Rejection
from molmeta.chem.rows import read_rows
from molmeta.chem.smiles import read_many, read_mol, read_smiles
from molmeta.chem.standardize import find_parent


def raising(*_: object) -> None:
    raise RuntimeError("Invariant Violation\n\tdeep inside")


@pytest.mark.parametrize("step", ["_parse", "find_parent", "oversize"])
def test_an_error_of_rdkit_costs_one_row(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = getattr(molmeta.chem.smiles, step)
    calls = iter([before, raising, before])
    monkeypatch.setattr(molmeta.chem.smiles, step, lambda *given: next(calls)(*given))
    first, second, third = read_many(4, ["CCO.Cl", "CCN.Cl", "CCS.Cl"])
    assert isinstance(first, Molecule)
    assert isinstance(third, Molecule)
    assert second == Rejection(5, "CCN.Cl", "crashed", "RDKit failed: Invariant Violation")


def test_an_error_on_a_record_costs_that_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(molmeta.chem.smiles, "oversize", raising)
    found = read_mol(3, Chem.MolFromSmiles("CCO"), "record 3")
    assert found == Rejection(3, "record 3", "crashed", "RDKit failed: Invariant Violation")


def test_a_record_whose_smiles_rdkit_does_not_read_back_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    mol = Chem.MolFromSmiles("CCO")
    monkeypatch.setattr(molmeta.chem.smiles.Chem, "MolFromSmiles", lambda *_: None)
    found = read_mol(3, mol, "record 3")
    assert isinstance(found, Rejection)
    assert found.reason == "invalid_chemistry"


def test_a_molecule_of_rdkit_is_read_as_a_cell() -> None:
    found = read_smiles(2, Chem.MolFromSmiles("OCC.Cl"))
    assert isinstance(found, Molecule)
    assert repr(found) == "Molecule(row=2, smiles='CCO', flags=('salt_stripped',))"
    assert read_smiles(2, Chem.MolFromSmiles("C*")).text == "a molecule of 2 atoms"


def test_a_compound_without_features_costs_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def fragile(molecules: list[Molecule], needs: set[str]) -> object:
        if any(one.smiles == "CCN" for one in molecules):
            raising()
        return featurize(molecules, needs)

    monkeypatch.setattr("molmeta.chem.rows.featurize", fragile)
    found = read_rows(["CCO", "CCN", "C1CC", "CCS"], {"counts"})
    assert found.status == ["ok", "crashed", "invalid_smiles", "ok"]
    assert found.smiles == ["CCO", None, None, "CCS"]
    assert found.mols.n == 2


@pytest.mark.parametrize("step", ["_unlabelled", "_cleaned", "separated"])
def test_a_standardizer_that_fails_leaves_the_structure_as_it_was(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(molmeta.chem.standardize, step, raising)
    found = read_smiles(1, "CC[NH3+].[Cl-]")
    assert isinstance(found, Molecule)
    assert (found.smiles, found.flags) == ("CC[NH3+].[Cl-]", ("standardize_failed",))


def test_a_standardizer_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def longer(mol: Chem.Mol) -> tuple[Chem.Mol, tuple[str, ...]]:
        return Chem.MolFromSmiles(Chem.MolToSmiles(mol).replace("C", "CC", 1)), ()

    monkeypatch.setattr(molmeta.chem.standardize, "_cleaned", longer)
    monkeypatch.setattr(molmeta.chem.standardize, "separated", lambda mol: (mol, ()))
    assert find_parent(Chem.MolFromSmiles("C[NH3+]"))[1:] == ("C[NH3+]", ("standardize_failed",))


@pytest.mark.parametrize("written", ["[13CH3](", "[13CH3]N"])
def test_smiles_that_do_not_settle_are_left(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RDKit writes what it cannot read, or one thing now and another then."""
    mol = Chem.MolFromSmiles("C[NH3+]")
    texts = iter([written, "CN", "CCN", "CN", "CCN", "CN", "CCN"])
    monkeypatch.setattr(molmeta.chem.standardize.Chem, "MolToSmiles", lambda *_, **__: next(texts))
    assert find_parent(mol).flags == ("standardize_failed",)
