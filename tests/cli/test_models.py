from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from molmeta import checkpoint as checkpoints


@pytest.fixture
def shelf(tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One shipped model, small-0."""
    folder = tmp_path / "small-0"
    shutil.copytree(checkpoint, folder)
    (folder / "metrics.json").write_text('{"validation": {"evidence": {"delta_auprc@16": 0.25}}}')
    (folder / "card.md").write_text("# small\n\nReads c1cc[nH]c1.\n")
    monkeypatch.setattr(checkpoints, "shipped", lambda: {"small-0": folder})
    return folder


def test_lists_size_heads_and_numbers(run, shelf):
    done = run("models")
    assert done.code == 0
    for text in ("small-0", "MB", "evidence, proto", "validation of evidence: delta_auprc@16 0.25"):
        assert text in done.out
    # A model's metrics.json may hold every figure of a benchmark; the list stays one.
    assert len(done.out.splitlines()) <= 4
    (model,) = run("models", "--json").json["models"]
    assert model["heads"] == ["evidence", "proto"]
    assert model["bytes"] == (shelf / "weights.safetensors").stat().st_size


def test_card(run, shelf):
    assert run("models", "--card", "small").out == "# small\n\nReads c1cc[nH]c1.\n"
    assert run("models", "--card", "small", "--json").json["card"].startswith("# small")


def test_unknown_card_ends_with_3(run, shelf):
    done = run("models", "--card", "large")
    assert done.code == 3
    assert "small-0" in done.err


def test_an_empty_shelf_is_told(run, monkeypatch):
    monkeypatch.setattr(checkpoints, "shipped", dict)
    done = run("models")
    assert done.code == 0
    assert "molmeta train" in done.out
    assert run("models", "--json").json == {"models": []}
