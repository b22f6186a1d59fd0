"""Model files that somebody forged, by what is wrong with them: each is made beside a good one."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, load_file, save, save_file

Forge = Callable[[Path], None]
# What a pickle would run if anything loaded it.
MARK = "executed"
SHORT = "cut short"


class Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder / MARK),)


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(Trap(path.parent)))


def zipped(path: Path) -> None:
    """As torch.save writes it: a zip archive with a pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Trap(path.parent)))


def written(data: bytes) -> Forge:
    return lambda path: path.write_bytes(data) and None


def sparse(size: int, data: bytes = b"") -> Forge:
    """A file of a size that no disk has to hold."""

    def forge(path: Path) -> None:
        with path.open("wb") as stream:
            stream.write(data)
            stream.truncate(size)

    return forge


def cut(share: float) -> Forge:
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)]) and None


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def replaced_by(make: Callable[[Path], None]) -> Forge:
    def forge(path: Path) -> None:
        path.unlink()
        make(path)

    return forge


def header(change: Callable[[dict[str, Any]], object], pad: int = 0) -> Forge:
    """A safetensors file with another header; the tensors stay."""

    def forge(path: Path) -> None:
        data = path.read_bytes()
        size = int.from_bytes(data[:8], "little")
        content = json.loads(data[8 : 8 + size])
        content = change(content) or content
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :] + bytes(pad))

    return forge


def crowded(tensors: int) -> Forge:
    """A header of that many tensors without numbers, as large as such a header is."""
    one = b'"t0000000":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},'

    def forge(path: Path) -> None:
        text = b"{" + (one * tensors)[:-1] + b"}"
        path.write_bytes(len(text).to_bytes(8, "little") + text)

    return forge


# Checkpoints


def resigned(folder: Path) -> None:
    """Makes the sha256 fit again, as somebody who means harm would."""
    edit(folder, sha256=hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest())


def edit(folder: Path, **change: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def config(**change: Any) -> Forge:
    return lambda folder: edit(folder, **change)


def config_file(forge: Forge) -> Forge:
    return lambda folder: forge(folder / "config.json")


def weights(forge: Forge, *, sign: bool = True) -> Forge:
    def forged(folder: Path) -> None:
        forge(folder / "weights.safetensors")
        if sign:
            resigned(folder)

    return forged


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Forge:
    def forge(path: Path) -> None:
        found = load_file(path)
        change(found)
        save_file(found, path)

    return weights(forge)


# Bundles


def state(change: Callable[[dict[str, Any]], object]) -> Forge:
    """A bundle with another state, and a sha256 that fits."""

    def forge(path: Path) -> None:
        def dumped(found: dict[str, Any]) -> bytes:
            result = change(found)
            return result if isinstance(result, bytes) else json.dumps(result or found).encode()

        rebuilt(path, lambda parts: parts.update(state=_bytes(dumped(json.loads(_text(parts["state"]))))))

    return forge


def rebuilt(
    path: Path, change: Callable[[dict[str, torch.Tensor]], object], note: dict[str, Any] | None = None
) -> None:
    parts = load(path.read_bytes())
    change(parts)
    plain = save(parts)
    digest = hashlib.sha256(plain[8 + int.from_bytes(plain[:8], "little") :]).hexdigest()
    said = {"format": 1, "sha256": digest} | (note or {})
    path.write_bytes(save(parts, metadata={"molmeta": json.dumps(said)}))


def parts(change: Callable[[dict[str, torch.Tensor]], object]) -> Forge:
    return lambda path: rebuilt(path, change)


def swollen(size: int) -> Forge:
    """A bundle with a state of that many bytes, most of which no disk has to hold."""

    def grow(found: dict[str, Any]) -> None:
        start = found["state"]["data_offsets"][0]
        found["state"] |= {"shape": [size], "data_offsets": [start, start + size]}

    def forge(path: Path) -> None:
        header(grow)(path)
        with path.open("r+b") as stream:
            length = int.from_bytes(stream.read(8), "little")
            end = json.loads(stream.read(length))["state"]["data_offsets"][1]
            stream.truncate(8 + length + end)

    return forge


def noted(**note: Any) -> Forge:
    return lambda path: rebuilt(path, lambda parts: None, note)


def _bytes(text: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(text), dtype=torch.uint8)


def _text(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.numpy())
