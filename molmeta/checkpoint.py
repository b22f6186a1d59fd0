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
from safetensors.torch import save
from torch import Tensor

from molmeta.atlas import Atlas
from molmeta.blueprint import CONFORMITY, SEEN, SKETCHES, build, check_tables
from molmeta.conformity import Conformity
from molmeta.errors import CheckpointError
from molmeta.files import write_whole
from molmeta.learner import Learner
from molmeta.stored import kind_of_file, parse_json, read_json, shown
from molmeta.tensorfile import TensorFile

FORMAT = 1
CONFIG, WEIGHTS, ATLAS = "config.json", "weights.safetensors", "atlas.safetensors"


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
    try:
        if (folder / CONFIG).is_file() or (folder / CONFIG).is_symlink():
            return folder
        kind = (kind_of_file(folder) or "a file") if folder.is_file() else ""
    except OSError as error:
        raise CheckpointError(f"no model '{shown(name, 300)}': {error.strerror or error}") from error
    what = f"it is {kind}" if kind else f"it is neither a folder with a {CONFIG} nor a shipped model"
    raise CheckpointError(f"no model '{shown(name, 300)}': {what} (shipped: {', '.join(known) or 'none'})")


def load_checkpoint(name: str | Path) -> Learner:
    """The learner of a checkpoint, on the CPU, in evaluation mode.

    Raises
    ------
    CheckpointError
        Missing, damaged (sha256), of a newer format, or with tensors that do not fit; found before anything
        of the size that the config asks for is allocated.
    """
    folder = find_checkpoint(name)
    config = read_config(folder)
    path = folder / WEIGHTS
    if not path.exists() and not path.is_symlink():
        raise CheckpointError(f"{folder} has no {WEIGHTS}{_instead(folder)}")
    file = TensorFile.open(path, links=_is_shipped(folder))
    learner = build(config, file.entries, folder.name)
    _check_digest(file, str(config["sha256"]))
    learner.info = dict(config.get("info", {}))
    return fill(learner, file.tensors(), folder.name)


def fill(learner: Learner, tensors: Mapping[str, Tensor], name: str) -> Learner:
    """Gives a learner that was built for them (`molmeta.blueprint`) its tensors and its name.

    Raises
    ------
    CheckpointError
        A tensor is not finite, or a table of compounds contradicts itself.
    """
    tensors = dict(tensors)
    for key, value in tensors.items():
        if not value.isfinite().all():
            raise CheckpointError(f"{name}: the tensor {key} is not finite; install the model again")
    learner.seen = tensors.pop(SEEN, learner.seen)
    learner.sketches = tensors.pop(SKETCHES, learner.sketches)
    learner.conformity = _conformity(tensors)
    expected = learner.state_dict()
    learner.load_state_dict({key: value.to(expected[key].dtype) for key, value in tensors.items()})
    check_tables(learner, name)
    learner.name = name
    return learner.eval()


def learner_tensors(learner: Learner, half: bool = True) -> dict[str, Tensor]:
    """Tensors of a learner as they are stored: large float matrices in half precision, if asked."""
    out: dict[str, Tensor] = {}
    for key, value in learner.state_dict().items():
        value = value.detach().cpu().contiguous()
        out[key] = value.half() if half and value.dtype == torch.float32 and value.dim() > 1 else value
    if len(learner.seen):
        out[SEEN] = learner.seen
    if len(learner.sketches):
        out[SKETCHES] = learner.sketches
    if len(learner.conformity.size):
        out |= {CONFORMITY + k: torch.from_numpy(v) for k, v in learner.conformity.arrays().items()}
    return out


def says_conformity(key: str) -> bool:
    """Whether a stored tensor is a table of the conformity of the default head."""
    return key.startswith(CONFORMITY)


def _conformity(tensors: dict[str, Tensor]) -> Conformity:
    """Takes the tables of a conformity out of the tensors, if they are there."""
    keys = [key for key in tensors if key.startswith(CONFORMITY)]
    if not keys:
        return Conformity.unknown()
    tables = {key.removeprefix(CONFORMITY): tensors.pop(key).float() for key in keys}
    return Conformity(**{key: value.numpy() for key, value in tables.items()})


def learner_config(learner: Learner) -> dict[str, Any]:
    """What `molmeta.blueprint.build` needs besides the tensors."""
    return {"format": FORMAT, **learner.spec, "info": learner.info}


def load_atlas(name: str | Path) -> Atlas:
    """The atlas of a checkpoint's training assays.

    Raises
    ------
    CheckpointError
        No such checkpoint, it has none, or it is damaged.
    """
    folder = find_checkpoint(name)
    path, wanted = folder / ATLAS, str(read_config(folder).get("atlas"))
    if not path.exists() and not path.is_symlink():
        raise CheckpointError(
            f"the model {folder.name} has no atlas of its training assays; train it again with this version"
        )
    file = TensorFile.open(path, links=_is_shipped(folder))
    _check_digest(file, wanted)
    if file.entries.keys() != {"outputs", "index"} or file.entries["index"].dtype != "U8":
        raise CheckpointError(f"{path} is no atlas; install the model again")
    return Atlas.of(file.tensors(), parse_json(file.read("index"), str(path)))


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


def read_config(folder: Path) -> dict[str, Any]:
    """The config of a checkpoint.

    Raises
    ------
    CheckpointError
        It is no JSON, not that of a checkpoint, or of a newer format.
    """
    path = folder / CONFIG
    config = read_json(path, links=_is_shipped(folder))
    if not isinstance(config, dict) or not {"format", "encoder", "heads", "sha256"} <= config.keys():
        raise CheckpointError(f"{path} is not the config of a molmeta checkpoint")
    check_format(config["format"], FORMAT, path)
    if not isinstance(config.get("info", {}), dict):
        raise CheckpointError(f"{path} is not the config of a molmeta checkpoint: its info is no object")
    return config


def check_format(found: object, newest: int, path: Path) -> None:
    """Raises CheckpointError where a file is of a format that this molmeta does not read."""
    if type(found) is not int or found < 1:
        raise CheckpointError(f"{path} says that its format is {shown(found)}; wanted 1 to {newest}")
    if found > newest:
        raise CheckpointError(
            f"{path} has format {shown(found)}, this molmeta reads up to {newest}; upgrade molmeta"
        )


def _check_digest(file: TensorFile, wanted: str) -> None:
    digest = file.sha256(whole=True)
    if digest != wanted:
        raise CheckpointError(
            f"{file.path} is damaged or was exchanged: its sha256 is {digest[:12]}..., "
            f"{CONFIG} says {shown(wanted)[:12]}...; install or download the model again"
        )


def _is_shipped(folder: Path) -> bool:
    """Whether a folder is that of a shipped model: installers may link their files, others may not."""
    return folder in shipped().values()


def _instead(folder: Path) -> str:
    """What a folder without weights has in their place, for a message."""
    for path in sorted(folder.glob("*.*"))[:100]:
        if path.suffix in (".pt", ".pth", ".bin", ".ckpt", ".pkl") and path.is_file():
            kind = kind_of_file(path) or "a file of another program"
            return f"; {shown(path.name)} is {kind}, and is not read"
    return "; install or download the model again"
