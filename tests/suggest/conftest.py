"""Small models of the shipped assays."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from molmeta import assays
from molmeta.adaptation import adapt
from molmeta.checkpoint import save_checkpoint
from molmeta.learner import Learner
from molmeta.predictor import Predictor


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with random weights."""
    torch.manual_seed(0)
    learner = Learner({"name": "fingerprint", "width": 32, "depth": 1, "dim": 16}, {"evidence": {"dim": 16}})
    path = tmp_path_factory.mktemp("models") / "small"
    save_checkpoint(path, learner)
    return path


@pytest.fixture(scope="session")
def bbb(small: Path) -> Predictor:
    """Of classes."""
    return adapt(assays.path("bbb"), small, verdict=False)


@pytest.fixture(scope="session")
def logp(small: Path) -> Predictor:
    """Of values."""
    return adapt(assays.path("logp"), small, verdict=False)


@pytest.fixture(scope="session")
def drugs() -> pd.DataFrame:
    """Every fourth drug, with prices and stocks; some have none."""
    rows = [line.split("\t") for line in assays.path("drugs").read_text(encoding="utf-8").splitlines()][::4]
    return pd.DataFrame(
        {
            "smiles": [row[0] for row in rows],
            "name": [row[1] for row in rows],
            "price": ["" if i % 10 == 3 else f"{1 + i % 7}" for i in range(len(rows))],
            "stock": [("0", "3", "yes", "no", "")[i % 5] for i in range(len(rows))],
        }
    )
