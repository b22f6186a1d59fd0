"""`FewShotRegressor`: values of compounds, with their uncertainty."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin

from molmeta.data.labels import Label, read_label
from molmeta.errors import InputError
from molmeta.estimators.base import Array, FewShot
from molmeta.estimators.columns import finite, labels_of

_WANTED = "wanted numbers: molmeta.adapt reads bounds and units, FewShotClassifier takes classes"


class FewShotRegressor(RegressorMixin, FewShot):  # type: ignore[misc]
    """A regressor of compounds that has seen thousands of other assays.

    `fit` does what `molmeta adapt` does: salts are stripped, the values of one compound become their median,
    and rows without a readable structure are left out, with a warning. Values are modelled as they are: give
    logarithms of concentrations (pIC50), and let `molmeta.adapt` read units and bounds such as ">10". A
    compound that was fitted is predicted from the others.

    Parameters
    ----------
    model, head, fine_tune, conflicts, lower_is_better, verdict, name, device, random_state
        As in `molmeta.estimators.base.FewShot`.

    Attributes
    ----------
    predictor_ : Predictor
        The model: `predictor_.report`, `predictor_.save("assay.molmeta")`.
    n_features_in_ : int
        1, the column of structures.
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Adapts the model to structures and their values.

        Parameters
        ----------
        X : n structures
            SMILES or molecules of RDKit: a list, an array, a Series, or one column of a table.
        y : n numbers

        Raises
        ------
        NotEnoughData
            Fewer than two compounds, or one value for all.
        InputError
            A row without a finite value, or an X that holds no structures.
        """
        return self._keep(self._adapt(X, y, _values(labels_of(y)), "regression"))

    def predict(self, X: Any, return_std: bool = False) -> Array | tuple[Array, Array]:
        """Values float64[n] and, where asked for, their standard deviations float64[n].

        Both are nan where a structure cannot be read.
        """
        if return_std:
            value, std = self._predicted(X, "mm_value", "mm_std")
            return value, std
        (value,) = self._predicted(X, "mm_value")
        return value


def _values(labels: NDArray[Any]) -> Array:
    if labels.dtype.kind in "mM":
        raise InputError(f"y holds dates or times ({labels.dtype}); wanted numbers")
    read = [_number(row, label) for row, label in enumerate(labels)]
    try:
        return finite(np.asarray(read, dtype=np.float64))
    except TypeError as error:
        raise InputError(f"y holds what is no number ({error}); {_WANTED}") from error


def _number(row: int, label: Any) -> Any:
    """A number that is written as text as `molmeta.adapt` reads it; Python's own grammar takes "1_000"."""
    if not isinstance(label, str):
        return label
    found = read_label(label)
    if not isinstance(found, Label) or found.form != "number" or found.relation or found.unit:
        raise InputError(f"y[{row}] is '{label[:60]}', which is no number; {_WANTED}")
    return found.value
