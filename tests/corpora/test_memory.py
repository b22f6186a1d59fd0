"""A table of a million rows takes hardly more memory than one of twenty thousand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SMALL, LARGE = 20_000, 1_000_000
# Read at once, the rows of the large table take four times that.
ALLOWED = 150  # MB
_PART = 100_000
_BUILD = """
import json, resource, sys
from pathlib import Path
from molmeta.corpora.build import build
from molmeta.corpora.config import CorpusConfig

config = CorpusConfig.model_validate({"features": {"fields": ["counts"]}})
manifest = build(Path(sys.argv[1]), Path(sys.argv[2]), config)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kB on Linux
print(json.dumps({"peak": peak, **manifest.counts}))
"""


def write_table(path: Path, n: int) -> None:
    """n rows of assays of 500, in random order, of 600 different compounds."""
    rng = np.random.default_rng(0)
    smiles = np.array([f"{'C' * (1 + i % 20)}{'NOS'[i // 20 % 3]}{'C' * (1 + i // 60)}" for i in range(600)])
    with pq.ParquetWriter(path, schema_of()) as writer:
        for start in range(0, n, _PART):
            m = min(_PART, n - start)
            value = np.round(10 ** np.clip(rng.normal(3, 1, m), 0, 6), 2)
            names = np.char.add("A", rng.integers(0, n // 500, m).astype(str))
            columns = [names, rng.choice(smiles, m), np.full(m, "IC50"), value, np.full(m, "nM")]
            writer.write_table(pa.table(columns, schema=schema_of()))


def schema_of() -> pa.Schema:
    text = pa.string()
    columns = {"assay": text, "smiles": text, "type": text, "value": pa.float64(), "unit": text}
    return pa.schema(list(columns.items()))


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of the peak is that of Linux")
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    found = {}
    for n in (SMALL, LARGE):
        write_table(tmp_path / f"{n}.parquet", n)
        command = [sys.executable, "-c", _BUILD, str(tmp_path / f"{n}.parquet"), str(tmp_path / f"{n}")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found[n] = json.loads(done.stdout)
        assert found[n]["rows"] == n
        assert found[n]["assays"] == n // 500
    assert found[LARGE]["peak"] - found[SMALL]["peak"] < ALLOWED, found
