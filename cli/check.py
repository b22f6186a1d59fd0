"""`molmeta check`: what an assay file holds, before anything is done with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import render
from .options import AS_FOUND, AssayFile, Json, Model, Reading, reads_assay

if TYPE_CHECKING:
    from molmeta.data.assay import Assay
    from molmeta.doctor.diagnosis import Diagnosis, Finding

_SHOWN = 5  # rows or compounds of a finding on screen; --all and --json list them all
_SHORT = 20  # what is no longer stands in one line with the others
_STRICT = 4


@reads_assay()
def check(
    assay: AssayFile = None,
    model: Model = "base",
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Leave out what only the model knows: compounds it has met.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 4 where rows are rejected or a finding is serious.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="List all rows and compounds of each finding.")
    ] = False,
    reading: Reading = AS_FOUND,
    json: Json = False,
) -> None:
    """Examine an assay file: how it is read, what is wrong with it, what that means for a model.

    Findings are serious (a model would mislead), cautions (keep in mind) or notes. Exit codes: 0 usable,
    3 not usable, 4 with --strict.
    """
    from molmeta.checkpoint import load_checkpoint
    from molmeta.data import table
    from molmeta.doctor.examination import diagnose

    found = table.read_assay(assay, **reading)
    diagnosis = diagnose(found, None if no_model else load_checkpoint(model))
    if json:
        render.json_object(_facts(found, diagnosis))
    else:
        _show(found, diagnosis, None if everything else _SHOWN)
    if strict and (found.rejected or diagnosis.is_serious):
        raise typer.Exit(_STRICT)


def _facts(assay: Assay, diagnosis: Diagnosis) -> dict[str, Any]:
    assert assay.ledger is not None
    convention = assay.ledger.convention
    return {
        "name": assay.name,
        "verdict": diagnosis.verdict,
        "target": vars(assay.target),
        "columns": vars(convention.columns),
        "decimal": convention.decimal,
        "decisions": diagnosis.decisions,
        "rows": assay.n_rows,
        "compounds": len(assay),
        "rejected": [
            {"row": r.row, "reason": r.reason, "detail": r.detail, "text": r.text} for r in assay.rejected
        ],
        "unlabelled": assay.unlabelled,
        "replicates": [rows for rows in assay.replicates if len(rows) > 1],
        "labels": _labels(assay),
        "flags": dict(Counter(flag for molecule in assay.molecules for flag in molecule.flags)),
        "findings": [asdict(finding) for finding in diagnosis.findings],
        "fine": diagnosis.fine,
        "notes": assay.notes,
    }


def _labels(assay: Assay) -> dict[str, float]:
    """Class balance, or range on the model's scale."""
    values = assay.values
    if assay.target.kind == "classification":
        active = int(values.sum())
        return {"active": active, "inactive": len(values) - active}
    return {
        "lowest": float(values.min()),
        "mean": float(values.mean()),
        "highest": float(values.max()),
        "censored": int((assay.relations != 0).sum()),
    }


def _show(assay: Assay, diagnosis: Diagnosis, most: int | None) -> None:
    render.line(f"{assay.name}: {diagnosis.verdict}", style="bold")
    render.line()
    render.line("How it was read", style="bold")
    for decision in diagnosis.decisions:
        render.paragraph(decision, "  ")
    for finding in diagnosis.findings:
        render.line()
        _show_finding(finding, most)
    render.line()
    if diagnosis.fine:
        render.paragraph(f"Fine: {', '.join(diagnosis.fine)}.")
        render.line()
    unit = assay.target.model_unit or ("classes" if assay.target.kind == "classification" else "values")
    render.table([f"assay {assay.name}", unit], list(diagnosis.counts.items()))
    render.line()
    render.line(f"Next: molmeta adapt with the same arguments makes a model of {assay.name}")


def _show_finding(finding: Finding, most: int | None) -> None:
    style = {"serious": "bold red", "caution": "yellow"}.get(finding.severity)
    render.paragraph(f"{finding.severity.upper()}  {finding.sentence}", style=style)
    render.paragraph(finding.meaning, "  ")
    shown = [concern.said for concern in finding.concerns[:most]]
    left = len(finding.concerns) - len(shown)
    if shown and max(map(len, shown)) <= _SHORT:
        more = f" and {left} more; --all lists them" if left else ""
        render.paragraph(", ".join(shown) + more, "    ")
        return
    for said in shown:
        render.line(f"    {said}")
    if left:
        render.line(f"    ... and {left} more; --all lists them")
