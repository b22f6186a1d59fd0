"""How long adapting takes: `python benchmarks/adapt.py [--model base] [--repeats 5] [-o adapt.json]`.

Measures `molmeta --help`, the modules that it loads, `adapt` of 64 compounds in a running Python with and
without the verdict, and `molmeta adapt` from a cold start. Prints a table and writes JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

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


def write_assay(path: Path) -> None:
    """The first 64 compounds of the shipped blood-brain barrier assay."""
    import pandas as pd

    from molmeta import assays

    pd.read_csv(assays.path("bbb")).head(COMPOUNDS).to_csv(path, index=False)


def measure(model: str, repeats: int) -> dict[str, list[float]]:
    """Seconds of each repeat, by what was measured."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = folder / "assay.csv"
        write_assay(table)
        cold = ("adapt", str(table), "--model", model, "--force")
        found = {
            "molmeta --help": timed(lambda: molmeta("--help", folder=folder), repeats),
            "molmeta adapt, cold start": timed(lambda: molmeta(*cold, folder=folder), repeats),
        }
        from molmeta import adapt

        adapt(table, model, verdict=False)
        for verdict in (False, True):
            label = f"adapt(verdict={verdict}) in a running Python"
            found[label] = timed(lambda wanted=verdict: adapt(table, model, verdict=wanted), repeats)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="base", help="name or folder of a checkpoint")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("-o", "--out", type=Path, default=Path("adapt.json"))
    options = parser.parse_args()
    model = str(Path(options.model).resolve()) if Path(options.model).is_dir() else options.model
    heavy = loaded_for_help()
    found = measure(model, options.repeats)
    print(f"{'':46}{'median s':>10}{'least s':>10}{'most s':>10}")
    for label, seconds in found.items():
        print(f"{label:46}{statistics.median(seconds):10.2f}{min(seconds):10.2f}{max(seconds):10.2f}")
    print(f"heavy modules loaded by molmeta --help: {', '.join(heavy) or 'none'}")
    machine = {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count()}
    result = {"compounds": COMPOUNDS, "seconds": found, "loaded_by_help": heavy, "machine": machine}
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
