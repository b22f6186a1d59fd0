"""`molmeta corpus` as users call it."""

from __future__ import annotations

from pathlib import Path

import pytest

from molmeta import assays
from molmeta.corpora import overlap as overlaps


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "lab"
    folder.mkdir()
    for name in ("bbb", "logp", "cox"):
        (folder / f"{name}.csv").write_bytes(assays.path(name).read_bytes())
    (tmp_path / "c.toml").write_text(
        "[filters]\nmin_compounds = 10\n[folds.assays]\ntest = 0.4\n"
        "[features]\nfields = ['counts', 'identity']\n"
    )
    return tmp_path


def test_a_folder_of_assays(lab: Path, run) -> None:
    done = run("corpus", "build", "lab", "--config", "c.toml", "--workers", 0)
    assert done.code == 0, done.err
    assert "lab-corpus: 3 assays, " in done.out
    assert "from a folder of assay files, lab, by molmeta " in done.out
    assert "rows whose structure" not in done.out
    assert "rows with a structure that cannot be read" in done.out
    assert 'Next: [data] train = "lab-corpus", roles = ["train"]' in done.out
    shown = run("corpus", "show", "lab-corpus")
    assert shown.out == done.out.partition("\nNext")[0]
    tables = ["assays.parquet", "compounds.parquet", "measurements.parquet"]
    files = {file.name for file in (lab / "lab-corpus").iterdir()}
    assert files == {*tables, "corpus.toml", "features", "manifest.json"}


def test_json(lab: Path, run) -> None:
    built = run("corpus", "build", "lab", "--config", "c.toml", "-o", "mine", "--workers", 0, "--json").json
    assert built["corpus"] == "mine"
    assert built["counts"]["folds"] == {"test": 1, "train": 2}
    assert run("corpus", "show", "mine", "--json").json == built
    shared = run("corpus", "overlap", "mine", "--json").json["overlap"]
    assert shared == built["overlap"]
    assert [one["of"] for one in shared] == ["test"]


def test_overlap_of_two(lab: Path, run) -> None:
    for name in ("a", "b"):
        run("corpus", "build", "lab", "--config", "c.toml", "-o", name, "--workers", 0)
    done = run("corpus", "overlap", "a", "b", "--of", "train")
    assert done.code == 0
    assert "In common" in done.out
    assert "(100%)" in done.out


def test_the_configuration_that_was_used_gives_the_same_corpus(lab: Path, run) -> None:
    run("corpus", "build", "lab", "--config", "c.toml", "-o", "a", "--workers", 0)
    done = run("corpus", "build", "lab", "--config", "a/corpus.toml", "-o", "b", "--workers", 0)
    assert done.code == 0, done.err
    assert (lab / "a" / "manifest.json").read_bytes() == (lab / "b" / "manifest.json").read_bytes()


def test_exit_codes(lab: Path, run) -> None:
    build = ("corpus", "build", "lab", "--workers", 0)
    assert run(*build, "--config", "c.toml").code == 0
    refused = run(*build, "--config", "c.toml")
    assert refused.code == 5
    assert "lab-corpus exists; give --force to replace it" in refused.err
    assert run(*build, "--config", "c.toml", "--force").code == 0
    nothing = run(*build, "-o", "other", "--drop", "files", "--config", "none.toml")
    assert nothing.code == 2
    wrong = run(*build, "-o", "other", "--drop", "file")
    assert wrong.code == 2
    assert "did you mean 'files'?" in wrong.err
    (lab / "lab" / "bad.csv").write_text("smiles,pIC50\nCCO,25000\nCCCO,5\nCCCCO,6\n")
    bad = run(*build, "-o", "other", "--config", "c.toml")
    assert bad.code == 3
    assert "1 part of the source that is cut off or cannot be read (bad.csv; bad.csv" in bad.err
    assert not (lab / "other").exists()
    assert run("corpus", "show", "lab").code == 3
    assert run(*build, "-o", "other", "--config", "c.toml", "--drop", "files").code == 0


def test_evaluate_reads_a_fold_of_a_corpus(lab: Path, run, checkpoint: Path) -> None:
    text = (lab / "c.toml").read_text().replace("fields = ['counts', 'identity']", "")
    (lab / "c.toml").write_text(text)
    assert run("corpus", "build", "lab", "--config", "c.toml", "--workers", 0).code == 0
    scores = ("evaluate", "lab-corpus", "--model", checkpoint, "-k", 16, "--draws", 2, "--json")
    whole, fold = run(*scores).json, run(*scores, "--roles", "train").json
    assert (whole["assays"], fold["assays"]) == (3, 2)
    assert {row["n"] for row in whole["means"] if row["stratum"] == "all"} == {3}
    missing = run(*scores, "--roles", "dev")
    assert missing.code == 3
    assert "lab-corpus has no fold 'dev'; it has test, train" in missing.err


def test_help_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from molmeta.cli.app import app\n"
        "try: app(['corpus', 'build', '--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'rdkit', 'pandas', 'pyarrow'} & set(sys.modules), 'heavy'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ChEMBL" in done.stdout


def test_overlap_is_that_of_the_library(lab: Path, run) -> None:
    run("corpus", "build", "lab", "--config", "c.toml", "--workers", 0)
    (found,) = run("corpus", "overlap", "lab-corpus", "--json").json["overlap"]
    assert found == overlaps.to_json(overlaps.between(lab / "lab-corpus"))[0]
