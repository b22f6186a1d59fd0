"""The labelled compounds that carry a prediction."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch

from molmeta.chem.molecule import Molecule
from molmeta.chem.rows import features_of
from molmeta.chem.similarity import tanimoto
from molmeta.chem.smiles import read_smiles
from molmeta.data.episode import Labelled
from molmeta.errors import InputError, NotEnoughData
from molmeta.prediction import Bernoulli, Prediction
from molmeta.predictor import Predictor

# Labelled compounds that are left out in turn; of larger support sets those most like the compound asked for.
MOST_LEFT_OUT = 128
_CARRIERS = ["compound", "rank", "labelled", "label", "similarity", "influence"]


@torch.no_grad()
def carriers(predictor: Predictor, smiles: str | Sequence[str], most: int = 5) -> pd.DataFrame:
    """The labelled compounds without which a prediction would be another one, for any head.

    Each labelled compound is left out in turn, and the heads are conditioned on the others.

    Parameters
    ----------
    smiles : str or sequence of str
        Compounds to explain.
    most : int
        Labelled compounds to name of each.

    Returns
    -------
    DataFrame
        compound, rank, labelled (its name), label, similarity (Tanimoto, to the compound), influence: the
        prediction minus that without the labelled compound, in log-odds of being active (before
        calibration) or on the model's scale; nan where the others are of one class. The largest influences
        first, of either sign.

    Raises
    ------
    InputError
        A structure cannot be read.
    NotEnoughData
        The model has no labelled compounds.
    """
    if not len(predictor.support):
        raise NotEnoughData(f"{predictor.name} is a prior: no labelled compound carries its predictions")
    asked = _read([smiles] if isinstance(smiles, str) else smiles)
    if not asked:
        return pd.DataFrame(columns=_CARRIERS)
    mols = predictor.ensemble.prepare(features_of(asked, predictor.needs)[1])
    support = predictor.labelled
    whole = _level(predictor.ensemble.condition(support)(mols))
    alike = tanimoto(mols.need("counts"), support.mols.need("counts"))
    left_out = alike.max(0).values.argsort(descending=True, stable=True)[:MOST_LEFT_OUT]
    change = torch.full((len(asked), len(left_out)), torch.nan, dtype=torch.float64)
    for column, i in enumerate(left_out.tolist()):
        rest = _without(support, i)
        try:
            change[:, column] = (whole - _level(predictor.ensemble.condition(rest)(mols))).cpu()
        except NotEnoughData:  # the only compound of its class carries everything
            continue
    names = predictor.support.names()
    rows = []
    for row, one in enumerate(asked):
        size = change[row].abs().nan_to_num(torch.inf)
        for rank, column in enumerate(size.argsort(descending=True, stable=True)[:most].tolist(), start=1):
            i = int(left_out[column])
            rows.append(
                {
                    "compound": one.smiles,
                    "rank": rank,
                    "labelled": names[i],
                    "label": predictor.support.values[i],
                    "similarity": float(alike[row, i]),
                    "influence": float(change[row, column]),
                }
            )
    return pd.DataFrame(rows, columns=_CARRIERS)


def _read(smiles: Sequence[str]) -> list[Molecule]:
    found = [read_smiles(row, text) for row, text in enumerate(smiles, start=1)]
    for one, text in zip(found, smiles, strict=True):
        if not isinstance(one, Molecule):
            raise InputError(f"'{text}' cannot be explained: {one.reason}")
    return [one for one in found if isinstance(one, Molecule)]


def _level(prediction: Prediction) -> torch.Tensor:
    """What is explained, float64[n]: log-odds or value."""
    return (prediction.logit if isinstance(prediction, Bernoulli) else prediction.mean).double()


def _without(support: Labelled, i: int) -> Labelled:
    everyone = torch.arange(len(support), device=support.y.device)
    return support.select(everyone[everyone != i])
