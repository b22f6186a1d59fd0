"""`molmeta federate`: trains one trunk and one prior with other labs, none of which shows its assays."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import render
from .options import Device, Json
from .stopping import last_words

if TYPE_CHECKING:
    from molmeta.federated.average import Line
    from molmeta.training.report import Progress

federate = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Federated training: labs keep their assays, and train one trunk and one prior.",
)
Plan = Annotated[
    Path, typer.Argument(metavar="CONFIG.toml", help="What is trained and how; the same for all, but [data].")
]
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Do not encrypt the connection: on one machine, or to try it out.")
]


@federate.command()
def server(
    config: Plan,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder of the shared model; default runs/CONFIG.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 9440,
    certificate: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Certificate of this server, with --key.")
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="PEM", help="Key of the certificate.")] = None,
    labs: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Public keys (*.pub) of labs that may take part."),
    ] = None,
    insecure: Insecure = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the federation in that folder.")
    ] = False,
    json: Json = False,
) -> None:
    """Average what labs learn; this server never sees an assay, a structure or a table.

    It waits for as many labs as the configuration says and goes through the rounds. The shared model has a
    trunk and a prior; each lab ends with a model that also knows its own compounds.

    A server that was stopped goes on with --resume, and so do its labs.
    """
    _installed()
    from molmeta.errors import ConfigError
    from molmeta.federated.average import STATE
    from molmeta.federated.flower.exchange import Door
    from molmeta.federated.flower.server import serve
    from molmeta.federated.plan import last_round, read_federated

    if (certificate is None) != (key is None):
        raise ConfigError("give both --certificate and --key, or neither")
    if certificate is None and not insecure:
        raise ConfigError(
            "labs would connect without encryption; give --certificate and --key, or --insecure"
        )
    if labs is not None and certificate is None:
        raise ConfigError("--labs needs an encrypted connection; give --certificate and --key")
    out = out or Path("runs") / config.stem
    rounds = last_round(read_federated(config))

    def tell() -> None:
        if (out / STATE).exists():
            render.to_go_on(str(out))

    with last_words(tell), render.progress("waiting for labs") as show:

        def watch(line: Line) -> None:
            show(line.round, rounds, line.phase)
            render.note(
                f"round {line.round} of {rounds} ({line.phase}): {line.labs} labs, update of length "
                f"{line.length:.3g}, {line.seconds} s, {line.bytes_in / 1e6:.1f} MB in, "
                f"{line.bytes_out / 1e6:.1f} MB out"
            )

        average = serve(config, out, Door(host, port, certificate, key, labs), resume=resume, progress=watch)
    for problem in average.problems:
        render.note(f"a lab could not finish its model: {problem}")
    if json:
        render.json_object({"folder": str(out), "rounds": average.round, "problems": average.problems})
        return
    render.line(f"Trained with labs in {average.round} rounds; the shared model is the folder {out}")
    render.line(f"Next: molmeta adapt ASSAY --model {out}")


@federate.command()
def client(
    config: Plan,
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Of the server.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder of this lab, kept here; default runs/CONFIG-lab."),
    ] = None,
    data: Annotated[Path, typer.Option(help="Folder that the data paths are relative to.")] = Path(),
    authorities: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Whose certificates to trust; default: those of the system."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Private key of this lab (ssh-keygen -t ecdsa -b 384)."),
    ] = None,
    insecure: Insecure = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in that folder.")] = False,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Take part in a federated training with the assays of this lab, which stay here.

    What leaves are updates of the trunk and of the prior, masked so that the server sees the sum over all
    labs alone (secure = true, the default), and the number of measurements. docs/federated.md says what that
    protects, and what it does not. In the end this lab has a model of its own in its folder: the shared trunk
    and prior, with its own tables of compounds.
    """
    _installed()
    from molmeta.errors import ConfigError
    from molmeta.federated.flower.client import take_part
    from molmeta.federated.flower.connection import Way
    from molmeta.training.journal import STATE

    if insecure and key is not None:
        raise ConfigError("--key says who this lab is over an encrypted connection; leave out --insecure")
    out = out or Path("runs") / f"{config.stem}-lab"

    def tell() -> None:
        if (out / STATE).exists():
            render.to_go_on(str(out))

    with last_words(tell), render.progress("starting") as show:

        def watch(now: Progress) -> None:
            loss = " ".join(f"{name} {value:.4f}" for name, value in now.loss.items())
            show(now.step, now.steps, f"{now.stage}  {loss}")

        way = Way(address, not insecure, authorities, key)
        report = take_part(
            config, out, way, data=data, resume=resume, device=device, progress=watch, told=render.note
        )
    scores = {name: score.flat() for name, score in report.validation.items()}
    if json:
        render.json_object({"folder": str(out), "seconds": report.seconds, "validation": scores})
        return
    names = sorted({name for score in scores.values() for name in score})
    rows = [[head, *(score.get(name) for name in names)] for head, score in scores.items()]
    render.table(["head", *names], rows, title="Validation")
    render.line(f"Trained in {report.seconds:.0f} s; the model of this lab is the folder {out}")
    render.line(f"Next: molmeta adapt ASSAY --model {out}")


def _installed() -> None:
    from molmeta.errors import ConfigError

    if find_spec("flwr") is None:
        raise ConfigError(
            "federated training needs Flower; in an environment of its own: "
            "pip install -c constraints-federated.txt 'molmeta[federated]'"
        )
