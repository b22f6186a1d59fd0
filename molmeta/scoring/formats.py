"""Formats of scored rows by the extension of the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from molmeta.errors import ConfigError
from molmeta.scoring.format import Format, Gzip, Text
from molmeta.scoring.parquet import Parquet
from molmeta.scoring.sdf import Sdf
from molmeta.scoring.text import Csv, JsonLines, SafeCsv, SafeTsv, Tsv

__all__ = ["FORMATS", "TEXTS", "Format", "Maker", "Text", "format_of"]

# Makes a format from the header of the input and an empty frame of molmeta's columns.
Maker = Callable[[Sequence[str], pd.DataFrame], Format]

TEXTS: dict[str, type[Text]] = {".csv": Csv, ".tsv": Tsv, ".jsonl": JsonLines, ".sdf": Sdf}
FORMATS: dict[str, Maker] = {
    **TEXTS,
    ".parquet": Parquet,
    **{f"{ending}.gz": partial(Gzip, kind) for ending, kind in TEXTS.items()},
}


# What spreadsheets open, without what they would run.
SAFE: dict[str, Maker] = {".csv": SafeCsv, ".tsv": SafeTsv}
SAFE |= {".csv.gz": partial(Gzip, SafeCsv), ".tsv.gz": partial(Gzip, SafeTsv)}


def format_of(name: str, *, excel_safe: bool = False) -> Maker:
    """The format of a file by its name, in any case; that of "-" (stdout) is CSV.

    Parameters
    ----------
    name : str
    excel_safe : bool
        With a quote in front of what a spreadsheet would run.

    Raises
    ------
    ConfigError
        No such format, or none that a spreadsheet opens.
    """
    makers = SAFE if excel_safe else FORMATS
    for ending, maker in makers.items():
        if (name if name != "-" else "-.csv").lower().endswith(ending):
            return maker
    why = " for a spreadsheet" if excel_safe else ""
    raise ConfigError(f"cannot write '{name}'{why}: give a name that ends in {', '.join(makers)}, or -")
