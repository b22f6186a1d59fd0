"""A corpus folder to a `Corpus` for training and evaluation, whose features stay on disk until used."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from molmeta.chem.features import compound_hash
from molmeta.corpora.arrays import map_features
from molmeta.corpora.contents import ASSAYS, COMPOUNDS, FEATURES, MEASUREMENTS
from molmeta.corpora.manifest import Manifest, is_corpus, read_manifest
from molmeta.corpora.packing import StoredBatch
from molmeta.data.collection import read_corpus
from molmeta.data.corpus import Corpus
from molmeta.errors import ConfigError, InputError


@dataclass(frozen=True, eq=False)
class StoredCorpus:
    """The tables of a corpus folder.

    Attributes
    ----------
    folder : Path
    manifest : Manifest
    assays : DataFrame
        Indexed by name.
    assay, compound : int64[r]
        Rows of `assays` and of the compounds, of each measurement.
    label : float32[r]
    value : float64[r]
    relation : int8[r]
    """

    folder: Path
    manifest: Manifest
    assays: pd.DataFrame
    assay: NDArray[np.int64]
    compound: NDArray[np.int64]
    label: NDArray[np.float32]
    value: NDArray[np.float64]
    relation: NDArray[np.int8]

    @cached_property
    def compounds(self) -> pa.Table:
        """Columns smiles, cluster and fold; one row a compound."""
        return _table(self.folder / COMPOUNDS)

    @cached_property
    def features(self) -> dict[str, Tensor]:
        """Mapped into memory, by the names of `molmeta.corpora.packing.pack`."""
        return map_features(self.folder / FEATURES, int(self.manifest.counts["compounds"]))

    @cached_property
    def identity(self) -> NDArray[np.int64]:
        """int64[m]: hash of each compound, the same in all corpora."""
        if "identity" in self.features:
            return self.features["identity"].numpy()
        return np.array([compound_hash(one) for one in self.compounds["smiles"].to_pylist()], dtype=np.int64)

    def choose(self, roles: Sequence[str]) -> NDArray[np.bool_]:
        """bool[r]: the measurements of some folds; all, if none is named.

        "test" are the assays in that fold, "test@valid" of these the compounds in the fold "valid", and
        "@test" the compounds in that fold of all assays.

        Raises
        ------
        InputError
            The corpus has no such fold.
        """
        keep = np.full(len(self.assay), not roles)
        for role in roles:
            assay_fold, _, compound_fold = str(role).partition("@")
            chosen = np.ones(len(self.assay), dtype=np.bool_)
            if assay_fold:
                chosen &= self._has(self.assays["role"].to_numpy(str), assay_fold)[self.assay]
            if compound_fold:
                folds = np.array(self.compounds["fold"].to_pylist())
                chosen &= self._has(folds, compound_fold)[self.compound]
            keep |= chosen
        return keep

    def _has(self, folds: NDArray[Any], wanted: str) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = folds == wanted
        if not found.any():
            raise InputError(f"{self.folder} has no fold '{wanted}'; it has {', '.join(sorted(set(folds)))}")
        return found

    def corpus(self, needs: Collection[str], roles: Sequence[str] = ()) -> Corpus:
        """The measurements of some folds.

        Compounds stand in the order in which they first appear, as if nothing else had been read.

        Raises
        ------
        ConfigError
            A feature is needed that the corpus does not have.
        InputError
            It has no such fold.
        """
        missing = set(needs) - {name.split(".")[0] for name in self.features}
        if missing:
            raise ConfigError(
                f"{self.folder} has no {', '.join(sorted(missing))}; build it again with these among the "
                "fields of [features]"
            )
        keep = self.choose(roles)
        names, assay = np.unique(self.assay[keep], return_inverse=True)
        used, first, mol = np.unique(self.compound[keep], return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        rows = used[order]
        stored = {name: tensor for name, tensor in self.features.items() if name.split(".")[0] in needs}
        assays = self.assays.iloc[names]
        potency = (assays["kind"] == "pXC50").to_numpy()[assay]
        return Corpus(
            mols=StoredBatch(stored, torch.from_numpy(rows)),
            smiles=tuple(self.compounds["smiles"].take(pa.array(rows)).to_pylist()),
            assays=assays,
            assay=assay,
            mol=place[mol],
            label=self.label[keep],
            value=np.where(potency, self.value[keep], np.nan).astype(np.float32),
            relation=self.relation[keep],
        )


def open_corpus(folder: Path) -> StoredCorpus:
    """The corpus in a folder.

    Raises
    ------
    InputError
        It is none, of a newer format, or damaged.
    """
    manifest = read_manifest(folder)
    assays = _table(folder / ASSAYS).to_pandas().set_index("assay")
    rows = _table(folder / MEASUREMENTS)
    counts = manifest.counts
    if (len(assays), len(rows)) != (counts["assays"], counts["measurements"]):
        raise InputError(
            f"{folder} has {len(assays)} assays and {len(rows)} measurements, its manifest says "
            f"{counts['assays']} and {counts['measurements']}; build it again"
        )
    return StoredCorpus(
        folder=folder,
        manifest=manifest,
        assays=assays,
        assay=rows["assay"].to_numpy().astype(np.int64),
        compound=rows["compound"].to_numpy().astype(np.int64),
        label=rows["label"].to_numpy().astype(np.float32),
        value=rows["value"].to_numpy(),
        relation=rows["relation"].to_numpy(),
    )


def read_assays(source: Path, needs: Collection[str], workers: int = 1, roles: Sequence[str] = ()) -> Corpus:
    """The assays of a corpus folder, or of whatever `molmeta.data.collection.read_corpus` reads."""
    if is_corpus(source):
        return open_corpus(source).corpus(needs, roles)
    return read_corpus(source, needs, workers, roles)


def _table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, memory_map=True)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path} is missing, cut off or damaged ({error}); build the corpus again"
        ) from error
