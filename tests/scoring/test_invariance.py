"""A score is that of the compound: whatever stands beside it, wherever it is computed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molmeta.predictor import Predictor
from molmeta.scoring import Local, Shard, merge, score_frames, score_library

from .conftest import spellings, write_smi

POOL = spellings(300, seed=3)
# Columns of numbers; the others must be equal to the last letter.
NUMBERS = ["mm_score", "mm_probability", "mm_std", "mm_low", "mm_high", "mm_nearest_similarity"]


@cache
def alone(predictor: Predictor) -> pd.DataFrame:
    """Each compound of the pool by itself."""
    return pd.concat([predictor.predict(text) for text in POOL], ignore_index=True)


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert found["mm_status"].tolist() == expected["mm_status"].tolist()
    for name in NUMBERS:
        np.testing.assert_allclose(
            found[name].to_numpy(float), expected[name].to_numpy(float), rtol=1e-5, atol=1e-9
        )


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.integers(0, len(POOL) - 1), max_size=60), chunk=st.integers(1, 70))
def test_alone_in_any_batch_and_order(models: list[Predictor], rows: list[int], chunk: int) -> None:
    table = pd.DataFrame({"smiles": [POOL[i] for i in rows]}, dtype="str")
    frames = list(score_frames(models[0], table, chunk=chunk, smiles_column="smiles"))
    if not rows:
        assert not frames
        return
    found = pd.concat(frames)
    assert found.index.tolist() == list(range(len(rows)))
    assert found["smiles"].tolist() == [POOL[i] for i in rows]
    same(found, alone(models[0]).iloc[rows])


@settings(max_examples=6, deadline=None)
@given(workers=st.integers(0, 3), shards=st.integers(1, 4), chunk=st.integers(20, 200))
def test_bytes_are_those_of_one_process(
    models: list[Predictor], workers: int, shards: int, chunk: int
) -> None:
    with TemporaryDirectory() as folder:
        library = write_smi(Path(folder, "lib.csv"), POOL)
        whole, out = Path(folder, "whole.csv"), Path(folder, "out.csv")
        score_library(models[0], library, whole, chunk=chunk)
        for number in range(1, shards + 1):
            score_library(
                models[0], library, out, chunk=chunk, engine=Local(workers), shard=Shard(number, shards)
            )
        if shards > 1:
            merge(out)
        assert out.read_bytes() == whole.read_bytes()


def test_frames_from_worker_processes_are_the_same(models: list[Predictor]) -> None:
    table = pd.DataFrame({"smiles": POOL}, dtype="str")
    pd.testing.assert_frame_equal(
        pd.concat(score_frames(models, table, chunk=64, workers=2)),
        pd.concat(score_frames(models, table, chunk=64)),
    )


@pytest.mark.parametrize("columns", [["mm_score"], ["mm_nearest", "mm_status"], ["mm_set", "mm_in_domain"]])
def test_columns_are_those_of_the_whole_table(models: list[Predictor], columns: list[str]) -> None:
    table = pd.DataFrame({"smiles": POOL}, dtype="str")
    whole = pd.concat(score_frames(models[0], table))
    some = pd.concat(score_frames(models[0], table, columns=columns))
    in_order = [name for name in models[0].columns if name in columns]
    pd.testing.assert_frame_equal(some, whole[["smiles", *in_order]])
