"""The command `molmeta`: its subcommands, its exit codes and its signals.

Nothing heavy is imported here: `molmeta --help` must not wait for torch, RDKit or pandas.
"""

from __future__ import annotations

import atexit
import gc
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from . import render, stopping
from .adapt import adapt
from .check import check
from .corpus import corpus
from .evaluate import evaluate
from .exits import check_folder, exit_codes
from .explain import explain
from .federate import federate
from .merge import merge
from .models import models
from .report import report
from .score import score
from .serve import serve
from .suggest import suggest
from .train import train
from .tune import tune
from .update import update

# The interpreter looks for garbage once more when it ends, which takes seconds with torch; spare it that.
atexit.register(gc.freeze)


class Commands(TyperGroup):
    """Group of commands that turns errors, signals and closed pipes into exit codes."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with exit_codes():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with stopping.unwinding(), exit_codes():
            check_folder()
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        render.line(f"molmeta {version('molmeta')}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Predict a molecular property from the few compounds that you have measured.

    molmeta adapt ASSAY makes a model of an assay in seconds and says whether it is any good;
    molmeta score MODEL LIBRARY ranks a library with it; molmeta update MODEL NEW_ROWS adds what was
    measured since.

    Exit codes: 0 done, 1 bug, 2 usage, 3 input unusable, 4 bad rows with --strict, 5 refused (the output
    exists), 6 out of resources, 130 and 143 stopped by a signal.
    """


for _command in (
    check, adapt, update, score, merge, suggest, explain, report, serve, evaluate, train, tune, models,
):  # fmt: skip
    app.command()(_command)
app.add_typer(corpus, name="corpus")
app.add_typer(federate, name="federate")
