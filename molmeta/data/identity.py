"""What a library is, in a few numbers, so that a run that goes on can tell whether it is still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from molmeta.data.raw import Tables

_HEAD = 1 << 20  # bytes of a file that are hashed


def identify(sources: Sequence[Tables]) -> list[str]:
    """One line for each source; another line means another library.

    Of a file, its name, size, time of change, and a hash of its first megabyte: a library of a billion rows
    must not be read twice. Of a stream, which cannot be told from another, nothing.
    """
    return [_identify(source) for source in sources]


def _identify(source: Tables) -> str:
    if isinstance(source, pd.DataFrame):
        rows = pd.util.hash_pandas_object(source.astype(str), index=False)
        return f"DataFrame of {len(source)} rows {hashlib.sha256(rows.to_numpy().tobytes()).hexdigest()}"
    if not isinstance(source, str | Path) or source == "-":
        return "a stream"
    path = Path(source)
    with path.open("rb") as stream:
        head = hashlib.sha256(stream.read(_HEAD)).hexdigest()
    found = path.stat()
    return f"{path.name} {found.st_size} bytes {found.st_mtime_ns} {head}"
