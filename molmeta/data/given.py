"""Structures and labels that a script has in memory: any array of them, and the `Assay` that they make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rdkit import Chem

from molmeta.chem.molecule import Molecule, Rejection
from molmeta.chem.smiles import read_many, shown_as
from molmeta.data.assay import Assay
from molmeta.data.assembly import assemble
from molmeta.data.ledger import Convention, Ledger, Measurement, Options, Part, Wanted
from molmeta.errors import InputError
from molmeta.units import Target

_WANTED = "wanted SMILES or RDKit molecules"


def structures_of(given: object) -> list[object]:
    """The structures of a list, an array, a Series or a table of one column, one cell each.

    Parameters
    ----------
    given : iterable of str or Chem.Mol
        One structure alone is a list of one. Two dimensions are read where the second one is 1, as
        scikit-learn passes a column.

    Raises
    ------
    InputError
        Several columns, or numbers.

    Examples
    --------
    >>> structures_of(np.array([["CCO"], ["CCN"]]))
    ['CCO', 'CCN']
    """
    if isinstance(given, str | Chem.Mol):
        return [given]
    if hasattr(given, "toarray"):  # scipy's sparse matrices
        raise InputError(f"found a sparse matrix of numbers; {_WANTED}")
    if hasattr(given, "__array__"):
        return _cells_of(np.asarray(given))
    if not isinstance(given, Iterable):
        raise InputError(f"found a value of type {type(given).__name__}; {_WANTED}, one a row")
    cells = list(given)
    rows = [cell for cell in cells if isinstance(cell, list | tuple | np.ndarray)]
    if not rows or len(rows) < len(cells):
        return cells
    if any(len(row) != 1 for row in rows):
        raise InputError(f"found rows of {sorted({len(row) for row in rows})} cells; {_WANTED}, one a row")
    return [row[0] for row in rows]


def _cells_of(array: NDArray[np.generic]) -> list[object]:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(
            f"found an array of shape {array.shape}; {_WANTED}, one a row: choose the column that holds them"
        )
    if array.size and array.dtype.kind in "biufc":
        raise InputError(
            f"found numbers ({array.dtype}); {_WANTED}, not features: leave fingerprints to molmeta"
        )
    cells: list[object] = array.tolist()
    return cells


def names_of(given: object) -> list[str]:
    """Names of the rows: the index of a Series or table where it is of text, else none.

    >>> names_of(pd.Series(["CCO", "CCN"], index=["ethanol", "ethylamine"])), names_of(["CCO"])
    (['ethanol', 'ethylamine'], [])
    """
    index = given.index if isinstance(given, pd.Series | pd.DataFrame) else ()
    return list(index) if all(isinstance(name, str) for name in index) else []


def assay_of(
    structures: Sequence[object],
    values: NDArray[np.float64],
    target: Target,
    *,
    source: str,
    names: Sequence[str] = (),
    conflicts: str = "median",
) -> Assay:
    """An assay of structures and labels of which it is known what they are.

    Parameters
    ----------
    structures : sequence of str or Chem.Mol, length n
    values : float64[n]
        Labels on the model's scale.
    target : Target
    source : str
        Where they come from, for messages.
    names : sequence of str, length n or 0
    conflicts : str
        As in `read_assay`.

    Returns
    -------
    Assay
        As `read_assay` makes it of a file: salts are stripped, replicates merged, and a structure that cannot
        be read is a rejection.

    Raises
    ------
    NotEnoughData
        Fewer than 2 compounds, one class, or no two different labels.
    InputError
        Rows disagree, and `conflicts` is to stop there.
    """
    found = read_many(1, structures)
    molecules = [one for one in found if isinstance(one, Molecule)]
    measurements = tuple(
        Measurement(
            row=one.row,
            line=one.row,
            text=_text(structures[one.row - 1]),
            smiles=one.smiles,
            identifier=names[one.row - 1] if names else "",
            value=float(values[one.row - 1]),
            relation=0,
        )
        for one in molecules
    )
    ledger = Ledger(
        name=target.name,
        convention=Convention(
            target=target,
            scale=target if target.kind == "regression" else None,
            columns=Wanted(label=target.name),
            options=Options(lower_is_better=not target.higher_is_better),
            conflicts=conflicts,
        ),
        parts=(Part(source, target.name, len(found), ()),),
        measurements=measurements,
        rejected=tuple(one for one in found if isinstance(one, Rejection)),
        unlabelled=(),
    )
    return assemble(ledger, {one.smiles: one for one in reversed(molecules)})


def _text(cell: object) -> str:
    return shown_as(cell) if isinstance(cell, Chem.Mol) else str(cell)[:200]
