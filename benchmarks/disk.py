"""What a library takes on the disk: packed, scored, and in a cache."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

from trial import SCORE, Row, Trial

from molmeta.scoring import Local

_MANY = 5.5e9


def disk(trial: Trial) -> Iterator[Row]:
    """Bytes a compound, and what that makes of 5.5 billion."""
    rows, engine = trial.sizes[1], Local(trial.options.workers)
    found = {"library, .smi.gz": len(gzip.compress(trial.library(rows).read_bytes()))}
    for columns in (SCORE, None):
        shown = ", ".join(columns or ("all columns",))
        out = trial.score(trial.model("fast"), trial.library(rows), columns, engine)
        found[f"output, .parquet, {shown}"] = out.stat().st_size
    for name in ("fast", "base"):
        folder = Path(mkdtemp(dir=trial.folder))
        trial.score(trial.model(name), trial.library(rows), SCORE, engine, cache=folder)
        found[f"cache of {name}"] = sum(one.stat().st_size for one in folder.rglob("*.mols"))
    for what, size in found.items():
        yield {
            "what": what,
            "bytes a compound": round(size / rows, 1),
            "TB for 5.5 billion": round(size / rows * _MANY / 1e12, 2),
        }
