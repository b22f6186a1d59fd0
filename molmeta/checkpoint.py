"""Checkpoints: a folder with `config.json` and `weights.safetensors`, and nothing that can run code.

Weights are stored in half precision where asked, and always loaded as float32. The config carries the
sha256 of the weights and the names and shapes that they must have.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from molmeta.atlas import Atlas
from molmeta.conformity import POINTS, Conformity
from molmeta.errors import CheckpointError, ConfigError
from molmeta.files import write_whole
from molmeta.learner import Learner

FORMAT = 1
CONFIG, WEIGHTS, ATLAS = "config.json", "weights.safetensors", "atlas.safetensors"
_HEADER_LIMIT = 2**20  # bytes; an honest header of these models has a few kB
_SEEN, _SKETCHES, _CONFORMITY = "seen", "sketches", "conformity."


def shipped() -> dict[str, Path]:
    """Folders of the checkpoints that came with the package, by name."""
    root = Path(str(files("molmeta.models")))
    return {folder.name: folder for folder in sorted(root.iterdir()) if (folder / CONFIG).is_file()}


def find_checkpoint(name: str | Path) -> Path:
    """Folder of a checkpoint: a path, the name of a shipped one, or "base" for the default one.

    Raises
    ------
    CheckpointError
        There is none; the shipped names are listed.
    """
    known = shipped()
    text = str(name)
    matches = [text] if text in known else [k for k in known if k.rsplit("-", 1)[0] == text]
    if matches:
        return known[matches[0]]
    folder = Path(name)
    if (folder / CONFIG).is_file():
        return folder
    raise CheckpointError(
        f"no model '{name}': it is neither a folder with a {CONFIG} nor a shipped model "
        f"({', '.join(known) or 'none is shipped'})"
    )


def load_checkpoint(name: str | Path) -> Learner:
    """The learner of a checkpoint, on the CPU, in evaluation mode.

    Raises
    ------
    CheckpointError
        Missing, damaged (sha256), of a newer format, or with tensors that do not fit.
    """
    folder = find_checkpoint(name)
    config = _read_config(folder / CONFIG)
    data = (folder / WEIGHTS).read_bytes() if (folder / WEIGHTS).is_file() else b""
    digest = hashlib.sha256(data).hexdigest()
    if digest != config["sha256"]:
        raise CheckpointError(
            f"{folder / WEIGHTS} is damaged or was exchanged: its sha256 is {digest[:12]}..., "
            f"{CONFIG} says {str(config['sha256'])[:12]}...; install or download the model again"
        )
    return build_learner(config, parse_tensors(data, str(folder / WEIGHTS)), folder.name)


def build_learner(config: Mapping[str, Any], tensors: Mapping[str, Tensor], name: str) -> Learner:
    """A learner out of its config and its tensors; names and shapes must be exactly those expected."""
    try:
        with torch.random.fork_rng(devices=[]):  # the caller's random numbers are not for weights that go
            learner = Learner(config["encoder"], config["heads"], config.get("last_layers", ()))
    except (ConfigError, KeyError) as error:
        raise CheckpointError(f"{name}: this version of molmeta cannot build it ({error})") from error
    tensors = dict(tensors)
    learner.seen = tensors.pop(_SEEN, learner.seen)
    learner.sketches = tensors.pop(_SKETCHES, learner.sketches)
    learner.conformity = _read_conformity(tensors, name)
    expected = learner.state_dict()
    missing, extra = expected.keys() - tensors.keys(), tensors.keys() - expected.keys()
    if missing or extra:
        raise CheckpointError(
            f"{name}: tensors do not fit: missing {sorted(missing)[:3]}, unexpected {sorted(extra)[:3]}"
        )
    free = learner.tables
    for key, value in tensors.items():
        first = 1 if key in free else 0  # how many compounds a table has, only the training knows
        if value.shape[first:] != expected[key].shape[first:] or not value.isfinite().all():
            raise CheckpointError(
                f"{name}: tensor {key} is {tuple(value.shape)} or not finite; "
                f"expected finite {tuple(expected[key].shape)}"
            )
    learner.load_state_dict({key: value.to(expected[key].dtype) for key, value in tensors.items()})
    learner.name, learner.info = name, dict(config.get("info", {}))
    return learner.eval()


def learner_tensors(learner: Learner, half: bool = True) -> dict[str, Tensor]:
    """Tensors of a learner as they are stored: large float matrices in half precision, if asked."""
    out: dict[str, Tensor] = {}
    for key, value in learner.state_dict().items():
        value = value.detach().cpu().contiguous()
        out[key] = value.half() if half and value.dtype == torch.float32 and value.dim() > 1 else value
    if len(learner.seen):
        out[_SEEN] = learner.seen
    if len(learner.sketches):
        out[_SKETCHES] = learner.sketches
    if len(learner.conformity.size):
        out |= {_CONFORMITY + k: torch.from_numpy(v) for k, v in learner.conformity.arrays().items()}
    return out


def says_conformity(key: str) -> bool:
    """Whether a stored tensor is a table of the conformity of the default head."""
    return key.startswith(_CONFORMITY)


def _read_conformity(tensors: dict[str, Tensor], name: str) -> Conformity:
    """Takes the tables of a conformity out of the tensors, if they are there."""
    keys = [key for key in tensors if key.startswith(_CONFORMITY)]
    if not keys:
        return Conformity.unknown()
    tables = {key.removeprefix(_CONFORMITY): tensors.pop(key).float() for key in keys}
    rows = len(tables.get("size", []))
    wanted = {k: (rows,) if k == "size" else (rows, POINTS) for k in Conformity.unknown().arrays()}
    found = {k: tuple(v.shape) for k, v in tables.items()}
    if wanted != found or not all(v.isfinite().all() for v in tables.values()):
        raise CheckpointError(f"{name}: the tables of its conformity do not fit; install the model again")
    return Conformity(**{key: value.numpy() for key, value in tables.items()})


def learner_config(learner: Learner) -> dict[str, Any]:
    """What `build_learner` needs besides the tensors."""
    return {"format": FORMAT, **learner.spec, "info": learner.info}


def load_atlas(name: str | Path) -> Atlas:
    """The atlas of a checkpoint's training assays.

    Raises
    ------
    CheckpointError
        No such checkpoint, it has none, or it is damaged.
    """
    folder = find_checkpoint(name)
    path, wanted = folder / ATLAS, str(_read_config(folder / CONFIG).get("atlas"))
    if not path.is_file():
        raise CheckpointError(
            f"the model {folder.name} has no atlas of its training assays; train it again with this version"
        )
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != wanted:
        raise CheckpointError(f"{path} is damaged or was exchanged; install or download the model again")
    tensors = parse_tensors(data, str(path))
    try:
        index = json.loads(bytes(tensors["index"].numpy()))
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path} is no atlas: {error!r}; install the model again") from error
    return Atlas.of(tensors, index)


def save_checkpoint(folder: Path, learner: Learner, half: bool = True, atlas: Atlas | None = None) -> None:
    """Writes a checkpoint; each file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    data = save(learner_tensors(learner, half))
    config = {**learner_config(learner), "sha256": hashlib.sha256(data).hexdigest()}
    if atlas is not None:
        index = torch.frombuffer(bytearray(json.dumps(atlas.index()).encode()), dtype=torch.uint8)
        stored = save({**atlas.tensors(), "index": index})
        config["atlas"] = hashlib.sha256(stored).hexdigest()
        write_whole(folder / ATLAS, stored)
    write_whole(folder / WEIGHTS, data)
    write_whole(folder / CONFIG, (json.dumps(config, indent=1) + "\n").encode())


def parse_tensors(data: bytes, name: str) -> dict[str, Tensor]:
    """Tensors of a safetensors file, after a look at the size of its header.

    Raises
    ------
    CheckpointError
        Not a safetensors file, truncated, or with an unreasonable header.
    """
    if len(data) < 8 or int.from_bytes(data[:8], "little") > min(_HEADER_LIMIT, len(data)):
        raise CheckpointError(f"{name} is no safetensors file, or is cut short ({len(data)} bytes)")
    try:
        return load(data)
    except SafetensorError as error:
        raise CheckpointError(f"{name} cannot be read as safetensors: {error}") from error


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict) or not {"format", "encoder", "heads", "sha256"} <= config.keys():
        raise CheckpointError(f"{path} is not the config of a molmeta checkpoint")
    if config["format"] > FORMAT:
        raise CheckpointError(
            f"{path} has format {config['format']}, this molmeta reads up to {FORMAT}; upgrade molmeta"
        )
    return config
