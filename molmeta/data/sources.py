"""What a library is read from: files, patterns of names, streams and frames."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import TypeGuard

import pandas as pd

from molmeta.data.raw import Tables
from molmeta.errors import InputError

Sources = Tables | Sequence[str | Path]


def is_stream(source: Sources | Sequence[Tables]) -> bool:
    """Whether any part of a library can be read only once."""
    return not all(isinstance(one, pd.DataFrame) or is_path(one) for one in sources_of(source))


def sources_of(source: Sources | Sequence[Tables]) -> Sequence[Tables]:
    if isinstance(source, Sequence) and not isinstance(source, str):
        if not source:
            raise InputError("the list of library files is empty; wanted at least one")
        return [path for item in source for path in sources_of(item)]
    if isinstance(source, str) and glob.has_magic(source) and not Path(source).exists():
        found = sorted(glob.glob(source))
        if not found:
            raise InputError(f"no file matches {source}")
        return found
    return [source]


def is_path(source: Tables) -> TypeGuard[str | Path]:
    """Whether it is a file by its name; "-" is none."""
    return isinstance(source, str | Path) and source != "-"
