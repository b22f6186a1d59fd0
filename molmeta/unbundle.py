"""Reads `.molmeta` files, of which nothing is believed; `molmeta.bundle` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from molmeta.blueprint import build
from molmeta.bundle import COMPOUNDS, FORMAT, HEADER, MOST_STATE, STATE, WEIGHTS, Origin
from molmeta.checkpoint import check_format, fill, load_checkpoint
from molmeta.errors import CheckpointError
from molmeta.learner import Learner
from molmeta.stored import parse_json, shown
from molmeta.tensorfile import TensorFile

T = TypeVar("T")


@dataclass(frozen=True)
class Bundle:
    """What a `.molmeta` file holds.

    Attributes
    ----------
    learner : Learner
        On the CPU, in evaluation mode.
    state : dict
        JSON of an adapted model.
    compounds : dict of str to Tensor
        Features of the labelled compounds by name, of private models; else empty.
    """

    learner: Learner
    state: dict[str, Any]
    compounds: dict[str, Tensor]


def read_bundle(path: Path) -> Bundle:
    """What a bundle holds.

    Raises
    ------
    CheckpointError
        No such file, damaged, not a bundle, of a newer format, with tensors that do not fit, or a
        reference to a checkpoint that is missing or has changed.
    """
    file = TensorFile.open(path)
    _check_header(file)
    state = _read_state(file)
    own = {key: entry for key, entry in file.entries.items() if key.startswith(WEIGHTS)}
    if other := [k for k in file.entries if k not in own and k != STATE and not k.startswith(COMPOUNDS)]:
        raise CheckpointError(f"{path} holds a tensor '{shown(other[0])}' that no model has; adapt again")
    try:
        reference = state.pop("origin", None)
        if reference is not None:
            learner = _referenced(Origin(str(reference["model"]), str(reference["sha256"])), path)
            return Bundle(learner, state, _below(COMPOUNDS, file.tensors()))
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
    learner = build(config, _below(WEIGHTS, own), str(path))
    learner.info = info
    tensors = file.tensors()
    return Bundle(fill(learner, _below(WEIGHTS, tensors), name), state, _below(COMPOUNDS, tensors))


def is_reference(path: Path) -> bool:
    """Whether the bundle at a path, which can be read, names its checkpoint in place of weights."""
    return not any(key.startswith(WEIGHTS) for key in TensorFile.open(path).entries)


def _check_header(file: TensorFile) -> None:
    """Format and sha256, which the header carries as JSON, and the size of the state."""
    if HEADER not in file.metadata:
        raise CheckpointError(
            f"{file.path} holds tensors but is no adapted model; make one with `molmeta adapt`"
        )
    header = parse_json(str(file.metadata[HEADER]).encode(), f"the header of {file.path}")
    if not isinstance(header, dict) or not {"format", "sha256"} <= header.keys():
        raise CheckpointError(f"{file.path} is not a complete molmeta model: its header says no format")
    check_format(header["format"], FORMAT, file.path)
    entry = file.entries.get(STATE)
    if entry is None or entry.dtype != "U8" or len(entry.shape) != 1 or entry.shape[0] > MOST_STATE:
        said = "has no state" if entry is None else f"has a state of {entry.shape} {entry.dtype}"
        raise CheckpointError(f"{file.path} {said}; wanted at most {MOST_STATE:,} bytes of JSON")
    if header["sha256"] != file.sha256(whole=False):
        raise CheckpointError(
            f"{file.path} is damaged: its sha256 does not match; copy it again, or adapt again"
        )


def _read_state(file: TensorFile) -> dict[str, Any]:
    state = parse_json(file.read(STATE), str(file.path))
    if not isinstance(state, dict):
        raise CheckpointError(f"{file.path} is not a complete molmeta model: its state is no object")
    return state


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


def _below(prefix: str, found: Mapping[str, T]) -> dict[str, T]:
    return {key.removeprefix(prefix): one for key, one in found.items() if key.startswith(prefix)}
