"""FS-Mol: the folder of original task files, and the same rows as one table a fold.

Source: Stanley et al. 2021, "FS-Mol: A Few-Shot Learning Dataset of Molecules".
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from molmeta.data.corpus import COLUMNS, Corpus, build_corpus
from molmeta.errors import InputError

# `relation` qualifies the concentration; on the p-scale it turns round.
TURNED = {">": "<", ">=": "<=", ">>": "<<", "<": ">", "<=": ">=", "<<": ">>"}
# Task files do not name the unit, and give -log10 of percentages too. An assay is one of potencies (nM) if
# all its logs exist and a tenth of its values are 300 or more: right for 4,952 of the 4,974 described assays.
_POTENCY = 300.0


def read_fsmol(source: Path, needs: Collection[str], workers: int = 1, roles: Sequence[str] = ()) -> Corpus:
    """An FS-Mol corpus from a table (`train.csv.gz`) or a folder of `CHEMBL*.jsonl.gz`.

    Parameters
    ----------
    source : Path
        A table with columns assay, smiles, label, value, p_value, relation, beside which an `assays.csv`
        may describe the assays; or a folder.
    needs : collection of str
        Features to compute.
    roles : sequence of str
        Keep the assays whose role (column of `assays.csv`) is one of these; all, if empty.

    Raises
    ------
    InputError
        Nothing is there, or it has other columns.
    """
    table = _read_folder(source) if source.is_dir() else read_table(source)
    described = source.parent / "assays.csv"
    assays = describe(table, described if described.is_file() and not source.is_dir() else None)
    if roles:
        assays = assays[assays["role"].isin(list(roles))]
        table = table[table["assay"].isin(assays.index)]
        if table.empty:
            raise InputError(f"{source} holds no assay with the role {', '.join(roles)}")
    table = table.assign(relation=table["relation"].replace(TURNED))
    potency = table["assay"].map(assays["kind"]).eq("pXC50")
    table["p_value"] = table["p_value"].where(potency)
    return build_corpus(table, assays, needs, workers)


def read_table(path: Path) -> pd.DataFrame:
    """The rows of a table in FS-Mol's form: the columns of a long table, and "value".

    Raises
    ------
    InputError
        It is not there, or it has other columns.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}; give an FS-Mol table or a folder of CHEMBL*.jsonl.gz")
    text = {"assay": str, "smiles": str, "relation": str}
    try:
        table = pd.read_csv(path, dtype=text, keep_default_na=True)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        why = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as an FS-Mol table: {why}; wanted CSV, also .gz") from error
    missing = {*COLUMNS, "value"} - set(table.columns)
    if missing:
        raise InputError(f"{path} lacks the columns {', '.join(sorted(missing))} of an FS-Mol table")
    for name in ("label", "p_value", "value"):
        if table[name].dtype.kind not in "biuf":
            raise InputError(
                f"{path}: column '{name}' holds text; wanted numbers, blank where there are none"
            )
    return table.assign(relation=table["relation"].fillna(""))


def _read_folder(folder: Path) -> pd.DataFrame:
    files = sorted(folder.rglob("*.jsonl.gz"))
    if not files:
        raise InputError(f"{folder} holds no *.jsonl.gz; give a folder of original FS-Mol task files")
    return read_tasks(files)


def read_tasks(files: Sequence[Path]) -> pd.DataFrame:
    """The rows of original task files, as one table with the columns of `read_table`.

    Raises
    ------
    InputError
        A file is cut off, or holds something else.
    """
    rows = []
    for file in files:
        try:
            with gzip.open(file, "rt", encoding="utf-8") as stream:
                rows += [_row(json.loads(line)) for line in stream if line.strip()]
        except (EOFError, OSError, zlib.error) as error:
            raise InputError(f"{file.name} is cut off or damaged ({error}); fetch it again") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{file.name} is no task file of FS-Mol ({error!r}); leave it out") from error
    if not rows:
        raise InputError(f"task files of FS-Mol hold no rows, {files[0].name} among them")
    return pd.DataFrame(rows, columns=[*COLUMNS, "value"])


def _row(record: dict[str, object]) -> tuple[object, ...]:
    def number(key: str) -> float:
        text = record.get(key)
        return float(str(text)) if text not in (None, "", "None") else float("nan")

    return (
        record["Assay_ID"],
        record["SMILES"],
        number("Property"),
        number("LogRegressionProperty"),
        str(record.get("Relation") or ""),
        number("RegressionProperty"),
    )


def describe(table: pd.DataFrame, described: Path | None) -> pd.DataFrame:
    """One row an assay of a table, with what a file `assays.csv` says of it, or its kind alone."""
    names = pd.Index(table["assay"].unique(), name="assay")
    if described is not None:
        text = {"protein_family": str, "protein_super_family": str}
        assays = pd.read_csv(described, low_memory=False, dtype=text).set_index("assay").reindex(names)
        family = assays["protein_family"].fillna("") + assays["protein_super_family"].fillna("")
        return assays.assign(
            kinase=family.str.contains("kinase"), panel=assays["residual_panel"].fillna(0).astype(bool)
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        log = (table["p_value"] - (9 - np.log10(table["value"]))).abs() < 0.01
    high = table["value"].groupby(table["assay"]).quantile(0.9)
    potency = (log.groupby(table["assay"]).all() & (high >= _POTENCY)).reindex(names)
    return pd.DataFrame(
        {"kind": np.where(potency, "pXC50", "percent"), "role": "", "kinase": pd.NA, "panel": pd.NA},
        index=names,
    )
