"""X and y as scikit-learn passes them: a column of structures and a column of labels; words for bad rows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rdkit import Chem
from sklearn.utils.validation import column_or_1d

from molmeta.chem.smiles import shown_as
from molmeta.data.given import structures_of
from molmeta.errors import InputError, NotEnoughData
from molmeta.wording import counted

_LISTED = 5  # rows that a message names


def cells_of(X: Any) -> list[object]:
    """The structures, one a row; raises InputError where X is a single one, as many rows are wanted."""
    if isinstance(X, str | Chem.Mol):
        raise InputError("X is a single structure; wanted several, one a row: a list of one, [X]")
    return structures_of(X)


def labels_of(y: Any) -> NDArray[Any]:
    """The labels, of shape (n,).

    Raises
    ------
    NotEnoughData
        n < 2.
    InputError
        No y, or rows without a label; ValueError (of scikit-learn) where y is no column.
    """
    if y is None:
        raise InputError("fit requires y to be passed, but the target y is None; wanted a label a structure")
    labels: NDArray[Any] = column_or_1d(y, warn=True)
    if len(labels) < 2:
        raise NotEnoughData(f"found {counted(len(labels), 'sample')} in y; wanted at least 2 labels")
    if missing := np.flatnonzero(pd.isna(labels)).tolist():
        raise InputError(
            f"{counted(len(missing), 'row')} of y {'has' if len(missing) == 1 else 'have'} no label "
            f"({_listed([f'y[{row}]' for row in missing])}); wanted one a structure: leave these rows out"
        )
    return finite(labels)


def finite(labels: NDArray[Any]) -> NDArray[Any]:
    """The labels; raises InputError where they are numbers without end, or complex ones."""
    if labels.dtype.kind == "c":
        raise InputError("Complex data not supported: wanted classes or real numbers in y")
    if labels.dtype.kind == "f" and (endless := np.flatnonzero(np.isinf(labels)).tolist()):
        raise InputError(
            f"y[{endless[0]}] is {labels[endless[0]]}; wanted finite numbers: leave such rows out"
        )
    return labels


def unread(frame: pd.DataFrame) -> dict[int, str]:
    """Reason codes of the rows of a prediction that hold no readable structure, by position."""
    return {row: status for row, status in enumerate(frame["mm_status"]) if status != "ok"}


def warn_of(what: str, cells: Sequence[object], lost: Mapping[int, str]) -> None:
    """Warns of rows, by position with their reason codes, that have become `what`."""
    are = "is" if len(lost) == 1 else "are"
    warnings.warn(f"{counted(len(lost), 'row')} of X {are} {what}: {shown(cells, lost)}", stacklevel=4)


def shown(cells: Sequence[object], lost: Mapping[int, str]) -> str:
    """Rows for a message.

    >>> shown(["CCO", "C1CC"], {1: "invalid_smiles"})
    "X[1] 'C1CC' (invalid_smiles)"
    """
    return _listed([f"X[{row}] {_text(cells[row])} ({reason})" for row, reason in lost.items()])


def _text(cell: object) -> str:
    return shown_as(cell) if isinstance(cell, Chem.Mol) else repr(str(cell)[:60])


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return ", ".join(items[:_LISTED]) + more
