"""How much memory `molmeta score` takes, while it runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from tempfile import TemporaryFile

import psutil
from trial import Row, Trial

_EVERY = 0.2  # seconds


def memory(trial: Trial) -> Iterator[Row]:
    """Most memory at any time of a run with fast, all columns: resident pages of the process, and of all that
    it starts too, where Linux counts a page that n processes share as 1/n in each."""
    model, out = trial.folder / "fast.molmeta", trial.folder / "memory.parquet"
    trial.model("fast").save(model, force=True)
    for rows in trial.options.memory:
        library = trial.library(rows)
        words = ["score", model, library, "-o", out, "--workers", trial.options.workers, "--force"]
        own, every = watched([sys.executable, "-m", "molmeta.cli", *map(str, words)])
        yield {
            "rows": rows,
            "main process, MB": round(own / 1e6),
            f"with {trial.options.workers} workers, MB": round(every / 1e6),
        }
        library.unlink()


def watched(command: list[str]) -> tuple[int, int]:
    """Most resident bytes of a process, and of it with all that it started, shared ones counted once."""
    own = every = 0
    # Not a pipe: nobody reads it meanwhile.
    with TemporaryFile() as log, psutil.Popen(command, stdout=log, stderr=log) as process:
        while process.poll() is None:
            try:
                own = max(own, process.memory_info().rss)
                every = max(every, sum(map(_share, (process, *process.children(recursive=True)))))
            except psutil.NoSuchProcess:  # it ended meanwhile
                continue
            time.sleep(_EVERY)
        if process.returncode:
            log.seek(0)
            raise SystemExit(f"{' '.join(command)}\n{log.read().decode()[-2000:]}")
    return own, every


def _share(process: psutil.Process) -> int:
    now = process.memory_full_info()
    return int(getattr(now, "pss", now.rss))
