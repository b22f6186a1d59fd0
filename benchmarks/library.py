"""What scoring a library costs, stage by stage and as a whole, beside RDKit alone and chemprop.

    python benchmarks/library.py SMILES_TABLE --compounds 100000 --workers 2 --chemprop VENV/bin/chemprop \
        --out results/library.json

SMILES_TABLE has a column smiles; the library is so many of its structures, each once, in random order. The
shipped models were trained on many of these, and look them up by their canonical SMILES. --new is a table of
others, whose canonical SMILES need not be written where nobody wants them.

What is said of one core ran on one, to which all threads are bound. Rates leave start-up out, and hold
reading the text and writing Parquet. Models are adapted to 64 compounds of the shipped blood-brain barrier
assay. Tables of sections that are not asked for stay as they are in the JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

os.environ["OMP_NUM_THREADS"] = "1"

import pandas as pd
import torch
from disk import disk
from figures import figures
from harness import save, seconds
from memory import memory
from peers import peers
from savings import cached, cached_rates, cascade
from stages import YARDSTICK, limits, scaling, yardstick
from trial import SCORE, Row, Trial, adapted, one_core, timed

from molmeta.bundle import versions
from molmeta.chem.rows import read_rows
from molmeta.predictor import CHUNK
from molmeta.scoring import cores

# What is scored on one core, and what is to be reached: a share of the yardstick, or molecules a second.
WHOLE = {
    "fast, score alone": ("fast", SCORE, 0.70),
    "fast, all columns": ("fast", None, 0.55),
    "base, all columns": ("base", None, 800),
}
KNOWN, NEW = "of the table", "new"  # compounds
CASCADE = 0.05
BILLION = 10**9


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    tables = json.loads(options.out.read_text("utf-8")) if options.out and options.out.exists() else {}
    tables["machine"] = [machine()]
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        trial = Trial(options, Path(folder))
        for name in options.only:
            started = time.perf_counter()
            rows = list(SECTIONS[name](trial))
            if rows:
                print(
                    f"\n{name} ({seconds(started)})\n\n{pd.DataFrame(rows).to_string(index=False)}",
                    flush=True,
                )
                tables[name] = rows
                tables["settings"] = tables.get("settings", {}) | {name: vars(options)}
                tables["figures"] = figures(tables)
            if options.out:
                save(options.out, tables)


def parse() -> argparse.Namespace:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("table", type=Path, metavar="SMILES_TABLE")
    made.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION")
    made.add_argument("--compounds", type=int, default=100_000, help="of the library")
    made.add_argument(
        "--spellings", type=int, nargs="?", const=1_000_000, help="so many random spellings in their place"
    )
    made.add_argument("--sample", type=int, default=20_000, help="the first so many, for one core")
    made.add_argument("--new", type=Path, help="table of compounds that the models do not know (smiles)")
    made.add_argument("--chunk", type=int, default=CHUNK)
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--workers", type=int, default=cores())
    made.add_argument("--fast", default="fast", help="checkpoint")
    made.add_argument("--base", default="base", help="checkpoint")
    made.add_argument("--chemprop", type=Path, help="the program, in a virtual environment")
    made.add_argument("--memory", type=int, nargs="+", default=[100_000, 1_000_000], metavar="ROWS")
    made.add_argument(
        "--assay", dest="assays", action="append", default=[], help="of SMILES_TABLE (assay, smiles, label)"
    )
    made.add_argument("--top", type=int, default=1000, help="rows that a cascade is to find")
    made.add_argument("--core-hour", type=float, default=0.04, help="dollars")
    made.add_argument("--gpu-hour", type=float, default=2.5, help="dollars")
    made.add_argument("--work", type=Path, help="for temporary files")
    made.add_argument("--out", type=Path, help="JSON")
    options = made.parse_args()
    if options.spellings:
        options.only = [name for name in options.only if name != "cached"]
    options.compounds = options.spellings or options.compounds
    options.sample = min(options.sample, options.compounds)
    # So few that no rate hangs on a single chunk.
    options.chunk = max(1, min(options.chunk, options.sample // 4, options.compounds // 16))
    return options


def machine() -> Row:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "–")
    return {"processor": model, "cores": cores(), "system": platform.system(), **versions()}


@cache
def rounds(trial: Trial) -> dict[tuple[str, str], list[float]]:
    """Molecules a second on one core, round by round, by what and which compounds: the yardstick first, then
    whole runs."""
    samples = {KNOWN: trial.sample} | ({NEW: trial.new} if trial.new else {})
    rates: dict[tuple[str, str], list[float]] = {
        (name, which): [] for which in samples for name in (YARDSTICK, *WHOLE)
    }
    with one_core():
        for _ in range(trial.options.rounds):
            for which, sample in samples.items():
                same = sample[trial.options.chunk :]  # see `Trial.steady`
                seconds = timed(lambda same=same: yardstick(same))
                rates[YARDSTICK, which].append(len(same) / seconds)
                for name, (model, columns, _) in WHOLE.items():
                    rates[name, which].append(trial.steady(trial.model(model), columns, sample))
    return rates


def whole(trial: Trial) -> Iterator[Row]:
    """Whole runs on one core, and what share of the yardstick they reach in the same round."""
    rates = rounds(trial)
    for (name, which), found in rates.items():
        shares = [rate / most for rate, most in zip(found, rates[YARDSTICK, which], strict=True)]
        wanted = WHOLE[name][2] if name in WHOLE else 0
        share = isinstance(wanted, float)
        reached = median(shares if share else found) >= wanted
        yield {
            "what": name,
            "compounds": which,
            "molecules a second": round(median(found)),
            "of the yardstick": f"{median(shares):.2f}",
            "round by round": " ".join(f"{share:.2f}" for share in shares),
            "wanted": f"{wanted:.2f} of it" if share else f"{wanted} a second" if wanted else "–",
            "reached": "–" if not wanted else "yes" if reached else "no",
        }


def cost(trial: Trial) -> Iterator[Row]:
    """Hours and dollars for a billion compounds, by the rates on one core."""
    measured, which = rounds(trial), NEW if trial.new else KNOWN
    rates = {name: median(measured[name, which]) for name in WHOLE}
    first, second = rates["fast, score alone"], rates["base, all columns"]
    rates[f"cascade: fast, and base for the best {CASCADE:.0%}"] = 1 / (1 / first + CASCADE / second)
    if not trial.options.spellings:
        for columns in (", ".join(SCORE), "all"):
            rates[f"base from a cache, {columns}"] = cached_rates(trial)["base", columns, 0]
    hourly = {name: ("core", rate, trial.options.core_hour) for name, rate in rates.items()}
    if torch.cuda.is_available():
        name = "network of base alone, read before"
        hourly[name] = ("GPU", network(trial, "cuda"), trial.options.gpu_hour)
    for name, (unit, rate, price) in hourly.items():
        hours = BILLION / rate / 3600
        yield {
            "what": name,
            "on a": unit,
            "molecules a second": round(rate),
            "seconds a million": round(1e6 / rate, 1),
            "hours a billion": round(hours, 1),
            "dollars a billion": round(hours * price, 2),
        }


def network(trial: Trial, device: str) -> float:
    """Molecules a second through the network of base, from memory of the device."""
    model, size = adapted(trial.options.base, device), trial.options.chunk
    starts = range(0, len(trial.sample), size)
    batches = [
        read_rows(trial.sample[at : at + size], model.needs).mols.to(torch.device(device)) for at in starts
    ]

    def run() -> None:
        for batch in batches:
            model.ensemble.prepare(batch)
        if device == "cuda":
            torch.cuda.synchronize()

    run()
    return sum(batch.n for batch in batches) / trial.median(lambda: timed(run))


SECTIONS = {
    "limits": limits,
    "whole": whole,
    "peers": peers,
    "cached": cached,
    "scaling": scaling,
    "memory": memory,
    "cascade": cascade,
    "cost": cost,
    "disk": disk,
}

if __name__ == "__main__":
    main()
