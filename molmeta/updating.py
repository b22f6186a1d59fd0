"""`update`: an adapted model and rows that were measured later in, a model of all of them out."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import expit

from molmeta.adaptation import adapt_by
from molmeta.adaptreport import Change, Remeasured
from molmeta.bundle import Origin, rounded
from molmeta.calibration import Platt
from molmeta.checkpoint import load_checkpoint
from molmeta.chem.molecule import Molecule, Rejection
from molmeta.conformity import log_odds
from molmeta.data.assay import Assay
from molmeta.data.assembly import assemble, made_up
from molmeta.data.ledger import Ledger
from molmeta.data.more import ledger_like, read_more
from molmeta.data.raw import Tables
from molmeta.data.replicates import BESIDE, CLASH
from molmeta.ensemble import AVERAGE
from molmeta.errors import CheckpointError, ConfigError, NotEnoughData, RefusedError
from molmeta.learner import Learner
from molmeta.predictor import Predictor
from molmeta.recipe import Recipe

# Rows of a file that an earlier molmeta read; each that was left out is listed one by one.
_MOST_ROWS = 10_000_000


def update(
    predictor: Predictor, rows: Assay | Tables | None = None, *, verdict: bool = False, **reading: Any
) -> Predictor:
    """Adds rows to the assay of a model.

    The result is what `adapt` makes of the earlier rows followed by these, with the same options: rows of
    one compound are merged whenever they came, and heads, calibration and domain are fitted anew. The
    weights are those in the model.

    Parameters
    ----------
    predictor : Predictor
        It is not changed.
    rows : path, DataFrame, Assay, binary stream or "-" (stdin)
        None where the options `actives` or `inactives` are given.
    verdict : bool
        Whether to compare with the baselines anew, which takes nearly all of the time.
    **reading
        Options of `molmeta.data.more.read_more`, where these rows are to be read unlike the earlier ones.

    Returns
    -------
    Predictor
        Its `report.change` says what became of the rows.

    Raises
    ------
    InputError
        The rows cannot be read, or do not hold what the model predicts; NotEnoughData where none of them
        has a usable compound and label.
    ConfigError
        An option that is not known or does not fit the model.
    RefusedError
        The model was fine-tuned, and its checkpoint is not there any more; or it has no compounds.
    """
    started = time.perf_counter()
    recipe, learner, lost = _remember(predictor)
    more, molecules = _read(rows, recipe.ledger, reading)
    if not more.measurements:
        raise NotEnoughData(_nothing(more))
    ledger = recipe.ledger.extended(more)
    assay = assemble(ledger, molecules)
    found = adapt_by(replace(recipe, ledger=ledger), assay, learner, verdict=verdict, started=started)
    change = _change(recipe.ledger, more, assay, lost)
    if not verdict:
        left_out = f"the verdict is left out: that of before was on {change.before} compounds"
        change = replace(change, notes=(*change.notes, left_out))
    found = replace(found, report=replace(found.report, change=change))
    prevalence = _expected(predictor)
    return found if prevalence is None else found.expecting(prevalence)


def _read(
    rows: Assay | Tables | None, ledger: Ledger, reading: dict[str, Any]
) -> tuple[Ledger, dict[str, Molecule]]:
    if not isinstance(rows, Assay):
        return read_more(rows, ledger.convention, **reading)
    if reading:
        raise ConfigError(f"{', '.join(reading)}: options for reading a table, but the assay is read already")
    return ledger_like(rows, ledger.convention)


def _remember(predictor: Predictor) -> tuple[Recipe, Learner, list[str]]:
    """How the model was made, the learner that it was made from, and what it does not know any more."""
    lost: list[str] = []
    if not len(predictor.support):
        raise RefusedError(
            f"{predictor.name} is a prior without measured compounds, to which none can be added; "
            "make a model of the rows with `molmeta adapt`"
        )
    if predictor.hidden is not None:
        raise RefusedError(
            f"{predictor.name} is private: it keeps no rows, to which others could be added; update the "
            "model that it was made from, and make a private one again"
        )
    recipe = predictor.recipe
    if recipe is None:
        recipe, lost = _guess(predictor)
    learner = predictor.ensemble.learner
    if predictor.report.fine_tuned or predictor.recipe is None:
        original = _original(recipe.origin)
        if original is not None:
            learner = rounded(original).to(predictor.ensemble.device)
        elif predictor.report.fine_tuned:
            raise RefusedError(
                f"{predictor.name} was fine-tuned on its compounds, and the model that it started from "
                f"({recipe.origin.model if recipe.origin else 'none is named'}) is not there; "
                "adapt to the old and the new rows together"
            )
        elif not len(learner.conformity.size):
            lost.append(
                "what earlier assays say of intervals and prediction sets, so that these may differ, and "
                "the compounds of meta-training, of which none is counted"
            )
    return recipe, learner, lost


def _original(origin: Origin | None) -> Learner | None:
    """The learner of a checkpoint, if it is there and the same."""
    try:
        if origin is None or Origin.of(origin.model).sha256 != origin.sha256:
            return None
        return load_checkpoint(origin.model)
    except CheckpointError:
        return None


def _guess(predictor: Predictor) -> tuple[Recipe, list[str]]:
    """A recipe for a model that an earlier molmeta wrote without one."""
    report, support = predictor.report, predictor.support
    if report.n_rows > _MOST_ROWS:
        raise CheckpointError(f"{predictor.name} says that it has {report.n_rows} rows; adapt again")
    known = {row for rows in support.rows for row in rows}
    detail = "an earlier molmeta did not keep why this row was left out"
    missing = [row for row in range(1, report.n_rows + 1) if row not in known]
    rejected = tuple(Rejection(row, "", "not_kept", detail) for row in missing)
    ledger = made_up(report.assay, support, report.n_rows, rejected)
    head = AVERAGE if len(report.heads) > 1 else next(iter(report.heads))
    recipe = Recipe(ledger, head=head, fine_tune=report.fine_tuned, origin=predictor.origin)
    lost = ["how its rows were read (--active-if, --conflicts, --censored), and the seed"]
    if any(len(rows) > 1 for rows in support.rows):
        lost.append("single labels of merged compounds: the merged one stands for each")
    return recipe, lost


def _expected(predictor: Predictor) -> float | None:
    """The prevalence that the model was told to expect (`Predictor.expecting`)."""
    calibration = predictor.calibration
    if not isinstance(calibration, Platt) or calibration.shift == 0:
        return None
    return float(expit(calibration.shift + log_odds(np.array(predictor.support.values))))


def _change(before: Ledger, more: Ledger, assay: Assay, lost: list[str]) -> Change:
    """What became of the new rows and of the compounds."""
    old = assemble(before)
    labels, now = _labels(old), _labels(assay)
    names = {m.smiles: m.identifier or m.smiles for m in reversed((*before.measurements, *more.measurements))}
    used = [m.smiles for m in more.measurements if m.smiles in now]
    again = dict.fromkeys(smiles for smiles in used if smiles in labels)
    added = len({smiles for smiles in used if smiles not in labels})
    rejected = [replace(r, row=r.row - before.n_rows) for r in assay.rejected if r.row > before.n_rows]
    return Change(
        source=more.parts[0].file,
        read=more.n_rows,
        added=added,
        merged=len(used) - added,
        rejected=tuple(rejected),
        unlabelled=len(more.unlabelled),
        before=len(old),
        after=len(assay),
        remeasured=tuple(_remeasured(names[s], s, labels[s], now[s]) for s in again),
        left_out=tuple(names[smiles] for smiles in labels if smiles not in now),
        notes=(*more.notes(), *_clashes(before, more, old, assay)),
        warnings=tuple(_warnings(before, more, lost)),
    )


def _labels(assay: Assay) -> dict[str, tuple[float, int]]:
    """Value and relation of each compound."""
    labels = zip(assay.molecules, assay.values.tolist(), assay.relations.tolist(), strict=True)
    return {molecule.smiles: (value, relation) for molecule, value, relation in labels}


def _remeasured(name: str, smiles: str, old: tuple[float, int], new: tuple[float, int]) -> Remeasured:
    return Remeasured(name, smiles, old[0], new[0], (old[1], new[1]))


def _clashes(before: Ledger, more: Ledger, old: Assay, assay: Assay) -> list[str]:
    """What the new rows disagree about; it names rows as they are counted over all files."""
    new = [note for note in assay.notes if note not in old.notes]
    beside = [note for note in new if BESIDE in note]
    found = [note for note in new if note.startswith(CLASH)]
    first, last = before.n_rows + 1, before.n_rows + more.n_rows
    whose = [f"rows {first} to {last} are those of {more.parts[0].file}"] if found else []
    return [*beside, *found, *whose]


def _warnings(before: Ledger, more: Ledger, lost: list[str]) -> list[str]:
    found = [f"earlier_model: an earlier molmeta wrote the model, without {what}" for what in lost]
    rows = Counter((m.smiles, m.value, m.relation) for m in more.measurements)
    if not rows - Counter((m.smiles, m.value, m.relation) for m in before.measurements):
        found.append(
            "same_rows: the model has all of these compounds with these labels already; were they added "
            "before?"
        )
    return found


def _nothing(more: Ledger) -> str:
    example = f" (the first: {more.rejected[0].detail or more.rejected[0].reason})" if more.rejected else ""
    return (
        f"{more.parts[0].file} has no usable row among {more.n_rows}: {len(more.rejected)} are rejected and "
        f"{len(more.unlabelled)} have no label{example}; wanted a compound with its label"
    )
