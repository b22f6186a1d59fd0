"""`TensorFile`: a safetensors file of which only the header is read, until all of it is known to fit."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from molmeta.errors import CheckpointError
from molmeta.stored import kind_of, parse_json, shown, size_of

_MOST_HEADER = 2**20  # bytes; that of a model with thirty heads has 40 kB
_MOST_BYTES = 2**32
_MOST_AXES = 8
_BLOCK = 2**20
# Bytes of a number, by its name in the format. Those that molmeta does not write are not among them.
WIDTHS = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "I32": 4, "I64": 8, "F16": 2, "BF16": 2, "F32": 4, "F64": 8}


@dataclass(frozen=True)
class Entry:
    """A tensor as the header describes it: its type (a key of WIDTHS), shape, and place behind the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class TensorFile:
    """The header of a safetensors file.

    Attributes
    ----------
    path : Path
    entries : mapping of str to Entry
        By name of the tensor.
    metadata : mapping of str to str
    body : int
        Where the header ends, in bytes.
    """

    path: Path
    entries: Mapping[str, Entry]
    metadata: Mapping[str, str]
    body: int

    @classmethod
    def open(cls, path: Path, *, links: bool = True) -> TensorFile:
        """Reads the header, whose size is looked at first.

        Raises
        ------
        CheckpointError
            No plain file, no safetensors file (it is named what it is instead, as far as that shows), cut
            short, or with tensors that do not fill it exactly.
        """
        size = size_of(path, links=links)
        try:
            with path.open("rb") as stream:
                head = stream.read(8)
                length = int.from_bytes(head, "little")
                if len(head) < 8 or length > min(_MOST_HEADER, size - 8) or size > _MOST_BYTES:
                    raise _foreign(path, head + stream.read(504), size)
                header = stream.read(length)
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
        found = parse_json(header, f"the header of {path}")
        if not isinstance(found, dict):
            raise CheckpointError(f"{path} is no safetensors file: its header is no object")
        metadata = found.pop("__metadata__", None) or {}
        if not isinstance(metadata, dict):
            raise CheckpointError(f"{path} is no safetensors file: its __metadata__ is no object")
        entries = {name: _entry(path, name, one) for name, one in found.items()}
        _check_filled(path, entries, size - 8 - length)
        return cls(path, entries, metadata, 8 + length)

    def sha256(self, *, whole: bool) -> str:
        """Of the whole file, or of what follows its header; never more than a block of it is in memory."""
        found = hashlib.sha256()
        with self.path.open("rb") as stream:
            stream.seek(0 if whole else self.body)
            while block := stream.read(_BLOCK):
                found.update(block)
        return found.hexdigest()

    def read(self, name: str) -> bytes:
        """The bytes of one tensor; raises KeyError where there is none of that name."""
        entry = self.entries[name]
        with self.path.open("rb") as stream:
            stream.seek(self.body + entry.start)
            return stream.read(entry.end - entry.start)

    def tensors(self) -> dict[str, Tensor]:
        """All of them, in memory; raises CheckpointError where safetensors finds a fault."""
        try:
            return load(self.path.read_bytes())
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{self.path} cannot be read as safetensors: {error}") from error


def _foreign(path: Path, head: bytes, size: int) -> CheckpointError:
    kind = kind_of(head)
    if kind:
        return CheckpointError(f"{path} is {kind}; wanted a file of molmeta (safetensors)")
    length = int.from_bytes(head[:8], "little")
    if len(head) > 8 and head[8:9] == b"{" and length > _MOST_HEADER:
        return CheckpointError(
            f"{path} has a header of {length:,} bytes; the header of a model has at most {_MOST_HEADER:,}"
        )
    if size > _MOST_BYTES:
        return CheckpointError(f"{path} has {size:,} bytes; a model has at most {_MOST_BYTES:,}")
    return CheckpointError(f"{path} is no safetensors file, or is cut short ({size} bytes)")


def _entry(path: Path, name: str, found: Any) -> Entry:
    """An entry of the header, of which nothing is believed."""
    if isinstance(found, dict) and found.keys() == {"dtype", "shape", "data_offsets"}:
        dtype, shape, offsets = found["dtype"], found["shape"], found["data_offsets"]
        if isinstance(dtype, str) and dtype in WIDTHS and _counts(shape) and _counts(offsets, exactly=2):
            start, end = offsets
            if end - start == math.prod(shape) * WIDTHS[dtype]:
                return Entry(dtype, tuple(shape), start, end)
    raise CheckpointError(f"{path} describes the tensor '{shown(name)}' as {shown(found)}, which none can be")


def _counts(found: Any, exactly: int | None = None) -> bool:
    """Whether it is a short list of whole numbers that are not negative, and no larger than a file can be."""
    if not isinstance(found, list) or len(found) > _MOST_AXES or exactly not in (None, len(found)):
        return False
    return all(type(n) is int and 0 <= n <= _MOST_BYTES for n in found)


def _check_filled(path: Path, entries: Mapping[str, Entry], size: int) -> None:
    """Raises CheckpointError where the tensors leave holes, overlap, or end elsewhere than the file."""
    at = 0
    for entry in sorted(entries.values(), key=lambda one: (one.start, one.end)):
        if entry.start != at:
            raise CheckpointError(f"{path} is damaged: its tensors overlap or leave holes")
        at = entry.end
    if at != size:
        what = "cut short" if at > size else "longer than its tensors"
        raise CheckpointError(f"{path} is {what}: {size:,} bytes of tensors, the header says {at:,}")
