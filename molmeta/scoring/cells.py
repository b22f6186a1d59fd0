"""Columns of scored rows as Arrow or Python has them, and names that tell them apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from molmeta.scoring.digits import DIGITS, Floats, rounded, spelled

_NUMBER = f"{{:.{DIGITS}g}}".format


def arrow_type(column: pd.Series) -> pa.DataType:
    """float64, int64, bool or string, by the type of a column."""
    kinds = {"f": pa.float64(), "i": pa.int64(), "b": pa.bool_()}
    return kinds.get(column.dtype.kind, pa.string())


def typed(column: pd.Series, kind: pa.DataType) -> pa.Array:
    """Cells in a type of `arrow_type`, numbers rounded to 6 significant digits, null for no value."""
    if kind == pa.float64():
        return pa.array(floats(column), kind, from_pandas=True)
    if kind == pa.string() and column.dtype != "str":
        return strings([None if none else str(one) for one, none in zip(column, column.isna(), strict=True)])
    return pa.array(column, kind, from_pandas=True)


def floats(column: pd.Series) -> Floats:
    """Numbers rounded to 6 significant digits, nan for no value."""
    return rounded(column.to_numpy(np.float64, na_value=math.nan))


def as_text(column: pd.Series, kind: pa.DataType) -> list[str]:
    """Cells as text: numbers with 6 significant digits, "" for no value.

    >>> as_text(pd.Series([0.123456789, float("nan")]), pa.float64())
    ['0.123457', '']
    >>> as_text(pd.Series([True, None], dtype="boolean"), pa.bool_())
    ['True', '']
    """
    if kind == pa.float64():
        return spelled(floats(column), "", _NUMBER)
    return ["" if cell is None else str(cell) for cell in typed(column, kind).to_pylist()]


def strings(texts: Sequence[str | None]) -> pa.Array:
    """Texts as Arrow has them, see `clean`."""
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if text is None else clean(text) for text in texts], pa.string())


def clean(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates, which stand for bytes that are no text, become "?".

    >>> clean("caf\\udce9")
    'caf?'
    """
    return text.encode("utf-8", "replace").decode()


def distinct(names: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """Names of which none is blank, repeated or taken; the first of each keeps its name.

    >>> distinct(["smiles", "", "smiles", "smiles_2"])
    ['smiles', 'column_2', 'smiles_3', 'smiles_2']
    """
    reserved, used, found = {*names, *taken}, set(taken), []
    for number, name in enumerate(names, 1):
        if not name.strip() or name in used:
            stem, count = (name, 2) if name.strip() else ("column", number)
            while f"{stem}_{count}" in reserved:
                count += 1
            name = f"{stem}_{count}"
        used.add(name)
        reserved.add(name)
        found.append(name)
    return found
