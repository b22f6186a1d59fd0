"""Writes docs/benchmark.md out of what the benchmarks saved.

    python benchmarks/document.py RESULTS_DIR docs/benchmark.md

RESULTS_DIR holds fsmol.json, ablation.json, external.json and unseen.json; the commands
that make them stand in the document itself. Nothing in it is typed by hand but the prose of
benchmarks/benchmark.md.in.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pandas as pd

NAMES = {
    "evidence": "**molmeta**: GP averaged by evidence",
    "average": "molmeta, average of its heads",
    "adkf": "ADKF (fitted to each assay)",
    "dkt": "DKT (shared hyper-parameters)",
    "mahalanobis": "prototypes, Mahalanobis",
    "proto": "prototypes, Euclidean",
    "anil": "MAML (ANIL)",
    "probe": "linear probe",
    "gp-tanimoto": "GP-Tanimoto on ECFP4",
    "rf": "random forest on ECFP4",
    "knn": "kNN-Tanimoto on ECFP4",
}
STRATA = {
    "dev + valid_report": "Development and report assays together",
    "dev kinase": "Development assays, kinases",
    "dev other": "Development assays, other targets",
    "valid_report": "Report assays",
    "valid": "Validation fold",
    "panel": "A compound panel that was measured in training",
    "all": "All sets",
    "biogen": "Biogen",
    "tdc": "TDC",
}
# {{FILE TABLE STRATUM}} in the prose, for instance {{fsmol means dev other}}.
_MARK = re.compile(r"^\{\{(\w+) (means|differences) (.+)\}\}$", re.M)
_PROSE = Path(__file__).with_name("benchmark.md.in")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("document", type=Path)
    options = parser.parse_args()

    def table(mark: re.Match[str]) -> str:
        found = json.loads((options.results / f"{mark[1]}.json").read_text(encoding="utf-8"))
        return render(pd.DataFrame(found[mark[2]]), mark[3], mark[2] == "differences")

    options.document.write_text(_MARK.sub(table, _PROSE.read_text(encoding="utf-8")), encoding="utf-8")


def render(rows: pd.DataFrame, stratum: str, differences: bool) -> str:
    """A row a method, a column a support size; differences are those of the reference to each method."""
    rows = rows[rows["stratum"] == stratum]
    sizes = sorted(rows["k"].unique())
    title = f"{STRATA.get(stratum, stratum)} ({rows['n'].max()} assays)"
    lines = [f"| {title} | " + " | ".join(map(str, sizes)) + " |", "|---" * (len(sizes) + 1) + "|"]
    order = [name for name in NAMES if name in set(rows["method"])]
    order += [name for name in rows["method"].unique() if name not in NAMES]
    for method in order:
        cells = []
        for k in sizes:
            found = rows[(rows["method"] == method) & (rows["k"] == k)]
            cells.append("".join(cell(r, differences) for _, r in found.iterrows()) or "–")
        lines.append(f"| {NAMES.get(method, method)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(row: pd.Series, difference: bool) -> str:
    """Mean and standard error; bold where the reference is better by two of them."""
    if not difference:
        return f"{row['mean']:.3f} ± {row['se']:.3f}"
    gain = 0.0 - row["mean"]
    text = f"{gain:+.3f} ± {row['se']:.3f}"
    return f"**{text}**" if 0 < 2 * row["se"] <= gain else text


if __name__ == "__main__":
    main()
