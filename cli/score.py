"""`molmeta score`: a library ranked by one or several adapted models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from . import render
from .options import Device, Force, Json, SmilesColumn, TrustInput, as_file_name, refuse_existing

_MODEL = ".molmeta"


def score(
    files: Annotated[
        list[str],
        typer.Argument(metavar="MODEL... LIBRARY", help="Models (.molmeta), a table (- is stdin)."),
    ],
    out: Annotated[
        str | None, typer.Option("-o", "--out", help="Table; default LIBRARY.ASSAY.csv, here; - is stdout.")
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Write only the best rows, best first.")] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(help="Share of the library that is active, if it differs from that of the assay."),
    ] = None,
    smiles_column: SmilesColumn = None,
    trust_input: TrustInput = False,
    device: Device = "auto",
    force: Force = False,
    json: Json = False,
) -> None:
    """Score every compound of a library with adapted models.

    The output has one row for each row of the library, in its order: the columns of the library, then
    those of the prediction. A row that cannot be scored says why in mm_status.
    """
    from molmeta.errors import ConfigError
    from molmeta.loading import load
    from molmeta.scoring import score_library

    models = [file for file in files if file.endswith(_MODEL)]
    libraries = [file for file in files if not file.endswith(_MODEL)]
    if not models or len(libraries) != 1:
        raise ConfigError(
            f"found {len(models)} models (*{_MODEL}) and {len(libraries)} libraries; "
            f"wanted at least one model and one library: molmeta score MODEL{_MODEL} LIBRARY"
        )
    (library,) = libraries
    if json and out == "-":
        raise ConfigError("--json and -o - both write to stdout; give the table a file")
    if out is not None and out != "-":
        refuse_existing(Path(out), force)
    predictors = [load(model, device=device) for model in models]
    if prevalence is not None:
        predictors = [predictor.expecting(prevalence) for predictor in predictors]
    out = out or _default_out(library, [predictor.name for predictor in predictors])
    with render.progress(f"scoring {Path(library).name}") as show:
        report = score_library(
            predictors,
            library,
            out,
            force=force,
            smiles_column=smiles_column,
            top=top,
            trusted=trust_input,
            progress=show,
        )
    if json:
        render.json_object(asdict(report))
        return
    say = render.note if out == "-" else render.line
    for note in report.notes:
        say(note)
    reasons = "".join(f", {count} {reason}" for reason, count in sorted(report.rejected.items()))
    say(f"{report.read} rows read: {report.scored} scored, {sum(report.rejected.values())} rejected{reasons}")
    if report.formulas:
        say(f"Warning: {report.formulas} cells start like a formula; a spreadsheet may run them")
    if out != "-" and report.best:
        _show_best(report.best)
    say(f"Wrote {report.path} in {report.seconds:.1f} s")


def _show_best(best: Sequence[dict[str, Any]]) -> None:
    """The best rows: the first columns of the library, and the numbers of the first model."""
    names = list(best[0])
    own = names[: names.index("mm_status")]
    numbers = [
        name for name in names if name.endswith(("mm_probability", "mm_value", "mm_std", "mm_in_domain"))
    ]
    columns = [*own[:3], *numbers]
    rows = [[_cell(row[name]) for name in columns] for row in best]
    render.line()
    render.table(columns, rows, title="Best rows")
    render.line()


def _cell(value: Any) -> render.Cell:
    return float(value) if isinstance(value, float) else "" if value is None else str(value)


def _default_out(library: str, assays: list[str]) -> str:
    """library.assay.csv: the name of the library without its extensions, and of each assay."""
    name = "stdin" if library == "-" else Path(library).name
    stem = Path(name.removesuffix(".gz")).stem
    return ".".join([stem, *map(as_file_name, assays), "csv"])
