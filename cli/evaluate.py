"""`molmeta evaluate`: measures a model and baselines on many assays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import render
from .options import Device, Force, Json, refuse_existing

if TYPE_CHECKING:
    import pandas as pd

    from molmeta.units import Kind


def evaluate(
    data: Annotated[Path, typer.Argument(help="FS-Mol table, or a folder of CHEMBL*.jsonl.gz task files.")],
    model: Annotated[
        list[str] | None, typer.Option(help="Shipped model or checkpoint folder; repeatable; base.")
    ] = None,
    k: Annotated[list[int] | None, typer.Option("-k", help="Support size; repeatable; 16 and 64.")] = None,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="-k compounds of each class: 1 is one active, one inactive.")
    ] = False,
    queries: Annotated[
        int | None, typer.Option(min=2, help="With --per-class: compounds to predict at most; all.")
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Draws for each assay and size.")] = 10,
    head: Annotated[
        list[str] | None,
        typer.Option(
            help="Head, or average for all in one; repeatable. all: every head and every baseline. "
            "Default: every head."
        ),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(help="Method without meta-training: rf, knn, gp-tanimoto, similarity, mean."),
    ] = None,
    roles: Annotated[
        list[str] | None, typer.Option(help="Keep the assays of this role in assays.csv; repeatable.")
    ] = None,
    protocol: Annotated[str, typer.Option(help="fsmol, or clean: duplicates merged.")] = "fsmol",
    regression: Annotated[bool, typer.Option("--regression", help="Predict potencies, not classes.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    device: Device = "auto",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Table of all scores, .csv.")] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Measure a model and baselines on many assays, with standard errors.

    Every method sees the same draws. Printed are means over assays by stratum, and the differences
    between the heads of the model and the baselines, assay by assay.
    """
    from molmeta import evaluation, summary
    from molmeta.checkpoint import load_checkpoint
    from molmeta.data.fsmol import read_fsmol
    from molmeta.data.protocol import sample_draws, sample_per_class
    from molmeta.ensemble import pick_device
    from molmeta.errors import ConfigError
    from molmeta.files import write_whole

    if out is not None:
        refuse_existing(out, force, (data,))
    kind: Kind = "regression" if regression else "classification"
    metric = "r2_os" if regression else "delta_auprc"
    on = pick_device(device)
    if workers > 1 and on.type != "cpu":
        raise ConfigError(f"--workers {workers} and --device {on} do not go together; give --device cpu")
    if queries is not None and not per_class:
        raise ConfigError("--queries goes with --per-class; the FS-Mol draws predict all other compounds")
    if regression and per_class:
        raise ConfigError("--per-class is for classes, --regression for values; give one of them")
    learners = [load_checkpoint(name).to(on) for name in model or ["base"]]
    everything = head is not None and "all" in head
    wanted, others = ([] if everything else head or []), list(baseline or [])
    if everything:
        others = [name for name in evaluation.BASELINES if name not in others] + others
    found = evaluation.gather(learners, wanted, others)
    # What was asked for by name and cannot be done is an error of `evaluate`.
    able = {name: one for name, one in found.items() if kind in one.head.kinds}
    methods = found if wanted else able
    heads = [name for name in methods if name not in others]
    with render.progress("reading") as show:
        corpus = read_fsmol(data, evaluation.needs_of(methods), workers, roles or ())

        def watch(done: int, total: int) -> None:
            show(done, total, "assays")

        table = evaluation.evaluate(
            corpus,
            methods,
            support_sizes=k or (16, 64),
            draws=draws,
            protocol=protocol,
            kind=kind,
            progress=watch,
            workers=workers,
            sampler=partial(sample_per_class, most=queries) if per_class else sample_draws,
        )
    if out is not None:
        write_whole(out, table.to_csv(index=False, float_format="%.6g").encode())
    means = summary.summarize(table, corpus.assays, metric)
    present = set(table["method"])
    pairs = [
        summary.paired(table, corpus.assays, a, b, metric).assign(method=f"{a} - {b}")
        for a in heads
        for b in (baseline or heads[:1] or others[:1])
        if a != b and {a, b} <= present
    ]
    if json:
        render.json_object(
            {
                "model": ", ".join(learner.name for learner in learners),
                "data": str(data),
                "protocol": protocol,
                "metric": metric,
                "assays": len(corpus),
                "unreadable_structures": len(corpus.rejected),
                "means": means.to_dict("records"),
                "differences": [row for frame in pairs for row in frame.to_dict("records")],
                "table": None if out is None else str(out),
            }
        )
        return
    render.line(
        f"{len(corpus)} assays of {data.name}, {draws} draws, protocol {protocol}, "
        f"{'k of each class, ' if per_class else ''}model {', '.join(one.name for one in learners)}; "
        f"{metric}: mean ± standard error over assays"
    )
    _print([means], "method")
    _print(pairs, "difference")
    if out is not None:
        render.line(f"All scores: {out}")


def _print(frames: Sequence[pd.DataFrame], title: str) -> None:
    """A row a stratum and method, a column a support size."""
    records = [record for frame in frames for record in frame.to_dict("records")]
    sizes = sorted({record["k"] for record in records})
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        row = cells.setdefault((record["stratum"], record["method"]), {"n": 0})
        row["n"] = max(row["n"], record["n"])
        row[record["k"]] = f"{record['mean']:+.3f} ± {record['se']:.3f}"
    order = list(dict.fromkeys(stratum for stratum, _ in cells))
    rows = [
        [stratum, row["n"], method, *(row.get(k, "") for k in sizes)]
        for (stratum, method), row in sorted(cells.items(), key=lambda item: order.index(item[0][0]))
    ]
    if rows:
        render.line()
        render.table(["stratum", "assays", title, *(f"k = {k}" for k in sizes)], rows)
