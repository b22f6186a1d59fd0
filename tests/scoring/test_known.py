"""Scores without canonical SMILES are those with them, whether or not a compound is in a head's tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from molmeta import assays
from molmeta.adaptation import adapt
from molmeta.checkpoint import load_checkpoint, save_checkpoint
from molmeta.chem.rows import read_rows
from molmeta.chem.sketch import sketches
from molmeta.data.history import History
from molmeta.heads.evidence.head import Evidence
from molmeta.learner import Learner
from molmeta.predictor import Predictor
from molmeta.scoring import score_library

LIBRARY = assays.path("drugs")
DRUGS = [line.split()[0] for line in LIBRARY.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """With tables that hold every second drug, and nearly all labelled compounds."""
    torch.manual_seed(0)
    learner = Learner({"name": "fingerprint", "width": 32, "depth": 1, "dim": 16}, {"evidence": {"dim": 16}})
    rows = read_rows([*DRUGS[::2], *pd.read_csv(assays.path("bbb"))["smiles"]], {"counts", "identity"})
    identity = np.unique(rows.mols.need("identity").numpy())
    compound, assay = np.repeat(np.arange(len(identity)), 3), np.tile(np.arange(3), len(identity))
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, len(compound)).astype(np.float32)
    value = rng.normal(size=len(compound)).astype(np.float32)
    head = learner.head("evidence")
    assert isinstance(head, Evidence)
    head.start_from(torch.randn(3, 16), History(identity, compound, assay, label, value))
    learner.sketches = torch.unique(sketches(rows.mols.need("counts")))
    path = tmp_path_factory.mktemp("trained") / "small"
    save_checkpoint(path, learner)
    assert torch.equal(load_checkpoint(path).sketches, learner.sketches)
    return adapt(assays.path("bbb"), path, verdict=False)


def scored(model: Predictor, out: Path, columns: list[str]) -> pd.DataFrame:
    score_library(model, LIBRARY, out, columns=columns, chunk=100)
    return pd.read_csv(out)


@pytest.mark.parametrize("labelled", [False, True])
def test_scores_do_not_depend_on_names(
    trained: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labelled: bool
) -> None:
    if labelled:  # drugs among the support set, which are predicted from the others
        drugs = pd.DataFrame({"smiles": DRUGS[:12], "bbb": 1})
        both = pd.concat([pd.read_csv(assays.path("bbb"))[["smiles", "bbb"]], drugs])
        trained = replace(trained, support=adapt(both, verdict=False).support)
    assert trained.known is not None
    with_names = scored(trained, tmp_path / "names.csv", ["mm_score", "mm_smiles"])
    without = scored(trained, tmp_path / "plain.csv", ["mm_score"])
    assert np.array_equal(with_names["mm_score"], without["mm_score"], equal_nan=True)
    # The tables matter, or this test would not see that they are not asked.
    learner = trained.ensemble.learner
    monkeypatch.setattr(learner, "sketches", learner.sketches[:1])
    blind = scored(replace(trained), tmp_path / "blind.csv", ["mm_score"])
    assert not np.array_equal(blind["mm_score"], without["mm_score"], equal_nan=True)


def test_files_with_structures_have_all_names(trained: Predictor, tmp_path: Path) -> None:
    out = tmp_path / "out.sdf"
    score_library(trained, LIBRARY, out, columns=["mm_score"])
    assert out.read_text("utf-8").count("V2000") == len(DRUGS)
