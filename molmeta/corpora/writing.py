"""Tables and features of a corpus are written: assays as they are chosen, compounds when all are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from molmeta.corpora.arrays import FeatureFiles
from molmeta.corpora.config import Folds
from molmeta.corpora.contents import (
    ASSAY,
    ASSAYS,
    COMPOUND,
    COMPOUNDS,
    FEATURES,
    MEASUREMENT,
    MEASUREMENTS,
    TableWriter,
)
from molmeta.corpora.folds import deal, given, has_given, target_groups
from molmeta.corpora.selection import Chosen
from molmeta.corpora.staging import Staging
from molmeta.corpora.structures import PART, Describe, run

Numbers = NDArray[np.int64]


def write_measurements(folder: Path, chosen: Iterable[Chosen], parents: int) -> tuple[Numbers, list[Chosen]]:
    """Writes the measurements of the assays as they come, and numbers their compounds by first appearance.

    Parameters
    ----------
    folder : Path
    chosen : iterable of Chosen
    parents : int
        How many parents there are.

    Returns
    -------
    order : int64[m]
        Parent of each compound.
    kept : list of Chosen
        The assays without their measurements.
    """
    number = np.full(parents + 1, -1)
    order: list[Numbers] = [np.zeros(0, dtype=np.int64)]
    known = 0
    kept: list[Chosen] = []
    writer = TableWriter(folder / MEASUREMENTS, MEASUREMENT)
    for one in chosen:
        found = one.compounds
        new = found.compound[number[found.compound] < 0]
        number[new] = np.arange(known, known + len(new))
        known += len(new)
        order.append(new)
        writer.append(
            {
                "assay": np.full(len(found), len(kept)),
                "compound": number[found.compound],
                "label": one.active,
                "value": found.value,
                "relation": found.relation,
                "rows": found.rows,
            }
        )
        kept.append(one.summary())
    writer.close()
    return np.concatenate(order), kept


def write_features(
    folder: Path,
    staging: Staging,
    order: Numbers,
    needs: Iterable[str],
    workers: int,
    progress: Callable[[int], None],
) -> tuple[Numbers, list[int]]:
    """Writes the features of the compounds.

    Returns
    -------
    clusters : int64[m]
        Number of the scaffold of each compound.
    lost : list of int
        Parents on which RDKit failed; the features are then of no use.
    """
    files = FeatureFiles(folder / FEATURES)
    parts = [order[i : i + PART] for i in range(0, len(order), PART)]
    clusters: list[Numbers] = [np.zeros(0, dtype=np.int64)]
    lost: list[int] = []
    done = 0
    jobs = (staging.texts("parent", part.tolist()) for part in parts)
    for part, (_, found) in zip(parts, run(Describe(frozenset(needs)), jobs, workers), strict=True):
        files.append(found.arrays)
        clusters.append(staging.number("scaffold", found.scaffolds) - 1)
        lost += [int(parent) for parent, status in zip(part, found.status, strict=True) if status != "ok"]
        done += len(part)
        progress(done)
    files.close()
    return np.concatenate(clusters), lost


def write_assays(folder: Path, kept: list[Chosen], options: Folds) -> pd.DataFrame:
    """Deals the assays out to folds, unless their source did, and writes them; returns their table."""
    assays = [one.assay for one in kept]
    groups = target_groups(assays)
    roles = (
        [given(a) for a in assays]
        if has_given(assays)
        else deal(np.array(groups), options.assays, options.seed)
    )
    leaders = [assays[group].facts.get("groups") for group in groups]
    records = [
        _record(one) | {"role": role, "target_id": names[0] if names else None}
        for one, role, names in zip(kept, roles, leaders, strict=True)
    ]
    writer = TableWriter(folder / ASSAYS, ASSAY)
    writer.append({name: [record.get(name) for record in records] for name in ASSAY.names})
    writer.close()
    return pd.DataFrame(records)


def _record(one: Chosen) -> dict[str, Any]:
    """The row of an assay in the table."""
    facts = one.assay.facts
    family = facts.get("family")
    return (
        {"kinase": None if family is None else "kinase" in str(family).lower()}
        | facts
        | {
            "assay": one.assay.name,
            "source_assay": facts.get("assay", one.assay.name),
            "kind": one.kind,
            "rows": one.assay.rows,
            "compounds": one.n,
            "active": one.n_active,
            "threshold": None if np.isnan(one.threshold) else one.threshold,
        }
    )


def write_compounds(
    folder: Path, staging: Staging, order: Numbers, clusters: Numbers, options: Folds
) -> None:
    """Deals the clusters out to folds, and writes the compounds."""
    fold = deal(clusters, options.compounds, options.seed)
    writer = TableWriter(folder / COMPOUNDS, COMPOUND)
    for start in range(0, len(order), PART):
        part = slice(start, start + PART)
        smiles = staging.texts("parent", order[part].tolist())
        writer.append({"smiles": smiles, "cluster": clusters[part], "fold": fold[part]})
    writer.close()
