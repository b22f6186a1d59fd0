"""What the first release wrote is read for ever, and predicts what it predicted (tests/golden/first.py)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import molmeta
from molmeta.checkpoint import load_atlas, load_checkpoint
from molmeta.predictor import Predictor
from molmeta.tensorfile import TensorFile
from molmeta.updating import update

FIRST = Path(__file__).parent / "golden" / "first"
# Of float32 on other processors and other versions of torch; scores are of the order of 1.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIRST / "predictions.json").read_text(encoding="utf-8"))
    return found


def _holds(predictor: Predictor, wanted: dict[str, list[float]], smiles: list[str]) -> None:
    found = predictor.predict(smiles)
    assert (found["mm_status"] == "ok").all()
    for column, values in wanted.items():
        np.testing.assert_allclose(found[column], values, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("name", ["bbb", "logp", "private"])
def test_a_model_of_the_first_release_predicts_as_it_did(name: str, stored: dict[str, Any]) -> None:
    predictor = molmeta.load(FIRST / f"{name}.molmeta", device="cpu")
    _holds(predictor, stored[name], stored["smiles"])
    assert (predictor.hidden is not None) == (name == "private")


def test_the_models_hold_what_later_ones_need(stored: dict[str, Any]) -> None:
    predictor = molmeta.load(FIRST / "bbb.molmeta", device="cpu")
    report = predictor.report
    assert set(report.heads) <= {"evidence", "proto", "anil"}
    assert report.verdict is not None
    assert report.held_out is not None
    assert predictor.recipe is not None
    assert predictor.recipe.head == "average"
    grown = update(predictor, molmeta.read_assay(FIRST.parents[2] / "assays" / "bbb.csv"))
    assert grown.report.n == 66


def test_a_checkpoint_of_the_first_release_adapts_as_it_did(tmp_path: Path, stored: dict[str, Any]) -> None:
    folder = Path(shutil.copytree(FIRST / "checkpoint", tmp_path / "checkpoint"))
    learner = load_checkpoint(folder)
    assert list(learner.heads) == ["evidence", "proto", "anil"]
    assert list(learner.last_layers) == ["anil"]
    assert len(learner.seen) == len(learner.head("evidence").profiles.get_buffer("key")) == 14
    assert len(learner.conformity.size) == 2
    assert load_atlas(folder).names == ("one", "two")
    support = molmeta.load(FIRST / "bbb.molmeta", device="cpu").support
    table = {"smiles": list(support.smiles), "active": [int(value) for value in support.values]}
    predictor = molmeta.adapt(pd.DataFrame(table), folder, device="cpu", verdict=False)
    _holds(predictor, stored["private"], stored["smiles"])


@pytest.mark.parametrize("name", ["bbb", "logp"])
def test_open_models_stay_readable_by_the_first_release(name: str, tmp_path: Path) -> None:
    path = tmp_path / "again.molmeta"
    molmeta.load(FIRST / f"{name}.molmeta", device="cpu").save(path)
    before, after = TensorFile.open(FIRST / f"{name}.molmeta"), TensorFile.open(path)
    assert json.loads(after.metadata["molmeta"])["format"] == 1
    weights = {key: entry.shape for key, entry in before.entries.items() if key != "state"}
    assert weights == {key: entry.shape for key, entry in after.entries.items() if key != "state"}


def test_the_files_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in FIRST.rglob("*") if path.is_file()}
    assert sum(sizes.values()) < 400_000, sizes
