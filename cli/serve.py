"""`molmeta serve`: a page to paste compounds into, and the same as JSON, on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from . import render
from .options import Device, Json, Model


def serve(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Adapted models (.molmeta) to offer.")
    ] = None,
    model: Model = "base",
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 is all of this machine's.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 is any free one.")] = 8000,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another name under which browsers may ask for it."),
    ] = None,
    max_labelled: Annotated[int, typer.Option(min=1, help="Labelled compounds a request.")] = 512,
    max_candidates: Annotated[int, typer.Option(min=1, help="Compounds to rank a request.")] = 10_000,
    max_bytes: Annotated[int, typer.Option(min=1, help="Size of a request.")] = 5_000_000,
    seconds: Annotated[float, typer.Option(help="Time of a request, with its wait for others.")] = 120.0,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Requests that are computed at the same time; default half of the cores."),
    ] = None,
    waiting: Annotated[int, typer.Option(min=0, help="Requests that may wait for these.")] = 8,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Serve a page to paste actives, inactives and compounds to rank into, and the same as JSON.

    Adapted models that are named are offered by the name of their assay. Nothing that is pasted is stored
    or logged, and nothing leaves this machine. There is no password: who reaches the address can use it.
    With --json, one line of JSON is printed when the service listens.
    """
    from molmeta.errors import ConfigError
    from molmeta.scoring.engines import cores

    try:
        import fastapi  # noqa: F401
        import jinja2  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"the service needs more packages: pip install 'molmeta[serve]' ({error})"
        ) from error
    from molmeta.serve import listening
    from molmeta.serve.answer import Illustrated
    from molmeta.serve.answering import Answering
    from molmeta.serve.counter import Counter, offers
    from molmeta.serve.desk import Desk
    from molmeta.serve.hosts import Hosts
    from molmeta.serve.limits import Limits
    from molmeta.serve.question import Question
    from molmeta.serve.service import service

    limits = Limits(
        labelled=max_labelled,
        candidates=max_candidates,
        body=max_bytes,
        seconds=seconds,
        workers=max(1, cores() // 2) if workers is None else workers,
        waiting=waiting,
    )
    offered = offers(models or [])
    with (
        listening.listen(host, port) as socket,
        Desk[Question, Illustrated](Answering(model, tuple(offered.values()), device), limits) as desk,
    ):
        desk.warm()
        app = service(Counter(model, offered, desk), Hosts.of(host, tuple(allow_host or ())), log=render.note)
        listening.run(app, socket, lambda: _say(listening.address(socket), list(offered), json))


def _say(address: str, models: list[str], json: bool) -> None:
    if json:
        render.json_line({"address": address, "api": f"{address}/api/v1", "models": models})
        return
    render.line(f"Listening at {address} (interface: {address}/api); Ctrl-C ends it")
    for name in models:
        render.line(f"Model {name}: {address}/models/{name}")
