"""`Corpus`: many assays over one table of distinct, featurized compounds."""

from __future__ import annotations

import multiprocessing
from collections.abc import Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from molmeta.chem.batch import MolBatch, concatenate, from_tensors, to_tensors
from molmeta.chem.features import featurize
from molmeta.chem.molecule import Molecule, Rejection
from molmeta.chem.smiles import read_smiles
from molmeta.data.episode import Labelled
from molmeta.units import Kind, Target

# Columns of the long table that every corpus reader hands over; one row a measurement.
COLUMNS = ("assay", "smiles", "label", "p_value", "relation")
SIGNS = {"<": -1, "<=": -1, "<<": -1, ">": 1, ">=": 1, ">>": 1}


@dataclass(frozen=True, eq=False)
class Corpus:
    """r measurements of m distinct compounds in a assays.

    Attributes
    ----------
    mols : MolBatch
        Features of the m compounds.
    smiles : tuple of str, length m
        Canonical SMILES of the standardized parents.
    assays : DataFrame
        One row an assay, indexed by its name; columns "kind" ("pXC50", "percent", ...), "role", "kinase",
        "panel" and whatever else the source says.
    assay, mol : int64[r]
        Row of `assays` and of `mols` of each measurement; mol is -1 where the structure was rejected.
        Measurements of an assay stand together, in the order of the source.
    label : float32[r]
        0 or 1.
    value : float32[r]
        -log10(mol/L) where the assay is one of potencies, else nan.
    relation : int8[r]
        Censoring on the scale of `value`: -1 the true value is below, 0 exact, +1 above.
    rejected : tuple of Rejection
        Distinct structures that could not be read.
    """

    mols: MolBatch
    smiles: tuple[str, ...]
    assays: pd.DataFrame
    assay: NDArray[np.int64]
    mol: NDArray[np.int64]
    label: NDArray[np.float32]
    value: NDArray[np.float32]
    relation: NDArray[np.int8]
    rejected: tuple[Rejection, ...] = ()

    def __len__(self) -> int:
        return len(self.assays)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.searchsorted(self.assay, np.arange(len(self.assays) + 1))

    def rows(self, name: str) -> slice:
        """Measurements of an assay, as a slice of the arrays above."""
        i = int(self.assays.index.get_indexer(pd.Index([name]))[0])
        if i < 0:
            raise KeyError(name)
        return slice(int(self._starts[i]), int(self._starts[i + 1]))

    def labelled(self, name: str, kind: Kind = "classification") -> Labelled:
        """Readable measurements of an assay: all of them (classification), or those with a value."""
        rows = self.rows(name)
        keep = self.mol[rows] >= 0
        y = self.label[rows]
        relation = np.zeros_like(self.relation[rows])
        if kind == "regression":
            y, relation = self.value[rows], self.relation[rows]
            keep &= np.isfinite(y)
        target = Target(name, kind, "pIC50" if kind == "regression" else None)
        return Labelled(
            self.mols.select(torch.from_numpy(self.mol[rows][keep])),
            torch.from_numpy(y[keep]),
            torch.from_numpy(relation[keep]),
            target,
        )

    def select(self, names: Sequence[str]) -> Corpus:
        """The assays `names`, with only the compounds that they measured."""
        names = list(names)
        order = np.concatenate([np.r_[self.rows(name)] for name in names] or [np.zeros(0, dtype=np.int64)])
        mol = self.mol[order]
        used, compact = np.unique(mol[mol >= 0], return_inverse=True)
        new = np.full(len(mol), -1)
        new[mol >= 0] = compact
        sizes = [self.rows(name).stop - self.rows(name).start for name in names]
        return Corpus(
            mols=self.mols.select(torch.from_numpy(used)),
            smiles=tuple(self.smiles[i] for i in used),
            assays=self.assays.loc[names],
            assay=np.repeat(np.arange(len(names)), sizes),
            mol=new,
            label=self.label[order],
            value=self.value[order],
            relation=self.relation[order],
        )


def _read_chunk(job: tuple[list[str], tuple[str, ...]]) -> tuple[list[str | Rejection], dict[str, Any]]:
    """Outcome of each text, and the features of the readable ones as arrays, which travel between
    processes without shared memory."""
    texts, needs = job
    torch.set_num_threads(1)
    read = [read_smiles(i, text) for i, text in enumerate(texts)]
    molecules = [m for m in read if isinstance(m, Molecule)]
    arrays = {name: tensor.numpy() for name, tensor in to_tensors(featurize(molecules, needs)).items()}
    return [m.smiles if isinstance(m, Molecule) else m for m in read], arrays


def _batch(outcome: Sequence[str | Rejection], arrays: dict[str, Any]) -> MolBatch:
    n = sum(isinstance(o, str) for o in outcome)
    return from_tensors(n, {name: torch.from_numpy(array) for name, array in arrays.items()})


def build_corpus(
    table: pd.DataFrame, assays: pd.DataFrame, needs: Collection[str], workers: int = 1
) -> Corpus:
    """A corpus from a long table with the columns `COLUMNS` and one with a row an assay.

    Parameters
    ----------
    table : DataFrame
        "relation" refers to the p-scale already (">" means a higher p-value).
    assays : DataFrame
        Indexed by assay; its order becomes the order of the corpus.
    needs : collection of str
        Features to compute (`molmeta.chem.features`).
    workers : int
        Processes that read the structures.
    """
    texts = table["smiles"].unique()
    chunks = [(list(texts[i : i + 2000]), tuple(needs)) for i in range(0, len(texts), 2000)]
    if workers > 1 and len(chunks) > 1:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            parts = list(pool.map(_read_chunk, chunks))
    else:
        parts = [_read_chunk(chunk) for chunk in chunks]
    outcome = [o for part, _ in parts for o in part]
    kept = np.array([isinstance(o, str) for o in outcome], dtype=bool)
    position = np.full(len(outcome), -1)
    position[kept] = np.arange(kept.sum())
    code = assays.index.get_indexer(pd.Index(table["assay"]))
    order = np.argsort(code, kind="stable")
    table = table.iloc[order]
    return Corpus(
        mols=concatenate([_batch(*part) for part in parts]),
        smiles=tuple(o for o in outcome if isinstance(o, str)),
        assays=assays,
        assay=code[order],
        mol=position[pd.Index(texts).get_indexer(pd.Index(table["smiles"]))],
        label=table["label"].to_numpy(np.float32),
        value=table["p_value"].to_numpy(np.float32),
        relation=np.asarray(table["relation"].map(SIGNS).fillna(0), dtype=np.int8),
        rejected=tuple(o for o in outcome if isinstance(o, Rejection)),
    )
