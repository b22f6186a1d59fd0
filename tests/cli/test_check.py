from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest


def test_says_what_was_decided_and_rejected(run, assay):
    done = run("check", assay)
    assert done.code == 0
    assert "c1cc[nH]c1X" in done.out
    assert "invalid" in done.out
    assert done.err == ""


def test_json_accounts_for_every_row(run, assay):
    found = run("check", assay, "--json").json
    assert found["rows"] == 13
    assert found["compounds"] == 12
    assert found["labels"] == {"active": 6, "inactive": 6}
    assert [r["row"] for r in found["rejected"]] == [13]
    assert found["notes"]


def test_options_reach_the_reader(run, tmp_path):
    path = tmp_path / "two.csv"
    path.write_text("smiles,a,b\nCCO,1,5.5\nCCC,0,6.5\nCCN,1,7.5\n")
    found = run("check", path, "--label-column", "b", "--active-if", ">= 6", "--json").json
    assert found["target"]["kind"] == "classification"
    assert found["labels"] == {"active": 2, "inactive": 1}


def test_two_lists_in_place_of_labels(run, tmp_path):
    (tmp_path / "yes.smi").write_text("CCO\nCCCO\n")
    (tmp_path / "no.smi").write_text("CCC\nCCCC\nCCCCC\n")
    found = run("check", "--actives", tmp_path / "yes.smi", "--inactives", tmp_path / "no.smi", "--json").json
    assert found["labels"] == {"active": 2, "inactive": 3}


def test_reads_stdin(run, assay, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(assay.read_bytes())))
    assert run("check", "-", "--json").json["compounds"] == 12


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("smiles,active\nCCO,1\nCCC,1\n", "active"),
        ("smiles,active\n", "row"),
        ("a,b\n1,2\n3,4\n", "SMILES"),
        ("smiles,IC50\nCCO,12\nCCC,400\n", "unit"),
    ],
)
def test_unusable_input_ends_with_3(run, tmp_path, content, said):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    done = run("check", path)
    assert done.code == 3
    assert done.out == ""
    assert done.err.startswith("molmeta: ")
    assert said.lower() in done.err.lower()
    assert done.err.count("\n") == 1


def test_missing_file_ends_with_3(run, tmp_path):
    done = run("check", tmp_path / "none.csv")
    assert done.code == 3
    assert "none.csv" in done.err


def test_unknown_choice_ends_with_2(run, assay):
    assert run("check", assay, "--conflicts", "shrug").code == 2
    assert run("check").code == 2
