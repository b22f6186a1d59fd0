"""`molmeta suggest`: the compounds of a library to measure next, and why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from molmeta.wording import counted

from . import render
from .options import (
    Device,
    ExcelSafe,
    Force,
    Json,
    Seed,
    SmilesColumn,
    TrustInput,
    as_file_name,
    refuse_existing,
)  # fmt: skip
from .score import about_formulas

if TYPE_CHECKING:
    from molmeta.suggest.suggestions import Suggestions


def suggest(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Adapted model (.molmeta).")],
    library: Annotated[
        list[str], typer.Argument(metavar="LIBRARY...", help="Tables or patterns (- is stdin).")
    ],
    n: Annotated[int, typer.Option("-n", min=1, help="Compounds to suggest.")] = 24,
    acquisition: Annotated[
        str | None,
        typer.Option(
            help="What a compound is worth: greedy (default; with --cost ei), ei, ucb, thompson, uncertainty."
        ),
    ] = None,
    alike: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Compounds more similar than this to a pick wait until there are no others."
        ),
    ] = 0.9,
    hedge: Annotated[
        bool, typer.Option("--hedge", help="Pick each compound as if those before it had failed.")
    ] = False,
    exclude: Annotated[
        str | None, typer.Option(metavar="FILE", help="Compounds that are not wanted, in any table.")
    ] = None,
    cost: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of prices; worth is divided by them.")
    ] = None,
    available: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column that says whether a compound can be had: 0, no or blank is no."
        ),
    ] = None,
    budget: Annotated[float | None, typer.Option(help="What all may cost together; needs --cost.")] = None,
    candidates: Annotated[
        int, typer.Option(min=1, help="Compounds that are looked at together, the best by themselves.")
    ] = 1000,
    out: Annotated[
        str | None,
        typer.Option("-o", "--out", help="Table; default LIBRARY.ASSAY.next.csv, here; - is stdout."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes that read structures; default one a core, 0 for none."),
    ] = None,
    excel_safe: ExcelSafe = False,
    smiles_column: SmilesColumn = None,
    trust_input: TrustInput = False,
    seed: Seed = 0,
    device: Device = "auto",
    force: Force = False,
    json: Json = False,
) -> None:
    """Suggest which compounds of a library to measure next.

    Compounds are picked one after the other, each with regard to those before it, so that a batch does not
    repeat itself. Compounds that were measured are left out. The output has a row a pick: the columns of
    the library, the prediction, and in mm_why the reason.
    """
    from molmeta.errors import ConfigError
    from molmeta.loading import load
    from molmeta.scoring import Local, cores
    from molmeta.suggest.run import suggest as find

    if json and out == "-":
        raise ConfigError("--json and -o - both write to stdout; give the table a file")
    if out is not None and out != "-":
        refuse_existing(Path(out), force, library)
    predictor = load(model, device=device)
    if out is None:
        name = "stdin" if library[0] == "-" else Path(library[0]).name
        stem = as_file_name(Path(name.removesuffix(".gz")).stem)
        out = f"{stem}.{as_file_name(predictor.name)}.next.csv"
        refuse_existing(Path(out), force, library)
    with render.meter(f"reading {library[0]}") as show:
        found = find(
            predictor,
            library,
            n,
            acquisition=acquisition,
            alike=alike,
            hedge=hedge,
            exclude=exclude,
            cost=cost,
            available=available,
            budget=budget,
            candidates=max(n, candidates),
            engine=Local(cores() if workers is None else workers),
            smiles_column=smiles_column,
            trusted=trust_input,
            seed=seed,
            progress=show,
        )
    if out == "-":
        sys.stdout.buffer.write(found.encoded(excel_safe=excel_safe))
        return
    found.write(out, force=force, excel_safe=excel_safe)
    if json:
        told = ("acquisition", "candidates", "cost", "read", "left_out", "rejected", "notes", "seconds")
        render.json_object(
            {
                "path": out,
                "formulas": found.formulas,
                **{name: getattr(found, name) for name in told},
                "picks": found.records,
            }
        )
        return
    _show(found, n, out)
    if found.formulas:
        render.line(about_formulas(found.formulas, excel_safe))


def _show(found: Suggestions, n: int, out: str) -> None:
    """What was picked and why, in lines."""
    for note in found.notes:
        render.line(note)
    lost = [f"{count} {reason}" for reason, count in {**found.left_out, **found.rejected}.items()]
    render.line(
        f"{counted(found.read, 'row')} read{': ' if lost else ''}{', '.join(lost)}; "
        f"picked from the best {counted(found.candidates, 'compound')}{' of the others' if lost else ''}"
    )
    render.line()
    own = list(found.header[:2])
    why = found.picks["mm_why"].tolist()
    rows: list[list[render.Cell]] = [[i + 1, *found.cells[i][: len(own)], why[i]] for i in range(len(found))]
    render.table(["pick", *own, "why"], rows, title=f"To measure next (--acquisition {found.acquisition})")
    render.line()
    if len(found) < n:
        render.line(f"Fewer than {n}: no more compounds, or the budget is spent")
    if found.cost is not None:
        render.line(f"They cost {found.cost:g} together")
    render.line(f"Wrote {out} in {found.seconds:.1f} s")
