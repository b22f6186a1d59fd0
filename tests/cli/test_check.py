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


def test_the_verdict_stands_on_top_and_findings_say_what_they_mean(run, assay):
    said = run("check", assay, "--no-model").out.splitlines()
    assert said[0].startswith("alcohols: ")
    assert "How it was read" in said
    (at,) = [i for i, line in enumerate(said) if "Rejected: 1 of 13 rows" in line]
    assert said[at + 1].startswith("  They are left out")
    assert "row 13" in said[at + 2] or "row 13" in said[at + 3]


def test_json_holds_all_findings_in_order(run, assay):
    found = run("check", assay, "--json").json
    assert found["verdict"].startswith("usable")
    assert found["columns"] == {"smiles": "smiles", "label": "active", "identifier": None}
    by_code = {finding["code"]: finding for finding in found["findings"]}
    assert by_code["rejected_rows"]["concerns"][0]["rows"] == [13]
    assert {"severity", "sentence", "meaning"} <= by_code["rejected_rows"].keys()
    of_the_model = by_code.keys() & {"known_compounds", "new_chemistry"}
    assert len(of_the_model) == 1
    without = run("check", assay, "--json", "--no-model").json
    assert {f["code"] for f in without["findings"]} == by_code.keys() - of_the_model


def test_another_model_may_have_met_other_compounds(run, assay, checkpoint):
    found = run("check", assay, "--json", "--model", checkpoint).json
    assert "new_chemistry" in {finding["code"] for finding in found["findings"]}
    assert run("check", assay, "--model", "nonesuch").code == 3


def test_strict_ends_with_4(run, assay, tmp_path):
    assert run("check", assay, "--strict").code == 4
    lines = assay.read_text().splitlines()
    good = tmp_path / "good.csv"
    good.write_text("\n".join(lines[:-1]) + "\n")
    assert run("check", good, "--strict").code == 0
    serious = tmp_path / "serious.csv"
    serious.write_text("\n".join([*lines[:7], lines[8]]) + "\n")
    assert run("check", serious).code == 0
    done = run("check", serious, "--strict", "--json")
    assert done.code == 4
    assert done.json["verdict"].startswith("mend it")


def test_all_lists_every_row(run, tmp_path):
    path = tmp_path / "salts.csv"
    rows = [f"{'C' * n}N.Cl,{4 + n / 4}" for n in range(2, 14)]
    path.write_text("\n".join(["smiles,pKi", *rows]) + "\n")
    assert "... and 7 more; --all lists them" in run("check", path, "--no-model").out
    assert "row 12:" in run("check", path, "--no-model", "--all").out


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
