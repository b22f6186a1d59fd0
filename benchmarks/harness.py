"""What the few-shot benchmarks share: their options, running methods on draws, and tables of the results."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molmeta.checkpoint import load_checkpoint
from molmeta.data.corpus import Corpus
from molmeta.errors import ConfigError
from molmeta.evaluation import Method, evaluate, gather
from molmeta.metrics import VALUES
from molmeta.summary import paired, summarize

REFERENCE = "gp-tanimoto"


def parser(description: str) -> argparse.ArgumentParser:
    """The options that all of them take; DATA_DIR and more are for each to add."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("data", type=Path, metavar="DATA_DIR")
    made.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        help="may be given several times; FOLDER:HEAD,HEAD=NAME takes these heads of it, and names them",
    )
    made.add_argument(
        "--heads", nargs="*", default=[], help="heads, or average for all in one; default all there are"
    )
    made.add_argument("--baselines", nargs="*", default=["rf", "knn", REFERENCE])
    made.add_argument("-k", dest="sizes", type=int, nargs="+", default=[16, 64])
    made.add_argument("--draws", type=int, default=10)
    made.add_argument("--against", default=REFERENCE, help="method that the others are compared with")
    made.add_argument("--limit", type=int, help="only the first so many assays of each table")
    made.add_argument("--unseen", action="store_true", help="only compounds that are new to the checkpoints")
    made.add_argument("--workers", type=int, default=1)
    made.add_argument("--out", type=Path, help="JSON; the scored draws go to a .csv of the same name")
    return made


def choose(checkpoints: Sequence[str], heads: Sequence[str], names: Sequence[str]) -> dict[str, Method]:
    """Baselines, and of each checkpoint the heads that it has; a name that is taken gets the checkpoint's."""
    methods: dict[str, Method] = {}
    try:
        named = [one for one in checkpoints if ":" in one]
        for folder, own in (one.rsplit(":", 1) for one in named):
            called = dict((*head.split("="), head)[:2] for head in own.split(","))
            found = gather([load_checkpoint(folder)], list(called))
            methods |= {called[head]: method for head, method in found.items()}
        plain = [load_checkpoint(one) for one in checkpoints if one not in named]
        return methods | gather(plain, heads if plain else (), names)
    except ConfigError as error:
        raise SystemExit(str(error)) from error


def unseen(corpus: Corpus, checkpoints: Sequence[str]) -> Corpus:
    """Without the measurements of compounds that one of the checkpoints knows."""
    known = np.zeros(len(corpus.smiles), dtype=bool)
    for checkpoint in checkpoints:
        known |= load_checkpoint(checkpoint.rsplit(":", 1)[0]).knows(corpus.smiles).numpy()
    read = corpus.mol >= 0
    new = read & ~known[corpus.mol]
    print(f"{new.sum() / read.sum():.1%} of {read.sum()} measurements are of compounds that are new to it")
    return kept(corpus, new)


def kept(corpus: Corpus, keep: np.ndarray) -> Corpus:
    """The measurements bool[r] of a corpus."""
    rows = {name: getattr(corpus, name)[keep] for name in ("assay", "mol", "label", "value", "relation")}
    return replace(corpus, **rows)


def run(
    corpora: Sequence[Corpus],
    methods: dict[str, Method],
    options: argparse.Namespace,
    metrics: Sequence[str] = ("delta_auprc",),
    protocol: str = "fsmol",
    **how: Any,
) -> None:
    """Scores the methods on every corpus, prints means and paired differences of each metric, and saves them.

    `how` goes to `molmeta.evaluation.evaluate`.
    """
    started = time.perf_counter()
    kind = "regression" if set(metrics) <= set(VALUES) - {"nll"} else "classification"

    def progress(done: int, total: int) -> None:
        print(f"\r{done}/{total} assays, {seconds(started)}", end="", file=sys.stderr, flush=True)

    tables = []
    for corpus in corpora:
        few = corpus.select(list(corpus.assays.index[: options.limit])) if options.limit else corpus
        scored = evaluate(
            few, methods, options.sizes, options.draws, protocol, kind, progress, options.workers, **how
        )
        tables.append(scored)
        print(file=sys.stderr)
    table, assays = pd.concat(tables, ignore_index=True), pd.concat([c.assays for c in corpora])
    print(f"\n{seconds(started)} in all, {len(table)} scored draws")
    report(table, assays, options, metrics)


def report(
    table: pd.DataFrame, assays: pd.DataFrame, options: argparse.Namespace, metrics: Sequence[str]
) -> None:
    """Prints and saves the means and the differences of a table of scored draws."""
    every: dict[str, list[pd.DataFrame]] = {"means": [], "differences": []}
    for metric in metrics:
        means, differences = summarize(table, assays, metric), compare(table, assays, metric, options.against)
        print(f"\n{metric}, mean over assays (± standard error)\n\n{layout(means, options.sizes)}")
        if len(differences):
            shown = layout(differences, options.sizes)
            print(f"\nminus {options.against}, assay by assay (± standard error)\n\n{shown}")
        every["means"].append(means.assign(metric=metric))
        every["differences"].append(differences.assign(metric=metric))
    if options.out:
        settings = {key: value for key, value in vars(options).items() if key not in ("data", "out")}
        rows = {name: pd.concat(parts).to_dict("records") for name, parts in every.items()}
        save(options.out, {"settings": settings | {"metrics": list(metrics)}, **rows})
        table.to_csv(options.out.with_suffix(".csv"), index=False)


def save(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Prints records as a table of Markdown."""
    print("\n| " + " | ".join(rows[0]) + " |\n" + "|---" * len(rows[0]) + "|")
    for row in rows:
        print("| " + " | ".join(map(str, row.values())) + " |")


def compare(table: pd.DataFrame, assays: pd.DataFrame, metric: str, against: str) -> pd.DataFrame:
    """Every method minus one of them, as `summarize` lays out means."""
    others = [name for name in table["method"].unique() if name != against]
    if against not in set(table["method"]) or not others:
        return pd.DataFrame()
    parts = [paired(table, assays, name, against, metric).assign(method=name) for name in others]
    return pd.concat(parts, ignore_index=True)


def layout(summary: pd.DataFrame, sizes: Sequence[int]) -> str:
    """Markdown: for each stratum a table with a row a method and a column a support size."""
    blocks = []
    for stratum, rows in summary.groupby("stratum", sort=False):
        cells = {(r.method, r.k): f"{r.mean:.3f} ± {r.se:.3f}" for r in rows.itertuples()}
        lines = [
            f"| {stratum} ({rows['n'].max()} assays) | " + " | ".join(map(str, sizes)) + " |",
            "|---" * (len(sizes) + 1) + "|",
        ]
        for method in rows["method"].unique():
            lines.append(f"| {method} | " + " | ".join(cells.get((method, k), "-") for k in sizes) + " |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def seconds(started: float) -> str:
    return f"{time.perf_counter() - started:.0f} s"
