"""Resumable state of a run: parameters, optimizer, counters and random generator, without pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from molmeta.errors import CheckpointError
from molmeta.files import write_whole
from molmeta.tensorfile import TensorFile


def pack(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Tensors of a model, its optimizer and torch's random generators, under flat names."""
    tensors = {f"model/{key}": value for key, value in model.state_dict().items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{i}/{key}": torch.as_tensor(value) for key, value in state.items()}
    tensors["random/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    return tensors


def unpack(tensors: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Puts back what `pack` took."""
    model.load_state_dict(_below(tensors, "model/"))
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _below(tensors, "optimizer/").items():
        number, name = key.split("/")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["random/cpu"])
    if "random/cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random/cuda"])


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def write_state(path: Path, tensors: dict[str, Tensor], counters: dict[str, Any]) -> None:
    """One safetensors file, whole or not at all; counters are stored as JSON."""
    stored = {key: value.detach().cpu().clone().contiguous() for key, value in tensors.items()}
    stored["counters"] = torch.frombuffer(bytearray(json.dumps(counters).encode()), dtype=torch.uint8)
    write_whole(path, save(stored))


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write_state` wrote.

    Raises
    ------
    CheckpointError
        The file is damaged.
    """
    file = TensorFile.open(path)
    entry = file.entries.get("counters")
    if entry is None or entry.dtype != "U8":
        raise CheckpointError(f"{path} is not the state of a training run; remove it and start again")
    try:
        counters: dict[str, Any] = dict(json.loads(file.read("counters")))
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); remove it and start again") from error
    tensors = file.tensors()
    del tensors["counters"]
    return tensors, counters
