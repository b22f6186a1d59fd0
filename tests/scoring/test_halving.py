"""Batches too large for a device are done in parts, with the same scores; and half precision is near them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from molmeta.chem.batch import MolBatch
from molmeta.chem.rows import read_rows
from molmeta.ensemble import pick_device
from molmeta.errors import ConfigError, ResourceError
from molmeta.predictor import Predictor
from molmeta.scoring import score_library
from molmeta.scoring.halving import Halving
from molmeta.scoring.models import Models
from tests.scoring.conftest import spellings, write_smi

TEXTS = spellings(90)


@pytest.fixture
def small(models: list[Predictor], monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """Makes the device hold so many compounds at most; gives the sizes that it was asked for."""

    def shrink(most: int) -> list[int]:
        asked: list[int] = []

        def limited(forward: Callable[[MolBatch], torch.Tensor]) -> Callable[[MolBatch], torch.Tensor]:
            def run(mols: MolBatch) -> torch.Tensor:
                asked.append(mols.n)
                if mols.n > most:
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore")
                return forward(mols)

            return run

        for one in models:
            encoder = one.ensemble.learner.encoder
            monkeypatch.setattr(encoder, "forward", limited(encoder.forward))
        return asked

    return shrink


@pytest.mark.parametrize("most", [1, 7, 40, 1000])
def test_scores_are_the_same_in_parts(
    models: list[Predictor], small: Callable[[int], list[int]], most: int
) -> None:
    rows = read_rows(TEXTS, Models(models).needs)
    whole = Models(models).predict(Models(models).embed(rows))
    asked = small(most)
    halved = Models(models)
    parts = halved.predict(halved.embed(rows))
    pd.testing.assert_frame_equal(parts, whole, rtol=1e-5)
    assert sum(n for n in asked if n <= most) == rows.mols.n * len(set(halved.trunks))
    before = len(asked)
    halved.embed(rows)
    assert max(asked[before:]) <= most  # it remembers


def test_one_compound_that_does_not_fit_is_an_error(
    models: list[Predictor], small: Callable[[int], list[int]]
) -> None:
    rows = read_rows(TEXTS[:5], Models(models).needs)
    small(0)
    with pytest.raises(
        ResourceError, match=r"single compound \(CUDA out of memory. Tried to allocate 2 GiB.\)"
    ):
        Models(models).embed(rows)


@pytest.mark.parametrize("n", [0, 1, 2, 33])
@pytest.mark.parametrize("most", [1, 5, 64])
def test_ranges_cover_all_rows_once(n: int, most: int) -> None:
    def work(part: range) -> list[int]:
        if len(part) > most:
            raise torch.OutOfMemoryError("full")
        return list(part)

    assert [row for part in Halving()(work, n) for row in part] == list(range(n))


def test_heads_that_run_out_of_memory_are_asked_in_parts(
    models: list[Predictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_rows([*TEXTS, ""], Models(models).needs)
    found = Models(models)
    embedded = found.embed(rows)
    whole = found.predict(embedded)
    whole_rows = Predictor.predict_rows

    def limited(self: Predictor, rows: object, columns: object, mols: MolBatch) -> pd.DataFrame:
        if mols.n > 25:
            raise torch.OutOfMemoryError("full")
        return whole_rows(self, rows, columns, mols)  # type: ignore[arg-type]

    monkeypatch.setattr(Predictor, "predict_rows", limited)
    pd.testing.assert_frame_equal(found.predict(embedded), whole, rtol=1e-5)


def test_a_device_that_is_lost_ends_the_run_which_goes_on_when_it_is_back(
    models: list[Predictor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, whole, out = write_smi(tmp_path / "lib.csv", TEXTS), tmp_path / "whole.csv", tmp_path / "out.csv"
    score_library(models[0], library, whole, chunk=30)
    encoder = models[0].ensemble.learner.encoder
    forward, calls = encoder.forward, itertools.count()

    def lost(mols: MolBatch) -> torch.Tensor:
        if next(calls) >= 2:
            raise torch.AcceleratorError("CUDA error: unspecified launch failure\nCUDA kernel errors might")
        return forward(mols)

    with monkeypatch.context() as patch:
        patch.setattr(encoder, "forward", lost)
        with pytest.raises(
            ResourceError, match=r"device failed \(CUDA error: unspecified launch failure\).*--device cpu"
        ) as ended:
            score_library(models[0], library, out, chunk=30)
    assert f"30 rows, stays in {out}.parts; --resume goes on" in str(ended.value.__notes__)
    assert not out.exists()
    score_library(models[0], library, out, chunk=30, resume=True)
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cuda", "no CUDA device is available; give cpu or auto"),
        ("cuda:99", "no CUDA device is available"),
        ("mps", "has no float64"),
        ("meta", "is not supported; give auto, cpu, cuda or cuda:0"),
        ("xpu:1", "is not supported"),
        ("nonsense", "unknown device 'nonsense'"),
        ("", "unknown device ''"),
        ("cuda:-1", "unknown device"),
    ],
)
def test_devices_that_are_not_here_are_named(name: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=re.escape(says)):
        pick_device(name)


def test_the_devices_that_are_here_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == pick_device("cpu") == pick_device("cpu:3") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto") == pick_device("cuda") == torch.device("cuda")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ConfigError, match="the last one here is cuda:1"):
        pick_device("cuda:2")


def test_lower_precision_is_near_and_must_be_asked_for(models: list[Predictor]) -> None:
    full, lower = Models(models), Models(models, precision=torch.bfloat16)
    rows = read_rows(TEXTS, full.needs)
    scores = [one.predict(one.embed(rows))[full.ranking].to_numpy() for one in (full, lower)]
    known = ~np.isnan(scores[0])
    assert not np.array_equal(*(one[known] for one in scores))
    assert np.allclose(*(one[known] for one in scores), atol=0.05)
    assert lower.embed(rows).prepared[lower.trunks[0]].need("embedding").dtype == torch.float32
    with pytest.raises(ConfigError, match="float16"):
        Models(models, precision=torch.float16)
