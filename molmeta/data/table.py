"""`read_assay`: any table of compounds and labels becomes an `Assay` that says how it was read."""

from __future__ import annotations

from collections import Counter

import numpy as np

from molmeta.chem.molecule import Molecule, Rejection
from molmeta.chem.smiles import read_smiles
from molmeta.data.assay import Assay
from molmeta.data.entries import Entries, Entry, Wanted, labelled_entries, listed_entries
from molmeta.data.labels import Blank, Label, Unreadable
from molmeta.data.measure import Measured, Options, measure
from molmeta.data.raw import Tables
from molmeta.data.replicates import CONFLICTS, Group, collect, merge
from molmeta.errors import ConfigError, NotEnoughData


def read_assay(
    source: Tables | None = None,
    *,
    name: str | None = None,
    smiles_column: str | None = None,
    label_column: str | None = None,
    id_column: str | None = None,
    unit: str | None = None,
    decimal: str | None = None,
    censored: str = "keep-bound",
    conflicts: str = "median",
    lower_is_better: bool = False,
    active_if: str | None = None,
    actives: Tables | None = None,
    inactives: Tables | None = None,
    trusted: bool = False,
) -> Assay:
    """Read the compounds and labels of one assay.

    Parameters
    ----------
    source : path, DataFrame, binary stream or "-" (stdin)
        .csv .tsv .smi .sdf .parquet, also .gz, told by content; None where `actives` and `inactives` are
        given.
    name : str or None
        Name of the assay; None: of the file.
    smiles_column, label_column, id_column : str or None
        Column names; None: found by content and name.
    unit : str or None
        Unit of the values ("nM", "pIC50", ...); rows that state another one are then refused.
    decimal : "." or "," or None
        Decimal sign; None: found.
    censored : "keep-bound" or "drop"
        What to do with values such as ">10000".
    conflicts : "median", "drop" or "stop"
        What to do with a compound whose rows disagree: both classes (then the majority; none, and the
        compound is refused, in a draw), or more than one log unit (on other scales: one standard deviation).
    lower_is_better : bool
        Rank low values first, on the model's scale: low pIC50, that is weak compounds, for concentrations.
    active_if : str or None
        Such as ">= 6.5": makes classes of values, on the model's scale.
    actives, inactives : like `source`
        Two lists of structures instead of a table with labels.
    trusted : bool
        Leave out the limit on how far gzip may unpack.

    Returns
    -------
    Assay
        Every row is in exactly one of `replicates`, `rejected` and `unlabelled`.

    Raises
    ------
    InputError
        The file cannot be read, or it leaves open what is meant (columns, units, decimal sign).
    NotEnoughData
        Fewer than 2 compounds, one class, or no two different labels.
    ConfigError
        An option that is not known or does not fit.
    """
    if conflicts not in CONFLICTS:
        raise ConfigError(f"conflicts={conflicts!r} is not known; wanted one of {', '.join(CONFLICTS)}")
    wanted = Wanted(smiles_column, label_column, id_column)
    entries = _entries(source, actives, inactives, wanted, trusted)
    options = Options(unit, decimal, censored, active_if, lower_is_better)
    where = f"{entries.file} column '{entries.label_column}'"
    measured = measure(
        entries.label_column, entries.endpoint, where, [entry.label for entry in entries.rows], options
    )
    return _assemble(name or entries.name, entries, measured, conflicts)


def _entries(
    source: Tables | None, actives: Tables | None, inactives: Tables | None, wanted: Wanted, trusted: bool
) -> Entries:
    if actives is not None and inactives is not None and source is None and wanted.label is None:
        return listed_entries(actives, inactives, wanted, trusted=trusted)
    if actives is None and inactives is None and source is not None:
        return labelled_entries(source, wanted, trusted=trusted)
    raise ConfigError(
        "give either one table with labels, or both actives and inactives, which need no label column"
    )


