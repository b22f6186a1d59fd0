"""`molmeta train`: meta-trains a model as a configuration says."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import render
from .options import MOST_SEED, Device, Json
from .stopping import last_words

if TYPE_CHECKING:
    from molmeta.training import Progress, TrainReport

_SHOWN = 20  # new assays in the table


def train(
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG.toml", help="Data, encoder, heads and schedule; not needed with --init."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder; default runs/CONFIG or runs/INIT-continued.")
    ] = None,
    data: Annotated[
        Path, typer.Option(help="Folder that the data paths are relative to, or that holds the new assays.")
    ] = Path(),
    init: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Add assays to this model: a shipped one, or a checkpoint folder."
        ),
    ] = None,
    replay: Annotated[
        float | None,
        typer.Option(metavar="FRACTION", help="With --init: share of old assays in what is trained."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in that folder.")] = False,
    device: Device = "auto",
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=MOST_SEED, help="Seed, in place of that of the configuration."),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write for TensorBoard too, in the folder of the run.")
    ] = False,
    json: Json = False,
) -> None:
    """Meta-train a model on many assays, or add assays to a model.

    With --init and without a configuration, each table in the folder of --data is an assay, and the
    tables of the model take them in; its encoder stays as it is. What that changes is measured where
    the configuration names old validation assays.

    A run that was stopped goes on with --resume and ends with the result of one that was not. Progress
    is also written to train.jsonl in the folder of the run, which becomes the checkpoint, and drawn in
    training.svg there in the end.

    torchrun --nproc-per-node 2 --max-restarts 3 -m molmeta.cli train CONFIG.toml trains in two processes,
    each with a GPU of its own where there are, and goes on by itself where one of them is killed.
    """
    from molmeta import training
    from molmeta.training.journal import LOG, STATE

    work = partial(
        training.train,
        config,
        init=init,
        replay=replay,
        data=data,
        resume=resume,
        device=device,
        seed=seed,
        tensorboard=tensorboard,
    )
    out = out or Path("runs") / (config.stem if config else f"{Path(init or 'model').name}-continued")

    def tell() -> None:
        if (out / STATE).exists() or (out / LOG).exists():
            render.to_go_on(str(out))

    if not training.speaks():
        work(out)
        return
    with last_words(tell), render.progress("starting") as show:

        def watch(now: Progress) -> None:
            loss = " ".join(f"{name} {value:.4f}" for name, value in now.loss.items())
            show(now.step, now.steps, f"{now.stage}  {loss}")
            if now.validation:
                scores = "  ".join(f"{name} {value:.4f}" for name, value in now.validation.items())
                render.note(f"{now.stage} step {now.step} of {now.steps}: {loss}; validation {scores}")

        report = work(out, progress=watch)
    scores = {name: score.flat() for name, score in report.validation.items()}
    if json:
        from dataclasses import asdict

        found: dict[str, object] = {"folder": str(report.folder), "seconds": report.seconds}
        found |= {"validation": scores}
        if report.added:
            found["added"] = [asdict(one) for one in report.added]
            found["comparison"] = [asdict(row) for row in report.comparison]
        render.json_object(found)
        return
    if report.added:
        _show_comparison(report)
    else:
        names = sorted({name for score in scores.values() for name in score})
        rows = [[head, *(score.get(name) for name in names)] for head, score in scores.items()]
        render.table(["head", *names], rows, title="Validation")
    render.line(f"Trained in {report.seconds:.0f} s; the model is the folder {report.folder}")
    render.line(f"Next: molmeta adapt ASSAY --model {report.folder}")


def _show_comparison(report: TrainReport) -> None:
    """What a continued training took in, and what that changed."""
    learned: list[list[render.Cell]] = [
        [a.assay, a.rows, a.compounds, a.active, "yes" if a.values else "no", a.known]
        for a in report.added[:_SHOWN]
    ]
    columns = ["assay", "rows", "compounds", "active", "potencies", "known before"]
    title = f"Assays that were added ({len(report.added)}"
    title += f"; the first {_SHOWN})" if len(report.added) > _SHOWN else ")"
    render.table(columns, learned, title=title)
    for assays in dict.fromkeys(row.assays for row in report.comparison):
        rows = [row for row in report.comparison if row.assays == assays]
        n = max(row.n for row in rows)
        columns = ["head", "labels", "before", "after", "difference", "standard error"]
        cells: list[list[render.Cell]] = [
            [r.head, r.k, *(f"{x:.4f}" for x in (r.before, r.after)), f"{r.difference:+.4f}", f"{r.se:.4f}"]
            for r in rows
        ]
        render.table(columns, cells, title=f"Delta AUPRC on the {assays} ({n})")
    if not any(row.assays.startswith("old") for row in report.comparison):
        render.line("What was forgotten is not known: the configuration names no old validation assays")
