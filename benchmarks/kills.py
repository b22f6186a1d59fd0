"""Runs that are killed and go on: does the output differ from that of a run that nobody disturbed?

    python benchmarks/kills.py ASSAY LIBRARY --runs 50 --kills 5

Each run scores the library; at random moments it gets SIGKILL, and goes on with resume. Prints how many
kills there were, and how many outputs differed by a byte. Every second run has a worker process.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # no thread may be alive where this process forks

from harness import save

import molmeta
from molmeta.predictor import Predictor
from molmeta.scoring import Local, score_library

ENDINGS = ("csv", "parquet", "jsonl.gz", "sdf")


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("assay")
    made.add_argument("library")
    made.add_argument("--model", default="fast")
    made.add_argument("--runs", type=int, default=50)
    made.add_argument("--kills", type=int, default=4, help="at least so many a run")
    made.add_argument("--chunk", type=int, default=64)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--out", type=Path, help="JSON")
    options = made.parse_args()
    model = molmeta.adapt(options.assay, options.model, verdict=False)
    kills = different = 0
    with tempfile.TemporaryDirectory() as folder:
        whole, times = {}, []
        for ending in ENDINGS:
            out = Path(folder, f"whole.{ending}")
            started = time.perf_counter()
            score_library(model, options.library, out, chunk=options.chunk)
            times.append(time.perf_counter() - started)
            whole[ending] = out.read_bytes()
        draws = random.Random(options.seed)
        for number in range(options.runs):
            ending = ENDINGS[number % len(ENDINGS)]
            out = Path(folder, f"{number}.{ending}")
            engine = Local(number % 2)
            rest = max(times) * 1.5 + 3.0 * engine.workers
            for _ in range(options.kills):
                kills += killed(model, options, out, engine, draws.uniform(0.0, rest / options.kills))
            # Once more, to the end.
            while not out.exists():
                kills += killed(model, options, out, engine, None)
            different += out.read_bytes() != whole[ending]
    print(f"{options.runs} runs, {kills} kills, {different} outputs differ")
    if options.out:
        save(
            options.out, {"runs": [{"runs": options.runs, "kills": kills, "outputs that differ": different}]}
        )


def killed(
    model: Predictor, options: argparse.Namespace, out: Path, engine: Local, after: float | None
) -> bool:
    """Whether a process that goes on with the run was killed, after so many seconds, before it was done."""
    if out.exists():
        return False
    child = os.fork()
    if child == 0:
        score_library(model, options.library, out, chunk=options.chunk, engine=engine, resume=True)
        os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"a run failed with {os.WEXITSTATUS(status)}")
    return os.WIFSIGNALED(status)


if __name__ == "__main__":
    main()
