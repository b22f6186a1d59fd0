"""`molmeta score --reinvent`: the contract of REINVENT 4 with programs that score what it generates.

Its component `ExternalProcess` starts a program for each batch, writes SMILES to its stdin, one a line, and
reads one JSON object from its stdout: {"version": 1, "payload": {NAME: [...], ...}}, with an entry a line
under each name, in their order. `params.property` in its configuration says which names are scores; the
others are kept as notes on each compound. REINVENT before 4.6 knows but the name "predictions".
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

    from molmeta.predictor import Predictor

VERSION = 1
ONLY = "predictions"
# What `molmeta score` may be told beside --reinvent.
_FITTING = frozenset(["files", "reinvent", "columns", "prevalence", "device"])


def refuse_others(ctx: typer.Context, libraries: Sequence[str]) -> None:
    """Raises ConfigError where options were given, or a library, that do not go with --reinvent."""
    from molmeta.errors import ConfigError

    sources = {name: ctx.get_parameter_source(name) for name in ctx.params if name not in _FITTING}
    given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    others = ["--" + name.replace("_", "-") for name in given]
    if found := [*others, *(library for library in libraries if library != "-")]:
        raise ConfigError(
            f"found {', '.join(found)}; wanted --reinvent alone: SMILES come from stdin, and one line of "
            "JSON goes to stdout (--columns, --prevalence and --device may be given)"
        )


def answer(predictors: Sequence[Predictor], columns: Collection[str] | None) -> None:
    """Scores the SMILES on stdin, and writes the one line of the contract to stdout."""
    text = sys.stdin.buffer.read().decode("utf-8", "backslashreplace")
    # REINVENT ends no line, others end the last one too.
    lines = text.removesuffix("\n").split("\n") if text else []
    sys.stdout.write(json.dumps({"version": VERSION, "payload": payload(predictors, lines, columns)}) + "\n")


def payload(
    predictors: Sequence[Predictor], smiles: Sequence[str], columns: Collection[str] | None
) -> dict[str, list[Any]]:
    """The scores of n structures, n entries a name.

    Parameters
    ----------
    predictors : sequence of Predictor
    smiles : sequence of str, length n
        A structure that cannot be read is scored as nan, which is how REINVENT wants failures: a mean over
        components leaves nan out, where it would take a zero for a bad score.
    columns : collection of str or None
        Columns of `molmeta score`, under their names. None: the probability or value alone, as "predictions",
        or under the name of the assay where there are several.
    """
    from molmeta.chem.rows import read_rows
    from molmeta.scoring.models import Models

    known = {name for one in predictors for name in one.columns}
    models = Models(predictors, known & {"mm_probability", "mm_value"} if columns is None else columns)
    rows = read_rows([text.strip() for text in smiles], models.needs, known=models.known)
    frame = models.predict(models.embed(rows))[models.names]
    if columns is None:
        names = [one.name for one in predictors] if len(predictors) > 1 else [ONLY]
        frame = frame.set_axis(names, axis=1)
    return {str(name): _entries(frame[name]) for name in frame}


def _entries(column: pd.Series) -> list[Any]:
    """Numbers as they are, yes and no as 1 and 0, nothing as nan; text as it is, nothing as ""."""
    if column.dtype == "str":
        texts: list[Any] = column.fillna("").tolist()
        return texts
    numbers: list[Any] = column.astype("Float64").to_numpy("float64", na_value=float("nan")).tolist()
    return numbers
