"""How long adapting takes.

    python benchmarks/adapt.py [DATA_DIR] [--compounds 16 64 256 1024] [--repeats 3] [--out adapt.json]

Measures `molmeta --help` and the modules that it loads, and `molmeta adapt` of 64 compounds from a cold
start. With DATA_DIR, an FS-Mol folder, also adapting to so many compounds of the largest assay of its
training fold in a running Python, with and without the verdict, and what predicting these compounds
themselves takes then, each from all the others. Prints tables and writes JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

COMPOUNDS = 64
FORBIDDEN = ("torch", "rdkit", "torch_geometric", "pandas", "sklearn")


def timed(action: Callable[[], object], repeats: int) -> list[float]:
    """Wall-clock seconds of each repeat."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return seconds


def molmeta(*arguments: str, folder: Path) -> None:
    """Runs the command line in a new process."""
    command = [sys.executable, "-m", "molmeta.cli", *arguments]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)


def loaded_for_help() -> list[str]:
    """Heavy modules that `molmeta --help` loads; there should be none."""
    code = (
        "import sys, contextlib, io\n"
        "from molmeta.cli.app import app\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    app(['--help'])\n"
        "print(*sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return [name for name in FORBIDDEN if name in found.stdout.split()]


def started(model: str, repeats: int) -> list[dict[str, Any]]:
    """Seconds of commands from a cold start, on the first compounds of a shipped assay."""
    import pandas as pd

    from molmeta import assays

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = folder / "assay.csv"
        pd.read_csv(assays.path("bbb")).head(COMPOUNDS).to_csv(table, index=False)
        commands = {
            "molmeta --help": ("--help",),
            f"molmeta adapt, {COMPOUNDS} compounds": ("adapt", str(table), "--model", model, "--force"),
        }
        rows = []
        for said, command in commands.items():
            seconds = timed(lambda command=command: molmeta(*command, folder=folder), repeats)
            rows.append(
                {
                    "command": said,
                    "median s": median(seconds),
                    "least s": min(seconds),
                    "most s": max(seconds),
                }
            )
    return rows


def running(data: Path, model: str, sizes: list[int], repeats: int) -> list[dict[str, Any]]:
    """Median seconds of calls in a running Python, by number of compounds."""
    import pandas as pd

    from molmeta import adapt
    from molmeta.checkpoint import load_checkpoint

    table = pd.read_csv(data / "train.csv.gz", usecols=["assay", "smiles", "label"]).dropna()
    largest = table[table["assay"] == table["assay"].value_counts().index[0]].sample(frac=1, random_state=0)
    learner, rows = load_checkpoint(model), []
    adapt(largest.head(COMPOUNDS), learner)  # what is slower the first time
    for size in sizes:
        part = largest.head(size)[["smiles", "label"]]

        def own(part: pd.DataFrame = part) -> float:
            made = adapt(part, learner, verdict=False)
            return timed(lambda: made.predict(part["smiles"]), 1)[0]

        spans = {
            "adapt, s": timed(lambda part=part: adapt(part, learner), repeats),
            "without a verdict, s": timed(lambda part=part: adapt(part, learner, verdict=False), repeats),
            "its own compounds predicted, s": [own() for _ in range(repeats)],
        }
        rows.append({"compounds": len(part), **{said: round(median(s), 2) for said, s in spans.items()}})
        print(pd.DataFrame(rows[-1:]).to_string(index=False, header=size == sizes[0]), flush=True)
    return [{name: cell(value) for name, value in row.items()} for row in rows]


def cell(value: float) -> str | int:
    """A number of seconds with two digits, as the page has it."""
    return value if isinstance(value, int) else f"{value:.2g}" if value < 10 else f"{value:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", metavar="DATA_DIR")
    parser.add_argument("--model", default="base", help="name or folder of a checkpoint")
    parser.add_argument("--compounds", type=int, nargs="+", default=[16, 64, 256, 1024])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("adapt.json"))
    options = parser.parse_args()
    model = str(Path(options.model).resolve()) if Path(options.model).is_dir() else options.model
    heavy, rows = loaded_for_help(), started(model, options.repeats)
    for row in rows:
        print(", ".join(f"{name} {value}" for name, value in row.items()))
    print(f"heavy modules loaded by molmeta --help: {', '.join(heavy) or 'none'}")
    machine = {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count()}
    result = {"started": rows, "loaded_by_help": heavy, "machine": machine}
    if options.data:
        result["seconds"] = running(options.data, model, options.compounds, options.repeats)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
