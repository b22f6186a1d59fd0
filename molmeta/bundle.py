"""`.molmeta`: an adapted model in one safetensors file, which holds numbers and JSON and nothing else.

Tensors are the weights that the model uses (`learner.*`) and `state`, a JSON text as bytes; the header
names the format and the sha256 of everything behind it. With `reference_only` the weights stay out, and
the state names the checkpoint and its sha256 instead.
"""

from __future__ import annotations

import copy
import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from molmeta.checkpoint import (
    CONFIG,
    build_learner,
    find_checkpoint,
    learner_config,
    learner_tensors,
    load_checkpoint,
    parse_tensors,
    says_conformity,
)
from molmeta.errors import CheckpointError, RefusedError
from molmeta.files import write_whole
from molmeta.learner import Learner

SUFFIX = ".molmeta"
FORMAT = 1
_WEIGHTS, _STATE, _HEADER = "learner.", "state", "molmeta"


@dataclass(frozen=True)
class Origin:
    """The checkpoint that an adapted model came from.

    Attributes
    ----------
    model : str
        Name or folder, as given.
    sha256 : str
        Of its weights.
    """

    model: str
    sha256: str

    @classmethod
    def of(cls, model: str | Path) -> Origin:
        """Raises CheckpointError where there is no such checkpoint."""
        folder = find_checkpoint(model)
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        return cls(str(model), str(config["sha256"]))


def write_bundle(
    path: Path, learner: Learner, heads: list[str], state: Mapping[str, Any], *, force: bool = False
) -> None:
    """Writes a bundle with the weights of the encoder and of `heads`, and what is known of earlier assays.

    Parameters
    ----------
    state : mapping
        Plain JSON.
    force : bool
        Replace a file that is there.

    Raises
    ------
    RefusedError
        The file exists.
    """
    config = learner_config(learner)
    config["heads"] = {name: config["heads"][name] for name in heads}
    config["order"] = heads  # JSON is written sorted, and the first head is the default one
    config["last_layers"] = [name for name in config["last_layers"] if name in heads]
    usual = learner.default_head in heads  # whose predictions the conformity is about
    left = [name for name in learner.heads if name not in heads]
    others = tuple(f"{part}.{name}." for name in left for part in ("heads", "last_layers"))
    tensors = {
        _WEIGHTS + key: value
        for key, value in learner_tensors(learner).items()
        if not key.startswith(others) and (usual or not says_conformity(key))
    }
    _write(path, tensors, {**state, "learner": config, "name": learner.name}, force)


def write_reference(path: Path, origin: Origin, state: Mapping[str, Any], *, force: bool = False) -> None:
    """Writes a bundle that names its checkpoint and holds no weights; raises as `write_bundle`."""
    _write(path, {}, {**state, "origin": {"model": origin.model, "sha256": origin.sha256}}, force)


def read_bundle(path: Path) -> tuple[Learner, dict[str, Any]]:
    """Learner (on the CPU, in evaluation mode) and state of a bundle.

    Raises
    ------
    CheckpointError
        No such file, damaged, not a bundle, of a newer format, with tensors that do not fit, or a
        reference to a checkpoint that is missing or has changed.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    tensors = parse_tensors(data, str(path))
    try:
        _check_header(data, path)
        state = json.loads(bytes(tensors.pop(_STATE).numpy()))
        reference = state.pop("origin", None)
        if reference is not None:
            return _referenced(Origin(**reference), path), state
        weights = {key.removeprefix(_WEIGHTS): value for key, value in tensors.items()}
        config = state.pop("learner")
        order = config.pop("order", list(config["heads"]))
        config["heads"] = {name: config["heads"][name] for name in order}
        return build_learner(config, weights, str(state.pop("name"))), state
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} is not a complete molmeta model: {error!r}; adapt again") from error


def versions() -> dict[str, str]:
    """Of what a model was made with."""
    found = {name: version(name) for name in ("molmeta", "torch", "rdkit")}
    return found | {"python": platform.python_version()}


def is_reference(path: Path) -> bool:
    """Whether the bundle at a path, which can be read, names its checkpoint in place of weights."""
    with path.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    return not any(str(key).startswith(_WEIGHTS) for key in header)


def rounded(learner: Learner) -> Learner:
    """A copy with the weights as they will be stored, so that a saved predictor predicts the same."""
    twin = copy.deepcopy(learner).eval()
    stored = learner_tensors(learner)
    twin.load_state_dict({key: stored[key].to(value.dtype) for key, value in twin.state_dict().items()})
    return twin


def _write(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any], force: bool) -> None:
    if path.exists() and not force:
        raise RefusedError(f"{path} exists; give another name, or --force to replace it")
    if not path.parent.is_dir():
        raise RefusedError(f"{path.parent} is not a folder; create it first, or give another path")
    text = json.dumps(state, ensure_ascii=False, allow_nan=False, sort_keys=True)
    payload = {**tensors, _STATE: torch.frombuffer(bytearray(_encode(text)), dtype=torch.uint8)}
    # One entry: safetensors writes several in no fixed order, and equal models shall be equal files.
    header = json.dumps({"format": FORMAT, "sha256": _digest(save(payload))})
    write_whole(path, save(payload, metadata={_HEADER: header}))


def _encode(text: str) -> bytes:
    """JSON as bytes; half a character of a broken table becomes its escape, which JSON reads back."""
    return text.encode("utf-8", "backslashreplace")


def _check_header(data: bytes, path: Path) -> None:
    size = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + size]).get("__metadata__") or {}
    if _HEADER not in metadata:
        raise CheckpointError(f"{path} holds tensors but is no adapted model; make one with `molmeta adapt`")
    header = json.loads(metadata[_HEADER])
    if int(header["format"]) > FORMAT:
        raise CheckpointError(
            f"{path} has format {int(header['format'])}, this molmeta reads up to {FORMAT}; upgrade molmeta"
        )
    if header["sha256"] != _digest(data):
        raise CheckpointError(f"{path} is damaged: its sha256 does not match; copy it again, or adapt again")


def _digest(data: bytes) -> str:
    """sha256 of what follows the header of a safetensors file."""
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


def _referenced(origin: Origin, path: Path) -> Learner:
    try:
        found = Origin.of(origin.model)
    except CheckpointError as error:
        raise CheckpointError(
            f"{path} was saved without weights, and needs its checkpoint: {error}"
        ) from error
    if found.sha256 != origin.sha256:
        raise CheckpointError(
            f"{path} came from a '{origin.model}' with sha256 {origin.sha256[:12]}..., but the one here "
            f"has {found.sha256[:12]}...; install that version, or adapt again"
        )
    return load_checkpoint(origin.model)
