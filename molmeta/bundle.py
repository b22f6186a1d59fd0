"""`.molmeta`: an adapted model in one safetensors file, which holds numbers and JSON and nothing else.

Tensors are the weights that the model uses (`learner.*`) and `state`, a JSON text as bytes; the header
names the format and the sha256 of everything behind it. With `reference_only` the weights stay out, and
the state names the checkpoint and its sha256 instead. A private model has features of its compounds
(`compounds.*`) in place of their structures in the state.
"""

from __future__ import annotations

import copy
import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from molmeta.checkpoint import (
    find_checkpoint,
    learner_config,
    learner_tensors,
    read_config,
    says_conformity,
)
from molmeta.errors import RefusedError, ResourceError
from molmeta.files import write_whole
from molmeta.learner import Learner

SUFFIX = ".molmeta"
# 2 is that of private models, which keep tensors of compounds; all others are of format 1.
FORMAT, _OPEN = 2, 1
WEIGHTS, COMPOUNDS, STATE, HEADER = "learner.", "compounds.", "state", "molmeta"
MOST_STATE = 2**28  # bytes of JSON; a million rows have that much


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
    path: Path,
    learner: Learner,
    heads: list[str],
    state: Mapping[str, Any],
    compounds: Mapping[str, Tensor] | None = None,
    *,
    force: bool = False,
) -> None:
    """Writes a bundle with the weights of the encoder and of `heads`, and what is known of earlier assays.

    Parameters
    ----------
    state : mapping
        Plain JSON.
    compounds : mapping of str to Tensor or None
        Features of labelled compounds, of a private model.
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
        WEIGHTS + key: value
        for key, value in learner_tensors(learner).items()
        if not key.startswith(others) and (usual or not says_conformity(key))
    }
    _write(path, tensors, {**state, "learner": config, "name": learner.name}, compounds, force=force)


def write_reference(
    path: Path,
    origin: Origin,
    state: Mapping[str, Any],
    compounds: Mapping[str, Tensor] | None = None,
    *,
    force: bool = False,
) -> None:
    """Writes a bundle that names its checkpoint and holds no weights; raises as `write_bundle`."""
    named = {"model": origin.model, "sha256": origin.sha256}
    _write(path, {}, {**state, "origin": named}, compounds, force=force)


def versions() -> dict[str, str]:
    """Of what a model was made with."""
    return {name: _version(name) for name in ("molmeta", "torch", "rdkit")} | {
        "python": platform.python_version()
    }


@cache
def _version(name: str) -> str:
    """Read once: a process that has given up its rights may not do so again."""
    return version(name)


def rounded(learner: Learner) -> Learner:
    """A copy with the weights as they will be stored, so that a saved predictor predicts the same."""
    twin = copy.deepcopy(learner).eval()
    stored = learner_tensors(learner)
    twin.load_state_dict({key: stored[key].to(value.dtype) for key, value in twin.state_dict().items()})
    return twin


def _write(
    path: Path,
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Any],
    compounds: Mapping[str, Tensor] | None = None,
    *,
    force: bool,
) -> None:
    if path.exists() and not force:
        raise RefusedError(f"{path} exists; give another name, or --force to replace it")
    if not path.parent.is_dir():
        raise RefusedError(f"{path.parent} is not a folder; create it first, or give another path")
    text = _encode(json.dumps(state, ensure_ascii=False, allow_nan=False, sort_keys=True))
    if len(text) > MOST_STATE:
        raise ResourceError(
            f"the rows of this assay take {len(text):,} bytes in a model, which holds {MOST_STATE:,}; "
            "adapt to fewer rows"
        )
    hidden = {COMPOUNDS + key: value for key, value in (compounds or {}).items()}
    payload = {**tensors, **hidden, STATE: torch.frombuffer(bytearray(text), dtype=torch.uint8)}
    # One entry: safetensors writes several in no fixed order, and equal models shall be equal files.
    header = json.dumps({"format": FORMAT if hidden else _OPEN, "sha256": _digest(save(payload))})
    write_whole(path, save(payload, metadata={HEADER: header}))


def _encode(text: str) -> bytes:
    """JSON as bytes; half a character of a broken table becomes its escape, which JSON reads back."""
    return text.encode("utf-8", "backslashreplace")


def _digest(data: bytes) -> str:
    """sha256 of what follows the header of a safetensors file."""
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()
