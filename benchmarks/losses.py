"""A library in which every structure kills or hangs the process that reads it.

    python benchmarks/losses.py --rows 1000 --out losses.json

Scores it with a worker process, first a tenth of the rows, then all; half of them die and half hang, in
turns. Prints seconds, status of the rows, and how much memory and how many open files this process had more
after the second run than after the first.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import psutil
from harness import save

import molmeta
from molmeta import assays
from molmeta.scoring import Local, score_library

sys.path.append(str(Path(__file__).parents[1] / "tests" / "hostile"))
from losing import HANGS, KILLS, losing


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rows", type=int, default=1000)
    made.add_argument("--deadline", type=float, default=0.2)
    made.add_argument("--out", type=Path, help="JSON")
    options = made.parse_args()
    model = molmeta.adapt(assays.path("bbb"), "fast", device="cpu", verdict=False)
    rows = []
    with tempfile.TemporaryDirectory() as folder, losing():
        library, out = Path(folder, "library.csv"), Path(folder, "out.csv")
        for number in (options.rows // 10, options.rows):
            texts = ([KILLS, HANGS] * number)[:number]
            library.write_text("\n".join(["smiles", *texts]) + "\n", encoding="utf-8")
            began = time.perf_counter()
            report = score_library(model, library, out, engine=Local(1, options.deadline), force=True)
            spent = time.perf_counter() - began
            own = psutil.Process()
            rows.append(
                {
                    "rows": report.read,
                    "rejected": report.rejected,
                    "seconds": round(spent, 1),
                    "a row": round(spent / number, 3),
                    "memory, MB": round(own.memory_info().rss / 1e6, 1),
                    "open files": own.num_fds(),
                }
            )
            print(rows[-1], flush=True)
    if options.out:
        save(options.out, {"rows": rows})


if __name__ == "__main__":
    main()
