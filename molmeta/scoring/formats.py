"""Formats of scored rows by the extension of the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from molmeta.errors import ConfigError
from molmeta.scoring.format import Format, Gzip, Text
from molmeta.scoring.parquet import Parquet
from molmeta.scoring.sdf import Sdf
from molmeta.scoring.text import Csv, JsonLines, Tsv

__all__ = ["FORMATS", "TEXTS", "Format", "Maker", "Text", "format_of"]

# Makes a format from the header of the input and an empty frame of molmeta's columns.
Maker = Callable[[Sequence[str], pd.DataFrame], Format]

TEXTS: dict[str, type[Text]] = {".csv": Csv, ".tsv": Tsv, ".jsonl": JsonLines, ".sdf": Sdf}
FORMATS: dict[str, Maker] = {
    **TEXTS,
    ".parquet": Parquet,
    **{f"{ending}.gz": partial(Gzip, kind) for ending, kind in TEXTS.items()},
}


def format_of(name: str) -> Maker:
    """The format of a file by its name, in any case; that of "-" (stdout) is CSV.

    Raises
    ------
    ConfigError
        No such format.
    """
    if name == "-":
        return Csv
    for ending, maker in FORMATS.items():
        if name.lower().endswith(ending):
            return maker
    raise ConfigError(f"cannot write '{name}': give a name that ends in {', '.join(FORMATS)}, or -")
