"""A featurized corpus on disk: tensors in safetensors, descriptions of the assays in Parquet."""

from __future__ import annotations

import os
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from molmeta.chem.batch import Graphs, MolBatch
from molmeta.data.corpus import Corpus

_ARRAYS = ("assay", "mol", "label", "value", "relation")


def save_corpus(folder: Path, corpus: Corpus) -> None:
    """Writes a corpus to a new folder, which appears whole or not at all."""
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    temporary.mkdir(parents=True)
    tensors = {name: torch.from_numpy(np.ascontiguousarray(getattr(corpus, name))) for name in _ARRAYS}
    for field in fields(MolBatch):
        value = getattr(corpus.mols, field.name)
        if isinstance(value, torch.Tensor):
            tensors[f"mols.{field.name}"] = value.contiguous()
    if corpus.mols.graph is not None:
        for field in fields(Graphs):
            tensors[f"graph.{field.name}"] = getattr(corpus.mols.graph, field.name).contiguous()
    save_file(tensors, temporary / "tensors.safetensors")
    corpus.assays.to_parquet(temporary / "assays.parquet")
    pd.DataFrame({"smiles": list(corpus.smiles)}).to_parquet(temporary / "smiles.parquet")
    if folder.exists():
        shutil.rmtree(temporary)
    else:
        temporary.rename(folder)


def load_corpus(folder: Path) -> Corpus:
    """The corpus that `save_corpus` wrote (without its rejected structures)."""
    tensors = load_file(folder / "tensors.safetensors")
    graph = {f.name: tensors.pop(f"graph.{f.name}", None) for f in fields(Graphs)}
    mols = {key.removeprefix("mols."): tensors.pop(key) for key in list(tensors) if key.startswith("mols.")}
    smiles = tuple(pd.read_parquet(folder / "smiles.parquet")["smiles"])
    return Corpus(
        mols=MolBatch(
            n=len(smiles),
            graph=None if graph["atoms"] is None else Graphs(**graph),
            **mols,
        ),
        smiles=smiles,
        assays=pd.read_parquet(folder / "assays.parquet"),
        **{name: tensors[name].numpy() for name in _ARRAYS},
    )
