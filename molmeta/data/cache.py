"""A featurized corpus on disk: tensors in safetensors, descriptions of the assays in Parquet."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from molmeta.chem.batch import from_tensors, to_tensors
from molmeta.data.corpus import Corpus
from molmeta.files import beside

_ARRAYS = ("assay", "mol", "label", "value", "relation")


def save_corpus(folder: Path, corpus: Corpus) -> None:
    """Writes a corpus to a new folder, which appears whole or not at all."""
    temporary = beside(folder)
    temporary.mkdir(parents=True)
    tensors = {name: torch.from_numpy(np.ascontiguousarray(getattr(corpus, name))) for name in _ARRAYS}
    tensors |= {f"mols.{name}": value.contiguous() for name, value in to_tensors(corpus.mols).items()}
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
    mols = {key.removeprefix("mols."): tensors.pop(key) for key in list(tensors) if key.startswith("mols.")}
    smiles = tuple(pd.read_parquet(folder / "smiles.parquet")["smiles"])
    return Corpus(
        mols=from_tensors(len(smiles), mols),
        smiles=smiles,
        assays=pd.read_parquet(folder / "assays.parquet"),
        assay=tensors["assay"].numpy(),
        mol=tensors["mol"].numpy(),
        label=tensors["label"].numpy(),
        value=tensors["value"].numpy(),
        relation=tensors["relation"].numpy(),
    )
