from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from molmeta import bundle
from molmeta.bundle import Origin, rounded, write_bundle, write_reference
from molmeta.checkpoint import save_checkpoint
from molmeta.errors import CheckpointError, RefusedError, ResourceError
from molmeta.learner import Learner
from molmeta.unbundle import read_bundle

STATE = {"note": "Ångström", "values": [0.1, -3.5]}


@pytest.fixture(scope="module")
def learner() -> Learner:
    torch.manual_seed(0)
    heads = {"evidence": {"dim": 16}, "mahalanobis": {"dim": 16, "project": 8}}
    return Learner({"name": "fingerprint", "width": 32, "depth": 1, "dim": 16}, heads).eval()


@pytest.fixture
def file(learner: Learner, tmp_path: Path) -> Path:
    write_bundle(tmp_path / "a.molmeta", learner, ["evidence"], STATE)
    return tmp_path / "a.molmeta"


def test_what_was_written_is_read(file: Path, learner: Learner):
    found = read_bundle(file)
    found, state = found.learner, found.state
    assert state == STATE
    assert list(found.heads) == ["evidence"]
    expected = rounded(learner).state_dict()
    for key, value in found.state_dict().items():
        assert torch.equal(value, expected[key]), key


def test_rounding_twice_changes_nothing(learner: Learner):
    once = rounded(learner)
    twice = rounded(once)
    assert all(torch.equal(value, twice.state_dict()[key]) for key, value in once.state_dict().items())


def test_the_same_model_gives_the_same_bytes(file: Path, learner: Learner, tmp_path: Path):
    write_bundle(tmp_path / "b.molmeta", learner, ["evidence"], STATE)
    assert (tmp_path / "b.molmeta").read_bytes() == file.read_bytes()


def test_nothing_is_overwritten_unasked(file: Path, learner: Learner):
    before = file.read_bytes()
    with pytest.raises(RefusedError, match="exists"):
        write_bundle(file, learner, ["evidence"], {})
    assert file.read_bytes() == before
    write_bundle(file, learner, ["evidence"], {"other": 1}, force=True)
    assert read_bundle(file).state == {"other": 1}
    assert [f.name for f in file.parent.iterdir()] == [file.name]


def test_a_folder_that_is_not_there_is_refused(learner: Learner, tmp_path: Path):
    with pytest.raises(RefusedError, match="not a folder"):
        write_bundle(tmp_path / "no" / "a.molmeta", learner, ["evidence"], {})


@pytest.mark.parametrize("at", [0.2, 0.5, 0.9, 0.999])
def test_a_flipped_bit_is_found(file: Path, at: float):
    data = bytearray(file.read_bytes())
    header = 8 + int.from_bytes(data[:8], "little")
    place = header + int(at * (len(data) - header))
    data[place] ^= 1
    file.write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        read_bundle(file)


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 100, b"PK\x03\x04" + b"0" * 60, (2**60).to_bytes(8, "little")]
)
def test_other_files_are_told_apart(data: bytes, tmp_path: Path):
    (tmp_path / "x.molmeta").write_bytes(data)
    with pytest.raises(CheckpointError):
        read_bundle(tmp_path / "x.molmeta")


def test_a_cut_file_is_refused(file: Path):
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError):
        read_bundle(file)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"nothing\.molmeta"):
        read_bundle(tmp_path / "nothing.molmeta")


def test_plain_tensors_are_no_model(tmp_path: Path):
    (tmp_path / "x.molmeta").write_bytes(save({"a": torch.zeros(2)}))
    with pytest.raises(CheckpointError, match="no adapted model"):
        read_bundle(tmp_path / "x.molmeta")


def rewritten(file: Path, change: dict[str, object], header: dict[str, object] | None = None) -> None:
    """The file with other state, and a sha256 that fits."""
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    metadata = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["molmeta"])
    tensors = load(data)
    state = json.loads(bytes(tensors["state"].numpy())) | change
    tensors["state"] = torch.tensor(list(json.dumps(state).encode()), dtype=torch.uint8)
    plain = save(tensors)
    metadata["sha256"] = hashlib.sha256(plain[8 + int.from_bytes(plain[:8], "little") :]).hexdigest()
    file.write_bytes(save(tensors, metadata={"molmeta": json.dumps(metadata | (header or {}))}))


@pytest.mark.parametrize("header", [{"format": "x"}, {"format": None}, {"sha256": None}])
def test_a_header_of_nonsense_is_refused(file: Path, header: dict[str, object]):
    rewritten(file, {}, header)
    with pytest.raises(CheckpointError):
        read_bundle(file)


def test_a_newer_format_asks_for_an_upgrade(file: Path):
    rewritten(file, {}, {"format": 99})
    with pytest.raises(CheckpointError, match="upgrade"):
        read_bundle(file)


@pytest.mark.parametrize(
    "learner_config",
    [
        {
            "encoder": {"name": "fingerprint", "width": 64, "depth": 1, "dim": 16},
            "heads": {"evidence": {"dim": 16}},
        },
        {"encoder": {"name": "fingerprint", "width": 32, "depth": 1, "dim": 16}, "heads": {}},
        {"encoder": {"name": "os.system"}, "heads": {}},
        {"encoder": [], "heads": {}},
        7,
    ],
)
def test_a_config_that_does_not_fit_the_tensors_is_refused(file: Path, learner_config: object):
    rewritten(file, {"learner": learner_config})
    with pytest.raises(CheckpointError):
        read_bundle(file)


def test_a_reference_needs_the_same_checkpoint(learner: Learner, tmp_path: Path):
    folder = tmp_path / "model"
    save_checkpoint(folder, learner)
    origin = Origin.of(folder)
    write_reference(tmp_path / "a.molmeta", origin, STATE)
    found = read_bundle(tmp_path / "a.molmeta")
    found, state = found.learner, found.state
    assert state == STATE
    assert (tmp_path / "a.molmeta").stat().st_size < 2000
    assert torch.equal(
        found.head("evidence").state_dict()["prior"], learner.head("evidence").state_dict()["prior"]
    )
    with torch.no_grad():
        learner.head("evidence").get_parameter("prior").add_(1.0)
    save_checkpoint(folder, learner)
    with pytest.raises(CheckpointError, match="install that version"):
        read_bundle(tmp_path / "a.molmeta")
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match="needs its checkpoint"):
        read_bundle(tmp_path / "a.molmeta")


def test_what_could_not_be_read_is_not_written(learner: Learner, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(bundle, "MOST_STATE", 10)
    with pytest.raises(ResourceError, match="adapt to fewer rows"):
        write_bundle(tmp_path / "a.molmeta", learner, ["evidence"], STATE)
    assert not list(tmp_path.iterdir())
