"""`molmeta train`: meta-trains a model as a configuration says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import render
from .options import Device, Json

if TYPE_CHECKING:
    from molmeta.training import Progress


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="Data, encoder, heads and schedule.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder; default runs/CONFIG.")] = None,
    data: Annotated[Path, typer.Option(help="Folder that the data paths are relative to.")] = Path(),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in that folder.")] = False,
    device: Device = "auto",
    seed: Annotated[int | None, typer.Option(help="Seed, in place of that of the configuration.")] = None,
    json: Json = False,
) -> None:
    """Meta-train a model on many assays.

    A run that was stopped goes on with --resume and ends with the result of one that was not. Progress
    is also written to train.jsonl in the folder of the run, which becomes the checkpoint.
    """
    from molmeta import training

    out = out or Path("runs") / config.stem
    with render.progress("starting") as show:

        def watch(now: Progress) -> None:
            loss = " ".join(f"{name} {value:.4f}" for name, value in now.loss.items())
            show(now.step, now.steps, f"{now.stage}  {loss}")
            if now.validation:
                scores = "  ".join(f"{name} {value:.4f}" for name, value in now.validation.items())
                render.note(f"{now.stage} step {now.step} of {now.steps}: {loss}; validation {scores}")

        report = training.train(
            config, out, data=data, resume=resume, device=device, seed=seed, progress=watch
        )
    scores = {name: score.flat() for name, score in report.validation.items()}
    if json:
        render.json_object({"folder": str(report.folder), "seconds": report.seconds, "validation": scores})
        return
    names = sorted({name for score in scores.values() for name in score})
    rows = [[head, *(score.get(name) for name in names)] for head, score in scores.items()]
    render.table(["head", *names], rows, title="Validation")
    render.line(f"Trained in {report.seconds:.0f} s; the model is the folder {report.folder}")
    render.line(f"Next: molmeta adapt ASSAY --model {report.folder}")
