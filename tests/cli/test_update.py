from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import molmeta
from molmeta.unbundle import is_reference

NEW = "smiles,active\nCCBr,0\nOCC,1\nCCCCCCO,1\nC1CC,1\nCCI,\n"
QUERIES = ["CCCCCCCO", "c1ccccc1"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def mine(model: Path, tmp_path: Path) -> Path:
    """A copy of the model of the alcohols."""
    return Path(shutil.copy(model, tmp_path / "mine.molmeta"))


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    (tmp_path / "plate.csv").write_text(NEW)
    return tmp_path / "plate.csv"


def test_adds_rows_and_says_what_became_of_each(run, mine, plate, tmp_path):
    done = run("update", mine, plate)
    assert done.code == 0
    assert done.err == ""
    counts = {line[:18].strip(): line.split()[-1] for line in done.out.splitlines() if line.strip()}
    assert {name: int(counts[name]) for name in ("rows read", "added", "merged", "rejected")} == {
        "rows read": 5, "added": 2, "merged": 1, "rejected": 1,
    }  # fmt: skip
    assert (counts["without a label"], counts["compounds before"], counts["compounds now"]) == (
        "1",
        "12",
        "14",
    )
    for text in ("measured again", "rejected because", "invalid_smiles", "the verdict is left out"):
        assert text in done.out
    assert f"Saved {mine}" in done.out
    assert sorted(os.listdir(tmp_path)) == ["mine.molmeta", "plate.csv"]
    assert molmeta.load(mine).report.n == 14


def test_is_what_adapt_makes_of_all_rows(run, assay, plate, checkpoint, mine):
    assert run("update", mine, plate, "-o", "more.molmeta").code == 0
    Path("all.csv").write_text(assay.read_text() + NEW.split("\n", 1)[1])
    assert run("adapt", "all.csv", "--model", checkpoint, "--no-verdict").code == 0
    more, whole = (molmeta.load(name).predict(QUERIES) for name in ("more.molmeta", "all.molmeta"))
    pd.testing.assert_frame_equal(more, whole, rtol=1e-6)


def test_json_is_one_object(run, mine, plate):
    found = run("update", mine, plate, "--json").json
    change = found["change"]
    assert found["path"] == str(mine)
    assert (change["read"], change["added"], change["merged"], change["unlabelled"]) == (5, 2, 1, 1)
    assert [(r["row"], r["reason"]) for r in change["rejected"]] == [(4, "invalid_smiles")]
    assert (change["before"], change["after"], found["n"]) == (12, 14, 14)
    assert found["verdict"] is None


def test_the_verdict_comes_when_asked_for(run, mine, plate):
    assert "Verdict: " in run("update", mine, plate, "--verdict").out


def test_another_output_leaves_the_model_alone(run, mine, plate):
    before = mine.read_bytes()
    Path("other.molmeta").write_text("kept")
    done = run("update", mine, plate, "-o", "other.molmeta")
    assert (done.code, Path("other.molmeta").read_text()) == (5, "kept")
    assert "--force" in done.err
    assert run("update", mine, plate, "-o", "other.molmeta", "--force").code == 0
    assert run("update", mine, plate, "-o", mine).code == 5
    assert mine.read_bytes() == before
    assert molmeta.load("other.molmeta").report.n == 14


def test_reading_options_arrive(run, mine, tmp_path):
    (tmp_path / "odd.csv").write_text("smiles,a,b\nCCBr,9,no\nCCCCCCO,8,yes\n")
    assert run("update", mine, "odd.csv", "--label-column", "b", "--json").json["change"]["added"] == 2
    (tmp_path / "odd.csv").write_text("smiles,pIC50\nCCF,5.5\nCCCCCCCCO,8\n")
    assert run("update", mine, "odd.csv").code == 3
    assert run("update", mine, "odd.csv", "--active-if", ">= 7", "--json").json["n_active"] == 8
    (tmp_path / "dead.smi").write_text("CCCl\n")
    assert run("update", mine, "--inactives", "dead.smi", "--json").json["n"] == 17


def test_a_reference_stays_one(run, assay, plate, checkpoint):
    assert run("adapt", assay, "--model", checkpoint, "--no-verdict", "--reference-only").code == 0
    assert run("update", "alcohols.molmeta", plate).code == 0
    assert is_reference(Path("alcohols.molmeta"))
    assert molmeta.load("alcohols.molmeta").report.n == 14


def test_a_link_stays_one(run, mine, plate, tmp_path):
    (tmp_path / "link.molmeta").symlink_to(mine)
    assert run("update", "link.molmeta", plate).code == 0
    assert (tmp_path / "link.molmeta").is_symlink()
    assert molmeta.load(mine).report.n == 14


def test_rows_of_somebody_else_are_not_lost(run, mine, plate, monkeypatch):
    """The model is replaced by another update while this one works."""
    from molmeta import updating

    real = updating.update

    def slow(*arguments: object, **options: object) -> object:
        found = real(*arguments, **options)
        found.save(mine, force=True)
        return found

    monkeypatch.setattr(updating, "update", slow)
    done = run("update", mine, plate)
    assert done.code == 5
    assert "somebody else" in done.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["none.molmeta", "plate.csv"], 3),
        (["plate.csv", "plate.csv"], 3),
        (["mine.molmeta", "none.csv"], 3),
        (["mine.molmeta", "plate.csv", "--unknown"], 2),
        (["mine.molmeta", "plate.csv", "--conflicts", "shrug"], 2),
        (["mine.molmeta", "plate.csv", "-o", "no/such/folder.molmeta"], 5),
        (["mine.molmeta"], 2),
        ([], 2),
    ],
)
def test_errors_leave_the_model_as_it_was(run, mine, plate, arguments, code):
    before = mine.read_bytes()
    done = run("update", *arguments)
    assert done.code == code
    assert done.out == ""
    assert "Traceback" not in done.err
    assert mine.read_bytes() == before


def test_a_stop_while_writing_leaves_the_old_file(run, mine, plate, monkeypatch, tmp_path):
    before = mine.read_bytes()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("molmeta.files.os.fsync", stop)
    assert run("update", mine, plate).code == 130
    assert mine.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["mine.molmeta", "plate.csv"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
def test_a_kill_while_writing_leaves_the_old_file(mine, plate):
    before = mine.read_bytes()
    program = (
        "import os, signal\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from molmeta.cli.app import app\napp(['update', 'mine.molmeta', 'plate.csv'])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert mine.read_bytes() == before
    assert molmeta.load(mine).report.n == 12
