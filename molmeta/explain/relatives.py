"""The training assays that an assay behaves like: which order its labelled compounds as it does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from molmeta.atlas import Atlas
from molmeta.bundle import Origin
from molmeta.checkpoint import load_atlas
from molmeta.chem.batch import MolBatch
from molmeta.errors import CheckpointError, ConfigError, NotEnoughData
from molmeta.heads.evidence.head import Evidence
from molmeta.predictor import Predictor

# Compounds that an assay must share with the support set for their agreement to be told.
_FEWEST_SHARED = 3
# Labelled compounds below which some of thousands of assays agree with any labels.
FEWEST_TO_COMPARE = 16
_SHUFFLES = 200


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
        direction in the atlas says of the compounds), chance (that shuffled labels agree as well with any
        assay at all), shared (labelled compounds that the assay measured
        too, as far as the heads keep them), agreement (correlation over those; nan for fewer than three).
        The largest correlation first.

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
    said = unit @ atlas.outputs.double().numpy().T
    (correlation,) = _correlations(said, sign * y[None])
    luck = _best_of_shuffled(said, sign * y)
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
                "chance": (1 + int((luck >= correlation[t]).sum())) / (1 + len(luck)),
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


def _correlations(said: np.ndarray, y: np.ndarray) -> np.ndarray:
    """float64[s, T] of each row of y float64[s, n] with each column of said float64[n, T]; -1 where a column
    says nothing."""
    said, y = said - said.mean(0), y - y.mean(1, keepdims=True)
    norm = np.outer(np.linalg.norm(y, axis=1), np.linalg.norm(said, axis=0))
    return np.where(norm > 1e-12, y @ said / np.maximum(norm, 1e-12), -1.0)


def _best_of_shuffled(said: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Largest correlation float64[_SHUFFLES] of shuffled labels with any assay (Westfall & Young 1993)."""
    rng = np.random.default_rng(0)
    return np.asarray(_correlations(said, np.array([rng.permutation(y) for _ in range(_SHUFFLES)])).max(1))


def _shared(predictor: Predictor, mols: MolBatch) -> pd.DataFrame:
    """Earlier measurements of the labelled compounds that the default head keeps: row, assay, value."""
    learner = predictor.ensemble.learner
    heads = [learner.head(name) for name in predictor.ensemble.weights]
    tables = [head.profiles for head in heads if isinstance(head, Evidence) and head.rank]
    if not tables or mols.identity is None:
        return pd.DataFrame({"row": [], "assay": [], "value": []}).astype({"row": int, "assay": int})
    row, assay, value = tables[0].entries(mols.identity)
    return pd.DataFrame({"row": row.cpu(), "assay": assay.cpu(), "value": value.cpu()})
