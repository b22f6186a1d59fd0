"""`molmeta report`: one HTML file that says what a model is worth, and shows why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import render
from .options import Device, Force, Json, as_file_name, refuse_existing

if TYPE_CHECKING:
    from molmeta.predictor import Predictor


def report(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Adapted model (.molmeta).")],
    library: Annotated[
        Path | None, typer.Argument(metavar="LIBRARY", help="Table of which the best compounds are shown.")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Default ASSAY.html, here.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Compounds of the library to show.")] = 24,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes that read structures; default one a core, 0 for none."),
    ] = None,
    device: Device = "auto",
    force: Force = False,
    json: Json = False,
) -> None:
    """Write a report on a model: one HTML file, to be read and sent on without molmeta and without network.

    The verdict in words, how held-out compounds came out, what more compounds would bring, the labelled
    compounds and the best of a library with what each atom contributes, and what is odd in the data. Needs
    the extra: pip install 'molmeta[report]'.
    """
    from molmeta.loading import load

    predictor = load(model, device=device)
    out = out or Path(as_file_name(predictor.name) + ".html")
    refuse_existing(out, force, (model, library))
    write(predictor, out, library, n, workers, force)
    if json:
        render.json_object({"path": str(out), "bytes": out.stat().st_size, "library": library})


def write(
    predictor: Predictor,
    out: Path,
    library: Path | None = None,
    n: int = 24,
    workers: int | None = 0,
    force: bool = False,
) -> None:
    """Writes a report and says so on stderr."""
    from molmeta.report.run import write_report
    from molmeta.scoring import cores

    write_report(
        predictor,
        out,
        library,
        most=n,
        workers=cores() if workers is None else workers,
        force=force,
    )
    render.note(f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB); open it in a browser")
