from __future__ import annotations

import os

import pytest

from molmeta import assays


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_saves_a_model_named_after_the_assay_and_says_what_comes_next(run, assay, checkpoint, tmp_path):
    done = run("adapt", assay, "--model", checkpoint, "--no-verdict")
    assert done.code == 0
    assert (tmp_path / "alcohols.molmeta").stat().st_size > 0
    assert "6 active and 6 inactive" in done.out
    assert "Head: evidence" in done.out
    assert "In meta-training: 0 of the 12 compounds" in done.out
    assert "Next: molmeta score alcohols.molmeta LIBRARY" in done.out
    assert done.err == ""


def test_verdict_compares_with_the_baselines(run, assay, checkpoint):
    done = run("adapt", assay, "--model", checkpoint, "--head", "proto")
    assert done.code == 0
    assert "Verdict: " in done.out
    for text in ("knn", "rf", "guessing", "±", "Head: proto"):
        assert text in done.out


def test_json_is_one_object(run, assay, checkpoint):
    found = run("adapt", assay, "--model", checkpoint, "--json", "-o", "m.molmeta").json
    assert found["n"] == 12
    assert found["rejected"] == 1
    assert found["path"] == "m.molmeta"
    assert found["verdict"]["scores"].keys() >= {"molmeta", "knn", "rf", "guessing"}
    assert sum(found["heads"].values()) == pytest.approx(1)


def test_nothing_is_overwritten_without_force(run, assay, checkpoint, tmp_path):
    kept = tmp_path / "alcohols.molmeta"
    kept.write_text("mine")
    for arguments in ([], ["-o", kept]):
        done = run("adapt", assay, "--model", checkpoint, "--no-verdict", *arguments)
        assert done.code == 5
        assert "--force" in done.err
        assert kept.read_text() == "mine"
    assert run("adapt", assay, "--model", checkpoint, "--no-verdict", "--force").code == 0
    assert kept.read_bytes() != b"mine"


def test_reading_options_arrive(run, tmp_path, checkpoint):
    path = tmp_path / "potency.csv"
    path.write_text("smiles,x,ic50\nCCO,1,10\nCCC,2,200\nCCN,3,3000\nCCCl,4,40\n")
    done = run(
        "adapt",
        path,
        "--label-column",
        "ic50",
        "--unit",
        "nM",
        "--model",
        checkpoint,
        "--no-verdict",
        "--json",
    )
    assert done.json["target"] == {
        "name": "ic50",
        "kind": "regression",
        "unit": "nM",
        "higher_is_better": True,
    }
    assert done.json["span"] == pytest.approx([5.522879, 8.0])


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_ends_with_3(run, tmp_path, checkpoint, label):
    path = tmp_path / "one.csv"
    path.write_text(f"smiles,active\nCCO,{label}\nCCC,{label}\nCCN,{label}\n")
    done = run("adapt", path, "--model", checkpoint)
    assert done.code == 3
    assert ("inactive" if label else "active") in done.err
    assert os.listdir(tmp_path) == ["one.csv"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["none.csv"], 3),
        (["alcohols.csv", "--model", "no-such-model"], 3),
        (["alcohols.csv", "--head", "oracle"], 2),
        (["alcohols.csv", "--nonsense"], 2),
        (["alcohols.csv", "--device", "abacus"], 2),
        ([], 2),
    ],
)
def test_exit_codes(run, assay, checkpoint, arguments, code):
    model = [] if "--model" in arguments else ["--model", checkpoint]
    done = run("adapt", *arguments, *model, "--no-verdict")
    assert done.code == code
    assert done.out == ""
    assert "Traceback" not in done.err


def test_zero_shot_takes_no_labelled_compounds(run, tmp_path):
    out = tmp_path / "k.molmeta"
    done = run("adapt", "--zero-shot", "--target-family", "kinase", "-o", out)
    assert done.code == 0
    assert "nothing was measured in this assay" in done.out
    assert out.exists()
    found = run("adapt", "--zero-shot", "-o", tmp_path / "any.molmeta", "--json").json
    assert (found["n"], found["verdict"]) == (0, None)
    both = run("adapt", assays.path("bbb"), "--zero-shot", "-o", tmp_path / "x.molmeta")
    assert both.code == 2
    assert "give one of them" in both.err
    alone = run("adapt", assays.path("bbb"), "--target-family", "kinase", "-o", tmp_path / "x.molmeta")
    assert alone.code == 2
    assert "is for --zero-shot" in alone.err
    assert run("adapt", "--zero-shot", "--target-family", "gpcr", "-o", tmp_path / "x.molmeta").code == 2


def test_more_compounds_and_doubted_labels_are_told(run, tmp_path):
    done = run("adapt", assays.path("logp"), "--model", "fast", "-o", tmp_path / "m.molmeta")
    assert done.code == 0
    assert "10 more compounds would change R² by about" in done.out
    assert "Labels that the other compounds speak against" in done.out
    found = run("adapt", assays.path("logp"), "--model", "fast", "-o", tmp_path / "n.molmeta", "--json").json
    assert [one["added"] for one in found["verdict"]["curve"]["forecasts"]] == [10, 78, 234]
    assert len(found["held_out"]["predicted"]) == 78
    assert found["doubts"]["found"] >= len(found["doubts"]["named"]) > 0


def test_a_report_is_written_beside_the_model(run, tmp_path):
    out, page = tmp_path / "m.molmeta", tmp_path / "m.html"
    assert run("adapt", assays.path("cox"), "--model", "fast", "-o", out, "--report", page).code == 0
    assert page.read_text("utf-8").startswith("<!doctype html>")
    other = tmp_path / "n.molmeta"
    again = run("adapt", assays.path("cox"), "--model", "fast", "-o", other, "--report", page)
    assert again.code == 5
    assert "m.html" in again.err
    assert not other.exists()
