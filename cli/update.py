"""`molmeta update`: rows that were measured later join the assay of a model."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import render
from .adapt import show_model
from .options import AS_FOUND, Device, Force, Json, Reading, reads_assay, refuse_existing

if TYPE_CHECKING:
    from molmeta.adaptreport import Change
    from molmeta.units import Target

_SHOWN = 20  # rows of each table on screen; --json lists all


@reads_assay(without=["lower_is_better"])
def update(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model (.molmeta), which is replaced.")],
    rows: Annotated[
        str | None,
        typer.Argument(metavar="NEW_ROWS", help="Labelled compounds to add, as for adapt; - is stdin."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Leave MODEL as it is, and write this model file.")
    ] = None,
    verdict: Annotated[
        bool, typer.Option("--verdict", help="Compare with the baselines anew, which takes longer.")
    ] = False,
    device: Device = "auto",
    force: Force = False,
    reading: Reading = AS_FOUND,
    json: Json = False,
) -> None:
    """Add newly measured compounds to a model.

    The result is that of adapt on the old and the new rows together. The new rows are read as the old
    ones were: same columns if they are there, same scale, same treatment of replicates. The verdict is
    left out unless it is asked for.
    """
    from molmeta import loading, unbundle, updating

    if out is not None:
        refuse_existing(out, force)
    before = _stamp(model)
    predictor = loading.load(model, device=device)
    with render.progress(f"updating {predictor.name}"):
        found = updating.update(predictor, rows, verdict=verdict, **reading)
    change = found.report.change
    assert change is not None
    if out is None:
        _refuse_changed(model, before)
    # A link stays one: what it leads to is replaced.
    path = Path(os.path.realpath(model)) if out is None else out
    found.save(path, force=force or out is None, reference_only=unbundle.is_reference(model))
    if json:
        render.json_object(asdict(found.report) | {"path": str(out or model)})
        return
    _show(change, found.report.target)
    show_model(found.report)
    render.line(f"Saved {out or model}, after {found.report.seconds:.1f} s")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What tells a file from the one that replaced it; None where there is none."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns, seen.st_size


def _refuse_changed(path: Path, before: tuple[int, int, int] | None) -> None:
    """Raises RefusedError where somebody else wrote the model meanwhile, whose rows would be lost."""
    from molmeta.errors import RefusedError

    if _stamp(path) != before:
        raise RefusedError(f"{path} was changed by somebody else meanwhile; run the same command again")


def _show(change: Change, target: Target) -> None:
    for note in change.notes:
        render.line(note)
    render.line()
    counts: list[tuple[str, int]] = [
        ("rows read", change.read),
        ("added", change.added),
        ("merged", change.merged),
        ("rejected", len(change.rejected)),
        ("without a label", change.unlabelled),
        ("compounds before", change.before),
        ("compounds now", change.after),
    ]
    render.table([change.source, "count"], counts)
    if change.remeasured:
        labels: list[list[render.Cell]] = [
            [r.name, _label(r.before, r.relations[0]), _label(r.after, r.relations[1])]
            for r in change.remeasured
        ]
        _show_table(["measured again", "before", f"now ({target.model_unit or target.name})"], labels)
    if change.rejected:
        why: list[list[render.Cell]] = [[r.row, r.reason, r.detail] for r in change.rejected]
        _show_table(["row", "rejected because", "detail"], why)
    if change.left_out:
        _show_table(["left out now, since its rows disagree"], [[name] for name in change.left_out])
    render.line()
    for warning in change.warnings:
        render.line(f"Warning: {warning}")


def _label(value: float, relation: int) -> str:
    return {-1: "<", 0: "", 1: ">"}[relation] + render.text(value)


def _show_table(columns: list[str], rows: list[list[render.Cell]]) -> None:
    render.line()
    render.table(columns, rows[:_SHOWN])
    if len(rows) > _SHOWN:
        render.line(f"... and {len(rows) - _SHOWN} more; --json lists them all")
