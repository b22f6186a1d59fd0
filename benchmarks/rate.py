"""How many compounds a second the shipped models score, in one process on one core.

    python benchmarks/rate.py LIBRARY --model base --model fast --out rate.json

LIBRARY is any file that `molmeta score` reads. Each model is adapted to 64 compounds of the shipped
blood-brain barrier assay and scores the first `--compounds` of the library, `--repeats` times: the best
time counts, as others only add what else the machine did.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from harness import save

import molmeta
from molmeta import assays
from molmeta.data.library import read_library


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("library", type=Path)
    made.add_argument("--model", dest="models", action="append", required=True)
    made.add_argument("--compounds", type=int, default=5000)
    made.add_argument("--repeats", type=int, default=3)
    made.add_argument("--out", type=Path)
    options = made.parse_args()
    torch.set_num_threads(1)
    smiles = next(iter(read_library(options.library, chunk=options.compounds))).smiles
    assay = pd.read_csv(assays.path("bbb")).head(64)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "library.csv"
        pd.DataFrame({"smiles": smiles}).to_csv(library, index=False)
        for name in options.models:
            predictor = molmeta.adapt(assay, model=name, device="cpu", verdict=False)
            seconds = []
            for _ in range(options.repeats):
                started = time.perf_counter()
                molmeta.score_library(predictor, library, Path(folder) / "scored.csv", force=True)
                seconds.append(time.perf_counter() - started)
            rate = round(len(smiles) / min(seconds))
            rows.append({"model": name, "compounds": len(smiles), "compounds a second": rate})
            print(f"{name}: {rate} compounds a second")
    if options.out:
        save(options.out, {"rates": rows})


if __name__ == "__main__":
    main()
