"""The pictures of docs/benchmark.md: reliability curves, and coverage against support size.

    python benchmarks/curves.py calibration.json docs/calibration.png

`calibration.json` is what `benchmarks/calibration.py` wrote.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

OURS, THEIRS = "evidence", "gp-tanimoto"
BLUE, GREY, RED = "#1f5fa8", "#8a8a8a", "#c0504d"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    report = json.loads(options.report.read_text(encoding="utf-8"))
    means = pd.DataFrame(report["means"])
    sizes = sorted(means["k"].unique())
    shown = [k for k in (16, 64, 128) if k in sizes]
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(
        1, len(shown) + 1, figsize=(3.4 * (len(shown) + 1), 3.6), layout="constrained"
    )
    for axis, k in zip(axes, shown, strict=False):
        reliability(axis, report["curves"], k)
    axes[0].set_ylabel("share of actives")
    axes[0].legend(frameon=False, loc="upper left", fontsize=9)
    coverage(axes[-1], means)
    figure.savefig(options.picture, dpi=110)


def reliability(axis: Axes, curves: dict[str, list[list[float]]], k: int) -> None:
    """Share of actives against predicted probability, in bins of as many compounds each."""
    axis.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    for method, colour, name in ((THEIRS, GREY, "GP-Tanimoto"), (OURS, BLUE, "molmeta")):
        predicted, found, _ = zip(*curves[f"{method} {k}"], strict=True)
        axis.plot(predicted, found, "o-", color=colour, markersize=4, linewidth=1.4, label=name)
    axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted probability", title=f"{k} labelled compounds")
    axis.set_aspect("equal")


def coverage(axis: Axes, means: pd.DataFrame) -> None:
    """Coverage of 90 % prediction sets and intervals over assays, against support size."""
    axis.axhspan(0.88, 0.92, color="#e4ecf5", linewidth=0)
    axis.axhline(0.9, color="black", linewidth=0.8)
    for metric, colour, name in (
        ("coverage_active", BLUE, "sets, actives"),
        ("coverage_inactive", GREY, "sets, inactives"),
        ("coverage", RED, "intervals of values"),
    ):
        rows = means[(means["method"] == OURS) & (means["metric"] == metric)].sort_values("k")
        axis.errorbar(rows["k"], rows["mean"], rows["se"], fmt="o-", color=colour, markersize=4, label=name)
    axis.set_xscale("log", base=2)
    sizes = sorted(means["k"].unique())
    axis.set_xticks(sizes, [str(k) for k in sizes])
    axis.set(ylim=(0.75, 1.0), xlabel="labelled compounds", title="coverage, 90 % wanted")
    axis.legend(frameon=False, loc="lower right", fontsize=9)


if __name__ == "__main__":
    main()
