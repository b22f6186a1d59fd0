"""The labelled compounds that carry a prediction."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch

from molmeta.chem.rows import features_of
from molmeta.chem.similarity import tanimoto
from molmeta.errors import NotEnoughData
from molmeta.explain.reading import level, read, without
from molmeta.predictor import Predictor
from molmeta.threads import one_thread

# Labelled compounds that are left out in turn; of larger support sets those most like the compound asked for.
MOST_LEFT_OUT = 128
_COLUMNS = ["compound", "rank", "labelled", "label", "similarity", "influence"]


@torch.no_grad()
@one_thread()
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
    asked = read(smiles)
    if not asked:
        return pd.DataFrame(columns=_COLUMNS)
    mols = predictor.ensemble.prepare(features_of(asked, predictor.needs)[1])
    support = predictor.labelled
    whole = level(predictor.ensemble.condition(support)(mols))
    alike = tanimoto(mols.need("counts"), support.mols.need("counts"))
    left_out = alike.max(0).values.argsort(descending=True, stable=True)[:MOST_LEFT_OUT]
    change = torch.full((len(asked), len(left_out)), torch.nan, dtype=torch.float64)
    for column, i in enumerate(left_out.tolist()):
        rest = without(support, i)
        try:
            change[:, column] = (whole - level(predictor.ensemble.condition(rest)(mols))).cpu()
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
    return pd.DataFrame(rows, columns=_COLUMNS)
