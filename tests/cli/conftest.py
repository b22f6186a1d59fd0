"""The command line in this process: all of it but what `molmeta.cli.__main__` does to a process."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import molmeta
from molmeta.checkpoint import save_checkpoint
from molmeta.cli.app import app
from molmeta.learner import Learner


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        content = json.loads(self.out)
        assert isinstance(content, dict)
        return content


Run = Callable[..., Done]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:

    def call(*arguments: object) -> Done:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            app([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        code = end.value.code
        return Done(code if isinstance(code, int) else 0, out, err)

    return call


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint with random weights."""
    torch.manual_seed(0)
    learner = Learner(
        {"name": "fingerprint", "dim": 16, "width": 32, "depth": 1},
        {"evidence": {"dim": 16}, "proto": {"dim": 16}},
    )
    folder = tmp_path_factory.mktemp("models") / "small-0"
    save_checkpoint(folder, learner)
    return folder


def write_alcohols(folder: Path) -> Path:
    """Twelve compounds, alcohols "active"; one has an aromatic [nH], one row is unreadable."""
    active = ["CCO", "CCCO", "CCCCO", "CC(O)CC", "OCc1ccccc1", "OCCc1c[nH]cc1"]
    inactive = ["CCC", "CCCC", "CCCCC", "CC(C)CC", "Cc1ccccc1", "CCc1c[nH]cc1"]
    rows = [f"{smiles},{label}" for label, group in ((1, active), (0, inactive)) for smiles in group]
    path = folder / "alcohols.csv"
    path.write_text("\n".join(["smiles,active", *rows, "c1cc[nH]c1X,1"]) + "\n")
    return path


@pytest.fixture
def assay(tmp_path: Path) -> Path:
    return write_alcohols(tmp_path)


@pytest.fixture(scope="session")
def model(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The alcohols, adapted to without a verdict."""
    folder = tmp_path_factory.mktemp("adapted")
    predictor = molmeta.adapt(write_alcohols(folder), checkpoint, verdict=False)
    predictor.save(folder / "alcohols.molmeta")
    return folder / "alcohols.molmeta"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two assays in the form of an FS-Mol table: alcohols against alkanes and against amines."""
    rows = ["assay,smiles,label,value,p_value,relation"]
    draw = random.Random(0)
    for assay, other in (("A1", "C"), ("A2", "N")):
        for n in range(2, 14):
            for smiles, label in ((f"{'C' * n}O", 1), (f"{'C' * n}{other}", 0)):
                p = round(5 + 2 * label + draw.random(), 3)
                rows.append(f"{assay},{smiles},{label},{10 ** (9 - p):.6g},{p},=")
    path = tmp_path / "table.csv"
    path.write_text("\n".join(rows) + "\n")
    return path
