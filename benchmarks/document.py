"""Makes the tables of a page of docs/ anew, out of what the benchmarks saved.

    python benchmarks/document.py RESULTS_DIR docs/benchmark.md models/base-fingerprint

Comments in the page name the tables under them: a file of RESULTS_DIR (NAME.json), and what of it. The
commands that make the files stand in the page. No table is typed by hand; one whose file is not there stays
as it is, and is named. Every figure that is made anew goes into `metrics.json` of the model too.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from molmeta.checkpoint import shipped

NAMES = {
    "evidence": "**molmeta**: GP averaged by evidence",
    "fast-dev evidence": "**molmeta**, model fast",
    "extra evidence": "**molmeta**, with 1,595 more assays in training",
    "profiled": "molmeta, which looks up what training tasks measured of the compound (†)",
    "average": "molmeta, average of its heads",
    "adkf": "ADKF (fitted to each assay)",
    "dkt": "DKT (shared hyper-parameters)",
    "mahalanobis": "prototypes, Mahalanobis",
    "proto": "prototypes, Euclidean",
    "proto-kernel": "prototypes, kernel",
    "maml": "MAML (of the last two layers)",
    "anil": "ANIL (MAML of the output layer)",
    "probe": "linear probe",
    "gp-tanimoto": "GP-Tanimoto on ECFP4",
    "rf": "random forest on ECFP4",
    "knn": "kNN-Tanimoto on ECFP4",
    "similarity": "similarity to the nearest active, ECFP4",
    "calibrated gp-tanimoto": "GP-Tanimoto, calibrated likewise",
    "calibrated rf": "random forest, calibrated likewise",
    "calibrated knn": "kNN-Tanimoto, calibrated likewise",
}
STRATA = {
    "dev": "Development assays",
    "dev + valid_report": "Development and report assays together",
    "dev kinase": "Development assays, kinases",
    "dev other": "Development assays, other targets",
    "valid_report": "Report assays",
    "valid": "Validation fold",
    "panel": "A compound panel that was measured in training",
    "all": "All together",
    "biogen": "Biogen",
    "tdc": "TDC",
    "muv": "MUV",
    "toxcast": "ToxCast, test tasks",
    "tox21": "Tox21, test tasks",
    "sider": "SIDER, test tasks",
}
# {{FILE TABLE STRATUM}} or {{FILE TABLE STRATUM: METRIC}}, for instance {{fsmol means dev other}}; "wins" in
# place of "means" for wins of the default; {{FILE TABLE}} for any other list of records; {{shipped models}}.
_MARK = re.compile(r"^<!-- \{\{(\w+) (\w+)(?: ([^:}]+)(?:: (\w+))?)?\}\} -->\n(?:\|.*\n)*", re.M)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("document", type=Path)
    parser.add_argument("model", type=Path)
    options = parser.parse_args()

    # Where all heads are compared, they are called as on the command line.
    names = NAMES if options.document.stem == "benchmark" else {}
    figures: dict[str, Any] = {}

    def table(found: dict[str, Any], mark: re.Match[str]) -> str:
        rows = pd.DataFrame(found["differences" if mark[2] == "wins" else mark[2]])
        rows = rows[rows["metric"] == (mark[4] or rows["metric"].iloc[0])]
        values = ("wins", "n") if mark[2] == "wins" else ("mean", "se")
        named = f"{mark[1]} {mark[2]}, {mark[3]}: {rows['metric'].iloc[0]}"
        figures[named] = by_method(rows, mark[3], values)
        return render(rows, mark[3], CELLS[mark[2]], names)

    def anew(mark: re.Match[str]) -> str:
        saved = options.results / f"{mark[1]}.json"
        if mark[1] == "shipped":
            found = {"models": shipped_models()}
        elif saved.exists():
            found = json.loads(saved.read_text(encoding="utf-8"))
        else:
            found = {}
        if mark[2] not in found and not (mark[2] == "wins" and found):
            print(f"left as it is: {mark[1]} {mark[2]} {mark[3] or ''}", file=sys.stderr)
            return mark[0]
        head = mark[0].splitlines()[0]
        if mark[3]:
            return f"{head}\n{table(found, mark)}\n"
        figures[f"{mark[1]} {mark[2]}"] = found[mark[2]]
        return f"{head}\n{listed(found[mark[2]])}\n"

    page = _MARK.sub(anew, options.document.read_text(encoding="utf-8"))
    options.document.write_text(page, encoding="utf-8")
    path, key = options.model / "metrics.json", f"docs/{options.document.name}"
    content = json.loads(path.read_text(encoding="utf-8"))
    content[key] = content.get(key, {}) | figures
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def listed(rows: list[dict[str, Any]]) -> str:
    """Records as a table, a column for each of their keys."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    for row in rows:
        lines.append("| " + " | ".join(as_text(value) for value in row.values()) + " |")
    return "\n".join(lines)


def as_text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def shipped_models() -> list[dict[str, Any]]:
    """What the shipped models were trained on, and for how long."""
    found = [
        json.loads((folder / "config.json").read_text(encoding="utf-8")) for folder in shipped().values()
    ]
    keys = ("name", "assays", "compounds", "measurements", "seconds", "device")
    return [{key: config["info"][key] for key in keys} for config in found]


def by_method(
    rows: pd.DataFrame, stratum: str, values: tuple[str, str]
) -> dict[str, dict[str, list[float | None]]]:
    """Two columns (mean and standard error, say) by method and support size; None for what is not known."""
    chosen = rows[rows["stratum"] == stratum].reindex(columns=[*rows.columns.union(values)])
    return {
        str(method): {
            f"@{r['k']}": [round(r[v], 4) if pd.notna(r[v]) else None for v in values]
            for _, r in part.iterrows()
        }
        for method, part in chosen.groupby("method", sort=False)
    }


def render(
    rows: pd.DataFrame, stratum: str, cell: Callable[[pd.Series], str], names: Mapping[str, str]
) -> str:
    """A row a method, a column a support size; differences are those of the reference to each method."""
    rows = rows[rows["stratum"] == stratum]
    sizes = sorted(rows["k"].unique())
    title = f"{STRATA.get(stratum, stratum)} ({rows['n'].max()} assays)"
    lines = [f"| {title} | " + " | ".join(map(str, sizes)) + " |", "|---" * (len(sizes) + 1) + "|"]
    order = [name for name in names if name in set(rows["method"])]
    order += [name for name in rows["method"].unique() if name not in names]
    for method in order:
        cells = []
        for k in sizes:
            found = rows[(rows["method"] == method) & (rows["k"] == k)]
            cells.append("".join(cell(r) for _, r in found.iterrows()) or "–")
        lines.append(f"| {names.get(method, method)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def mean(row: pd.Series) -> str:
    """With its standard error, if there is one."""
    return f"{row['mean']:.3f}" + (f" ± {row['se']:.3f}" if pd.notna(row["se"]) else "")


def wins(row: pd.Series) -> str:
    """Of the reference; a tie counts half."""
    return f"{(1 - row['wins']) * row['n']:g} of {row['n']}"


def difference(row: pd.Series) -> str:
    """Of the reference, with its standard error; bold where it is better by two of them."""
    gain = 0.0 - row["mean"]
    text = f"{gain:+.3f} ± {row['se']:.3f}"
    return f"**{text}**" if 0 < 2 * row["se"] <= gain else text


CELLS: dict[str, Callable[[pd.Series], str]] = {"means": mean, "differences": difference, "wins": wins}


if __name__ == "__main__":
    main()
