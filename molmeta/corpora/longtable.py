"""A long table, one row a measurement, in any format that is read here: rows to the staging database."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from molmeta.corpora.cleaning import CLASS, FLAWS, base_endpoint, clean
from molmeta.corpora.config import Columns, CorpusConfig
from molmeta.corpora.losses import Losses
from molmeta.corpora.staging import Batch, Staging
from molmeta.data.headers import label_rank, plain, says_relation, says_smiles, says_unit, unit_in
from molmeta.data.raw import open_table
from molmeta.errors import ConfigError, InputError
from molmeta.wording import counted

_CHUNK = 50_000  # rows
# Names of columns, as `molmeta.data.headers.plain` writes them; those before others are taken first.
NAMES = {
    "assay": (
        "assay",
        "assay_id",
        "assay_chembl_id",
        "assay_name",
        "aid",
        "task",
        "experiment",
        "experiment_id",
    ),
    "value": ("standard_value", "value", "measured_value", "result", "activity_value", "measurement"),
    "endpoint": ("standard_type", "endpoint", "type", "activity_type", "result_type", "measurement_type"),
    "label": ("label", "active", "is_active", "activity_class", "outcome"),
    "target": (
        "target_id",
        "target_chembl_id",
        "uniprot",
        "uniprot_id",
        "accession",
        "target",
        "target_name",
        "gene",
    ),
    "family": ("family", "target_family", "protein_family", "protein_class"),
    "organism": ("organism", "target_organism", "species"),
    "fold": ("fold", "split", "role"),
}
_CLASSES = {
    **dict.fromkeys(["1", "1.0", "true", "active", "yes"], 1),
    **dict.fromkeys(["0", "0.0", "false", "inactive", "no"], 0),
}
_SIGNED = re.compile(r"^\s*([<>=~]*)\s*(.*?)\s*$")
_FACTS = ("target", "family", "organism", "fold")


def stage_table(path: Path, config: CorpusConfig, staging: Staging, losses: Losses) -> int:
    """Stages all rows of a table; returns how many there are.

    Raises
    ------
    InputError
        It cannot be read, a column is missing, or a column of numbers holds none.
    ConfigError
        A column that the configuration names is not there.
    """
    columns: dict[str, str] | None = None
    rows, numbers = 0, 0
    others: dict[str, int] = {}
    for first, frame in _frames(path, losses):
        if columns is None:
            columns = find_columns(path.name, list(frame.columns), config.columns)
        rows += len(frame)
        numbers += _stage(path.name, first, frame, columns, config, staging, losses, others)
    if rows and not numbers:
        assert columns is not None
        raise InputError(
            f"{path.name} holds no label in {counted(rows, 'row')} of column "
            f"'{columns.get('value', columns.get('label'))}'; name another one in [columns]"
        )
    return rows


def find_columns(name: str, header: list[str], wanted: Columns) -> dict[str, str]:
    """Which column holds what, by the keys of `Columns`; those that are not there are left out.

    Raises
    ------
    ConfigError
        A column that is wanted is not there.
    InputError
        There is no column of assays, of structures, or of labels.
    """
    given = {key: value for key, value in wanted.model_dump().items() if value}
    if missing := [value for value in given.values() if value not in header]:
        raise ConfigError(f"{name} has no column '{missing[0]}'; it has {', '.join(header)}")
    free = [one for one in header if one not in given.values()]
    says = {"smiles": says_smiles, "unit": says_unit, "relation": says_relation}
    found = dict(given)
    for key in Columns.model_fields:
        by_name = [one for known in NAMES.get(key, ()) for one in free if plain(one) == known]
        by_kind = [one for one in free if key in says and says[key](one)]
        if key not in found and (candidates := by_name or by_kind):
            found[key] = candidates[0]
            free.remove(candidates[0])
    if (
        "value" not in found
        and "label" not in found
        and (measured := [c for c in free if label_rank(c) == 1])
    ):
        found["value"] = measured[0]
    for key, what in (("assay", "assays"), ("smiles", "structures")):
        if key not in found:
            raise InputError(
                f"{name} has no column of {what} among {', '.join(header)}; name it in [columns]"
            )
    if "value" not in found and "label" not in found:
        raise InputError(f"{name} has no column of labels among {', '.join(header)}; name it in [columns]")
    return found


def _frames(path: Path, losses: Losses) -> Iterator[tuple[int, pd.DataFrame]]:
    """Parts of a table as text, each with the number of its first row."""
    if _starts(path) == b"PAR1":
        yield from _parquet_frames(path)
        return
    table = open_table(path, trusted=True)
    first = 1
    while part := list(itertools.islice(table.rows, _CHUNK)):
        for row in part:
            if row.problem is not None:
                losses.add("files", path.name, example=row.problem.detail)
        good = [row.cells for row in part if row.problem is None]
        yield first, pd.DataFrame(good, columns=list(table.header), dtype=str)
        first += len(part)


def _starts(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(4)


def _parquet_frames(path: Path) -> Iterator[tuple[int, pd.DataFrame]]:
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            first = 1
            for part in file.iter_batches(batch_size=_CHUNK, use_threads=False):
                text = {
                    name: _as_text(column)
                    for name, column in zip(part.schema.names, part.columns, strict=True)
                }
                yield first, pd.DataFrame(text)
                first += len(part)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path.name} is cut off or damaged ({error}); give a whole file") from error


def _as_text(column: pa.Array) -> pd.Series:
    return pd.Series(column.cast(pa.string()).to_pandas(), dtype=object).fillna("").astype(str)


def _stage(
    name: str,
    first: int,
    frame: pd.DataFrame,
    columns: dict[str, str],
    config: CorpusConfig,
    staging: Staging,
    losses: Losses,
    others: dict[str, int],
) -> int:
    """Stages a part of a table, and returns how many of its rows have a label or a value."""
    blank = pd.Series("", index=frame.index)

    def text(key: str, default: pd.Series = blank) -> pd.Series:
        return frame[columns[key]].str.strip() if key in columns else default

    said, sign = text("value"), text("relation")
    value = pd.to_numeric(said, errors="coerce").to_numpy(np.float64, copy=True)
    unread = np.isnan(value) & (said != "").to_numpy()
    if unread.any():  # such as ">10000"
        signed = said[unread].str.extract(_SIGNED)
        value[unread] = pd.to_numeric(signed[1], errors="coerce").to_numpy(np.float64)
        sign = sign.mask(unread, signed[0].where(signed[0] != "", sign[unread]))
    label = text("label").str.lower().map(_CLASSES).fillna(-1).to_numpy(np.int64).astype(np.int8)
    measured = columns.get("value", "")
    endpoint = text("endpoint", pd.Series(measured, index=frame.index))
    unit = text("unit", pd.Series(unit_in(measured) or "", index=frame.index))
    cleaned = clean(endpoint, unit, sign, value, config.scale, others)
    flaw, kind = cleaned.flaw.copy(), cleaned.kind.copy()
    only_class = (label >= 0) & np.isnan(value)
    flaw[only_class], kind[only_class] = 0, CLASS
    assay = _names(frame[columns["assay"]].str.strip(), endpoint, "endpoint" in columns)
    for i in np.unique(flaw[flaw > 0]):
        rows = np.flatnonzero(flaw == i)
        at = int(rows[0])
        found = " ".join(filter(None, (one.iloc[at] for one in (endpoint, sign, said, unit))))
        for where, n in assay.iloc[rows].value_counts(sort=False).items():
            losses.add(FLAWS[i], str(where), int(n), f"row {first + at} of {name} has {found}")
    good = (flaw == 0) & (assay != "").to_numpy()
    facts = {key: frame[columns[key]].str.strip() for key in ("assay", *_FACTS) if key in columns}
    staging.add(
        Batch(
            assay=_numbers(assay, facts, good, name, staging),
            smiles=frame[columns["smiles"]].tolist(),
            kind=kind,
            value=cleaned.value,
            relation=cleaned.relation,
            label=label,
        ).select(good)
    )
    return int(good.sum() + np.isfinite(value).sum())


def _names(assay: pd.Series, endpoint: pd.Series, several: bool) -> pd.Series:
    """Names of assays; where the table names endpoints, one assay may have measured several."""
    if not several:
        return assay
    base = endpoint.map({one: base_endpoint(one) for one in endpoint.unique()})
    return (assay + " " + base).where(base != "", assay).where(assay != "", "")


def _numbers(
    assay: pd.Series, facts: dict[str, pd.Series], good: NDArray[np.bool_], source: str, staging: Staging
) -> NDArray[np.int64]:
    """The numbers of the assays of all rows; -1 where the row is not staged."""
    code, names = pd.factorize(assay)
    at = np.full(len(names), -1)
    at[code[good][::-1]] = np.flatnonzero(good)[::-1]  # the first good row of each
    numbers = np.full(len(names), -1)
    for i, name in enumerate(map(str, names)):
        if at[i] < 0:
            continue
        said: dict[str, str] = {}
        if not staging.knows(name):
            said = {key: str(column.iloc[at[i]]) for key, column in facts.items()}
        numbers[i] = staging.assay(name, said | {"groups": _group(said), "source": source})
    return numbers[code]


def _group(said: dict[str, str]) -> list[str]:
    return [said["target"]] if said.get("target") else []
