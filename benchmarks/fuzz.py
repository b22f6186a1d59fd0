"""Mutated SMILES through the whole funnel: is any row lost, slow, or read differently in another spelling?

    python benchmarks/fuzz.py --count 1000000 --out fuzz.json

Starts from the compounds of the shipped assays, and those of `--seeds`, one SMILES a line. Worker processes
read and featurize the mutants as those of `molmeta score` do, with every feature that a model can ask for.
Prints how many rows had each status, the slowest ones in seconds of processor time, and every law that an
accepted structure breaks.
A run that was stopped goes on where the file of `--out` says.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections import Counter
from pathlib import Path

from funnelling import BLOCK, Block, Found, Fuzz
from harness import save

from molmeta import assays
from molmeta.scoring.workers import Workers

_SAVED_EVERY = 20  # blocks
_SHOWN = 10


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--count", type=int, default=1_000_000)
    made.add_argument("--seeds", type=Path, help="one SMILES a line, what stands after a blank is left out")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--respelled", type=int, default=1, help="other spellings of each accepted compound")
    made.add_argument("--every", type=int, default=1, help="one in so many accepted ones is held to the laws")
    made.add_argument("--workers", type=int, default=1)
    made.add_argument("--deadline", type=float, default=10.0)
    made.add_argument("--out", type=Path, help="JSON")
    options = made.parse_args()
    state = State(options)
    work = Fuzz(starts(options.seeds), options.respelled, options.every)
    began = time.perf_counter()
    with Workers(work, options.workers, options.deadline) as pool:
        jobs = [
            Block(number, min(BLOCK, options.count - number * BLOCK), options.seed)
            for number in range(state.blocks, -(-options.count // BLOCK))
        ]
        for done, (_, found) in enumerate(pool.map(jobs), 1):
            state.add(found)
            if done % _SAVED_EVERY == 0 or done == len(jobs):
                state.seconds += time.perf_counter() - began
                began = time.perf_counter()
                state.save()
    print(state.shown())


def starts(more: Path | None) -> tuple[str, ...]:
    """The SMILES that are mutated."""
    found = [text for name in ("bbb", "cox", "logp") for text in column(assays.path(name))]
    lines = assays.path("drugs").read_text(encoding="utf-8").splitlines()
    if more:
        lines += more.read_text(encoding="utf-8").splitlines()
    return tuple(dict.fromkeys(text for line in [*found, *lines] for text in line.split()[:1]))


def column(path: Path) -> list[str]:
    """The SMILES of a shipped assay."""
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    at = [name.lower() for name in header].index("smiles")
    return [row[at] for row in rows]


class State:
    """The sums of a run, and the file they are in."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._path: Path | None = options.out
        self._settings = {
            name: str(getattr(options, name)) for name in ("seeds", "seed", "respelled", "every", "deadline")
        }
        self.blocks = self.checked = 0
        self.seconds = 0.0
        self.status: Counter[str] = Counter()
        self.slowest: list[tuple[float, str, str]] = []
        self.broken: list[tuple[str, str, str]] = []
        if self._path and self._path.exists():
            self._go_on(json.loads(self._path.read_text(encoding="utf-8")))

    def _go_on(self, known: dict) -> None:
        if known["settings"] != self._settings:
            raise SystemExit(f"{self._path} is of another run: {known['settings']}; give another --out")
        self.blocks, self.checked, self.seconds = known["blocks"], known["checked"], known["seconds"]
        self.status = Counter(known["status"])
        self.slowest = [tuple(one) for one in known["slowest"]]
        self.broken = [tuple(one) for one in known["broken"]]

    def add(self, found: Found) -> None:
        self.blocks += 1
        self.checked += found.checked
        self.status += found.status
        self.slowest = sorted([*self.slowest, *found.slowest], reverse=True)[:_SHOWN]
        self.broken += found.broken

    def save(self) -> None:
        if self._path:
            names = ("blocks", "checked", "seconds", "status", "slowest", "broken")
            content = {name: getattr(self, name) for name in names}
            save(self._path, {"settings": self._settings, "rows": self.status.total(), **content})

    def shown(self) -> str:
        total = self.status.total()
        lines = [f"{total:,} rows in {self.seconds:,.0f} s", "", "| status | rows | share |", "|---|---|---|"]
        lines += [f"| {name} | {n:,} | {n / total:.2%} |" for name, n in self.status.most_common()]
        lines += ["", "slowest:"]
        lines += [f"{spent:6.3f} s  {status}  {text!a}" for spent, status, text in self.slowest]
        lines += ["", f"{self.checked:,} accepted ones were held to the laws, {len(self.broken)} broke one"]
        laws = Counter(law for law, _, _ in self.broken)
        lines += [f"  {n} x {law}" for law, n in laws.most_common()]
        lines += [f"  {law}: {text!a}: {what}" for law, text, what in self.broken[:_SHOWN]]
        return "\n".join(lines)


if __name__ == "__main__":
    main()
