"""Options that several commands share, each with its help text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from molmeta.data.assay import Assay

AssayFile = Annotated[
    str | None,
    typer.Argument(
        metavar="ASSAY", help="Labelled compounds: .csv .tsv .smi .sdf .parquet, or .gz; - is stdin."
    ),
]
Model = Annotated[str, typer.Option(help="Shipped model by name, or a checkpoint folder.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the output if it exists.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]

# How the assay is read, where the reader would find something else.
SmilesColumn = Annotated[str | None, typer.Option(help="Column of the structures.")]
LabelColumn = Annotated[str | None, typer.Option(help="Column of the measurement.")]
IdColumn = Annotated[str | None, typer.Option(help="Column of the compound names.")]
Unit = Annotated[str | None, typer.Option(help="Unit of the measurement: nM, uM, mM, M, pIC50, %, ...")]
Decimal = Annotated[str | None, typer.Option(help="Decimal sign: '.' or ','.")]
Censored = Annotated[str | None, typer.Option(help="Values such as '>30': keep-bound, drop.")]
Conflicts = Annotated[str | None, typer.Option(help="Replicates that disagree: median, drop, stop.")]
LowerIsBetter = Annotated[
    bool, typer.Option("--lower-is-better", help="Small values of the modelled scale rank first.")
]
ActiveIf = Annotated[
    str | None, typer.Option(metavar="RULE", help="Make two classes of a value, for example '>= 6.5'.")
]
Actives = Annotated[Path | None, typer.Option(help="File of active compounds, in place of labels.")]
Inactives = Annotated[Path | None, typer.Option(help="File of inactive compounds, in place of labels.")]
TrustInput = Annotated[bool, typer.Option("--trust-input", help="Accept gzip that unpacks to a huge file.")]


def read(source: str | None, **options: Any) -> Assay:
    """The assay of a command; options that were not given are left to the defaults of the library."""
    from molmeta.data.table import read_assay

    given = {name: value for name, value in options.items() if value not in (None, False)}
    return read_assay(source, **given)


def as_file_name(text: str) -> str:
    """The text without what does not belong in the name of a file.

    >>> as_file_name("<stdin>"), as_file_name("../my assay")
    ('stdin', 'my_assay')
    """
    return re.sub(r"[^\w+-]+", "_", text).strip("_") or "assay"


def refuse_existing(out: Path, force: bool) -> None:
    """Raises RefusedError where the output exists, before any work is done."""
    from molmeta.errors import RefusedError

    if out.exists() and not force:
        raise RefusedError(f"{out} exists; give another --out, or --force to overwrite it")
