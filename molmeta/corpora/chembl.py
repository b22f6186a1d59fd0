"""A ChEMBL release in SQLite: activities of many assays, with what ChEMBL says of their targets.

Source: Mendez et al. 2019, ChEMBL: towards direct deposition of bioassay data; the schema of releases 24
to 36. Tables of sequences and protein classes may be missing; targets are then known by their id alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molmeta.corpora.cleaning import FLAWS, base_endpoint, clean
from molmeta.corpora.config import Chembl, CorpusConfig
from molmeta.corpora.losses import Losses
from molmeta.corpora.staging import Batch, Staging
from molmeta.errors import InputError

_CHUNK = 50_000  # activities
_WANTED = ("activities", "assays", "compound_structures", "target_dictionary")
_ACTIVITIES = """
SELECT a.activity_id, a.assay_id, s.canonical_smiles, a.standard_type, a.standard_relation, a.standard_value,
       a.standard_units, a.pchembl_value, a.data_validity_comment, a.potential_duplicate
FROM activities a LEFT JOIN compound_structures s ON s.molregno = a.molregno
WHERE a.standard_type IN ({marks})
"""
_ASSAYS = """
SELECT y.assay_id, y.chembl_id, y.assay_type, y.confidence_score, y.tid, t.chembl_id AS target, t.pref_name,
       t.target_type, t.organism
FROM assays y LEFT JOIN target_dictionary t ON t.tid = y.tid
"""
_SEQUENCES = """
SELECT c.tid, s.accession, s.component_id
FROM target_components c JOIN component_sequences s USING (component_id)
"""
_CLASSES = """
SELECT t.tid, c.protein_class_id FROM target_components t JOIN component_class c USING (component_id)
ORDER BY 1, 2
"""
_COLUMNS = ("activity", "assay", "smiles", "endpoint", "sign", "value", "unit", "p", "validity", "copy")


def stage_chembl(path: Path, config: CorpusConfig, staging: Staging, losses: Losses) -> int:
    """Stages the activities of a release that the configuration wants; returns how many were looked at.

    One assay that measured several endpoints becomes several, since their values do not compare.

    Raises
    ------
    InputError
        It is no ChEMBL database, or it is cut off.
    """
    check_whole(path)
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as base:
        try:
            tables = {name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if missing := [name for name in _WANTED if name not in tables]:
                raise InputError(
                    f"{path.name} has no table {', '.join(missing)}; give the SQLite file of a ChEMBL release"
                )
            assays = _assays(base, tables, config.chembl)
            rows = 0
            for frame in _activities(base, config.chembl):
                rows += len(frame)
                _stage(path.name, frame, assays, config, staging, losses)
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path.name} is cut off or damaged ({error}); unpack it again") from error
    return rows


def release(path: Path) -> str | None:
    """The release that a database says it is, such as "ChEMBL_34"."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as base:
        try:
            found = base.execute("SELECT name FROM version WHERE name LIKE 'ChEMBL%'").fetchone()
        except sqlite3.DatabaseError:
            return None
    return str(found[0]) if found else None


def check_whole(path: Path) -> None:
    """Raises InputError where a database is shorter than its header says."""
    with path.open("rb") as stream:
        header = stream.read(100)
    page, pages = int.from_bytes(header[16:18], "big"), int.from_bytes(header[28:32], "big")
    size, wanted = path.stat().st_size, (page if page > 1 else 65536) * pages
    if size < wanted:
        raise InputError(f"{path.name} is cut off: it has {size:,} bytes of {wanted:,}; unpack it again")


def _assays(base: sqlite3.Connection, tables: set[str], config: Chembl) -> dict[int, dict[str, Any]]:
    """Facts of the assays whose type and confidence are wanted."""
    groups, families = _sequences(base, tables), _families(base, tables)
    facts: dict[int, dict[str, Any]] = {}
    for number, name, kind, confidence, tid, target, called, target_type, organism in base.execute(_ASSAYS):
        if kind not in config.assay_types or (confidence or 0) < config.least_confidence:
            continue
        facts[number] = {
            "assay": name,
            "assay_type": kind,
            "confidence": confidence,
            "target": target,
            "target_name": called,
            "target_type": target_type,
            "organism": organism,
            "family": families.get(tid),
            "groups": groups.get(tid) or ([target] if target else []),
        }
    return facts


def _sequences(base: sqlite3.Connection, tables: set[str]) -> dict[int, list[str]]:
    """Proteins of each target, by accession: a protein and a complex that it is part of share one."""
    if not {"target_components", "component_sequences"} <= tables:
        return {}
    found: dict[int, list[str]] = {}
    for tid, accession, component in base.execute(_SEQUENCES):
        found.setdefault(tid, []).append(accession or f"component {component}")
    return {tid: sorted(names) for tid, names in found.items()}