def _assemble(name: str, entries: Entries, measured: Measured, conflicts: str) -> Assay:
    unparsed = 0
    rejected: list[Rejection] = []
    unlabelled: list[int] = []
    compounds: list[tuple[int, str, Label]] = []
    molecules: dict[str, tuple[Molecule, str]] = {}
    for entry, reading in zip(entries.rows, measured.readings, strict=True):
        found = entry.problem or read_smiles(entry.row, entry.smiles)
        if isinstance(found, Rejection):
            rejected.append(found)
            unparsed += 1
        elif isinstance(reading, Blank):
            unlabelled.append(entry.row)
        elif isinstance(reading, Unreadable):
            rejected.append(_bad_label(entries, entry, reading))
        else:
            molecules.setdefault(found.smiles, (found, entry.identifier))
            compounds.append((entry.row, found.smiles, reading))
    parsed = len(entries.rows) - unparsed
    kept, dropped, merged = merge(collect(compounds), measured.target, conflicts)
    rejected += [_conflict(entries, group, row) for group in dropped for row in group.rows]
    notes = (
        *entries.notes,
        f"SMILES from '{entries.smiles_column}' ({parsed} of {len(entries.rows)} rows parse)",
        *measured.notes,
        *merged,
        *_summary(rejected, unlabelled),
    )
    assay = Assay(
        name=name,
        target=measured.target,
        molecules=tuple(molecules[group.smiles][0] for group, _ in kept),
        values=np.array([value for _, (value, _) in kept], dtype=np.float64),
        relations=np.array([relation for _, (_, relation) in kept], dtype=np.int8),
        rejected=tuple(sorted(rejected, key=lambda rejection: rejection.row)),
        ids=tuple(molecules[group.smiles][1] for group, _ in kept),
        n_rows=len(entries.rows),
        replicates=tuple(group.rows for group, _ in kept),
        unlabelled=tuple(unlabelled),
        notes=notes,
    )
    _check(assay, entries)
    return assay


def _bad_label(entries: Entries, entry: Entry, reading: Unreadable) -> Rejection:
    detail = (
        f"{entries.file} row {entry.row} (line {entry.line}): value '{reading.text[:60]}' "
        f"in column '{entries.label_column}' is refused: {reading.why}"
    )
    return Rejection(entry.row, entry.smiles[:200], "bad_label", detail)


def _conflict(entries: Entries, group: Group, row: int) -> Rejection:
    entry = entries.rows[row - 1]
    detail = f"{entries.file} row {row} (line {entry.line}): replicates disagree: {group.describe()}"
    return Rejection(row, entry.smiles[:200], "bad_label", detail)


def _summary(rejected: list[Rejection], unlabelled: list[int]) -> list[str]:
    reasons = Counter(rejection.reason for rejection in rejected)
    notes = [f"{count} rows are rejected as {reason}" for reason, count in reasons.most_common()]
    return notes + ([f"{len(unlabelled)} rows have a structure and no label"] if unlabelled else [])


def _check(assay: Assay, entries: Entries) -> None:
    """Raise NotEnoughData where nothing can be learned from the labels."""
    found = "; ".join(_summary(list(assay.rejected), list(assay.unlabelled))) or "no row is rejected"
    column = f"{entries.file} column '{entries.label_column}'"
    if len(assay) < 2:
        example = (
            f" (the first: {assay.rejected[0].detail or assay.rejected[0].reason})" if assay.rejected else ""
        )
        raise NotEnoughData(
            f"{column} gives {len(assay)} labelled compounds of {assay.n_rows} rows; "
            f"wanted at least 2: {found}{example}"
        )
    values = set(assay.values.tolist())
    if assay.target.kind == "classification" and len(values) < 2:
        have, lack = ("actives", "inactives") if 1.0 in values else ("inactives", "actives")
        raise NotEnoughData(
            f"{column} gives {len(assay)} {have} and 0 {lack}; wanted both classes: "
            "add the other one, or give measured values instead of classes"
        )
    if assay.relations.all():
        raise NotEnoughData(f"{column} holds only bounds such as >10000; wanted at least one exact value")
    if len(values) < 2:
        raise NotEnoughData(
            f"{column} gives the same value {values.pop():g} for all {len(assay)} compounds; "
            "wanted different ones"
        )
