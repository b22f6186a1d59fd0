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

from molmeta.blueprint import build
from molmeta.checkpoint import (
    check_format,
    fill,
    find_checkpoint,
    learner_config,
    learner_tensors,
    load_checkpoint,
    read_config,
    says_conformity,
)
from molmeta.errors import CheckpointError, RefusedError, ResourceError
from molmeta.files import write_whole
from molmeta.learner import Learner
from molmeta.stored import parse_json, shown
from molmeta.tensorfile import TensorFile

SUFFIX = ".molmeta"
FORMAT = 1
_WEIGHTS, _STATE, _HEADER = "learner.", "state", "molmeta"
_MOST_STATE = 2**28  # bytes of JSON; a million rows have that much


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
        return cls(str(model), str(read_config(folder)["sha256"]))


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
    file = TensorFile.open(path)
    _check_header(file)
    state = _read_state(file)
    try:
        reference = state.pop("origin", None)
        if reference is not None:
            return _referenced(Origin(str(reference["model"]), str(reference["sha256"])), path), state
        config = state.pop("learner")
        order = config.pop("order", list(config["heads"]))
        config["heads"] = {name: config["heads"][name] for name in order}
        name = str(state.pop("name"))
        info = dict(config.get("info", {}))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        said = shown(repr(error))
        raise CheckpointError(f"{path} is not a complete molmeta model: {said}; adapt again") from error
    own = {key: entry for key, entry in file.entries.items() if key != _STATE}
    if other := [key for key in own if not key.startswith(_WEIGHTS)]:
        raise CheckpointError(f"{path} holds a tensor '{shown(other[0])}' that no model has; adapt again")
    learner = build(config, {key.removeprefix(_WEIGHTS): one for key, one in own.items()}, str(path))
    learner.info = info
    weights = {key.removeprefix(_WEIGHTS): value for key, value in file.tensors().items() if key in own}
    return fill(learner, weights, name), state


def versions() -> dict[str, str]:
    """Of what a model was made with."""
    found = {name: version(name) for name in ("molmeta", "torch", "rdkit")}
    return found | {"python": platform.python_version()}


def is_reference(path: Path) -> bool:
    """Whether the bundle at a path, which can be read, names its checkpoint in place of weights."""
    return not any(key.startswith(_WEIGHTS) for key in TensorFile.open(path).entries)


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
    text = _encode(json.dumps(state, ensure_ascii=False, allow_nan=False, sort_keys=True))
    if len(text) > _MOST_STATE:
        raise ResourceError(
            f"the rows of this assay take {len(text):,} bytes in a model, which holds {_MOST_STATE:,}; "
            "adapt to fewer rows"
        )
    payload = {**tensors, _STATE: torch.frombuffer(bytearray(text), dtype=torch.uint8)}
    # One entry: safetensors writes several in no fixed order, and equal models shall be equal files.
    header = json.dumps({"format": FORMAT, "sha256": _digest(save(payload))})
    write_whole(path, save(payload, metadata={_HEADER: header}))


def _encode(text: str) -> bytes:
    """JSON as bytes; half a character of a broken table becomes its escape, which JSON reads back."""
    return text.encode("utf-8", "backslashreplace")


def _check_header(file: TensorFile) -> None:
    """Format and sha256, which the header carries as JSON, and the size of the state."""
    if _HEADER not in file.metadata:
        raise CheckpointError(
            f"{file.path} holds tensors but is no adapted model; make one with `molmeta adapt`"
        )
    header = parse_json(str(file.metadata[_HEADER]).encode(), f"the header of {file.path}")
    if not isinstance(header, dict) or not {"format", "sha256"} <= header.keys():
        raise CheckpointError(f"{file.path} is not a complete molmeta model: its header says no format")
    check_format(header["format"], FORMAT, file.path)
    entry = file.entries.get(_STATE)
    if entry is None or entry.dtype != "U8" or len(entry.shape) != 1 or entry.shape[0] > _MOST_STATE:
        said = "has no state" if entry is None else f"has a state of {entry.shape} {entry.dtype}"
        raise CheckpointError(f"{file.path} {said}; wanted at most {_MOST_STATE:,} bytes of JSON")
    if header["sha256"] != file.sha256(whole=False):
        raise CheckpointError(
            f"{file.path} is damaged: its sha256 does not match; copy it again, or adapt again"
        )


def _read_state(file: TensorFile) -> dict[str, Any]:
    state = parse_json(file.read(_STATE), str(file.path))
    if not isinstance(state, dict):
        raise CheckpointError(f"{file.path} is not a complete molmeta model: its state is no object")
    return state


def _digest(data: bytes) -> str:
    """sha256 of what follows the header of a safetensors file."""
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


def _referenced(origin: Origin, path: Path) -> Learner:
    if origin.model.startswith(("//", "\\\\")):
        raise CheckpointError(
            f"{path} names the checkpoint {shown(origin.model)} of another machine, which is not asked; "
            "save it with its weights (without --reference-only)"
        )
    try:
        found = Origin.of(origin.model)
    except CheckpointError as error:
        raise CheckpointError(
            f"{path} was saved without weights, and needs its checkpoint: {error}"
        ) from error
    if found.sha256 != origin.sha256:
        raise CheckpointError(
            f"{path} came from a '{shown(origin.model)}' with sha256 {shown(origin.sha256[:12])}..., but the "
            f"one here has {found.sha256[:12]}...; install that version, or adapt again"
        )
    return load_checkpoint(origin.model)
