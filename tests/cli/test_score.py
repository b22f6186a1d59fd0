from __future__ import annotations

import csv
import shutil

import pytest


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "library.smi"
    path.write_text("OCCc1cc[nH]c1 one\nCC(C)C two\nC1CC three\nOCCO four\n")
    return path


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_one_row_for_each_row(run, model, library, tmp_path):
    done = run("score", model, library)
    assert done.code == 0
    assert "4 rows read: 3 scored, 1 rejected" in done.out
    assert "invalid_smiles" in done.out
    assert "Best rows" in done.out
    assert "OCCc1cc[nH]c1" in done.out
    table = rows(tmp_path / "library.alcohols.csv")
    assert [row["name"] for row in table] == ["one", "two", "three", "four"]
    assert [row["mm_status"] == "ok" for row in table] == [True, True, False, True]
    assert table[2]["mm_score"] == ""


def test_a_prevalence_moves_probabilities(run, model, library, tmp_path):
    for name, more in (("own", ()), ("rare", ("--prevalence", "0.01"))):
        assert run("score", model, library, "-o", tmp_path / f"{name}.csv", *more).code == 0
    own, rare = (
        [float(row["mm_probability"]) for row in rows(tmp_path / f"{name}.csv") if row["mm_status"] == "ok"]
        for name in ("own", "rare")
    )
    assert len(own) == 3
    assert all(before > after for before, after in zip(own, rare, strict=True))


def test_json_counts_every_row(run, model, library):
    found = run("score", model, library, "--json").json
    assert found["read"] == found["scored"] + sum(found["rejected"].values()) == 4
    assert found["path"] == "library.alcohols.csv"
    scores = [row["mm_score"] for row in found["best"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


def test_several_models_prefix_their_columns(run, model, assay, checkpoint, library, tmp_path):
    shutil.copy(assay, tmp_path / "again.csv")
    assert run("adapt", "again.csv", "--model", checkpoint, "--no-verdict").code == 0
    assert run("score", model, "again.molmeta", library).code == 0
    (first, *_) = rows(tmp_path / "library.alcohols.again.csv")
    assert first["alcohols_mm_score"] == first["again_mm_score"] != ""


def test_table_on_stdout_has_nothing_else(run, model, library):
    done = run("score", model, library, "-o", "-", "--top", "2")
    assert done.code == 0
    header, *body = done.out.splitlines()
    assert "mm_score" in header
    assert len(body) == 2
    assert "4 rows read" in done.err


def test_nothing_is_overwritten_without_force(run, model, library, tmp_path):
    kept = tmp_path / "library.alcohols.csv"
    kept.write_text("mine")
    assert run("score", model, library).code == 5
    assert run("score", model, library, "-o", kept).code == 5
    assert run("score", model, library, "-o", library, "--force").code == 2
    assert kept.read_text() == "mine"
    assert run("score", model, library, "--force").code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["library.smi"], 2),
        (["M"], 2),
        (["M", "library.smi", "library.smi"], 2),
        (["M", "none.smi"], 3),
        (["none.molmeta", "library.smi"], 3),
        (["library.molmeta", "library.smi"], 3),
        (["M", "library.smi", "--top", "0"], 2),
        (["M", "library.smi", "-o", "table.docx"], 2),
        (["M", "library.smi", "-o", "no/such/folder.csv"], 5),
        (["M", "library.smi", "-o", "-", "--json"], 2),
    ],
)
def test_exit_codes(run, model, library, tmp_path, arguments, code):
    (tmp_path / "library.molmeta").write_text("CCO\n")
    done = run("score", *(model if argument == "M" else argument for argument in arguments))
    assert done.code == code
    assert done.out == ""
    assert "Traceback" not in done.err


def test_a_library_without_rows_gives_a_table_without_rows(run, model, tmp_path):
    (tmp_path / "empty.csv").write_text("id,smiles\n")
    assert run("score", model, "empty.csv").code == 0
    assert rows(tmp_path / "empty.alcohols.csv") == []
