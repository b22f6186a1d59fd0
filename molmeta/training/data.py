"""The two corpora of a run, and the split of the training assays into seen and reserved."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molmeta.chem.features import compound_hash
from molmeta.corpora.manifest import is_corpus
from molmeta.corpora.reading import open_corpus
from molmeta.data.cache import load_corpus, save_corpus
from molmeta.data.collection import files_of, read_corpus
from molmeta.data.corpus import Corpus
from molmeta.data.history import History
from molmeta.data.split import split_assays
from molmeta.errors import InputError
from molmeta.training.config import Data


@dataclass(frozen=True, eq=False)
class Corpora:
    """Training and validation assays; `reserved` names the training assays that stage A leaves out."""

    train: Corpus
    valid: Corpus
    reserved: tuple[str, ...]


def load_corpora(data: Data, folder: Path, cache: Path, needs: Collection[str]) -> Corpora:
    """Reads the corpora of a run, or takes them from the cache of an earlier reading.

    Raises
    ------
    InputError
        A file is missing, or no assay has the wanted roles.
    """
    train = load_assays(folder / data.train, data.roles, data.workers, cache, needs)
    valid = load_assays(folder / data.valid, data.valid_roles, data.workers, cache, needs)
    return Corpora(train, valid, reserve(train, data.reserve))


def load_assays(
    source: Path, roles: tuple[str, ...], workers: int, cache: Path, needs: Collection[str]
) -> Corpus:
    """A corpus, read or from the cache; raises InputError where the source is missing or unusable."""
    if not source.exists():
        raise InputError(f"no such file: {source}; name the folder that holds it with --data")
    if is_corpus(source):  # whose features were computed when it was built
        return open_corpus(source).corpus(needs, roles)
    files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files_of(source)]
    key = repr((files, sorted(roles), sorted(needs)))
    name = source.resolve().name.split(".")[0]
    stored = cache / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if stored.is_dir():
        return load_corpus(stored)
    corpus = read_corpus(source, needs, workers, roles)
    save_corpus(stored, corpus)
    return corpus


def reserve(corpus: Corpus, share: float) -> tuple[str, ...]:
    """About `share` of the assays, all assays of a target together, whatever the seed of the run."""
    return tuple(split_assays(corpus.assays, share)[1]) if share else ()


@dataclass(frozen=True, eq=False)
class Measurements:
    """Measurements of stage A, grouped by compound.

    compound int64[c]: rows of `Corpus.mols`; ptr int64[c + 1]: measurements of each of them in
    assay int64[r], label float32[r], value float32[r] (standardized, nan if unknown), relation int8[r].
    names : of the assays.
    """

    compound: Tensor
    ptr: Tensor
    assay: Tensor
    label: Tensor
    value: Tensor
    relation: Tensor
    names: tuple[str, ...]

    @property
    def n_assays(self) -> int:
        return len(self.names)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Measurements int64[b] of the compounds at `index`, and the position in `index` of each."""
        start, size = self.ptr[index], (self.ptr[1:] - self.ptr[:-1])[index]
        owner = torch.repeat_interleave(torch.arange(len(index)), size)
        before = torch.cumsum(size, 0) - size
        return torch.arange(len(owner)) + (start - before)[owner], owner


def measurements(corpus: Corpus, leave_out: Collection[str]) -> Measurements:
    """Readable measurements of all assays but those of `leave_out`."""
    out = corpus.assays.index.isin(list(leave_out))
    keep = (corpus.mol >= 0) & ~out[corpus.assay]
    number = np.cumsum(~out) - 1
    mol, assay = corpus.mol[keep], number[corpus.assay[keep]]
    value = _standardize(corpus.value[keep], assay, int((~out).sum()))
    order = np.argsort(mol, kind="stable")
    compound, first = np.unique(mol[order], return_index=True)
    return Measurements(
        compound=torch.from_numpy(compound),
        ptr=torch.from_numpy(np.append(first, len(order))),
        assay=torch.from_numpy(assay[order]),
        label=torch.from_numpy(corpus.label[keep][order]),
        value=torch.from_numpy(value[order]),
        relation=torch.from_numpy(corpus.relation[keep][order]),
        names=tuple(corpus.assays.index[~out]),
    )


def history(corpus: Corpus, leave_out: Collection[str]) -> History:
    """Readable labels of all assays but those of `leave_out`."""
    table = measurements(corpus, leave_out)
    compound = np.repeat(np.arange(len(table.compound)), np.diff(table.ptr.numpy()))
    return History(
        identity=np.array([compound_hash(corpus.smiles[i]) for i in table.compound], dtype=np.int64),
        compound=compound,
        assay=table.assay.numpy(),
        label=table.label.numpy(),
        value=table.value.numpy(),
    )


def _standardize(value: NDArray[np.float32], assay: NDArray[np.int64], n_assays: int) -> NDArray[np.float32]:
    """Values minus the mean of their assay over its spread, cut at 4; a spread below 0.3 counts as 0.3."""
    known = np.isfinite(value)
    count = np.maximum(np.bincount(assay[known], minlength=n_assays), 1)
    mean = np.bincount(assay[known], value[known], n_assays) / count
    square = np.bincount(assay[known], (value[known] - mean[assay[known]]) ** 2, n_assays) / count
    spread = np.maximum(np.sqrt(square), 0.3)
    return np.asarray(np.clip((value - mean[assay]) / spread[assay], -4, 4), dtype=np.float32)
