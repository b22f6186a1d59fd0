"""`Cache`: what the network made of the chunks of libraries, kept on disk for the model of the next assay.

An entry is a file for each chunk and trunk, FOLDER/ab/abcd....mols, named by a hash of all that it depends
on: the structures as text, the trunk, the device, and the versions of what computes. So nothing has to be
parsed to find it, and nothing is ever out of date; but a library that is cut into other chunks, or has a
row more at its top, is another one. It takes 1.8 kB a compound with the shipped base model (1 kB is the
embedding) and 0.7 kB with the fast one. Files can be deleted at any time.

A file is a head of 64 bytes (what it is, its size, a hash of the rest) and tensors as safetensors has them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from molmeta.bundle import versions
from molmeta.chem.batch import MolBatch, from_tensors, to_tensors
from molmeta.chem.fingerprint import COUNT_BITS
from molmeta.chem.similarity import Sparse, sparse
from molmeta.data.library import LibraryChunk
from molmeta.errors import ConfigError, MolmetaError
from molmeta.files import write_whole, writing
from molmeta.scoring.featurize import Job
from molmeta.scoring.models import Embedded, Models

_KIND = b"molmeta cache 1\n"
_HEAD, _DIGEST = 64, 32  # bytes of the head of a file, and of the hash in it
_PAGE = 4096  # bytes that are added up before they are hashed
_COUNTS = ("counts", "pairs")  # fields of a batch that are mostly zeros
_MADE = frozenset({"embedding", "hidden"})  # by `Ensemble.prepare`
# What became of a row on one machine, on one day; another run shall try again.
_PASSING = frozenset({"crashed", "timeout"})


@dataclass(frozen=True)
class _Trunk:
    """One of the trunks of the models.

    Attributes
    ----------
    said : str
        All that an entry depends on beside the chunk.
    keeps : frozenset of str
        Fields of a prepared batch that are kept; it may hold others, for other models.
    device : torch.device
        Where its batches are wanted.
    """

    said: str
    keeps: frozenset[str]
    device: torch.device


class Cache:
    """A folder of embedded chunks; processes and machines may share it.

    Parameters
    ----------
    folder : path
        Created where it is not there.
    models : Models
        Those that score; entries of other trunks stay untouched.

    Raises
    ------
    ConfigError
        The folder cannot be one.
    """

    def __init__(self, folder: str | Path, models: Models) -> None:
        self.folder = Path(folder).absolute()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the cache {folder} cannot be a folder ({error.strerror or error})") from error
        made_by = {name: version for name, version in versions().items() if name != "python"}
        self._trunks: dict[str, _Trunk] = {}
        for one, trunk in zip(models.predictors, models.trunks, strict=True):
            device = one.ensemble.device
            said = repr((trunk, device.type, str(models.precision), sorted(made_by.items())))
            self._trunks[trunk] = _Trunk(said, frozenset(one.needs | _MADE), device)

    def has(self, chunk: LibraryChunk) -> bool:
        """Whether `load` will most likely succeed; looks at the heads of files only."""
        return all(_seems_whole(self._path(chunk, trunk)) for trunk in self._trunks.values())

    def load(self, chunk: LibraryChunk) -> Embedded | None:
        """What was saved, to the last bit; None where an entry is missing or damaged."""
        prepared: dict[str, MolBatch] = {}
        status: list[str] = []
        smiles: list[str | None] = []
        for key, trunk in self._trunks.items():
            content = _read(self._path(chunk, trunk))
            if content is None:
                return None
            tensors = safetensors.numpy.load(content)
            status = _lines(tensors.pop("status"))
            found = iter(_lines(tensors.pop("smiles")))
            smiles = [next(found) if one == "ok" else None for one in status]
            prepared[key] = from_tensors(status.count("ok"), _unpacked(tensors)).to(trunk.device)
        return Embedded(status, smiles, prepared)

    def save(self, chunk: LibraryChunk, embedded: Embedded) -> None:
        """Keeps a chunk, unless rows of it were lost to a crash or to time.

        Raises
        ------
        ResourceError
            The disk is full, or the folder is read-only.
        """
        if not _PASSING.isdisjoint(embedded.status):
            return
        known = [one for one in embedded.smiles if one is not None]
        texts = {"status": _text(embedded.status), "smiles": _text(known)}
        for key, trunk in self._trunks.items():
            path = self._path(chunk, trunk)
            content = safetensors.numpy.save(texts | _packed(embedded.prepared[key], trunk.keeps))
            try:
                _write(path, content)
            except MolmetaError as error:
                error.add_note("or --resume without --cache")
                raise

    def _path(self, chunk: LibraryChunk, trunk: _Trunk) -> Path:
        name = hashlib.blake2b(_digest(chunk) + trunk.said.encode(), digest_size=20).hexdigest()
        return self.folder / name[:2] / f"{name}.mols"


# A chunk is asked for when it was read, and when it is scored.
_digests: MutableMapping[LibraryChunk, bytes] = WeakIdKeyDictionary()


def _digest(chunk: LibraryChunk) -> bytes:
    """A hash of the structures of a chunk as text, and of the rows that are broken."""
    known = _digests.get(chunk)
    if known is None:
        job = Job.of(chunk)
        # With the lengths, since texts may hold whatever could stand between them.
        found = hashlib.blake2b(np.fromiter(map(len, job.smiles), np.int64, len(job.smiles)).tobytes())
        found.update("".join(job.smiles).encode("utf-8", "surrogatepass"))
        found.update(repr(sorted(job.broken.items())).encode())
        known = _digests[chunk] = found.digest()
    return known


# Files


def _write(path: Path, content: bytes) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    head = _KIND + len(content).to_bytes(8, "little") + bytes(8) + _hash(path, content)
    # A name of its own, since other threads and machines may be writing the same entry.
    own = path.with_name(f"{path.stem}.{uuid4().hex}")
    write_whole(own, head + content)
    with writing(path):
        own.replace(path)


def _read(path: Path) -> bytes | None:
    """The tensors of an entry; None where it is missing, damaged or foreign."""
    # Read and not mapped: a file that shrinks, or a disk that fails, would end a process that maps it.
    try:
        data = path.read_bytes()
    except OSError:
        return None
    head, content = data[:_HEAD], data[_HEAD:]
    return content if head.startswith(_KIND) and head[-_DIGEST:] == _hash(path, content) else None


def _seems_whole(path: Path) -> bool:
    """Whether an entry is one, and has its size."""
    try:
        with path.open("rb", buffering=0) as stream:
            head = stream.read(_HEAD)
        size = path.stat().st_size
    except OSError:
        return False
    return head.startswith(_KIND) and int.from_bytes(head[16:24], "little") == size - _HEAD


def _hash(path: Path, content: bytes) -> bytes:
    """Of the name and the content of an entry: of the sums of its pages, in a tenth of the time that its
    bytes would take. Not against forgery; damage that leaves all sums would be a wonder."""
    pages = len(content) // _PAGE
    sums = np.frombuffer(content, "<u8", pages * _PAGE // 8).reshape(pages, _PAGE // 8).sum(1)
    parts = (path.name.encode(), sums.tobytes(), content[pages * _PAGE :])
    return hashlib.blake2b(b"".join(parts), digest_size=_DIGEST).digest()


# Tensors


def _packed(mols: MolBatch, keeps: frozenset[str]) -> dict[str, NDArray[Any]]:
    """Arrays of a batch; counts uint8[n, 2048] without their zeros: of each its column uint16[k] and its
    value uint8[k], and how many each compound has, uint16[n]."""
    packed: dict[str, NDArray[Any]] = {}
    for name, value in to_tensors(mols).items():
        if name in _COUNTS and name in keeps:
            found = sparse(value)
            packed[f"{name}.size"] = _array(found.ptr.diff()).astype(np.uint16)
            packed[f"{name}.column"] = _array(found.column).astype(np.uint16)
            packed[f"{name}.value"] = _array(found.value)
        elif name.partition(".")[0] in keeps:
            packed[name] = _array(value)
    return packed


def _unpacked(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, value in arrays.items():
        field, _, part = name.partition(".")
        if field not in _COUNTS:
            # A copy lies in memory as torch has it, which the last bit of a sum may depend on.
            tensors[name] = torch.from_numpy(value).clone()
        elif part == "size":
            column, count = arrays[f"{field}.column"], arrays[f"{field}.value"]
            dense = np.zeros((len(value), COUNT_BITS), dtype=np.uint8)
            dense.reshape(-1)[np.repeat(np.arange(len(value)) * COUNT_BITS, value) + column] = count
            tensors[field] = torch.from_numpy(dense)
            ptr = np.append(0, np.cumsum(value, dtype=np.int64))
            known = (torch.from_numpy(one) for one in (ptr, column.astype(np.int64), count.copy()))
            sparse.put(tensors[field], Sparse(*known))
    return tensors


def _array(value: Tensor) -> NDArray[Any]:
    found: NDArray[Any] = value.detach().cpu().contiguous().numpy()
    return found


def _text(lines: Sequence[str]) -> NDArray[np.uint8]:
    return np.frombuffer("".join([f"{line}\n" for line in lines]).encode(), dtype=np.uint8)


def _lines(text: NDArray[np.uint8]) -> list[str]:
    return text.tobytes().decode().split("\n")[:-1]
