"""`molmeta adapt`: a model of one assay, and a verdict on it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import render
from .options import (
    AS_FOUND,
    AssayFile,
    Device,
    Force,
    Json,
    Model,
    Reading,
    Seed,
    as_file_name,
    reads_assay,
    refuse_existing,
)
from .report import write as write_report

if TYPE_CHECKING:
    from molmeta.adaptreport import AdaptReport
    from molmeta.doubts import Doubts
    from molmeta.verdict import Verdict


@reads_assay()
def adapt(
    assay: AssayFile = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Model file; default ASSAY.molmeta, here.")
    ] = None,
    model: Model = "base",
    head: Annotated[str | None, typer.Option(help="Another head than the default; average for all.")] = None,
    fine_tune: Annotated[
        bool, typer.Option("--fine-tune", help="Try to fine-tune the encoder; kept only if it helps.")
    ] = False,
    zero_shot: Annotated[
        bool, typer.Option("--zero-shot", help="No ASSAY: rank by what earlier assays said, a prior.")
    ] = False,
    target_family: Annotated[
        str | None, typer.Option(help="With --zero-shot: kinase, protease, ... (unknown names list more).")
    ] = None,
    no_verdict: Annotated[bool, typer.Option("--no-verdict", help="Leave out the comparison.")] = False,
    device: Device = "auto",
    seed: Seed = 0,
    force: Force = False,
    reference_only: Annotated[
        bool, typer.Option("--reference-only", help="Leave the weights out; loading needs the same --model.")
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Keep fingerprints in the model, and no structures or names.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Also write a report here; see `molmeta report`.")
    ] = None,
    reading: Reading = AS_FOUND,
    json: Json = False,
) -> None:
    """Make a model of an assay and say how good it is.

    The structure and the label column are found by content. The verdict compares the model with
    guessing, the nearest neighbours and a random forest by cross-validation on this assay.
    """
    from molmeta import adaptation
    from molmeta.data import table
    from molmeta.errors import ConfigError

    for file in (out, report):
        if file is not None:
            refuse_existing(file, force, (assay, reading.get("actives"), reading.get("inactives")))
    if zero_shot or target_family is not None:
        if private:
            raise ConfigError("--private is for models of labelled compounds; --zero-shot keeps none")
        _adapt_to_nothing(assay, zero_shot, target_family, model, device, out, force, reference_only, json)
        return
    found = table.read_assay(assay, **reading)
    out = out or Path(as_file_name(found.name) + ".molmeta")
    refuse_existing(out, force)
    with render.progress(f"adapting to {found.name}"):
        predictor = adaptation.adapt(
            found, model, device=device, seed=seed, verdict=not no_verdict, head=head, fine_tune=fine_tune
        )
    saved = predictor.as_private() if private else predictor
    saved.save(out, force=force, reference_only=reference_only)
    if not json:
        _show(predictor.report)
    if report is not None:
        write_report(saved, report, force=force)
    if json:
        render.json_object(asdict(predictor.report) | {"path": str(out)})
        return
    render.line(f"Saved {out} ({out.stat().st_size / 1e6:.1f} MB), after {predictor.report.seconds:.1f} s")
    for note in saved.report.notes if private else ():
        render.line(note)
    render.line(f"Next: molmeta score {out} LIBRARY, molmeta report {out} LIBRARY")


def _adapt_to_nothing(
    assay: str | None,
    zero_shot: bool,
    family: str | None,
    model: str,
    device: str,
    out: Path | None,
    force: bool,
    reference_only: bool,
    json: bool,
) -> None:
    """Makes the model of a target family of which nothing was measured."""
    from molmeta import zeroshot
    from molmeta.errors import ConfigError

    if not zero_shot:
        raise ConfigError("--target-family is for --zero-shot: with labelled compounds, these say more")
    if assay is not None:
        raise ConfigError(
            f"found --zero-shot and labelled compounds ({assay}); give one of them: molmeta adapt {assay}, "
            "or molmeta adapt --zero-shot --target-family FAMILY"
        )
    predictor = zeroshot.zero_shot(family, model, device=device)
    out = out or Path(as_file_name(family or "any") + ".prior.molmeta")
    predictor.save(out, force=force, reference_only=reference_only)
    if json:
        render.json_object(asdict(predictor.report) | {"path": str(out)})
        return
    for text in predictor.report.notes:
        render.line(text)
    for warning in predictor.report.warnings:
        render.line(f"Warning: {warning}")
    render.line(f"Saved {out} ({out.stat().st_size / 1e6:.1f} MB), after {predictor.report.seconds:.1f} s")
    render.line(f"Next: molmeta score {out} LIBRARY")


def _show(report: AdaptReport) -> None:
    for note in report.notes:
        render.line(note)
    render.line()
    show_model(report)


def show_model(report: AdaptReport) -> None:
    """What the model is, reasons for caution, and the verdict if there is one."""
    if report.n_active is not None:
        extent = f"{report.n_active} active and {report.n - report.n_active} inactive"
    else:
        low, high = report.span or (float("nan"), float("nan"))
        extent = f"{report.target.model_unit or report.target.name} from {low:.3g} to {high:.3g}"
    render.line(f"Model {report.model} adapted to {report.assay}: {report.n} compounds, {extent}")
    heads = ", ".join(f"{name} {weight:.0%}" for name, weight in report.heads.items())
    used = (
        f"Heads and their weights: {heads}" if len(report.heads) > 1 else f"Head: {', '.join(report.heads)}"
    )
    render.line(used + ("; encoder fine-tuned" if report.fine_tuned else ""))
    render.line(f"In meta-training: {report.seen} of the {report.n} compounds, in other assays")
    for warning in report.warnings:
        render.line(f"Warning: {warning}")
    if report.relatives:
        alike = ", ".join(one.assay + (f" ({one.family})" if one.family else "") for one in report.relatives)
        render.line(f"Training assays that order these compounds alike: {alike}")
    if report.verdict is not None:
        _show_verdict(report.verdict)
    if report.doubts is not None and report.doubts.found:
        _show_doubts(report.doubts, report.n_active is not None)


def _show_verdict(verdict: Verdict) -> None:
    render.line()
    if verdict.scores:
        columns = [verdict.scores, *verdict.others.values(), verdict.differences]
        rows = [[name, *(_pm(column.get(name)) for column in columns)] for name in verdict.scores]
        names = [verdict.metric, *verdict.others, f"molmeta minus it ({verdict.metric})"]
        render.table(["method", *names], rows)
        render.line()
    render.line(f"Verdict: {verdict.sentence}")
    if verdict.curve is not None:
        render.line(verdict.curve.sentence)


def _show_doubts(doubts: Doubts, classes: bool) -> None:
    render.line()
    render.line(
        f"Labels that the other compounds speak against, worth a second look: {doubts.found} "
        f"(chance alone would give about {doubts.expected:.1f})"
    )
    rows: list[list[render.Cell]] = []
    for one in doubts.named:
        label: render.Cell = one.label
        if classes:
            label = "active" if one.label else "inactive"
        elif one.relation:
            label = f"{'>' if one.relation > 0 else '<'} {one.label:.3g}"
        predicted = f"{one.predicted:.0%} likely active" if classes else one.predicted
        rows.append([one.name, ", ".join(map(str, one.rows)), label, predicted])
    render.table(["compound", "rows", "label", "predicted from the others"], rows)


def _pm(estimate: tuple[float, float] | None) -> str:
    return "" if estimate is None else f"{estimate[0]:.2f} ± {estimate[1]:.2f}"
