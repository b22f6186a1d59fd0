"""Options that several commands share, each with its help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AssayFile = Annotated[
    str, typer.Argument(metavar="ASSAY", help="Measured compounds: .csv .tsv .smi .sdf .parquet (or .gz); - is stdin.")
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
Censored = Annotated[str | None, typer.Option(help="What to do with values such as '>30'.")]
Conflicts = Annotated[str | None, typer.Option(help="What to do with replicates that contradict each other.")]
LowerIsBetter = Annotated[bool, typer.Option("--lower-is-better", help="Small values rank first.")]
ActiveIf = Annotated[
    str | None, typer.Option(metavar="RULE", help="Make two classes of a value, for example '>= 6.5'.")
]
Actives = Annotated[Path | None, typer.Option(help="File of active compounds, in place of labels.")]
Inactives = Annotated[Path | None, typer.Option(help="File of inactive compounds, in place of labels.")]
