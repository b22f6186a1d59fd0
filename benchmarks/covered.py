"""How much of the branches do tests go through, of the parts that must not fail silently?

    python benchmarks/covered.py

Runs the tests of these parts under coverage, with the worker processes and commands that they start (a
quarter of an hour on two cores), and prints for each part the share of its statements and branches. With
--report, prints that of the last run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COVERAGE = (sys.executable, "-m", "coverage")
PARTS = {
    "the funnel": [
        f"molmeta/chem/{name}.py"
        for name in ("funnel", "smiles", "standardize", "molecule", "limits", "fragments")
    ],
    "reading tables and labels": ["molmeta/data/*"],
    "checkpoints and models": [
        f"molmeta/{name}.py"
        for name in (
            "checkpoint",
            "blueprint",
            "tensorfile",
            "stored",
            "bundle",
            "unbundle",
            "loading",
            "saving",
            "private",
        )
    ],
    "scoring": ["molmeta/scoring/*"],
    "the command line": ["cli/*"],
}
TESTS = ["chem", "data", "hostile", "doctor", "scoring", "cli", "suggest"]
TESTS += [f"test_{name}.py" for name in ("updating", "checkpoint", "bundle", "private", "golden", "files")]


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--report", action="store_true")
    if not made.parse_args().report:
        measure()
    print("| part | statements and branches, % |\n|---|---|")
    for name, files in PARTS.items():
        told = run(
            "report", f"--include={','.join(files)}", "--format=total", "--precision=1", capture_output=True
        )
        print(f"| {name} | {told.stdout.strip()} |")


def measure() -> None:
    run("erase")
    tests = [f"tests/{name}" for name in TESTS]
    done = run("run", "-m", "pytest", "-q", "-n", str(os.cpu_count()), "--dist", "worksteal", *tests)
    run("combine", "-q", capture_output=True)  # those of processes that were killed are empty, and told
    if done.returncode:
        sys.exit("tests failed; what follows would not be of them all")


def run(*arguments: str, capture_output: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COVERAGE, *arguments], cwd=ROOT, text=True, check=False, capture_output=capture_output
    )


if __name__ == "__main__":
    main()
