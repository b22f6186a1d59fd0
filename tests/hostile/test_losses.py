"""Structures that kill or hang RDKit cost their own rows, whatever their number."""

from __future__ import annotations

import csv
import importlib
import sys
from pathlib import Path

import psutil
import pytest

from molmeta import assays
from molmeta.adaptation import adapt
from molmeta.predictor import Predictor
from molmeta.scoring import Local, score_library

# Worker processes import it by this name; they get the path from this process.
sys.path.append(str(Path(__file__).parent))
losing = importlib.import_module("losing")


@pytest.fixture(scope="module")
def model() -> Predictor:
    return adapt(assays.path("bbb"), "fast", verdict=False)


def scored(model: Predictor, folder: Path, texts: list[str], **how: object) -> list[dict[str, str]]:
    library, out = folder / "library.csv", folder / "out.csv"
    library.write_text("\n".join(["id,smiles", *(f"{i},{text}" for i, text in enumerate(texts))]) + "\n")
    score_library(model, library, out, engine=Local(1, **how), force=True)
    with out.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_reader_that_dies_or_hangs_costs_its_row_alone(model: Predictor, tmp_path: Path) -> None:
    texts = ["CCO", losing.KILLS, "CCN", losing.HANGS, "C1CC", "c1ccccc1O", losing.KILLS]
    with losing.losing():
        rows = scored(model, tmp_path, texts, deadline=0.5)
    assert [row["id"] for row in rows] == [str(i) for i in range(len(texts))]
    wanted = ["ok", "crashed", "ok", "timeout", "invalid_smiles", "ok", "crashed"]
    assert [row["mm_status"] for row in rows] == wanted
    assert [row["mm_score"] == "" for row in rows] == [status != "ok" for status in wanted]
    plain = scored(model, tmp_path, texts)
    assert [row["mm_status"] for row in plain] == ["ok"] * 4 + ["invalid_smiles", "ok", "ok"]
    for one, other, status in zip(rows, plain, wanted, strict=True):
        if status == "ok":
            assert one["mm_smiles"] == other["mm_smiles"]
            assert float(one["mm_score"]) == pytest.approx(float(other["mm_score"]), rel=1e-5)


def test_losses_in_a_row_leave_no_memory_behind(model: Predictor, tmp_path: Path) -> None:
    """A thousand, half of them hanging: `benchmarks/losses.py`."""
    own = psutil.Process()
    with losing.losing():
        scored(model, tmp_path, [losing.KILLS] * 10)
        before = own.memory_info().rss, own.num_fds()
        rows = scored(model, tmp_path, [losing.KILLS] * 30)
    assert [row["mm_status"] for row in rows] == ["crashed"] * 30
    assert own.memory_info().rss - before[0] < 20e6
    assert own.num_fds() <= before[1]
