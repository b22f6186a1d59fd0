"""`read_assay`: any table of compounds and labels becomes an `Assay` that says how it was read."""

from __future__ import annotations

from molmeta.data.assay import Assay
from molmeta.data.assembly import assemble
from molmeta.data.decimals import stated_decimal
from molmeta.data.entries import Entries, labelled_entries, listed_entries
from molmeta.data.keeping import keep
from molmeta.data.ledger import Convention, Options, Wanted
from molmeta.data.measure import measure
from molmeta.data.raw import Tables
from molmeta.data.replicates import check_conflicts
from molmeta.errors import ConfigError


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
        .csv .tsv .smi .sdf .parquet .jsonl, also .gz, told by content; None where `actives` and `inactives`
        are given.
    name : str or None
        Name of the assay; None: of the file.
    smiles_column, label_column, id_column : str or None
        Column names; None: found by content and name.
    unit : str or None
        Unit of the values ("nM", "pIC50", ...); rows that state another one are then refused. None: found;
        rows that each state their own unit of concentration are converted to one.
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
    wanted = Wanted(smiles_column, label_column, id_column)
    check_conflicts(conflicts)
    entries = _entries(source, actives, inactives, wanted, trusted)
    options = Options(unit, decimal, censored, active_if, lower_is_better)
    where = f"{entries.file} column '{entries.label_column}'"
    cells = [entry.label for entry in entries.rows]
    measured = measure(entries.label_column, entries.endpoint, where, cells, options)
    convention = Convention(
        target=measured.target,
        scale=measured.scale,
        columns=Wanted(entries.smiles_column, entries.label_column, entries.identifier_column),
        options=options,
        decimal=decimal or stated_decimal(cell.text for cell in cells),
        conflicts=conflicts,
    )
    return assemble(*keep(name or entries.name, entries, measured, convention))


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
