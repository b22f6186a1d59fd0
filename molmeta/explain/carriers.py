"""What an adapted model rests on: labelled compounds that carry a prediction, and training assays like it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from molmeta.atlas import Atlas
from molmeta.bundle import Origin
from molmeta.checkpoint import load_atlas
from molmeta.chem.batch import MolBatch
from molmeta.chem.molecule import Molecule
from molmeta.chem.rows import features_of
from molmeta.chem.similarity import tanimoto
from molmeta.chem.smiles import read_smiles
from molmeta.data.episode import Labelled
from molmeta.errors import CheckpointError, ConfigError, InputError, NotEnoughData
from molmeta.heads.evidence.head import Evidence
from molmeta.prediction import Bernoulli, Prediction
from molmeta.predictor import Predictor

# Labelled compounds that are left out in turn; of larger support sets those most like the compound asked for.
MOST_LEFT_OUT = 128
_CARRIERS = ["compound", "rank", "labelled", "label", "similarity", "influence"]
# Compounds that an assay must share with the support set for their agreement to be told.
_FEWEST_SHARED = 3
# Labelled compounds below which some of thousands of assays agree with any labels.
FEWEST_TO_COMPARE = 16


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


@torch.no_grad()
def relatives(predictor: Predictor, atlas: Atlas | None = None, most: int = 5) -> pd.DataFrame:
    """The training assays that order the labelled compounds as this assay does.

    Parameters
    ----------
    atlas : Atlas or None
        Of the checkpoint that the model was adapted from (`molmeta.checkpoint.load_atlas`), by default.
    most : int

    Returns
    -------
    DataFrame
        assay, family (the widest that is known, or ""), correlation (of the labels with what the assay's
        direction in the atlas says of the compounds), shared (labelled compounds that the assay measured
        too, as far as the heads keep them), agreement (correlation over those; nan for fewer than three).
        The largest correlation first. With few labelled compounds chance finds a relative among
        thousands of assays.

    Raises
    ------
    NotEnoughData
        Fewer than FEWEST_TO_COMPARE labelled compounds.
    ConfigError
        The atlas belongs to another encoder.
    CheckpointError
        The checkpoint that the model was adapted from is not there, is not the same, or has no atlas.
    """
    support, y = predictor.labelled, np.asarray(predictor.support.values, dtype=np.float64)
    if len(y) < FEWEST_TO_COMPARE:
        raise NotEnoughData(
            f"{predictor.name} has {len(y)} labelled compounds; wanted {FEWEST_TO_COMPARE}, as among "
            "thousands of assays chance finds some that agree with fewer"
        )
    atlas = _atlas_of(predictor) if atlas is None else atlas
    embedding = support.mols.need("embedding").double().cpu()
    if embedding.shape[1] != atlas.outputs.shape[1]:
        raise ConfigError(
            f"the atlas speaks of {atlas.outputs.shape[1]} numbers a compound, the model has "
            f"{embedding.shape[1]}; give the atlas of {predictor.report.model}"
        )
    unit = torch.nn.functional.normalize(embedding, dim=1).numpy()
    sign = predictor.support.target.sign
    correlation = _correlations(unit @ atlas.outputs.double().numpy().T, sign * y)
    order = np.argsort(-correlation, kind="stable")[:most]
    shared = _shared(predictor, support.mols)
    rows = []
    for t in order:
        own = shared[shared["assay"] == t]
        enough = len(own) >= _FEWEST_SHARED
        with np.errstate(invalid="ignore", divide="ignore"):
            agreement = np.corrcoef(own["value"], sign * y[own["row"]])[0, 1] if enough else np.nan
        rows.append(
            {
                "assay": atlas.names[t],
                "family": next(iter(atlas.families[t]), ""),
                "correlation": correlation[t],
                "shared": len(own),
                "agreement": agreement,
            }
        )
    return pd.DataFrame(rows)


def _atlas_of(predictor: Predictor) -> Atlas:
    """The atlas of the checkpoint that a model was adapted from, by its path and not by its bare name."""
    origin = predictor.recipe.origin if predictor.recipe else predictor.origin
    if origin is None:
        raise CheckpointError(f"{predictor.name} does not name the checkpoint that it was adapted from")
    if predictor.report.fine_tuned:
        raise CheckpointError(
            f"{predictor.name} was fine-tuned, and the atlas of {origin.model} is of the encoder before that"
        )
    if Origin.of(origin.model).sha256 != origin.sha256:
        raise CheckpointError(f"the checkpoint {origin.model} is not the one that {predictor.name} came from")
    return load_atlas(origin.model)


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


def _correlations(said: np.ndarray, y: np.ndarray) -> np.ndarray:
    """float64[T] of each column of said float64[n, T] with y float64[n]; -1 where a column says nothing."""
    said, y = said - said.mean(0), y - y.mean()
    norm = np.linalg.norm(said, axis=0) * np.linalg.norm(y)
    return np.where(norm > 1e-12, y @ said / np.maximum(norm, 1e-12), -1.0)


def _shared(predictor: Predictor, mols: MolBatch) -> pd.DataFrame:
    """Earlier measurements of the labelled compounds that the default head keeps: row, assay, value."""
    learner = predictor.ensemble.learner
    heads = [learner.head(name) for name in predictor.ensemble.weights]
    tables = [head.profiles for head in heads if isinstance(head, Evidence) and head.rank]
    if not tables or mols.identity is None:
        return pd.DataFrame({"row": [], "assay": [], "value": []}).astype({"row": int, "assay": int})
    row, assay, value = tables[0].entries(mols.identity)
    return pd.DataFrame({"row": row.cpu(), "assay": assay.cpu(), "value": value.cpu()})
