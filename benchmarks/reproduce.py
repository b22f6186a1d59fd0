"""Runs the commands of the pages of results in docs/, in order; what is there is not made again.

    python benchmarks/reproduce.py DATA=fsmol EXTERNAL=external SETS=. MOLECULENET=moleculenet \
        ORGANISMS=organisms/assays.csv.gz LIBRARY=library.csv --workers 2

Each NAME=PATH stands for a capital word in the commands. Trained models go to runs/, results to results/,
what a command prints to results/NAME.log. `--only` takes a regular expression that a command must contain.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_DOCS = Path(__file__).parents[1] / "docs"
PAGES = [_DOCS / name for name in ("benchmark.md", "families.md", "billions.md")]
_COMMAND = re.compile(r"^    ((?:molmeta|python) (?:.*\\\n)*.*)$", re.M)
_NAME = re.compile(r"\b[A-Z]{4,}\b")


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("paths", nargs="*", metavar="NAME=PATH")
    made.add_argument("--only", default="")
    made.add_argument("--workers", type=int, default=1)
    made.add_argument("--list", action="store_true", help="show the commands and leave it at that")
    options = made.parse_args()
    paths = dict(pair.split("=", 1) for pair in options.paths)
    for command in commands("\n".join(page.read_text(encoding="utf-8") for page in PAGES)):
        words = [_NAME.sub(lambda m: paths.get(m[0], m[0]), word) for word in shlex.split(command)]
        target = output(words)
        if not re.search(options.only, command) or (target is not None and done(target)):
            continue
        if options.list:
            print(shlex.join(words))
        else:
            run(words, target, options.workers)


def commands(prose: str) -> Iterator[str]:
    """The commands of a page, each on one line."""
    for match in _COMMAND.finditer(prose):
        yield re.sub(r"\s*\\\n\s*", " ", match[1]).strip()


def output(words: list[str]) -> Path | None:
    """The file or folder that a command writes."""
    for flag in ("--out", "-o"):
        if flag in words:
            return Path(words[words.index(flag) + 1])
    return None


def done(target: Path) -> bool:
    """Folders of runs count when their checkpoint is there."""
    return target.is_file() or any((target / name).exists() for name in ("metrics.json", "train.csv.gz"))


def run(words: list[str], target: Path | None, workers: int) -> None:
    missing = sorted({name for word in words for name in _NAME.findall(word) if word == name})
    if missing:
        raise SystemExit(
            f"what is {', '.join(missing)}? Give {missing[0]}=PATH; the command: {shlex.join(words)}"
        )
    program = [sys.executable, "-m", "molmeta.cli"] if words[0] == "molmeta" else [sys.executable]
    measured = "--checkpoint" in words or "--work" in words
    command = program + words[1:] + (["--workers", str(workers)] if measured and workers > 1 else [])
    print(shlex.join(words), flush=True)
    started = time.perf_counter()
    log = Path("results") / f"{target.stem if target else 'last'}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w", encoding="utf-8") as stream:
        code = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, check=False).returncode
    became = "done" if code == 0 else f"failed with {code}, see {log}"
    print(f"  {became}, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
