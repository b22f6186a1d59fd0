"""`read_more`: rows that were measured later, read as those of an assay that is read already."""

from __future__ import annotations

from dataclasses import replace

from molmeta.chem.molecule import Molecule
from molmeta.data.assay import Assay
from molmeta.data.assembly import ledger_of
from molmeta.data.decimals import stated_decimal
from molmeta.data.entries import Entries, labelled_entries, listed_entries
from molmeta.data.keeping import keep
from molmeta.data.ledger import Convention, Ledger, Options, Wanted
from molmeta.data.raw import Tables
from molmeta.data.remeasure import check_scale, measure_like
from molmeta.data.replicates import check_conflicts
from molmeta.data.rule import Rule
from molmeta.errors import ConfigError, InputError


def read_more(
    source: Tables | None,
    like: Convention,
    *,
    smiles_column: str | None = None,
    label_column: str | None = None,
    id_column: str | None = None,
    unit: str | None = None,
    decimal: str | None = None,
    censored: str | None = None,
    conflicts: str | None = None,
    active_if: str | None = None,
    actives: Tables | None = None,
    inactives: Tables | None = None,
    trusted: bool = False,
) -> tuple[Ledger, dict[str, Molecule]]:
    """Read rows as those before them were read.

    Columns that are called as before are taken; else they are found as `read_assay` finds them. Values are
    converted to the scale of before; a rule that made classes of them makes them here too.

    Parameters
    ----------
    source : path, DataFrame, binary stream or "-" (stdin)
        None where `actives` or `inactives` is given.
    like : Convention
        How the earlier rows were read.
    smiles_column, label_column, id_column, unit, decimal, censored, active_if, trusted
        As in `read_assay`, for these rows; None: as before.
    conflicts : str or None
        As in `read_assay`, for all rows; None: as before.
    actives, inactives : like `source`
        Structures in place of labels; one of them is enough.

    Returns
    -------
    Ledger
        Of these rows alone.
    dict of str to Molecule
        Its molecules by their SMILES.

    Raises
    ------
    InputError
        The file cannot be read, or holds something else than the earlier rows: values in place of classes,
        or on another scale.
    ConfigError
        An option that is not known or does not fit the earlier rows.
    """
    options = Options(
        unit=unit,
        decimal=decimal,
        censored=censored or like.options.censored,
        active_if=_one_rule(active_if, like),
        lower_is_better=like.options.lower_is_better,
    )
    conflicts = conflicts or like.conflicts
    check_conflicts(conflicts)
    wanted = Wanted(smiles_column, label_column, id_column)
    entries = _entries(source, actives, inactives, wanted, like.columns, trusted)
    cells = [entry.label for entry in entries.rows]
    measured = measure_like(entries, cells, options, like)
    stated = decimal or stated_decimal(cell.text for cell in cells)
    convention = replace(like, decimal=stated or like.decimal, conflicts=conflicts)
    return keep(entries.name, entries, measured, convention)


def ledger_like(assay: Assay, like: Convention) -> tuple[Ledger, dict[str, Molecule]]:
    """The ledger of an assay that is read already, and its molecules.

    Raises
    ------
    InputError
        Its labels are not on the scale of the earlier rows.
    """
    if assay.target.kind != like.target.kind:
        raise InputError(
            f"{assay.name} holds {_KINDS[assay.target.kind]}, wanted {_KINDS[like.target.kind]} like those "
            "before; give the file or the table, so that it is read in the same way"
        )
    if assay.target.kind == "regression":
        check_scale(assay.target.unit, like.target, assay.name)
    ledger = ledger_of(assay)
    ours = replace(like, decimal=like.decimal or ledger.convention.decimal)
    return replace(ledger, convention=ours), {molecule.smiles: molecule for molecule in assay.molecules}


_KINDS = {"classification": "classes", "regression": "values"}


def _one_rule(given: str | None, like: Convention) -> str | None:
    own = like.options.active_if
    if given is None or (own is not None and Rule.parse(given) == Rule.parse(own)):
        return own
    if own is not None:
        raise ConfigError(
            f"the rule {given!r} is not that of the earlier rows, {own!r}; leave --active-if out, or adapt "
            "to all rows anew"
        )
    if like.target.kind == "regression":
        raise ConfigError(f"the earlier rows hold values, of which --active-if {given!r} would make classes")
    return given


def _entries(
    source: Tables | None,
    actives: Tables | None,
    inactives: Tables | None,
    wanted: Wanted,
    usual: Wanted,
    trusted: bool,
) -> Entries:
    if source is None and (actives is not None or inactives is not None) and wanted.label is None:
        return listed_entries(actives, inactives, wanted, trusted=trusted)
    if actives is None and inactives is None and source is not None:
        return labelled_entries(source, wanted, usual=usual, trusted=trusted)
    raise ConfigError(
        "give either one table with labels, or actives, inactives or both, which need no label column"
    )
