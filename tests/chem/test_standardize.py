"""Parents of compounds: one a compound, stable, and what RDKit's own standardizer makes."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import pytest
from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize

from molmeta.chem.molecule import Molecule
from molmeta.chem.smiles import read_smiles
from molmeta.chem.standardize import SEEN_ELEMENTS, find_parent, standardize

FSMOL = Path(__file__).parents[2] / "../shared/data/fsmol/train.csv.gz"
needs_fsmol = pytest.mark.skipif(not FSMOL.exists(), reason="FS-Mol tables are not beside the checkout")

SAME = {
    "sodium salt": ["CC(=O)O", "CC(=O)[O-].[Na+]", "CC(=O)O[Na]", "[K+].CC([O-])=O", "CC(=O)[O-]"],
    "hydrochloride": ["CCN(C)C", "CCN(C)C.Cl", "CC[NH+](C)C.[Cl-]", "CC[NH+](C)C", "CCN(C)C.O.Cl"],
    "zwitterion": ["NCC(=O)O", "[NH3+]CC([O-])=O", "[NH3+]CC(=O)O.[Cl-]", "NCC(=O)[O-].[Na+]"],
    "inner salt": ["C[N+](C)(C)CC([O-])=O", "C[N+](C)(C)CC(=O)O.[Cl-]", "C[N+](C)(C)CC(=O)O"],
    "nitro": ["c1ccccc1N(=O)=O", "c1ccccc1[N+](=O)[O-]", "c1ccccc1[N+]([O-])=O"],
    "sulfoxide": ["CS(=O)CC", "C[S+]([O-])CC", "CS(=O)CC.Cl"],
    "chiral sulfoxide": ["C[S@](=O)CC", "C[S@+]([O-])CC", "C[S@](=O)CC.O"],
    "N-oxide": ["[O-][n+]1ccccc1", "O=n1ccccc1"],
    "azide": ["CCN=[N+]=[N-]", "CCN=N#N"],
    "isotopes": ["CO", "[13CH3]O", "[2H]C([2H])([2H])O", "C[18OH]", "CO[2H]"],
    "atom maps": ["CO", "[CH3:1][OH:2]", "[CH3:7]O"],
    "small base, large acid": ["CCCN", "CCCN.OC(=O)CC(O)(CC(O)=O)C(O)=O", "CCC[NH3+].CS(=O)(=O)[O-]"],
    "acid, counterion base": ["Oc1ccccc1C(=O)O", "Oc1ccccc1C(=O)[O-].C[N+](C)(C)CCO"],
    "companion alone": ["CS(C)=O", "CS(C)=O.Cl", "CS(C)=O.O"],
}
CLEAN = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "O=[N+]([O-])c1ccc2[nH]nc(-c3cccc4ccccc34)c2c1",
    "C[C@H](N)c1ccc(S(N)(=O)=O)cc1",
    "CN=S(C)(=O)c1ccccc1",
    "[O-][n+]1ccc(Cl)cc1",
    "CC[S@+]([O-])c1ccccc1Br",
    "C=[N+]([O-])c1ccccc1",
    "C[Si](C)(C)CCO",
    "O=c1c2ccccc2[se]n1-c1ccccc1",
    "CP(=O)(O)Oc1ccccc1",
    "F/C=C\\[C@@](C)(O)I",
    "OB(O)c1ccccc1",
    "CN1C(=O)c2ccccc2S1(=O)=O",
]
QUATERNARY = [
    "C[N+](C)(C)CCO",
    "C[n+]1ccccc1N",
    "Cc1sc[n+](Cc2cnc(C)nc2N)c1C",
    "C[N+]1(C)CCC(=O)NC1",
    "O=C(O)CC[n+]1ccccc1",
    "C[n+]1cc[nH]c1S(C)(=O)=O",
]


def parent(smiles: str) -> str:
    return find_parent(Chem.MolFromSmiles(smiles)).smiles


@pytest.mark.parametrize("name", SAME)
def test_forms_of_a_compound_share_a_parent(name: str) -> None:
    assert len({parent(smiles) for smiles in SAME[name]}) == 1


@pytest.mark.parametrize("smiles", [smiles for forms in SAME.values() for smiles in forms] + CLEAN)
def test_a_parent_is_its_own_parent(smiles: str) -> None:
    once = find_parent(Chem.MolFromSmiles(smiles))
    again = find_parent(Chem.MolFromSmiles(once.smiles))
    assert (again.smiles, again.flags) == (once.smiles, ())
    assert once.smiles == Chem.MolToSmiles(once.mol)


@pytest.mark.parametrize("smiles", CLEAN)
def test_molecules_passed_as_clean_are_what_rdkit_would_make(smiles: str) -> None:
    mol = Chem.MolFromSmiles(smiles)
    with rdBase.BlockLogs():
        slow = rdMolStandardize.Uncharger(True, True).uncharge(rdMolStandardize.Cleanup(mol))
    done, flags = standardize(mol)
    assert done is mol
    assert flags == ()
    assert Chem.MolToSmiles(done) == Chem.MolToSmiles(slow)


@pytest.mark.parametrize("smiles", QUATERNARY)
def test_quaternary_nitrogen_keeps_its_charge(smiles: str) -> None:
    mol = Chem.MolFromSmiles(smiles)
    with rdBase.BlockLogs():
        slow = rdMolStandardize.Uncharger(True, True).uncharge(rdMolStandardize.Cleanup(mol))
    assert find_parent(mol)[1:] == (Chem.MolToSmiles(slow), ()) == (Chem.MolToSmiles(mol), ())


@pytest.mark.parametrize(
    ("smiles", "expected", "flags"),
    [
        ("CCO.CCC.c1ccccc1CC", "CCc1ccccc1", ("salt_stripped",)),
        ("Oc1ccccc1.Nc1ccccc1", "Oc1ccccc1", ("mixture",)),
        ("Oc1ccccc1.Nc1ccccc1.Cl", "Oc1ccccc1", ("mixture", "salt_stripped")),
        ("Nc1ccccc1.Nc1ccccc1", "Nc1ccccc1", ("salt_stripped",)),
        ("CC(=O)O.Cl", "CC(=O)O", ("salt_stripped",)),
        ("C[N+](C)(C)CCO.[Cl-]", "C[N+](C)(C)CCO", ("salt_stripped",)),
        ("CC[Hg]Cl", "C[CH2][Hg][Cl]", ("unseen_element",)),
        ("CC(=O)[O-].[K+]", "CC(=O)O", ("salt_stripped", "neutralized")),
        ("C[NH+](C)CC[N+](C)(C)C", "CN(C)CC[N+](C)(C)C", ("neutralized",)),
        ("OC(=O)CN.[Pt]", "NCC(=O)O", ("unseen_element", "salt_stripped")),
    ],
)
def test_what_was_done_is_flagged(smiles: str, expected: str, flags: tuple[str, ...]) -> None:
    assert find_parent(Chem.MolFromSmiles(smiles))[1:] == (expected, flags)


def test_a_failing_step_leaves_the_molecule_as_it_was_read() -> None:
    ferrocene = Chem.MolFromSmiles("[Fe+2].c1cc[cH-]c1.c1cc[cH-]c1")
    mol, flags = standardize(ferrocene)
    assert "standardize_failed" in flags
    assert Chem.MolToSmiles(mol) == Chem.MolToSmiles(ferrocene)
    assert "salt_stripped" not in flags


def test_the_input_is_not_changed() -> None:
    for smiles in ["[13CH3]O", "CC(=O)[O-].[Na+]", "CS(C)=O", "[CH3:1]O"]:
        mol = Chem.MolFromSmiles(smiles)
        before = Chem.MolToSmiles(mol)
        standardize(mol)
        assert Chem.MolToSmiles(mol) == before


@pytest.fixture(scope="module")
def fsmol() -> list[str]:
    with gzip.open(FSMOL, "rt", encoding="utf-8") as lines:
        return list(dict.fromkeys(row["smiles"] for row in csv.DictReader(lines)))


@pytest.mark.shared
@needs_fsmol
def test_seen_elements_are_those_of_meta_training(fsmol: list[str]) -> None:
    bracket = re.compile(r"\[\d*([A-Z][a-z]?|[a-z]{1,2})[^\]]*\]")
    found: set[str] = {"H"}
    for smiles in fsmol:
        found.update(bracket.findall(smiles))
        found.update(re.findall(r"Cl|Br|[BCNOPSFIbcnops]", bracket.sub("", smiles)))
    assert {element.capitalize() for element in found} == SEEN_ELEMENTS


@pytest.mark.shared
@needs_fsmol
def test_fsmol_is_read_but_for_inorganics(fsmol: list[str]) -> None:
    sample = [*fsmol[::200], *[smiles for smiles in fsmol if "[PH]" in smiles][::10]]
    outcomes = [read_smiles(row, smiles) for row, smiles in enumerate(sample, 1)]
    rejected = [outcome for outcome in outcomes if not isinstance(outcome, Molecule)]
    assert {outcome.reason for outcome in rejected} <= {"inorganic"}
    assert len(rejected) <= 2
