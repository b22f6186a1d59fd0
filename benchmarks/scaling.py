"""What do more training assays bring, and a larger trunk? A fit, and what ten times as many would bring.

    python benchmarks/scaling.py DATA_DIR benchmarks/base-dev.toml runs/scaling --out scaling.json
    python benchmarks/scaling.py DATA_DIR benchmarks/base-dev.toml runs/scaling --plot docs/scaling.svg

For each number of assays (nested random subsets of those that the configuration trains on) and each width of
the trunk, the default head is trained by that configuration and scored on the development assays, none of
whose targets was trained on. Small subsets get at least --steps optimizer steps. The runs are resumable:
started again, the script goes on, and what is done is read.

The fit is the mean over the development assays as a + b * log10(assays / 1000), at each support size; the
intervals are of 1,000 bootstrap samples of these assays. The best power law, a - b * assays ** -c, has c = 0,
which is this one.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from harness import save, show
from numpy.typing import NDArray

from molmeta.checkpoint import load_checkpoint
from molmeta.configuration import read_toml
from molmeta.data.corpus import Corpus
from molmeta.data.fsmol import read_fsmol
from molmeta.evaluation import evaluate, methods_of, needs_of
from molmeta.plotting import BLUE, LINE, ORANGE, PALE, SOFT, svg
from molmeta.training.config import TrainConfig, parse_config
from molmeta.training.data import Corpora, load_corpora, measurements, reserve
from molmeta.training.group import Group
from molmeta.training.report import Progress
from molmeta.training.stages import Run

ASSAYS = (128, 400, 1200, 2400, 4388)
WIDTHS = (256, 1024)
SIZES = (16, 64)
MORE = 10  # times as many assays
HEAD = "evidence"


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("data", type=Path, metavar="DATA_DIR")
    made.add_argument("config", type=Path)
    made.add_argument("runs", type=Path, help="folder of the runs")
    made.add_argument("--assays", type=int, nargs="+", default=ASSAYS)
    made.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    made.add_argument("--steps", type=int, default=3000, help="of stage A, at least")
    made.add_argument("--draws", type=int, default=5)
    made.add_argument("--out", type=Path, help="JSON")
    made.add_argument("--plot", type=Path, help="SVG")
    options = made.parse_args()
    trained(options)
    scores = pd.concat(
        [pd.read_csv(folder(options, n, width) / "dev.csv").assign(assays=n, width=width)
         for width in options.widths for n in options.assays]
    )  # fmt: skip
    curve, fits = summarized(scores), fitted(scores)
    for rows in (curve, fits):
        show(rows)
    if options.out:
        save(options.out, {"curve": curve, "fits": fits})
    if options.plot:
        options.plot.write_bytes(draw(curve, fits))


def folder(options: argparse.Namespace, assays: int, width: int) -> Path:
    return Path(options.runs) / f"{assays}-{width}"


def trained(options: argparse.Namespace) -> None:
    """Sees to it that every run is done, and scored."""
    left = [
        (n, width)
        for n in sorted(options.assays)
        for width in options.widths
        if not (folder(options, n, width) / "dev.csv").exists()
    ]
    if not left:
        return
    content = read_toml(options.config)
    first = parse_config(content | {"heads": {HEAD: content["heads"][HEAD]}}, str(options.config))
    probe = Run(first, options.runs / "probe", Group(), lambda _: None)
    options.runs.mkdir(parents=True, exist_ok=True)
    corpora = load_corpora(first.data, options.data, options.runs / "cache", probe.learner.needs)
    dev = read_fsmol(options.data / first.data.train, probe.learner.needs, 1, ("dev",))
    order = np.random.default_rng(first.seed).permutation(len(corpora.train))
    for n, width in left:
        chosen = [str(corpora.train.assays.index[i]) for i in np.sort(order[:n])]
        train(options, folder(options, n, width), first, width, replace_train(corpora, chosen, first))
        score(folder(options, n, width), dev, options.draws)


def replace_train(corpora: Corpora, chosen: Sequence[str], config: TrainConfig) -> Corpora:
    """The corpora with these training assays alone, and the compounds that they have."""
    few = corpora.train.select(chosen)
    rows = np.unique(few.mol[few.mol >= 0])
    place = np.full(len(few.smiles) + 1, -1)  # the last one is that of structures that were rejected
    place[rows] = np.arange(len(rows))
    kept = replace(
        few,
        mols=few.mols.select(torch.from_numpy(rows)),
        smiles=tuple(few.smiles[i] for i in rows),
        mol=place[few.mol],
    )
    return Corpora(kept, corpora.valid, reserve(kept, config.data.reserve))


def train(options: argparse.Namespace, out: Path, first: TrainConfig, width: int, corpora: Corpora) -> None:
    if (out / "metrics.json").exists():
        return
    per_epoch = max(
        1, len(measurements(corpora.train, corpora.reserved).compound) // first.pretrain.batch_size
    )
    epochs = max(first.pretrain.epochs, math.ceil(options.steps / per_epoch))
    stage = first.pretrain.model_copy(update={"epochs": epochs, "validate_every": math.ceil(epochs / 4)})
    config = first.model_copy(
        update={"name": out.name, "encoder": first.encoder | {"width": width}, "pretrain": stage}
    )

    def progress(now: Progress) -> None:
        if now.validation:
            print(f"{out.name}: {now.stage} {now.step}/{now.steps}, {now.seconds:.0f} s", flush=True)

    out.mkdir(parents=True, exist_ok=True)
    run = Run(config, out, Group(), progress)
    run.restore()
    run.corpora = corpora
    run.go()


def score(out: Path, dev: Corpus, draws: int) -> None:
    """Writes the mean over the draws of each development assay and support size."""
    methods = methods_of(load_checkpoint(out).eval(), [HEAD])
    assert needs_of(methods) <= {"counts", "pairs", "descriptors", "identity"}
    table = evaluate(dev, methods, SIZES, draws)
    mean = table.groupby(["assay", "k"], as_index=False)["delta_auprc"].mean()
    seconds = json.loads((out / "config.json").read_text())["info"]["seconds"]
    mean.assign(seconds=seconds).to_csv(out / "dev.csv", index=False)


def summarized(scores: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for (width, assays), part in scores.groupby(["width", "assays"]):
        row: dict[str, Any] = {"width": int(width), "training assays": int(assays)}
        for k, one in part.groupby("k"):
            value = one["delta_auprc"]
            row[f"k = {k}"] = f"{value.mean():.3f} ± {value.std(ddof=1) / math.sqrt(len(value)):.3f}"
        row["minutes"] = f"{part['seconds'].iloc[0] / 60:.0f}"
        rows.append(row)
    return rows


def fitted(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """The law for each width and support size, and what ten times the assays bring."""
    rows = []
    for (width, k), part in scores.groupby(["width", "k"]):
        table = part.pivot(index="assay", columns="assays", values="delta_auprc")
        assays = table.columns.to_numpy(dtype=float)
        best = law(assays, table.mean().to_numpy())
        rng = np.random.default_rng(0)
        gains = []
        for _ in range(1000):
            drawn = table.to_numpy()[rng.integers(len(table), size=len(table))].mean(0)
            found = law(assays, drawn)
            gains.append(found[1] * math.log10(MORE))
        low, high = np.quantile(gains, [0.05, 0.95])
        rows.append(
            {
                "width": int(width),
                "k": int(k),
                "at 1,000 assays": f"{best[0]:.4f}",
                f"{MORE} times as many": f"{best[1]:+.4f}",
                "90 %": f"{low:+.3f} to {high:+.3f}",
                "farthest point": f"{np.abs(table.mean() - value(best, assays)).max():.3f}",
            }
        )
    return rows


def law(assays: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """a, b of a + b * log10(assays / 1000), by least squares."""
    b, a = np.polyfit(np.log10(assays / 1000), mean, 1)
    return np.array([a, b])


def value(p: NDArray[np.float64], assays: Any) -> Any:
    return p[0] + p[1] * np.log10(assays / 1000)


def draw(curve: list[dict[str, Any]], fits: list[dict[str, Any]]) -> bytes:
    """ΔAUPRC over the number of training assays: a panel for each support size, a curve for each width."""
    colours = dict(zip(sorted({row["width"] for row in curve}), (ORANGE, BLUE), strict=False))

    def fill(figure: Any) -> None:
        panels = figure.subplots(1, len(SIZES), sharex=True)
        for axes, k in zip(panels, SIZES, strict=True):
            for width, colour in colours.items():
                points = [row for row in curve if row["width"] == width]
                x = np.array([row["training assays"] for row in points], dtype=float)
                y, se = np.array([[float(part) for part in row[f"k = {k}"].split(" ± ")] for row in points]).T
                axes.errorbar(x, y, se, fmt="o", color=colour, ecolor=PALE, label=f"width {width}")
                fit = next(row for row in fits if row["width"] == width and row["k"] == k)
                p = np.array([float(fit["at 1,000 assays"]), float(fit[f"{MORE} times as many"])])
                line = np.geomspace(x.min(), MORE * x.max(), 100)
                known = line <= x.max()
                axes.plot(line[known], value(p, line[known]), color=colour)
                axes.plot(line[~known], value(p, line[~known]), color=colour, linestyle=":")
            axes.set(xscale="log", xlabel="training assays", title=f"{k} labelled compounds")
            axes.grid(color=LINE, linewidth=0.6)
            axes.set_axisbelow(True)
        panels[0].set_ylabel("ΔAUPRC on the development assays")
        panels[0].legend(frameon=False, labelcolor=SOFT)

    return svg((9.6, 4.2), fill)


if __name__ == "__main__":
    main()
