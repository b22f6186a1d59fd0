"""A folder of assay files, one table an assay, each read as `molmeta adapt` reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from molmeta.corpora.cleaning import CLASS, PERCENT, POTENCY, VALUE, off_scale
from molmeta.corpora.config import CorpusConfig
from molmeta.corpora.losses import Losses
from molmeta.corpora.staging import Batch, Staging
from molmeta.data.assay import Assay
from molmeta.data.collection import assay_files, is_potency
from molmeta.data.table import read_assay
from molmeta.errors import MolmetaError


def stage_files(folder: Path, config: CorpusConfig, staging: Staging, losses: Losses) -> int:
    """Stages the assays of a folder, one file at a time; a file that cannot be used is a fault.

    Returns
    -------
    int
        Rows read.
    """
    rows, names = 0, set[str]()
    for file in assay_files(folder):
        try:
            assay = read_assay(file, conflicts=config.replicates.conflicts)
        except MolmetaError as error:
            losses.add("files", file.name, example=str(error))
            continue
        if assay.name in names:
            losses.add("files", file.name, example=f"another file is called '{assay.name}' too")
            continue
        names.add(assay.name)
        rows += assay.n_rows
        _stage(assay, file.name, config, staging, losses)
    return rows


def _stage(assay: Assay, source: str, config: CorpusConfig, staging: Staging, losses: Losses) -> None:
    kind = np.full(len(assay), scale_of(assay), dtype=np.int16)
    y, relation = assay.values, assay.relations
    label = np.full(len(assay), -1, dtype=np.int8)
    if assay.target.kind == "classification":
        label, y = assay.values.astype(np.int8), np.full(len(assay), np.nan)
    elif not assay.target.higher_is_better:
        y, relation = -y, -relation
    for rejection in assay.rejected:
        reason = "structure" if rejection.reason != "bad_label" else "value"
        losses.add(reason, assay.name, example=f"row {rejection.row}: {rejection.detail or rejection.reason}")
    losses.add("value", assay.name, len(assay.unlabelled))
    impossible = off_scale(kind, y, config.scale)
    if impossible.any():
        losses.add("scale", assay.name, int(impossible.sum()), f"{source} has {y[impossible][0]:g}")
    number = staging.assay(assay.name, {"assay": assay.name, "source": source, "endpoint": assay.target.name})
    batch = Batch(
        np.full(len(assay), number),
        [one.smiles for one in assay.molecules],
        kind,
        y,
        relation.astype(np.int8),
        label,
    )
    staging.add(batch.select(~impossible))


def scale_of(assay: Assay) -> int:
    """The position in `molmeta.corpora.cleaning.KINDS` of its scale."""
    if assay.target.kind == "classification":
        return CLASS
    if is_potency(assay):
        return POTENCY
    return PERCENT if assay.target.unit == "%" else VALUE
