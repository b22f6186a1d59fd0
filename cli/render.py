"""The only module that prints: results on stdout, progress and errors on stderr.

rich reads square brackets as markup and would swallow the `[nH]` of a SMILES, so markup is off wherever
text of a file may come by. rich itself is imported where it is used, to keep `--help` quick.
"""

from __future__ import annotations

import json
import math
import re
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console

# Control characters (escape codes among them) in names and cells must not reach the terminal.
# Nor those that turn the direction of text, or end a line that is none; half characters cannot be printed.
_CONTROL = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

Cell = str | int | float | None


@cache
def _console_class() -> type[Console]:
    from rich.console import Console

    class PipeAware(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # the application decides what a closed pipe means

    return PipeAware


def _console(stderr: bool = False) -> Console:
    """A console for text as it is. Where nobody watches, lines are as long as they need to be."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 200
    return _console_class()(
        file=stream, markup=False, highlight=False, emoji=False, soft_wrap=True, width=width
    )


def plain(text: str) -> str:
    """The text with control characters shown as their escapes.

    >>> plain("C[nH]" + chr(27) + "[31m")
    'C[nH]\\\\x1b[31m'
    """
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def line(text: str = "", style: str | None = None) -> None:
    """One line of a result."""
    _console().print(plain(text), style=style)


def paragraph(text: str, indent: str = "", style: str | None = None) -> None:
    """Text in lines of at most 100 characters, or as many as the terminal has."""
    width = min(100, _console().width)
    for row in textwrap.wrap(
        plain(text), width, initial_indent=indent, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    ):  # fmt: skip
        line(row, style)


def page(text: str) -> None:
    """Several lines as they are."""
    for row in text.splitlines():
        line(row)


def note(text: str) -> None:
    """A line beside the results, on stderr."""
    _console(stderr=True).print(plain(text))


def error(text: str) -> None:
    """The one line that explains why a command ended."""
    message = plain(" ".join(text.split()))
    _console(stderr=True).print(f"molmeta: {message}", style="red")


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], title: str | None = None) -> None:
    """A table; numbers stand on the right."""
    from rich.table import Table
    from rich.text import Text

    view = Table(title=title and Text(plain(title)), title_justify="left", box=None, pad_edge=False)
    for i, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[i], int | float | None) for row in rows)
        view.add_column(Text(plain(name), style="bold"), justify="right" if numeric else "left")
    for row in rows:
        view.add_row(*(Text(plain(text(cell))) for cell in row))
    _console().print(view)


def text(value: Cell) -> str:
    """A cell as people read it: three significant digits, nothing for what is missing.

    >>> text(0.12345), text(12345.6), text(None), text(7), text(float("nan"))
    ('0.123', '12346', '', '7', '')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def json_object(content: Mapping[str, Any]) -> None:
    """The one JSON object of a command under --json. What is not finite becomes null."""
    sys.stdout.write(_json(content, indent=1) + "\n")


def json_line(content: Mapping[str, Any]) -> None:
    """A JSON object on a line of its own, for who reads while the command runs."""
    sys.stdout.write(_json(content) + "\n")
    sys.stdout.flush()


def _json(content: Mapping[str, Any], indent: int | None = None) -> str:
    text = json.dumps(_jsonable(content), ensure_ascii=False, indent=indent)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:  # a locale with few letters, or a file name that is no text
        text = json.dumps(_jsonable(content), indent=indent)
    return text


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if hasattr(value, "item"):  # a numpy scalar
        return _jsonable(value.item())
    return str(value)


class Show(Protocol):
    """Moves a progress bar: work done, total work if known, and what is being done."""

    def __call__(self, done: int, total: int | None = None, label: str | None = None) -> None: ...


@contextmanager
def progress(label: str) -> Iterator[Show]:
    """A bar on stderr, gone when done, and absent where stderr is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    what = TextColumn("{task.description}", markup=False)
    console = _console(stderr=True)
    with Progress(
        what,
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(plain(label), total=None)

        def show(done: int, total: int | None = None, label: str | None = None) -> None:
            bar.update(task, completed=done, total=total, description=None if label is None else plain(label))

        yield show


class Meter(Protocol):
    """Shows how far a run is: rows done, rejected ones among them, and the share of all, if known."""

    def __call__(self, rows: int, rejected: int, share: float | None) -> None: ...


@contextmanager
def meter(label: str) -> Iterator[Meter]:
    """A bar with the rate and the time left on a terminal; elsewhere one line a minute on stderr."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = _console(stderr=True)
    watched = console.is_terminal
    began = said = time.monotonic()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    first = 0  # rows that were there when the run began, which say nothing of its rate
    with Progress(*columns, console=console, transient=True, disable=not watched) as bar:
        task = bar.add_task(plain(label), total=None)

        def show(rows: int, rejected: int, share: float | None) -> None:
            nonlocal said, first
            first = first or rows
            now = time.monotonic()
            rate = (rows - first) / max(now - began, 1e-9)
            text = f"{label}: {rows:,} rows, {rate:,.0f}/s, {rejected:,} rejected"
            if watched:
                total = None if share is None else 1.0
                bar.update(task, completed=share or 0.0, total=total, description=plain(text))
            elif now - said >= 60:
                said = now
                left = (now - began) * (1 / share - 1) / 60 if share else 0.0
                note(text + (f", {share:.0%}, about {left:,.0f} min left" if share else ""))

        yield show
