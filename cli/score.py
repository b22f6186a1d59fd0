"""`molmeta score`: a library of any size, ranked by one or several adapted models."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from molmeta.wording import counted

from . import render
from .options import Device, ExcelSafe, Force, Json, SmilesColumn, TrustInput, as_file_name, refuse_existing
from .reinvent import answer, refuse_others
from .stopping import last_words

if TYPE_CHECKING:
    import torch

    from molmeta.scoring import Engine, ScoreReport

_MODEL = ".molmeta"


def score(
    ctx: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL... LIBRARY...", help="Models (.molmeta), tables or patterns (- is stdin)."
        ),
    ],
    out: Annotated[
        str | None, typer.Option("-o", "--out", help="Table; default LIBRARY.ASSAY.csv, here; - is stdout.")
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Write only the best rows, best first.")] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Which of molmeta's columns to write: mm_score,mm_status"),
    ] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(help="Share of the library that is active, if it differs from that of the assay."),
    ] = None,
    cascade: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Score all with a fast model, and only the best share with MODEL."
        ),
    ] = None,
    first: Annotated[
        str, typer.Option(help="With --cascade: the fast model, by name, folder or as .molmeta.")
    ] = "fast",
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes that read structures; default one a core, 0 for none."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with what a run that was stopped has left."),
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Do the I-th of N parts of the work; molmeta merge joins them."),
    ] = None,
    cache: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Keep what the network makes of the library there, for the next assay's model.",
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="local: this machine; ray: a cluster (pip install 'molmeta[ray]').")
    ] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="Of the cluster; auto finds it; without, one is started here.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="float32, or bf16: faster on a GPU, other scores in the third digit.")
    ] = "float32",
    reinvent: Annotated[
        bool,
        typer.Option("--reinvent", help="SMILES on stdin, JSON on stdout: REINVENT 4's ExternalProcess."),
    ] = False,
    excel_safe: ExcelSafe = False,
    smiles_column: SmilesColumn = None,
    trust_input: TrustInput = False,
    device: Device = "auto",
    force: Force = False,
    json: Json = False,
) -> None:
    """Score every compound of a library with adapted models.

    The output has one row for each row of the library, in its order: the columns of the library, then
    those of the prediction. A row that cannot be scored says why in mm_status. What is done stays in
    OUT.parts until all is: a run that was stopped goes on with --resume, and one that was complete
    says so.
    """
    from molmeta.errors import ConfigError
    from molmeta.loading import load
    from molmeta.scoring import WHOLE, Shard, first_pass, score_cascade, score_library

    models = [file for file in files if file.endswith(_MODEL)]
    libraries = [file for file in files if not file.endswith(_MODEL)]
    if reinvent:
        refuse_others(ctx, libraries)
        libraries = ["-"]
    if not models or not libraries:
        raise ConfigError(
            f"found {counted(len(models), 'model')} (*{_MODEL}) and "
            f"{'1 library' if len(libraries) == 1 else f'{len(libraries)} libraries'}; "
            f"wanted at least one of each: molmeta score MODEL{_MODEL} LIBRARY"
        )
    if json and out == "-":
        raise ConfigError("--json and -o - both write to stdout; give the table a file")
    if out is not None and out != "-":
        refuse_existing(Path(out), force or resume)  # one that is complete may be what is to be resumed
    predictors = [load(model, device=device) for model in models]
    if prevalence is not None:
        predictors = [predictor.expecting(prevalence) for predictor in predictors]
    chosen = None if columns is None else [one.strip() for one in columns.split(",")]
    if reinvent:
        answer(predictors, chosen)
        return
    out = out or _default_out(libraries, [predictor.name for predictor in predictors])
    name = Path(libraries[0]).name if len(libraries) == 1 else f"{len(libraries)} libraries"
    with last_words(lambda: _resume_line(out)), render.meter(f"scoring {name}") as show:
        options: dict[str, Any] = {
            "engine": _engine(engine, workers, ray_address),
            "resume": resume,
            "force": force,
            "columns": chosen,
            "precision": _precision(precision),
            "excel_safe": excel_safe,
            "smiles_column": smiles_column,
            "trusted": trust_input,
            "progress": lambda now: show(now.rows, now.rejected, now.share),
        }
        if cascade is None:
            part = WHOLE if shard is None else Shard.parse(shard)
            report = score_library(predictors, libraries, out, shard=part, top=top, cache=cache, **options)
        else:
            if len(predictors) > 1 or any(one is not None for one in (top, shard, cache)):
                raise ConfigError("--cascade takes one model, and none of --top, --shard and --cache")
            fast = load(first, device=device) if first.endswith(_MODEL) else None
            fast = fast or first_pass(predictors[0], first, device)
            report = score_cascade(fast, predictors[0], libraries, out, share=cascade, **options)
    if json:
        render.json_object(asdict(report))
        return
    show_report(report, render.note if out == "-" else render.line)


def show_report(report: ScoreReport, say: Callable[[str], None]) -> None:
    """What became of a library, in lines."""
    for note in report.notes:
        say(note)
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(report.rejected.items()))
    rejected = f"{sum(report.rejected.values())} rejected{reasons and f' ({reasons})'}"
    by = "" if report.picked is None else " by the first model"
    say(f"{counted(report.read, 'row')} read: {report.scored} scored{by}, {rejected}")
    if report.picked is not None:
        say(f"The best {report.picked} of these scored by the second model, and written")
    if report.formulas:
        say(about_formulas(report.formulas, report.excel_safe))
    if report.path != "-" and report.best:
        _show_best(report.best, report.copies)
    if report.complete:
        say(f"Complete: {report.path} is of this very run; nothing was left to do")
    else:
        say(f"Wrote {'stdout' if report.path == '-' else report.path} in {report.seconds:.1f} s")


def about_formulas(count: int, excel_safe: bool) -> str:
    """What becomes of cells that a spreadsheet would run."""
    found = "1 cell starts" if count == 1 else f"{count} cells start"
    if excel_safe:
        return f"{found} like a formula: written with a ' in front (--excel-safe)"
    return f"Warning: {found} like a formula; a spreadsheet may run such text (--excel-safe prevents it)"


def _precision(name: str) -> torch.dtype:
    import torch

    from molmeta.errors import ConfigError

    known = {"float32": torch.float32, "bf16": torch.bfloat16}
    if name not in known:
        raise ConfigError(f"no precision '{name}'; there are {' and '.join(known)}")
    return known[name]


def _engine(name: str, workers: int | None, address: str | None) -> Engine:
    from molmeta.errors import ConfigError
    from molmeta.scoring import Local, cores

    if name == "ray":
        from molmeta.scoring.cluster import Ray

        return Ray(address=address, actors=workers)
    if name != "local":
        raise ConfigError(f"no engine '{name}'; there are local and ray")
    return Local(cores() if workers is None else workers)


def _resume_line(out: str) -> None:
    """Says how a run that was stopped goes on."""
    if Path(out + ".parts").exists():
        words = [word for word in sys.argv[1:] if word != "--resume"]
        render.note(f"Stopped. What is done stays in {out}.parts; to go on:")
        render.note("  " + shlex.join(["molmeta", *words, "--resume"]))


def _show_best(best: Sequence[dict[str, Any]], copies: Sequence[int]) -> None:
    """The best compounds: the first columns of the library, and the numbers of the models."""
    names = list(best[0])
    own = [name for name in names if "mm_" not in name]
    numbers = [name for name in names if name.endswith(("mm_probability", "mm_value"))]
    numbers = numbers or [name for name in names if name.endswith("mm_score")]
    beside = [name for name in names if name.endswith(("mm_std", "mm_in_domain"))]
    shown = [*own[:3], *(name for name in names if name in numbers or name in beside)]
    rows = [[_cell(row[name]) for name in shown] for row in best]
    if max(copies) > 1:
        shown, rows = [*shown, "rows"], [[*row, n] for row, n in zip(rows, copies, strict=True)]
    render.line()
    render.table(shown, rows, title="Best compounds")
    render.line()


def _cell(value: Any) -> render.Cell:
    return float(value) if isinstance(value, float) else "" if value is None else str(value)


def _default_out(libraries: Sequence[str], assays: Sequence[str]) -> str:
    """library.assay.csv: the name of the (first) library without its extensions, and of each assay."""
    name = "stdin" if libraries[0] == "-" else Path(libraries[0]).name
    stem = as_file_name(Path(name.removesuffix(".gz")).stem)
    return ".".join([stem, *map(as_file_name, assays), "csv"])
