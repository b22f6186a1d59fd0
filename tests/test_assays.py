"""The shipped assays and library say what they hold, and hold what they say."""

from __future__ import annotations

import csv
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from rdkit import Chem, rdBase
from rdkit.Chem import rdCIPLabeler
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from molmeta import assays
from molmeta.errors import ConfigError

HEADERS = {
    "bbb": ["compound", "smiles", "formula", "bbb"],
    "logp": ["compound", "smiles", "formula", "logP"],
    "cox": ["Sample", "Compound", "SMILES", "Formula", "IC50 (uM)", "Comment"],
}


def rows(name: str) -> list[dict[str, str]]:
    """Rows of a shipped assay, with the column names in lower case."""
    with assays.path(name).open(newline="", encoding="utf-8") as file:
        return [{key.lower(): value for key, value in row.items()} for row in csv.DictReader(file)]


def about(name: str) -> dict[str, object]:
    return tomllib.loads(assays.path(name).with_suffix(".toml").read_text(encoding="utf-8"))


def library() -> dict[str, str]:
    """SMILES by name of the shipped library."""
    lines = assays.path("drugs").read_text(encoding="utf-8").splitlines()
    return {name: smiles for smiles, name in (line.split("\t") for line in lines)}


def read(smiles: str) -> Chem.Mol | None:
    with rdBase.BlockLogs():
        return Chem.MolFromSmiles(smiles)


def parent(smiles: str) -> str:
    """Canonical SMILES of the neutral parent, so that a salt and its free acid agree."""
    with rdBase.BlockLogs():
        return Chem.MolToSmiles(rdMolStandardize.ChargeParent(Chem.MolFromSmiles(smiles)))


def stereo(smiles: str) -> str:
    """CIP labels of atoms, then of double bonds, in the order in which they are written."""
    mol = Chem.MolFromSmiles(smiles)
    rdCIPLabeler.AssignCIPLabels(mol)
    parts = (*mol.GetAtoms(), *mol.GetBonds())
    return "".join(part.GetProp("_CIPCode") for part in parts if part.HasProp("_CIPCode"))


def test_three_assays_are_shipped():
    assert assays.available() == ("bbb", "cox", "logp")


@pytest.mark.parametrize("name", [*HEADERS, "drugs"])
def test_path_is_an_existing_file(name: str):
    assert assays.path(name).is_file()


@pytest.mark.parametrize("name", ["herg", "", "../pyproject", "bbb.csv"])
def test_unknown_name_lists_the_known(name: str):
    with pytest.raises(ConfigError, match="bbb, cox, logp, drugs"):
        assays.path(name)


@pytest.mark.parametrize("name", HEADERS)
def test_description_fits_the_table(name: str):
    described, table = about(name), rows(name)
    target = described["target"]
    assert isinstance(target, dict)
    assert set(described) == {"name", "description", "source", "licence", "rows", "target"}
    assert (described["name"], described["rows"]) == (name, len(table))
    assert described["source"] == "compiled from common knowledge, for demonstration"
    assert described["licence"] == "CC0-1.0"
    assert target["kind"] in {"classification", "regression"}
    assert target["name"] in HEADERS[name]
    assert set(target) <= {"name", "kind", "unit"}


@pytest.mark.parametrize("name", HEADERS)
def test_file_is_plain_text(name: str):
    data = assays.path(name).read_bytes()
    assert data.isascii()
    assert b"\r" not in data
    assert data.decode().splitlines()[0] == ",".join(HEADERS[name])


@pytest.mark.parametrize("name", HEADERS)
def test_formula_is_that_of_the_structure(name: str):
    """A row without a formula is one that is meant to be unreadable."""
    for row in rows(name):
        mol = read(row["smiles"])
        assert (CalcMolFormula(mol) if mol is not None else "") == row["formula"], row["compound"]


@pytest.mark.parametrize("name", ["bbb", "logp"])
def test_clean_assays_name_every_compound_once(name: str):
    table = rows(name)
    assert 45 <= len(table) <= 80
    assert len({row["compound"] for row in table}) == len(table)
    assert len({Chem.CanonSmiles(row["smiles"]) for row in table}) == len(table)


def test_bbb_is_balanced():
    counts = Counter(row["bbb"] for row in rows("bbb"))
    assert counts == {"1": 33, "0": 33}


def test_logp_is_numbers_over_a_wide_range():
    values = [float(row["logp"]) for row in rows("logp")]
    assert min(values) < -1.5
    assert max(values) > 4.5
    assert all(-4 < value < 8 for value in values)


def test_cox_is_messy_in_every_promised_way():
    table = rows("cox")
    labels = [row["ic50 (um)"] for row in table]
    readable = [row for row in table if row["formula"]]
    parents = Counter(parent(row["smiles"]) for row in readable)
    assert ">100" in labels
    assert "> 100" in labels
    assert "<0.01" in labels
    assert labels.count("n.d.") == 1
    assert labels.count("") == 1
    assert len(table) - len(readable) == 1
    assert sum("." in row["smiles"] for row in readable) >= 5, "salts"
    assert sum(n > 1 for n in parents.values()) >= 5, "replicates once salts and spellings are gone"
    assert len(parents) >= 35, "enough compounds to adapt to"


def test_library_is_large_and_unique():
    drugs = library()
    lines = assays.path("drugs").read_text(encoding="utf-8").splitlines()
    assert len(drugs) == len(lines) >= 220
    assert [line.split("\t")[1] for line in lines] == sorted(drugs)
    assert len({Chem.CanonSmiles(smiles) for smiles in drugs.values()}) == len(drugs)
    assert all("." not in smiles for smiles in drugs.values())


def test_library_agrees_with_formulas_and_configurations():
    drugs = library()
    with (Path(__file__).parent / "data_formulas.csv").open(newline="", encoding="utf-8") as file:
        known = {row["name"]: row for row in csv.DictReader(file)}
    assert set(known) == set(drugs)
    for name, smiles in drugs.items():
        assert CalcMolFormula(Chem.MolFromSmiles(smiles)) == known[name]["formula"], name
        assert stereo(smiles) == known[name]["stereo"], name


@pytest.mark.parametrize("name", HEADERS)
def test_a_drug_is_the_same_compound_in_every_file(name: str):
    drugs = library()
    shared = [row for row in rows(name) if row["formula"] and row["compound"].lower() in drugs]
    assert shared
    for row in shared:
        assert parent(row["smiles"]) == parent(drugs[row["compound"].lower()]), row["compound"]
