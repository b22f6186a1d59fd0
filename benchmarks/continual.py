"""What continued meta-training brings to a lab, and what it costs on old assays.

    python benchmarks/continual.py DATA_DIR --init runs/base-dev --out results/continual.json

DATA_DIR holds the FS-Mol tables `train.csv.gz`, `valid.csv.gz` and `assays.csv`. The model must not have been
trained on the assays with the roles dev and held_back. The held-back ones, on the targets of dev, play the
lab's own; what is gained is measured on dev, and what is forgotten on both halves of the validation fold,
each before and after on the same draws.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from harness import save, seconds

from molmeta.toml import to_toml
from molmeta.training import Progress, TrainReport, train

# What is trained: epochs of stage A over the encoder, and the share of old assays in them.
VARIANTS = {
    "tables only": (0, 0.0),
    "fine-tuned": (1, 0.0),
    "fine-tuned, replay 0.2": (1, 0.2),
    "fine-tuned, replay 0.5": (1, 0.5),
}
OLD = ("valid_select", "valid_report")


def main() -> None:
    options = parse()
    data = sample(options.data, options.limit, options.runs) if options.limit else options.data
    rows = []
    for name in options.variants:
        started = time.perf_counter()
        report = continued(name, data, options)
        print(f"\n{name}: {len(report.added)} assays added in {seconds(started)}")
        rows += [{"variant": name, **asdict(row)} for row in report.comparison]
    table = pd.DataFrame(rows)
    for assays, part in table.groupby("assays", sort=False):
        print(
            f"\nDelta AUPRC on the {assays}: before, and after - before (± standard error)\n\n{layout(part)}"
        )
    if options.out:
        settings = {key: str(getattr(options, key)) for key in ("init", "sizes", "draws", "epochs", "limit")}
        save(options.out, {"settings": settings, "rows": rows})


def parse() -> argparse.Namespace:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("data", type=Path, metavar="DATA_DIR")
    made.add_argument("--init", default="runs/base-dev")
    made.add_argument("--runs", type=Path, default=Path("runs/continual"), help="folder of the runs")
    made.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    made.add_argument("--epochs", type=int, default=5, help="of a fine-tuned variant")
    made.add_argument("--rate", type=float, default=1e-4, help="of a fine-tuned variant")
    made.add_argument("-k", dest="sizes", type=int, nargs="+", default=[16, 64])
    made.add_argument("--draws", type=int, default=10)
    made.add_argument("--limit", type=int, help="only the first so many assays of each role")
    made.add_argument("--out", type=Path, help="JSON")
    return made.parse_args()


def continued(name: str, data: Path, options: argparse.Namespace) -> TrainReport:
    """Runs a variant, or goes on with one that was stopped."""
    epochs, share = VARIANTS[name]
    plan: dict[str, Any] = {
        "name": name,
        "precision": "bf16",
        "data": {
            "train": "train.csv.gz",
            "roles": ["held_back"],
            "valid": "valid.csv.gz",
            "valid_roles": list(OLD),
        },
        "replay": {"data": "train.csv.gz", "roles": ["train"]},
        "held_out": {"data": "train.csv.gz", "roles": ["dev"]},
        # As in base-dev.toml, but for the epochs and the rate.
        "pretrain": {"epochs": epochs * options.epochs, "rate": options.rate, "value_weight": 1.0},
        "validation": {"support_sizes": options.sizes, "draws": options.draws},
    }
    folder = options.runs / name.replace(",", "").replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.toml").write_text(to_toml(plan), encoding="utf-8")

    def show(now: Progress) -> None:
        print(f"\r{name}: {now.stage} {now.step}/{now.steps}", end="", file=sys.stderr, flush=True)

    return train(
        folder / "plan.toml",
        folder,
        init=options.init,
        replay=share,
        data=data,
        cache=options.runs / "cache",
        resume=(folder / "state.safetensors").exists(),
        progress=show,
    )


def sample(data: Path, limit: int, runs: Path) -> Path:
    """A data folder with the first `limit` assays of each role."""
    folder = runs / f"first-{limit}"
    folder.mkdir(parents=True, exist_ok=True)
    assays = pd.read_csv(data / "assays.csv", low_memory=False)
    for file in ("train.csv.gz", "valid.csv.gz"):
        table = pd.read_csv(data / file, dtype={"relation": str})
        there = assays[assays["assay"].isin(table["assay"])]
        chosen = there.groupby("role").head(limit)["assay"]
        table[table["assay"].isin(chosen)].to_csv(folder / file, index=False)
    assays.to_csv(folder / "assays.csv", index=False)
    return folder


def layout(part: pd.DataFrame) -> str:
    """Markdown: a row a head and variant, and columns for each support size."""
    sizes: Sequence[int] = sorted(part["k"].unique())
    n = part.groupby("k")["n"].max()
    head = " | ".join(f"{k} ({n[k]} assays) | difference" for k in sizes)
    lines = [f"| head | variant | {head} |", "|---" * (2 + 2 * len(sizes)) + "|"]
    for (name, variant), rows in part.groupby(["head", "variant"], sort=False):
        by_size = rows.set_index("k")
        cells = []
        for k in sizes:
            row = by_size.loc[k]
            cells.append(f"{row['before']:.4f} | {row['difference']:+.4f} ± {row['se']:.4f}")
        lines.append(f"| {name} | {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
