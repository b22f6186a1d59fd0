"""What all explanations share: compounds that are asked for, and the level of a prediction."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from molmeta.chem.molecule import Molecule
from molmeta.chem.smiles import read_smiles
from molmeta.data.episode import Labelled
from molmeta.errors import InputError
from molmeta.prediction import Bernoulli, Prediction


def read(smiles: str | Sequence[str]) -> list[Molecule]:
    """One molecule a structure; raises InputError for the first that cannot be read."""
    texts = [smiles] if isinstance(smiles, str) else smiles
    found = [read_smiles(row, text) for row, text in enumerate(texts, start=1)]
    for one, text in zip(found, texts, strict=True):
        if not isinstance(one, Molecule):
            raise InputError(f"'{text}' cannot be explained: {one.reason}")
    return [one for one in found if isinstance(one, Molecule)]


def level(prediction: Prediction) -> torch.Tensor:
    """What is explained, float64[n]: log-odds or value."""
    return (prediction.logit if isinstance(prediction, Bernoulli) else prediction.mean).double()


def without(support: Labelled, i: int) -> Labelled:
    """All labelled compounds but the i-th."""
    everyone = torch.arange(len(support), device=support.y.device)
    return support.select(everyone[everyone != i])
