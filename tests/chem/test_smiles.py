"""Reading structures: laws over spellings, mutations and records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molmeta.chem.fingerprint import counts, descriptors
from molmeta.chem.molecule import Molecule, Rejection
from molmeta.chem.smiles import REASONS, read_many, read_mol, read_smiles

DRUGS = {
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "paracetamol": "CC(=O)Nc1ccc(O)cc1",
    "ibuprofen": "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "(S)-naproxen": "COc1ccc2cc(ccc2c1)[C@H](C)C(=O)O",
    "caffeine": "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "nicotine": "CN1CCC[C@H]1c1cccnc1",
    "diazepam": "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21",
    "morphine": "CN1CC[C@]23[C@@H]4[C@H]1CC5=C2C(=C(C=C5)O)O[C@H]3[C@H](C=C4)O",
    "penicillin G": "CC1(C)S[C@@H]2[C@H](NC(=O)Cc3ccccc3)C(=O)N2[C@H]1C(=O)O",
    "omeprazole": "COc1ccc2[nH]c(nc2c1)S(=O)Cc1ncc(C)c(OC)c1C",
    "sildenafil": "CCCc1nn(C)c2c1nc([nH]c2=O)-c1cc(ccc1OCC)S(=O)(=O)N1CCN(C)CC1",
    "imatinib": "Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(n1)-c1cccnc1",
    "nifedipine": "COC(=O)C1=C(C)NC(C)=C(C1c1ccccc1[N+](=O)[O-])C(=O)OC",
    "metronidazole": "Cc1ncc([N+](=O)[O-])n1CCO",
    "chloramphenicol": "OC[C@@H](NC(=O)C(Cl)Cl)[C@H](O)c1ccc(cc1)[N+](=O)[O-]",
    "warfarin": "CC(=O)CC(c1ccccc1)C1=C(O)c2ccccc2OC1=O",
    "testosterone": "C[C@]12CC[C@H]3[C@@H](CCC4=CC(=O)CC[C@]34C)[C@@H]1CC[C@@H]2O",
    "cholesterol": "C[C@H](CCCC(C)C)[C@H]1CC[C@@H]2[C@@]1(CC[C@H]3[C@H]2CC=C4[C@@]3(CC[C@@H](C4)O)C)C",
    "tamoxifen": "CC/C(=C(\\c1ccccc1)c1ccc(OCCN(C)C)cc1)c1ccccc1",
    "resveratrol": "Oc1ccc(/C=C/c2cc(O)cc(O)c2)cc1",
    "tretinoin": "CC1=C(C(C)(C)CCC1)/C=C/C(C)=C/C=C/C(C)=C/C(=O)O",
    "metformin": "CN(C)C(=N)N=C(N)N",
    "fluoxetine": "CNCCC(Oc1ccc(cc1)C(F)(F)F)c1ccccc1",
    "ciprofloxacin": "OC(=O)c1cn(C2CC2)c2cc(N3CCNCC3)c(F)cc2c1=O",
    "atenolol": "CC(C)NCC(O)COc1ccc(CC(N)=O)cc1",
    "glucose": "OC[C@H]1OC(O)[C@H](O)[C@@H](O)[C@@H]1O",
    "zidovudine": "Cc1cn([C@H]2C[C@H](N=[N+]=[N-])[C@@H](CO)O2)c(=O)[nH]c1=O",
    "minoxidil": "Nc1cc(nc(N)[n+]1[O-])N1CCCCC1",
    "fosfomycin": "C[C@@H]1O[C@@H]1P(O)(O)=O",
    "sulindac": "CC1=C(CC(=O)O)c2cc(F)ccc2/C1=C\\c1ccc(cc1)S(C)=O",
    "esomeprazole": "COc1ccc2[nH]c(nc2c1)[S@](=O)Cc1ncc(C)c(OC)c1C",
    "bortezomib": "CC(C)C[C@H](NC(=O)[C@H](Cc1ccccc1)NC(=O)c1cnccn1)B(O)O",
    "ebselen": "O=c1c2ccccc2[se]n1-c1ccccc1",
    "acetylcholine": "CC(=O)OCC[N+](C)(C)C",
    "carnitine": "C[N+](C)(C)C[C@H](O)CC(=O)[O-]",
    "glycine": "[NH3+]CC(=O)[O-]",
    "methotrexate": "CN(Cc1cnc2nc(N)nc(N)c2n1)c1ccc(cc1)C(=O)N[C@@H](CCC(=O)O)C(=O)O",
    "sodium valproate": "CCCC(CCC)C(=O)[O-].[Na+]",
    "diphenhydramine hydrochloride": "CN(C)CCOC(c1ccccc1)c1ccccc1.Cl",
    "sumatriptan succinate": "CNS(=O)(=O)Cc1ccc2[nH]cc(CCN(C)C)c2c1.OC(=O)CCC(=O)O",
    "quinine": "COc1ccc2nccc([C@@H](O)[C@@H]3C[C@@H]4CCN3C[C@@H]4C=C)c2c1",
}
HOSTILE = Path(__file__).parents[1] / "hostile" / "structures.jsonl"
SPELLINGS = [
    case for line in HOSTILE.read_text().splitlines() if isinstance(case := json.loads(line)["text"], str)
]


def read(text: object) -> Molecule:
    outcome = read_smiles(1, text)
    assert isinstance(outcome, Molecule), outcome
    return outcome


def shown(outcome: Molecule | Rejection) -> object:
    return (outcome.row, outcome.smiles, outcome.flags) if isinstance(outcome, Molecule) else outcome


@pytest.mark.parametrize("name", DRUGS)
def test_spellings_of_a_compound_give_one_smiles_that_reads_as_itself(name: str) -> None:
    mol = Chem.MolFromSmiles(DRUGS[name])
    spellings = Chem.MolToRandomSmilesVect(mol, 20, randomSeed=7)
    kekule = Chem.Mol(mol)
    Chem.Kekulize(kekule, clearAromaticFlags=True)
    parents = {read(text).smiles for text in [DRUGS[name], *spellings, Chem.MolToSmiles(kekule)]}
    assert len(parents) == 1
    assert read(parents.pop()).smiles == read(DRUGS[name]).smiles


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("C[C@H](F)Cl", "C[C@@H](F)Cl"),
        ("F/C=C/F", "F/C=C\\F"),
        ("C[C@H](N)C(=O)O.Cl", "C[C@@H](N)C(=O)O.Cl"),
        (DRUGS["esomeprazole"], DRUGS["esomeprazole"].replace("[S@]", "[S@@]")),
        (DRUGS["carnitine"], DRUGS["carnitine"].replace("[C@H]", "[C@@H]")),
    ],
)
def test_stereoisomers_stay_apart(left: str, right: str) -> None:
    assert read(left).smiles != read(right).smiles


@pytest.mark.parametrize("name", DRUGS)
def test_a_structure_without_stereo_is_the_one_that_rdkit_reads(name: str) -> None:
    flat = Chem.MolToSmiles(Chem.MolFromSmiles(read(DRUGS[name]).smiles), isomericSmiles=False)
    texts = Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(flat), 10, randomSeed=7)
    found = [read(text).mol for text in texts]
    wanted = [Chem.MolFromSmiles(text) for text in texts]
    assert [Chem.MolToSmiles(mol) for mol in found] == [Chem.MolToSmiles(mol) for mol in wanted]
    assert torch.equal(counts(found), counts(wanted))
    assert torch.equal(descriptors(found), descriptors(wanted))


def mutated() -> st.SearchStrategy[str]:
    """Drug and hostile SMILES with a few characters replaced, dropped, doubled or put in."""
    alphabet = st.sampled_from([*"CNOcnosPSFBHIlr[]()=#@+-\\/%.0123456789:*~$> |", "[PH]", "[2H]", "é", "\n"])
    edit = st.tuples(st.floats(0, 1), st.integers(0, 2), alphabet)

    def apply(start: str, edits: list[tuple[float, int, str]]) -> str:
        for where, width, piece in edits:
            at = int(where * len(start))
            start = start[:at] + piece + start[at + width :]
        return start

    return st.builds(apply, st.sampled_from([*DRUGS.values(), *SPELLINGS]), st.lists(edit, max_size=6))


@settings(max_examples=300, deadline=None)
@given(st.lists(mutated(), max_size=5))
def test_scored_and_rejected_are_what_was_read(texts: list[str]) -> None:
    outcomes = [read_smiles(row, text) for row, text in enumerate(texts, 1)]
    scored = [outcome for outcome in outcomes if isinstance(outcome, Molecule)]
    rejected = [outcome for outcome in outcomes if isinstance(outcome, Rejection)]
    assert len(scored) + len(rejected) == len(texts)
    assert [outcome.row for outcome in outcomes] == list(range(1, len(texts) + 1))
    assert all(outcome.reason in REASONS and outcome.reason != "crashed" for outcome in rejected)
    for molecule in scored:
        assert molecule.smiles == Chem.MolToSmiles(molecule.mol)
        assert molecule.smiles == read(molecule.smiles).smiles


@settings(max_examples=100, deadline=None)
@given(st.lists(mutated(), max_size=5), st.integers(1, 9))
def test_rows_are_read_alike_together_and_alone(texts: list[str], first: int) -> None:
    together = read_many(first, texts)
    alone = [read_smiles(row, text) for row, text in enumerate(texts, first)]
    assert [shown(outcome) for outcome in together] == [shown(outcome) for outcome in alone]


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=60), st.binary(max_size=5), st.floats(), st.none(), st.integers()))
def test_any_value_is_read_or_rejected_with_printable_text(value: object) -> None:
    outcome = read_smiles(3, value)
    if isinstance(outcome, Rejection):
        assert outcome.reason in REASONS
        assert len(outcome.text.encode()) <= 200 * 10


def test_lone_surrogates_can_be_written_out() -> None:
    outcome = read_smiles(1, "CC\udc80")
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "non_ascii"
    assert outcome.text.encode() == b"CC\\udc80"


@pytest.mark.parametrize(("rings", "reason"), [(24, None), (25, "too_large")])
@pytest.mark.parametrize("tail", ["", "C" * 300, "[C@H](C)F", "[13CH3]"])
def test_more_rings_than_are_read_are_refused(rings: int, reason: str | None, tail: str) -> None:
    outcome = read_smiles(1, "C1CC1" * rings + tail)
    assert (outcome.reason if isinstance(outcome, Rejection) else None) == reason


@pytest.mark.parametrize("value", [3, 1.5, True, b"CC", ["CC"]])
def test_values_that_are_not_text_say_so(value: object) -> None:
    outcome = read_smiles(1, value)
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "not_smiles"
    assert type(value).__name__ in outcome.detail


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("C(C", "extra open parentheses around position 2"),
        ("CXC", "syntax error around position 2"),
        ("C1CC", "unclosed ring"),
        ("CC(C)(C)(C)C", "atom # 1 C"),
        ("c1cccc1", "kekulize"),
        ("CC\u0421", "U+0421 at position 3"),
        ("C[C+99]", "[C+99]"),
    ],
)
def test_detail_names_the_place(text: str, detail: str) -> None:
    outcome = read_smiles(1, text)
    assert isinstance(outcome, Rejection)
    assert detail in outcome.detail


def test_rdkit_log_is_kept_off_stderr_and_left_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    for text in ["C(C", "c1cccc1", "[H]", "CC(=O)O[Na]", "C[PH](=O)(=O)O", "F/C(/Cl)=C/F"]:
        read_smiles(1, text)
    read_mol(1, Chem.MolFromSmiles("CN(C)(C)C", sanitize=False), "record")
    assert capfd.readouterr().err == ""
    Chem.MolFromSmiles("C(C")
    assert "extra open parentheses" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("broken", "acid"),
    [
        ("O=[PH](=O)(O)OCC[N+](C)(C)C", "C[N+](C)(C)CCOP(=O)(O)O"),
        ("O=[PH](=O)([O-])C[PH](=O)(=O)O", "O=P(O)(O)CP(=O)(O)O"),
        ("COC(=O)[C@H](C)C[PH](=O)(=O)[C@@H](C)N", "COC(=O)[C@H](C)CP(=O)(O)[C@@H](C)N"),
    ],
)
def test_phosphorus_of_six_bonds_is_read_as_the_acid(broken: str, acid: str) -> None:
    assert read(broken).smiles == read(acid).smiles
    assert read(broken).flags[0] == "repaired_phosphorus"
    assert "repaired_phosphorus" not in read(acid).flags


@pytest.mark.parametrize(
    "name", ["penicillin G", "tamoxifen", "sodium valproate", "esomeprazole", "zidovudine"]
)
def test_a_record_gives_the_molecule_of_its_smiles(name: str) -> None:
    record = Chem.AddHs(Chem.MolFromSmiles(DRUGS[name]))
    rdDistGeom.EmbedMolecule(record, randomSeed=7)
    record = Chem.MolFromMolBlock(Chem.MolToMolBlock(record), removeHs=False)
    record.SetProp("_Name", name)
    outcome = read_mol(5, record, name)
    assert isinstance(outcome, Molecule)
    assert (outcome.row, outcome.smiles) == (5, read(DRUGS[name]).smiles)
    assert outcome.mol.GetNumConformers() == 0
    assert record.GetNumConformers() == 1


def unordered_bond() -> Chem.Mol:
    mol = Chem.RWMol(Chem.MolFromSmiles("CC"))
    mol.GetBondWithIdx(0).SetBondType(Chem.BondType.ZERO)
    return mol


@pytest.mark.parametrize(
    ("mol", "reason"),
    [
        (None, "invalid_chemistry"),
        (Chem.Mol(), "no_heavy_atoms"),
        (Chem.MolFromSmiles("[H][H]"), "no_heavy_atoms"),
        (Chem.MolFromSmiles("C*"), "query_or_wildcard"),
        (Chem.MolFromSmarts("[C,N]C"), "query_or_wildcard"),
        (Chem.MolFromSmarts("C~C"), "query_or_wildcard"),
        (unordered_bond(), "query_or_wildcard"),
        (Chem.MolFromSmiles("CN(C)(C)C", sanitize=False), "invalid_chemistry"),
        (Chem.MolFromSmiles("C" * 501), "too_large"),
        (Chem.MolFromSmiles(".".join(["CCO"] * 61)), "too_large"),
        (Chem.MolFromSmiles("[Na+].[Cl-]"), "inorganic"),
    ],
)
def test_records_that_cannot_be_scored(mol: Chem.Mol | None, reason: str) -> None:
    outcome = read_mol(9, mol, "record 9")
    assert isinstance(outcome, Rejection)
    assert (outcome.row, outcome.text, outcome.reason) == (9, "record 9", reason)
