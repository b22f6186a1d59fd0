"""Writes what was measured into the card and the metrics of a shipped model, and into other pages.

    python benchmarks/tables.py short.json models/base-fingerprint README.md
    python benchmarks/tables.py fast.json models/fast-fingerprint

The JSON is what `benchmarks/fsmol.py` wrote. card.md and each page have a pair of marks,
`<!-- table: begin -->` and `<!-- table: end -->`; what stands between them is replaced.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

COLUMNS = {
    "valid": "valid",
    "dev kinase": "dev, kinases",
    "dev other": "dev, others",
    "panel": "kinase panel",
    "valid_report": "valid_report",
}
NAMES = {
    "evidence": "**molmeta**",
    "fast-dev evidence": "**molmeta**, model fast",
    "average": "molmeta, average of its heads",
    "mahalanobis": "molmeta, prototypes (Mahalanobis)",
    "proto": "molmeta, prototypes (Euclidean)",
    "anil": "molmeta, MAML (ANIL)",
    "maml": "molmeta, MAML",
    "gp-tanimoto": "GP-Tanimoto on ECFP4",
    "rf": "random forest on ECFP4",
    "knn": "kNN-Tanimoto on ECFP4",
}
REFERENCES = {"gp-tanimoto": "GP-Tanimoto", "evidence": "the default model"}
_MARKS = re.compile(r"(<!-- table: begin -->\n).*?(<!-- table: end -->)", re.S)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("pages", type=Path, nargs="*")
    options = parser.parse_args()
    report = json.loads(options.report.read_text(encoding="utf-8"))
    written = render(report)
    print(written)
    add_metrics(options.model / "metrics.json", report)
    for path in (options.model / "card.md", *options.pages):
        text, n = _MARKS.subn(lambda m: m[1] + written + m[2], path.read_text(encoding="utf-8"))
        if n != 1:
            raise SystemExit(f"{path} has {n} pairs of table marks; wanted 1")
        path.write_text(text, encoding="utf-8")


def render(report: dict[str, Any]) -> str:
    """Two markdown tables: means, and differences to the reference assay by assay."""
    settings = report["settings"]
    means, differences = (pd.DataFrame(report[name]) for name in ("means", "differences"))
    sizes = sorted(means["k"].unique())
    spread = " / ".join(str(k) for k in sizes)
    return (
        f"ΔAUPRC at {spread} labelled compounds, mean ± standard error over assays:\n\n"
        f"{_table(means)}\n"
        f"Difference to {REFERENCES[settings['against']]} on the same draws, assay by assay:\n\n"
        f"{_table(differences)}"
    )


def add_metrics(path: Path, report: dict[str, Any]) -> None:
    """Adds the means of the models and of GP-Tanimoto to metrics.json, by stratum and size."""
    content = json.loads(path.read_text(encoding="utf-8"))
    means = pd.DataFrame(report["means"])
    chosen = means[means["method"].isin(["evidence", "fast-dev evidence", "gp-tanimoto"])]
    content["base-dev delta_auprc"] = {
        str(method): {
            stratum: {f"@{r['k']}": round(r["mean"], 4) for _, r in rows.iterrows()}
            for stratum, rows in of_method[of_method["stratum"].isin(list(COLUMNS))].groupby("stratum")
        }
        for method, of_method in chosen.groupby("method")
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _table(rows: pd.DataFrame) -> str:
    counts = rows.groupby("stratum")["n"].max()
    shown = [name for name in COLUMNS if name in counts.index]
    head = "| | " + " | ".join(f"{COLUMNS[name]} ({counts[name]} assays)" for name in shown) + " |"
    lines = [head, "|---" * (len(shown) + 1) + "|"]
    for method in [name for name in NAMES if name in set(rows["method"])]:
        cells = []
        for stratum in shown:
            found = rows[(rows["method"] == method) & (rows["stratum"] == stratum)].sort_values("k")
            cells.append(" / ".join(f"{r['mean']:.3f} ± {r['se']:.3f}" for _, r in found.iterrows()))
        lines.append(f"| {NAMES[method]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
