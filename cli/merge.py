"""`molmeta merge`: the parts that shards of one run have left become one output."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from . import render
from .options import Force, Json
from .score import show_report


def merge(
    out: Annotated[str, typer.Argument(metavar="OUT", help="The output that was given to molmeta score.")],
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Join what is there; rows of missing chunks are left out.")
    ] = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Join the parts of an output that was scored in shards, or not to the end.

    Where all parts are there, the output has the same bytes as one of a single run.
    """
    from molmeta.scoring import merge as join

    report = join(out, force=force, incomplete=incomplete)
    if json:
        render.json_object(asdict(report))
        return
    show_report(report, render.line)