def _families(base: sqlite3.Connection, tables: set[str]) -> dict[int, str]:
    """Protein class of each target, from the root on; the first where there are several."""
    if not {"target_components", "component_class", "protein_classification"} <= tables:
        return {}
    classes = {
        number: (parent, name)
        for number, parent, name in base.execute(
            "SELECT protein_class_id, parent_id, pref_name FROM protein_classification"
        )
    }

    def path_of(number: int | None) -> Iterator[str]:
        if number in classes:
            parent, name = classes[number]
            yield from path_of(parent if parent != number else None)
            if parent is not None:  # the root is called "Protein class"
                yield str(name)

    found: dict[int, str] = {}
    for tid, number in base.execute(_CLASSES):
        found.setdefault(tid, " / ".join(path_of(number)))
    return found


def _activities(base: sqlite3.Connection, config: Chembl) -> Iterator[pd.DataFrame]:
    wanted = {one.lower() for one in (*config.potencies, *config.percentages)}
    types = [name for (name,) in base.execute("SELECT DISTINCT standard_type FROM activities") if name]
    chosen = [name for name in types if base_endpoint(name).lower() in wanted]
    found = base.execute(_ACTIVITIES.format(marks=", ".join("?" * len(chosen))), chosen)
    while part := found.fetchmany(_CHUNK):
        yield pd.DataFrame(part, columns=list(_COLUMNS))


def _stage(
    name: str,
    frame: pd.DataFrame,
    assays: dict[int, dict[str, Any]],
    config: CorpusConfig,
    staging: Staging,
    losses: Losses,
) -> None:
    frame = frame[frame["assay"].isin(list(assays))].reset_index(drop=True)
    if frame.empty:
        return
    text = frame[["smiles", "endpoint", "sign", "unit", "validity"]].astype(object).fillna("").astype(str)
    base = {one: base_endpoint(one) for one in text["endpoint"].unique()}
    endpoint = text["endpoint"].map(base)
    value = pd.to_numeric(frame["value"], errors="coerce").to_numpy(np.float64)
    cleaned = clean(text["endpoint"], text["unit"], text["sign"], value, config.scale, {})
    # ChEMBL gives the p-value of what it could convert, by a mass for example.
    p = pd.to_numeric(frame["p"], errors="coerce").to_numpy(np.float64)
    flaw, kind, found = cleaned.flaw.copy(), cleaned.kind.copy(), cleaned.value.copy()
    rescued = (flaw == FLAWS.index("units")) & np.isfinite(p) & (cleaned.relation == 0)
    flaw[rescued], kind[rescued], found[rescued] = 0, 0, p[rescued]
    percent = {one.lower() for one in config.chembl.percentages}
    stray = (kind >= 0) & ((kind == 1) != endpoint.str.lower().isin(percent).to_numpy()) | (kind > 1)
    flaw[stray & (flaw == 0)] = FLAWS.index("units")
    names = [
        f"{assays[number]['assay']} {what}" for number, what in zip(frame["assay"], endpoint, strict=True)
    ]
    doubted = ((text["validity"] != "") & ~text["validity"].isin(config.chembl.validity)).to_numpy()
    copies = (pd.to_numeric(frame["copy"], errors="coerce").fillna(0) == 1).to_numpy()
    if config.chembl.potential_duplicates:
        copies[:] = False
    reasons = np.where(copies, "copy", np.where(doubted, "validity", np.array(FLAWS)[flaw]))
    reasons = np.where((reasons == "") & (text["smiles"] == "").to_numpy(), "structure", reasons)
    for i in np.flatnonzero(reasons != ""):
        said = [text["endpoint"][i], text["sign"][i], f"{value[i]:g}", text["unit"][i]]
        what = f"activity {frame['activity'][i]} of {name} is {' '.join(filter(None, said))}"
        losses.add(str(reasons[i]), names[i], example=what)
    good = reasons == ""
    numbers = np.full(len(frame), -1)
    for i in np.flatnonzero(good):
        assay = int(frame["assay"][i])
        facts = assays[assay] | {"endpoint": endpoint[i], "source": name}
        numbers[i] = staging.assay(names[i], facts, assay)
    label = np.full(len(frame), -1, dtype=np.int8)
    batch = Batch(numbers, text["smiles"].tolist(), kind, found, cleaned.relation, label)
    staging.add(batch.select(good))
