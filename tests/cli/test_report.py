from __future__ import annotations

from pathlib import Path

import pytest

import molmeta
from molmeta import assays


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("model") / "bbb.molmeta"
    molmeta.adapt(assays.path("bbb"), "fast", device="cpu").save(file)
    return file


def test_a_model_alone_is_enough(run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    done = run("report", model)
    assert done.code == 0
    assert "bbb.html" in done.err
    assert (tmp_path / "bbb.html").stat().st_size > 50_000
    assert run("report", model).code == 5
    assert run("report", model, "--force").code == 0


def test_json_says_where_it_is(run, model: Path, tmp_path: Path):
    library = tmp_path / "lib.smi"
    library.write_text("CCO ethanol\nCCN amine\n")
    out = tmp_path / "r.html"
    done = run("report", model, library, "-o", out, "-n", 1, "--workers", 0, "--json")
    assert done.json == {"path": str(out), "bytes": out.stat().st_size, "library": str(library)}
    assert "1. " in out.read_text("utf-8")
    assert "2. " not in out.read_text("utf-8").split('id="held-out"')[0].split('id="library"')[1]


@pytest.mark.parametrize("missing", ["model", "library"])
def test_what_is_missing_is_said(run, model: Path, tmp_path: Path, missing: str):
    given = {"model": model, "library": assays.path("bbb")} | {missing: tmp_path / "nothing.csv"}
    done = run("report", given["model"], given["library"], "-o", tmp_path / "r.html", "--workers", 0)
    assert done.code == 3
    assert "nothing.csv" in done.err
    assert not (tmp_path / "r.html").exists()
