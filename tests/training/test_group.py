"""Several processes that torchrun starts train what one would, also where one of them is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from molmeta.checkpoint import load_checkpoint
from molmeta.errors import ConfigError
from molmeta.training import train
from molmeta.training.group import ALONE, Group
from molmeta.training.journal import STATE

TOLERANCE = 1e-4  # of weights, losses and scores, absolute and relative

GIN = """[encoder]
name = "gin"
width = 16
depth = 2
dim = 16
dropout = 0.0
"""


def torchrun(*arguments: object, restarts: int = 0) -> list[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--max-restarts", str(restarts), "--monitor-interval", "0.1"]
    return [*command, "-m", "molmeta.cli", "train", *map(str, arguments)]


def finished(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=environment)


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]


def without_chance(folder: Path, encoder: str) -> Path:
    """The configuration of the corpus without dropout, and with a loss for each of three episodes."""
    text = (folder / "tiny.toml").read_text(encoding="utf-8").replace("dropout = 0.2", "dropout = 0.0")
    text = text.replace("episodes = 2", "episodes = 3")
    if encoder == "gin":
        start, end = text.index("[encoder]"), text.index("[heads.evidence]")
        text = text[:start] + GIN + text[end:]
    path = folder / f"exact-{encoder}.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("encoder", ["fingerprint", "gin"])
def test_two_processes_train_what_one_does(encoder: str, corpus_folder: Path, tmp_path: Path) -> None:
    config = without_chance(corpus_folder, encoder)
    train(config, tmp_path / "one", data=corpus_folder, device="cpu")
    done = finished(torchrun(config, "--data", corpus_folder, "-o", tmp_path / "two"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("the model is the folder") == 1  # the other process says nothing
    one, two = (load_checkpoint(tmp_path / name).state_dict() for name in ("one", "two"))
    assert one.keys() == two.keys()
    # Sums of a batch have another order. AdamW makes more of that where gradients are next to nothing.
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=TOLERANCE, rtol=TOLERANCE)
    for alone, together in zip(log(tmp_path / "one"), log(tmp_path / "two"), strict=True):
        assert (alone["stage"], alone["step"]) == (together["stage"], together["step"])
        assert together["loss"] == pytest.approx(alone["loss"], abs=TOLERANCE)
        assert together["validation"] == pytest.approx(alone["validation"], abs=TOLERANCE)


@pytest.fixture(scope="module")
def long(corpus_folder: Path) -> Path:
    """A configuration with dropout whose run lasts some seconds."""
    text = (corpus_folder / "tiny.toml").read_text(encoding="utf-8")
    config = corpus_folder / "long.toml"
    config.write_text(text.replace("epochs = 2", "epochs = 8"), encoding="utf-8")
    return config


@pytest.fixture(scope="module")
def whole(long: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its run in two processes, of which none is killed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    done = finished(torchrun(long, "--data", long.parent, "-o", out))
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_changes_nothing(rank: int, long: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    command = torchrun(long, "--data", long.parent, "-o", out, restarts=2)
    with (tmp_path / "said").open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as agent:
        victim = worker(agent.pid, rank)
        while not (out / STATE).exists():
            assert agent.poll() is None
            time.sleep(0.01)
        victim.kill()
        code = agent.wait(timeout=240)
    text = (tmp_path / "said").read_text()
    assert code == 0, text[-6000:]
    want, got = (load_checkpoint(folder).state_dict() for folder in (whole, out))
    assert all(torch.equal(want[key], got[key]) for key in want)
    losses = [[(line["stage"], line["loss"]) for line in log(folder)] for folder in (whole, out)]
    assert losses[0] == losses[1]


def worker(agent: int, rank: int) -> psutil.Process:
    """The process of that rank that torchrun has started."""
    for _ in range(600):
        for process in psutil.Process(agent).children(recursive=True):
            with suppress(psutil.Error):
                if process.environ().get("RANK") == str(rank):
                    return process
        time.sleep(0.1)
    raise AssertionError(f"torchrun has started no process of rank {rank} within a minute")


def test_a_batch_is_shared_out_evenly_and_without_overlap() -> None:
    index, atoms = torch.randperm(1000)[:333], torch.randint(5, 80, (333,))
    parts = [Group(rank, 4).own(index, atoms) for rank in range(4)]
    assert torch.equal(torch.cat(parts).sort().values, index.sort().values)
    place = {int(i): int(a) for i, a in zip(index, atoms, strict=True)}
    work = [sum(place[int(i)] for i in part) for part in parts]
    assert max(work) < 1.02 * min(work)
    assert torch.equal(ALONE.own(index, atoms), index)


def test_fewer_compounds_than_processes_are_refused(
    corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "32", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=r"batch_size is 16, less than one compound for each of the 32"):
        train(corpus_folder / "tiny.toml", tmp_path / "run", data=corpus_folder, device="cpu")
