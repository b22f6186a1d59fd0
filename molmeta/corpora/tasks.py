"""FS-Mol's original task files, and the same rows as a table: classes of the source, with its values.

Source: Stanley et al. 2021, FS-Mol: A Few-Shot Learning Dataset of Molecules.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molmeta.corpora.cleaning import PERCENT, POTENCY, off_scale
from molmeta.corpora.config import CorpusConfig
from molmeta.corpora.losses import Losses
from molmeta.corpora.staging import Batch, Staging
from molmeta.data.collection import task_files
from molmeta.data.corpus import SIGNS
from molmeta.data.fsmol import TURNED, describe, read_table, read_tasks
from molmeta.errors import InputError

FOLDS = ("train", "valid", "test")


def stage_tasks(folder: Path, config: CorpusConfig, staging: Staging, losses: Losses) -> int:
    """Stages a folder of task files, one at a time; their fold is the folder that they are in.

    Returns
    -------
    int
        Rows read.
    """
    rows = 0
    for file in task_files(folder):
        try:
            table = read_tasks([file])
        except InputError as error:
            losses.add("files", file.name, example=str(error))
            continue
        rows += len(table)
        fold = file.parent.name if file.parent.name in FOLDS else None
        _stage(table, describe(table, None), {"source": file.name, "fold": fold}, config, staging, losses)
    return rows


def stage_fsmol_table(path: Path, config: CorpusConfig, staging: Staging, losses: Losses) -> int:
    """Stages a table in FS-Mol's form, which an `assays.csv` beside it may describe; returns its rows."""
    table = read_table(path)
    described = path.parent / "assays.csv"
    assays = describe(table, described if described.is_file() else None)
    _stage(table, assays, {"source": path.name}, config, staging, losses)
    return len(table)


def _stage(
    table: pd.DataFrame,
    assays: pd.DataFrame,
    facts: dict[str, Any],
    config: CorpusConfig,
    staging: Staging,
    losses: Losses,
) -> None:
    for name, rows in table.groupby("assay", sort=False):
        about = assays.loc[str(name)]
        assert isinstance(about, pd.Series)  # names are unique
        potency = about["kind"] == "pXC50"
        kind = np.full(len(rows), POTENCY if potency else PERCENT, dtype=np.int16)
        value = rows["p_value" if potency else "value"].to_numpy(np.float64)
        said = rows["relation"].replace(TURNED) if potency else rows["relation"]
        label = np.where(rows["label"].isna(), -1, rows["label"]).astype(np.int8)
        impossible = off_scale(kind, value, config.scale)
        if impossible.any():
            odd = rows["value"].to_numpy()[impossible][0]
            losses.add("scale", str(name), int(impossible.sum()), f"{name} has {odd:g}")
        batch = Batch(
            assay=np.full(len(rows), staging.assay(str(name), facts | _about(name, about))),
            smiles=rows["smiles"].fillna("").astype(str).tolist(),
            kind=kind,
            value=value,
            relation=np.asarray(said.map(SIGNS).fillna(0), dtype=np.int8),
            label=label,
        )
        staging.add(batch.select(~impossible & (label >= 0)))
        losses.add("value", str(name), int((~impossible & (label < 0)).sum()))


def _about(name: object, row: pd.Series) -> dict[str, Any]:
    """What a description says of an assay, in the words of a corpus."""
    words = {"target": "target_id", "organism": "organism", "family": "protein_family", "fold": "role"}
    found: dict[str, Any] = {"assay": str(name)}
    for key, column in words.items():
        value = row.get(column)
        if value is not None and not pd.isna(value) and str(value) != "":
            found[key] = str(int(value)) if isinstance(value, float) else str(value)
    if "target" in found:
        found["groups"] = [found["target"]]
    if "panel" in row and row["panel"] is True:
        found["panel"] = True
    return found
