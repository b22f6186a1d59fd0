"""`molmeta tune`: searches hyper-parameters, or a schedule of learning rates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import render
from .options import MOST_SEED, Device, Json

if TYPE_CHECKING:
    from molmeta.training import Progress
    from molmeta.training.population import PopulationReport
    from molmeta.training.search import SearchReport

_SHOWN = 10  # trials in the table


def tune(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG.toml", help="A training, with what to search in [search].")
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder; default runs/CONFIG-tune.")] = None,
    data: Annotated[Path, typer.Option(help="Folder that the data paths are relative to.")] = Path(),
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, those of earlier calls included.")] = 20,
    sampler: Annotated[str, typer.Option(help="tpe, nsga2, cmaes.")] = "tpe",
    pruner: Annotated[
        str, typer.Option(help="What ends poor trials early: median, halving, none.")
    ] = "median",
    objectives: Annotated[
        str, typer.Option(help="accuracy, or accuracy,size for the trade-off of both.")
    ] = "accuracy",
    timeout: Annotated[float | None, typer.Option(help="Seconds after which no new trial is begun.")] = None,
    population: Annotated[
        int | None,
        typer.Option(min=2, help="Train so many members together and find a schedule of learning rates."),
    ] = None,
    interval: Annotated[int, typer.Option(min=1, help="Steps between two comparisons of members.")] = 50,
    device: Device = "auto",
    seed: Annotated[
        int,
        typer.Option(min=0, max=MOST_SEED, help="Seed of what is tried; trainings have that of CONFIG."),
    ] = 0,
    json: Json = False,
) -> None:
    """Search the hyper-parameters of a training, or its schedule of learning rates.

    The same command again goes on where it was stopped. best.toml in the folder is a configuration for
    molmeta train. Needs the extra: pip install 'molmeta[train]' (not for --population).
    """
    out = out or Path("runs") / f"{config.stem}-tune"
    if population is not None:
        from molmeta.training.population import train_population

        with render.progress("starting") as show:
            found = train_population(
                config,
                out,
                data=data,
                members=population,
                interval=interval,
                seed=seed,
                device=device,
                progress=_watch(show, "member"),
            )
        _show_population(found, json)
        return
    from molmeta.training.search import search
    from molmeta.training.study import Settings

    settings = Settings(sampler, pruner, tuple(objectives.split(",")), seed)
    with render.progress("starting") as show:
        report = search(
            config,
            out,
            data=data,
            trials=trials,
            settings=settings,
            timeout=timeout,
            device=device,
            progress=_watch(show, "trial"),
        )
    _show_search(report, json)


def _watch(show: render.Show, what: str) -> Callable[[int, Progress], None]:
    def watch(number: int, now: Progress) -> None:
        label = f"{what} {number}: {now.stage}" if number >= 0 else f"all: {now.stage}"
        show(now.step, now.steps, label)
        if now.validation:
            scores = "  ".join(f"{name} {value:.4f}" for name, value in now.validation.items())
            render.note(f"{label} step {now.step} of {now.steps}: {scores}")

    return watch


def _show_search(report: SearchReport, json: bool) -> None:
    from dataclasses import asdict

    best = report.folder / "best.toml"
    if json:
        content = {name: value for name, value in asdict(report).items() if name != "folder"}
        render.json_object({"folder": str(report.folder), "config": str(best), **content})
        return
    complete = [trial for trial in report.trials if trial.state == "complete"]
    complete.sort(key=lambda trial: (trial not in report.front, -trial.values["accuracy"]))
    paths = list(dict.fromkeys(path for trial in report.trials for path in trial.params))
    objectives = list(report.best.values)
    rows = [
        [t.number, *t.values.values(), *(t.params.get(path) for path in paths)] for t in complete[:_SHOWN]
    ]
    several = len(objectives) > 1
    title = (
        f"Best trials; the first {len(report.front)} are beaten by none in all" if several else "Best trials"
    )
    names = ["delta AUPRC" if name == "accuracy" else name for name in objectives]
    render.table(["trial", *names, *paths], rows, title=title)
    if report.importance:
        shares = report.importance.items()
        render.table(["key", "share"], list(shares), title=f"Importance, by {len(complete)} complete trials")
    counts = {state: sum(t.state == state for t in report.trials) for state in ("complete", "pruned", "fail")}
    render.line(
        f"{len(report.trials)} trials: {counts['complete']} complete, {counts['pruned']} pruned, "
        f"{counts['fail']} failed"
    )
    for trial in report.trials:
        if trial.reason:
            render.line(f"Trial {trial.number} failed: {trial.reason}")
    render.line(f"Next: molmeta train {best} -o FOLDER")


def _show_population(report: PopulationReport, json: bool) -> None:
    best = report.members[report.best]
    config, checkpoint = report.folder / "best.toml", report.train.folder
    validation = {name: score.flat() for name, score in report.train.validation.items()}
    if json:
        render.json_object(
            {
                "folder": str(report.folder),
                "config": str(config),
                "checkpoint": str(checkpoint),
                "best": report.best,
                "schedule": best.schedule,
                "scores": [member.scores for member in report.members],
                "validation": validation,
                "seconds": report.seconds,
            }
        )
        return
    rows = [[i, *member.scores, member.schedule[-1][1]] for i, member in enumerate(report.members)]
    looks = [f"interval {i + 1}" for i in range(len(best.scores))]
    render.table(["member", *looks, "rate"], rows, title="Validation of the members (higher is better)")
    render.table(
        ["from step", "rate", "encoder rate"], [[*change] for change in best.schedule], title="Schedule"
    )
    scores = "  ".join(f"{key} {value:.4f}" for score in validation.values() for key, value in score.items())
    render.line(f"Member {report.best} was the best: {scores}; its model is the folder {checkpoint}")
    render.line(f"Next: molmeta adapt ASSAY --model {checkpoint}, or molmeta train {config} -o FOLDER")
