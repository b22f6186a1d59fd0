"""The command `molmeta`: its subcommands, its exit codes and its signals.

Nothing heavy is imported here: `molmeta --help` must not wait for torch, RDKit or pandas.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from molmeta.errors import MolmetaError

from . import render
from .adapt import adapt
from .check import check
from .corpus import corpus
from .evaluate import evaluate
from .explain import explain
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

# SIGINT is not among them: Python raises KeyboardInterrupt, which Typer ends with 130.
_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Commands(TyperGroup):
    """Group of commands that turns errors, signals and closed pipes into exit codes."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _exit_codes():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _signals(), _exit_codes():
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result


@contextmanager
def _exit_codes() -> Iterator[None]:
    """A `MolmetaError` is one line and its exit code, a closed pipe is silence; the rest is a bug (1)."""
    try:
        yield
    except MolmetaError as error:
        render.error("; ".join([str(error), *getattr(error, "__notes__", [])]))
        raise typer.Exit(error.exit_code) from None
    except BrokenPipeError:
        _leave_quietly()
    except SystemExit as error:
        # rich, which prints the help, ends with 1 where the reader has gone.
        if isinstance(error.__context__, BrokenPipeError):
            _leave_quietly()
        raise


def _leave_quietly() -> NoReturn:
    with suppress(OSError, ValueError):
        # What is still buffered must not fail again when the interpreter closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(0) from None


@contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind the stack, so that files are closed, and end with 128 + their number."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    try:
        before = {number: signal.signal(number, end) for number in _ENDING}
    except ValueError:  # only the main thread may set handlers
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
