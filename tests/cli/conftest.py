"""The command line as users reach it: through the console script's entry point, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import torch

from molmeta.checkpoint import save_checkpoint
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
    (script,) = entry_points(group="console_scripts", name="molmeta")
    app = script.load()

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
    learner = Learner({"name": "fingerprint", "dim": 16, "width": 32, "depth": 1}, {"gp": {"dim": 16}, "proto": {"dim": 16}})
    folder = tmp_path_factory.mktemp("models") / "small-0"
    save_checkpoint(folder, learner)
    return folder


@pytest.fixture
def assay(tmp_path: Path) -> Path:
    """Twelve compounds, alcohols "active"; one has an aromatic [nH], one row is unreadable."""
    active = ["CCO", "CCCO", "CCCCO", "CC(O)CC", "OCc1ccccc1", "OCCc1c[nH]cc1"]
    inactive = ["CCC", "CCCC", "CCCCC", "CC(C)CC", "Cc1ccccc1", "CCc1c[nH]cc1"]
    rows = [f"{smiles},{label}" for label, group in ((1, active), (0, inactive)) for smiles in group]
    path = tmp_path / "alcohols.csv"
    path.write_text("\n".join(["smiles,active", *rows, "c1cc[nH]c1X,1"]) + "\n")
    return path
