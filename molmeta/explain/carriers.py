"""The labelled compounds that carry a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from molmeta.chem.batch import MolBatch, concatenate
from molmeta.chem.rows import features_of
from molmeta.chem.similarity import tanimoto
from molmeta.crossvalidation import predict_parts
from molmeta.data.episode import Labelled
from molmeta.ensemble import Ensemble
from molmeta.errors import NotEnoughData
from molmeta.explain.reading import level, read
from molmeta.predictor import Predictor
from molmeta.threads import one_thread

# Labelled compounds that are left out in turn; of larger support sets those most like the compound asked for.
MOST_LEFT_OUT = 128
_FEWEST = 32  # compounds that are explained at once; more than half of the labelled ones would take longer
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
    ensemble, support = predictor.ensemble, predictor.labelled
    mols = ensemble.prepare(features_of(asked, predictor.needs)[1])
    whole = level(predictor.conditioned(mols))
    alike = tanimoto(mols.need("counts"), support.mols.need("counts"))
    left_out = alike.max(0).values.argsort(descending=True, stable=True)[:MOST_LEFT_OUT]
    # The only compound of its class carries everything.
    spared = set(ensemble.spared(support))
    able = [column for column, i in enumerate(left_out.tolist()) if i in spared]
    change = torch.full((len(asked), len(left_out)), torch.nan, dtype=torch.float64)
    if able:
        change[:, able] = (whole[:, None] - _levels(ensemble, support, mols, left_out[able])).cpu()
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


def _levels(ensemble: Ensemble, support: Labelled, mols: MolBatch, left_out: Tensor) -> Tensor:
    """Levels float64[m, k] of m compounds without each of the labelled ones at rows int64[k]."""
    n = len(support)
    # The compounds join the support set, where each part is left out with all of them, whatever their label.
    size = max(_FEWEST, n // 2) if ensemble.leaves_out else mols.n
    blocks = []
    for block in torch.split(torch.arange(mols.n, device=left_out.device), size):
        own = mols.select(block)
        both = Labelled(
            _joined(support.mols, own),
            torch.cat([support.y, support.y.mean().expand(own.n)]),
            torch.cat([support.relation, support.relation.new_zeros(own.n)]),
            support.target,
        )
        asked = torch.arange(n, n + own.n, device=left_out.device)
        parts = [torch.cat([row[None], asked]) for row in left_out]
        blocks.append(torch.stack([level(one)[1:] for one in predict_parts(ensemble, both, parts)], 1))
    return torch.cat(blocks)


def _joined(a: MolBatch, b: MolBatch) -> MolBatch:
    """Both batches, with the fields that both have."""
    lacking = [f.name for f in fields(MolBatch) if getattr(a, f.name) is None or getattr(b, f.name) is None]
    nothing: dict[str, Any] = dict.fromkeys(lacking)
    return concatenate([replace(one, **nothing) for one in (a, b)])
