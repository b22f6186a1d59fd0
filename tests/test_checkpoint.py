"""Checkpoints come back as they were, and nothing else is loaded."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from molmeta.checkpoint import CONFIG, WEIGHTS, find_checkpoint, load_checkpoint, save_checkpoint
from molmeta.conformity import Conformity, Scores
from molmeta.errors import CheckpointError, ConfigError
from molmeta.files import write_whole
from molmeta.learner import Learner

ENCODER = {"name": "fingerprint", "width": 16, "depth": 1, "dim": 8}
HEADS = {"evidence": {"dim": 8}, "proto": {"dim": 8}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    learner = Learner(ENCODER, HEADS)
    learner.seen = torch.tensor([-5, 3, 8])
    learner.info = {"assays": 3}
    save_checkpoint(tmp_path / "m", learner, half=False)
    return tmp_path / "m"


def resign(folder: Path) -> None:
    """Makes the sha256 fit again, as somebody who meant harm would."""
    import hashlib

    config = json.loads((folder / CONFIG).read_text())
    config["sha256"] = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    (folder / CONFIG).write_text(json.dumps(config))


def test_round_trip(folder: Path) -> None:
    torch.manual_seed(0)
    want, got = Learner(ENCODER, HEADS), load_checkpoint(folder)
    assert got.spec == want.spec
    assert got.info == {"assays": 3}
    assert got.seen.tolist() == [-5, 3, 8]
    assert not got.training
    state = got.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in want.state_dict().items())


def test_half_precision_is_stable(folder: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a", load_checkpoint(folder))
    save_checkpoint(tmp_path / "b", load_checkpoint(tmp_path / "a"))
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == (tmp_path / "b" / WEIGHTS).read_bytes()


def test_conformity_comes_back(folder: Path, tmp_path: Path) -> None:
    learner = load_checkpoint(folder)
    assert len(learner.conformity.size) == 0
    scores = [Scores(n, np.arange(9.0), -np.arange(9.0), np.arange(9.0) / n) for n in (8, 32)]
    learner.conformity = Conformity.learn(scores)
    save_checkpoint(tmp_path / "c", learner)
    again = load_checkpoint(tmp_path / "c").conformity
    for name, table in learner.conformity.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], table)


@pytest.mark.parametrize("change", ["missing", "short", "nan"])
def test_a_conformity_that_does_not_fit_is_refused(folder: Path, change: str) -> None:
    learner = load_checkpoint(folder)
    learner.conformity = Conformity.learn([Scores(8, np.ones(1), np.ones(1), np.ones(1))])
    save_checkpoint(folder, learner)
    tensors = load_file(folder / WEIGHTS)
    key = "conformity.active"
    if change == "missing":
        del tensors[key]
    else:
        tensors[key] = tensors[key][:, 1:].contiguous() if change == "short" else tensors[key] * torch.nan
    save_file(tensors, folder / WEIGHTS)
    resign(folder)
    with pytest.raises(CheckpointError, match="conformity"):
        load_checkpoint(folder)


def test_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="shipped model"):
        find_checkpoint(tmp_path / "none")


def test_a_changed_byte_is_noticed(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match="sha256"):
        load_checkpoint(folder)


def test_missing_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match="has no weights"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no safetensors file"),
        (b"\x80\x05pickle", "is a pickle"),
        ((2**60).to_bytes(8, "little") + b"{}", "has a header of 1,152,921,504,606,846,976 bytes"),
        ((2).to_bytes(8, "little") + b"[]", "header is no object"),
    ],
)
def test_what_is_no_safetensors_file(folder: Path, data: bytes, message: str) -> None:
    (folder / WEIGHTS).write_bytes(data)
    resign(folder)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_tensors_must_be_the_expected_ones(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    for change in (
        {"encoder.output.bias": torch.zeros(9)},
        {"encoder.output.bias": torch.full((8,), float("nan"))},
        {"more": torch.zeros(1)},
    ):
        save_file(tensors | change, folder / WEIGHTS)
        resign(folder)
        with pytest.raises(CheckpointError):
            load_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "upgrade molmeta"),
        ({"encoder": {"name": "telepathy"}}, "cannot build"),
        ({"heads": {"evidence": {"dims": 8}}}, "cannot build"),
    ],
)
def test_config_of_another_kind(folder: Path, change: dict[str, object], message: str) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | change))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_unknown_heads_are_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match="evidence, proto"):
        load_checkpoint(folder).head("rf")


def test_known_compounds(tmp_path: Path) -> None:
    from molmeta.chem.features import compound_hash

    learner = Learner(ENCODER, HEADS)
    learner.seen = torch.tensor(sorted(map(compound_hash, ["CCO", "CCN"])))
    assert learner.knows(["CCN", "CCC", "CCO"]).tolist() == [True, False, True]


@pytest.mark.skipif(os.name != "posix", reason="rights of other users are those of POSIX")
def test_a_file_that_is_replaced_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "private"
    path.touch()
    path.chmod(0o600)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
