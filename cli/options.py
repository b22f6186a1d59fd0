"""Options that several commands share, each with its help text."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from inspect import Parameter
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

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
MOST_SEED = 2**32 - 1  # that random generators take
Seed = Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed of everything random.")]

SmilesColumn = Annotated[str | None, typer.Option(help="Column of the structures.")]
ExcelSafe = Annotated[
    bool,
    typer.Option("--excel-safe", help="A ' in front of cells that a spreadsheet would run (.csv, .tsv)."),
]
TrustInput = Annotated[bool, typer.Option("--trust-input", help="Accept gzip that unpacks to a huge file.")]

# How an assay is read, where the reader would find something else: by name in `read_assay`.
_READING: dict[str, tuple[Any, object]] = {
    "smiles_column": (SmilesColumn, None),
    "label_column": (Annotated[str | None, typer.Option(help="Column of the measurement.")], None),
    "id_column": (Annotated[str | None, typer.Option(help="Column of the compound names.")], None),
    "unit": (
        Annotated[str | None, typer.Option(help="Unit of the measurement: nM, uM, mM, M, pIC50, %, ...")],
        None,
    ),
    "decimal": (Annotated[str | None, typer.Option(help="Decimal sign: '.' or ','.")], None),
    "censored": (Annotated[str | None, typer.Option(help="Values such as '>30': keep-bound, drop.")], None),
    "conflicts": (
        Annotated[str | None, typer.Option(help="Replicates that disagree: median, drop, stop.")],
        None,
    ),
    "lower_is_better": (
        Annotated[
            bool, typer.Option("--lower-is-better", help="Small values of the modelled scale rank first.")
        ],
        False,
    ),
    "active_if": (
        Annotated[
            str | None,
            typer.Option(metavar="RULE", help="Make two classes of a value, for example '>= 6.5'."),
        ],
        None,
    ),
    "actives": (
        Annotated[Path | None, typer.Option(help="File of active compounds, in place of labels.")],
        None,
    ),
    "inactives": (
        Annotated[Path | None, typer.Option(help="File of inactive compounds, in place of labels.")],
        None,
    ),
    "trusted": (TrustInput, False),
}


Reading = Mapping[str, Any]
AS_FOUND: Reading = MappingProxyType({})


def reads_assay(*, without: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the options that say how an assay is read, in place of its parameter `reading`.

    The command gets those that were given, by name; the others are left to the defaults of the library.
    """

    def give(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters
        added = {
            name: Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (annotation, default) in _READING.items()
            if name not in without
        }

        @wraps(command)
        def run(**given: Any) -> None:
            reading = {name: given.pop(name) for name in added}
            command(**given, reading={k: v for k, v in reading.items() if v not in (None, False)})

        shown: list[Parameter] = []
        for name, parameter in own.items():
            one = parameter.replace(kind=Parameter.KEYWORD_ONLY)
            shown += added.values() if name == "reading" else [one]
        # Typer makes the options from the signature.
        run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
        return run

    return give


def as_file_name(text: str) -> str:
    """The text without what does not belong in the name of a file.

    >>> as_file_name("<stdin>"), as_file_name("../my assay")
    ('stdin', 'my_assay')
    """
    return re.sub(r"[^\w+-]+", "_", text).strip("_") or "assay"


def refuse_existing(out: Path, force: bool, inputs: Iterable[str | Path | None] = ()) -> None:
    """Raises RefusedError where the output exists, or is read, before any work is done."""
    from molmeta.errors import RefusedError
    from molmeta.files import refuse_inputs

    refuse_inputs(out, (one for one in inputs if one is not None))
    if os.path.exists(out) and not force:
        raise RefusedError(f"{out} exists; give another --out, or --force to overwrite it")
