"""The shipped models: what they must come with, and predictions that must not drift."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

import molmeta
import molmeta.assays
from molmeta.checkpoint import WEIGHTS, find_checkpoint, load_checkpoint, shipped

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(("name", "most"), [("base", 20e6), ("fast", 10e6)])
def test_a_model_is_there_and_small(name: str, most: float) -> None:
    assert (find_checkpoint(name) / WEIGHTS).stat().st_size <= most
    learner = load_checkpoint(name)
    assert learner.default_head == "evidence"
    assert learner.info["assays"] == 4935


def test_fast_needs_less_of_a_compound() -> None:
    assert load_checkpoint("fast").needs < load_checkpoint("base").needs


@pytest.mark.parametrize("folder", shipped().values(), ids=lambda folder: folder.name)
def test_a_model_comes_with_its_papers(folder: Path) -> None:
    card = (folder / "card.md").read_text(encoding="utf-8")
    assert "CC BY-SA 3.0" in card
    assert "Stanley" in card
    assert "ΔAUPRC" in card
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert tomllib.loads((folder / "train.toml").read_text(encoding="utf-8"))["seed"] == 0
    lines = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["stage"] for line in lines} >= {"pretrain", *load_checkpoint(folder).heads}


@pytest.mark.parametrize("model", ["base", "fast"])
@pytest.mark.parametrize("name", ["bbb", "logp"])
def test_predictions_do_not_drift(name: str, model: str) -> None:
    """Regenerate with `python tests/golden/regenerate.py` where a change of the numbers is meant."""
    golden = json.loads((GOLDEN / f"{model}.json").read_text(encoding="utf-8"))[name]
    predictor = molmeta.adapt(molmeta.assays.path(name), model=model, device="cpu", verdict=False)
    got = predictor.predict(golden["smiles"])
    for column in ("mm_score", "mm_std", "mm_low", "mm_high"):
        np.testing.assert_allclose(got[column], golden[column], atol=1e-4, rtol=1e-4)
