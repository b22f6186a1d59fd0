"""`molmeta corpus`: builds a corpus of many assays, shows what is in one, and what two have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import render
from .options import Force, Json

if TYPE_CHECKING:
    pass

corpus = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Corpora: many assays in one folder, cleaned, split and featurized, to train and measure on.",
)
Folder = Annotated[Path, typer.Argument(metavar="CORPUS", help="Folder that molmeta corpus build made.")]


@corpus.command()
def build(
    source: Annotated[
        Path,
        typer.Argument(
            help="SQLite file of a ChEMBL release, folder of assay files, long table (a row a measurement), "
            "folder of FS-Mol task files, or FS-Mol table."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder of the corpus; default SOURCE-corpus here.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="CORPUS.toml", help="Columns, units, thresholds, filters, folds; has defaults."),
    ] = None,
    describe: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="Target, family, organism or fold of each assay, by its name."),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(help="Fault to leave out: units, scale, duplicates, targets, files; repeatable; none."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that read structures; default: one a core.")
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Make a corpus: many assays in one folder, to train and measure on.

    Values come to one scale an assay and become classes at its median, compounds are standardized and
    stand once, small and lopsided assays are left out, assays and compounds are dealt out to folds. Every
    number is in the configuration. Faults of the source (units that do not go together, labels that
    cannot be, an assay under two names, a target in two folds, files that are cut off) stop the build, by
    name and number, unless they are to be dropped; of ChEMBL, the first three are.
    """
    import os

    from molmeta.corpora.build import build as make
    from molmeta.corpora.config import read_corpus_config, with_drops

    name = source.name.removesuffix(".gz").partition(".")[0] if source.is_file() else source.resolve().name
    out = out or Path(f"{name}-corpus")
    wanted = with_drops(read_corpus_config(config), drop)
    with render.progress("reading rows") as show:
        manifest = make(
            source,
            out,
            wanted,
            description=describe,
            workers=(os.cpu_count() or 1) if workers is None else workers,
            force=force,
            progress=lambda what, done, total: show(done, total, what),
        )
    if json:
        render.json_object({"corpus": str(out), **asdict(manifest)})
        return
    _show(out, asdict(manifest))
    render.line()
    fold = max(manifest.counts["folds"], key=manifest.counts["folds"].get)
    render.line(f'Next: [data] train = "{out}", roles = ["{fold}"] in the configuration of molmeta train')


@corpus.command()
def show(folder: Folder, json: Json = False) -> None:
    """What is in a corpus: its source, counts, folds, what was left out, and what folds have in common."""
    from molmeta.corpora.reading import open_corpus

    found = open_corpus(folder)
    if json:
        render.json_object({"corpus": str(folder), **asdict(found.manifest)})
    else:
        _show(folder, asdict(found.manifest))


@corpus.command()
def overlap(
    first: Folder,
    second: Annotated[
        Path | None,
        typer.Argument(metavar="[CORPUS]", help="Another corpus; default: the folds of the first."),
    ] = None,
    of: Annotated[
        list[str] | None, typer.Option(metavar="FOLD", help="Folds of the first corpus; repeatable; all.")
    ] = None,
    within: Annotated[
        list[str] | None,
        typer.Option(metavar="FOLD", help="Folds of the second (or of the first) to look in; repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """What two folds or two corpora have in common: compounds, near-duplicates, scaffolds, targets, assays.

    What is measured on comes first, what was learned second. A fold is named as in molmeta train: test,
    test@valid (of its compounds those in the fold valid), @test.
    """
    from molmeta.corpora.overlap import between

    shared = between(first, second, of or (), within or ())
    if json:
        render.json_object({"overlap": [asdict(one) for one in shared]})
        return
    _show_overlap([asdict(one) for one in shared])


def _show(folder: Path, found: Mapping[str, Any]) -> None:
    counts, source = found["counts"], found["source"]
    made = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    release = f" {source['release']}" if source.get("release") else ""
    render.line(f"{folder}: {counts['assays']} assays, {counts['compounds']} compounds", style="bold")
    render.line(f"from {source['kind']}{release}, {source['name']}, by {made}")
    render.line()
    rows: list[list[render.Cell]] = [[name, counts[name]] for name in ("rows", "measurements", "targets")]
    rows += [[f"assays in {name}", n] for name, n in counts["folds"].items()]
    render.table(["holds", "number"], rows)
    if found["left_out"]:
        render.line()
        lost = found["left_out"].values()
        render.table(
            ["left out", "number", "assays"], [[one["what"], one["count"], one["names"]] for one in lost]
        )
    if found["overlap"]:
        render.line()
        _show_overlap(found["overlap"])


def _show_overlap(shared: Iterable[Mapping[str, Any]]) -> None:
    """A row a pair: how many of the first are in the second, and of how many."""
    rows = [
        [
            one["of"],
            one["within"],
            *(
                _part(one[f"shared_{name}"], one[name])
                for name in ("compounds", "measurements", "clusters", "targets")
            ),
            _part(one["near"], one["sampled"]),
        ]
        for one in shared
    ]
    columns = ["of", "in", "compounds", "measurements", "scaffolds", "targets", "near-duplicates"]
    render.table(columns, rows, title="In common")


def _part(some: int | None, of: int | None) -> str:
    return "" if not of or some is None else f"{some} of {of} ({some / of:.0%})"
