"""Few-shot benchmark on the FS-Mol folds: the protocol of FS-Mol on the development and validation assays.

    python benchmarks/fsmol.py DATA_DIR --checkpoint base-dev --out fsmol.json

DATA_DIR holds `train.csv.gz`, `valid.csv.gz` and `assays.csv`. The checkpoint must not have been trained
on the assays with the roles dev and held_back.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from molmeta.checkpoint import load_checkpoint
from molmeta.data.corpus import Corpus
from molmeta.data.fsmol import read_fsmol
from molmeta.evaluation import ADAPT, Method, baselines, evaluate, methods_of, needs_of
from molmeta.summary import paired, summarize

COLUMNS = ("dev", "dev kinase", "dev other", "valid_report", "valid_select", "valid")
REFERENCE = "gp-tanimoto"
FOLDS = {"train.csv.gz": ("dev",), "valid.csv.gz": ("valid_select", "valid_report")}


def main() -> None:
    options = parse()
    methods = choose(options.checkpoint, options.heads, options.baselines)
    tables, assays = [], []
    started = time.perf_counter()
    for file, roles in FOLDS.items():
        corpus = read_fsmol(options.data / file, needs_of(methods), options.workers, roles)
        tables.append(run(shorten(corpus, options.limit), methods, options))
        assays.append(corpus.assays)
    table, described = pd.concat(tables, ignore_index=True), pd.concat(assays)
    print(f"\n{seconds(started)} in all, {len(table)} scored draws")
    means = summarize(table, described, options.metric)
    print(f"\n{options.metric}, mean over assays (± standard error)\n\n{layout(means, options.sizes)}")
    differences = compare(table, described, options.metric)
    if len(differences):
        shown = layout(differences, options.sizes)
        print(f"\nminus {REFERENCE}, assay by assay (± standard error)\n\n{shown}")
    if options.out:
        save(options, table, means, differences)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA_DIR")
    parser.add_argument("--checkpoint", action="append", default=[], help="may be given several times")
    parser.add_argument(
        "--heads", nargs="*", default=[], help="heads, or adapt for their average; default all"
    )
    parser.add_argument("--baselines", nargs="*", default=["rf", "knn", REFERENCE])
    parser.add_argument("-k", dest="sizes", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--protocol", default="fsmol")
    parser.add_argument("--metric", default="delta_auprc")
    parser.add_argument("--limit", type=int, help="only the first so many assays of each file")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON; the scored draws go to a .csv of the same name")
    return parser.parse_args()


def choose(checkpoints: Sequence[str], heads: Sequence[str], names: Sequence[str]) -> dict[str, Method]:
    """Baselines, and the heads of each checkpoint: by their own names if there is only one checkpoint."""
    methods = baselines(names)
    for checkpoint in checkpoints:
        learner = load_checkpoint(checkpoint)
        for name, method in methods_of(learner, heads or [ADAPT, *learner.heads]).items():
            methods[name if len(checkpoints) == 1 else f"{learner.name} {name}"] = method
    return methods


def shorten(corpus: Corpus, limit: int | None) -> Corpus:
    return corpus if limit is None else corpus.select(list(corpus.assays.index[:limit]))


def run(corpus: Corpus, methods: dict[str, Method], options: argparse.Namespace) -> pd.DataFrame:
    started = time.perf_counter()

    def progress(done: int, total: int) -> None:
        print(f"\r{done}/{total} assays, {seconds(started)}", end="", file=sys.stderr, flush=True)

    kind = "regression" if options.metric in ("r2_os", "rmse") else "classification"
    table = evaluate(
        corpus, methods, options.sizes, options.draws, options.protocol, kind, progress, options.workers
    )
    print(file=sys.stderr)
    return table


def compare(table: pd.DataFrame, assays: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Every method minus the reference, as `summarize` lays out means."""
    others = [name for name in table["method"].unique() if name != REFERENCE]
    if REFERENCE not in set(table["method"]) or not others:
        return pd.DataFrame()
    parts = [paired(table, assays, name, REFERENCE, metric).assign(method=name) for name in others]
    return pd.concat(parts, ignore_index=True)


def layout(summary: pd.DataFrame, sizes: Sequence[int]) -> str:
    """Markdown: a row a method, a column a stratum, entries for each support size."""
    cells = {(r.method, r.stratum, r.k): f"{r.mean:.3f} ± {r.se:.3f}" for r in summary.itertuples()}
    counts = summary.groupby("stratum")["n"].max()
    shown = [name for name in COLUMNS if name in counts.index]
    lines = [
        "| " + " / ".join(map(str, sizes)) + " | " + " | ".join(f"{n} ({counts[n]})" for n in shown) + " |",
        "|---" * (len(shown) + 1) + "|",
    ]
    for method in summary["method"].unique():
        row = [" / ".join(cells.get((method, name, k), "-") for k in sizes) for name in shown]
        lines.append(f"| {method} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def save(
    options: argparse.Namespace, table: pd.DataFrame, means: pd.DataFrame, differences: pd.DataFrame
) -> None:
    settings = {key: value for key, value in vars(options).items() if key not in ("data", "out")}
    report = {
        "settings": settings,
        "means": json.loads(means.to_json(orient="records")),
        "differences": json.loads(differences.to_json(orient="records")),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1), encoding="utf-8")
    table.to_csv(options.out.with_suffix(".csv"), index=False)


def seconds(started: float) -> str:
    return f"{time.perf_counter() - started:.0f} s"


if __name__ == "__main__":
    main()
