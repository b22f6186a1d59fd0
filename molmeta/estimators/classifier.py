"""`FewShotClassifier`: two classes of compounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from molmeta.calibration import Platt
from molmeta.data.labelwords import CLASSES
from molmeta.errors import InputError, NotEnoughData
from molmeta.estimators.base import Array, FewShot
from molmeta.estimators.columns import cells_of, labels_of, shown, unread
from molmeta.learner import Learner
from molmeta.wording import counted


class FewShotClassifier(ClassifierMixin, FewShot):  # type: ignore[misc]
    """A classifier of compounds that has seen thousands of other assays.

    `fit` does what `molmeta adapt` does: salts are stripped, rows of one compound become one label, and rows
    without a readable structure are left out, with a warning. A compound that was fitted is predicted from
    the others, so that predictions of the training set are as good as those of new compounds and no better.

    Parameters
    ----------
    model, head, fine_tune, conflicts, lower_is_better, verdict, name, device, random_state
        As in `molmeta.estimators.base.FewShot`.
    active : label or None
        The class that counts as active. None: the one that says so ("active", "toxic", "yes", True, ...), or
        else the second one in order.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The labels, in order.
    active_ : label
    threshold_ : float
        Probability of `active_` from which on molmeta calls a compound active (`mm_call`), fitted for
        balanced accuracy. `predict` gives the likelier class instead, as scikit-learn wants it.
    predictor_ : Predictor
        The model: `predictor_.report`, `predictor_.save("assay.molmeta")`.
    n_features_in_ : int
        1, the column of structures.
    """

    classes_: NDArray[Any]
    active_: Any

    def __init__(
        self,
        model: str | Path | Learner = "base",
        *,
        head: str | None = None,
        fine_tune: bool = False,
        conflicts: str = "median",
        lower_is_better: bool = False,
        verdict: bool = False,
        name: str | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = 0,
        active: Any = None,
    ) -> None:
        super().__init__(
            model,
            head=head,
            fine_tune=fine_tune,
            conflicts=conflicts,
            lower_is_better=lower_is_better,
            verdict=verdict,
            name=name,
            device=device,
            random_state=random_state,
        )
        self.active = active

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: Any, y: Any) -> Self:
        """Adapts the model to structures and their classes.

        Parameters
        ----------
        X : n structures
            SMILES or molecules of RDKit: a list, an array, a Series, or one column of a table.
        y : n labels of two classes

        Raises
        ------
        NotEnoughData
            One class, or fewer than two compounds.
        InputError
            Another number of classes, a row without a label, or an X that holds no structures.
        """
        classes, codes = _classes(labels_of(y))
        place = _place_of_active(classes, self.active)
        values = (codes == place).astype(np.float64)
        self._keep(self._adapt(X, y, values, "classification"))
        self.classes_, self.active_ = classes, classes[place]
        calibration = self.predictor_.calibration
        assert isinstance(calibration, Platt)
        self.threshold_ = calibration.threshold
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier class of each structure, of shape (n,).

        Raises
        ------
        InputError
            A structure that cannot be read: a class cannot be missing, as a probability can.
        """
        check_is_fitted(self)
        frame = self.predict_frame(X, {"mm_status", "mm_score"})
        if lost := unread(frame):
            raise InputError(
                f"{counted(len(lost), 'row')} of X cannot be read, and a class cannot be missing: "
                f"{shown(cells_of(X), lost)}; leave them out, or call predict_proba or predict_frame, "
                "which keep them"
            )
        likelier: NDArray[Any] = self.classes_[(self._log_odds(frame["mm_score"].to_numpy()) > 0).astype(int)]
        return likelier

    def predict_proba(self, X: Any) -> Array:
        """Probabilities float64[n, 2], in the order of `classes_`; nan where a structure cannot be read."""
        (active,) = self._predicted(X, "mm_probability")
        return np.column_stack([active, 1 - active] if self._is_active_first else [1 - active, active])

    def decision_function(self, X: Any) -> Array:
        """Log-odds float64[n] of the second class; nan where a structure cannot be read."""
        (score,) = self._predicted(X, "mm_score")
        return self._log_odds(score)

    @property
    def _is_active_first(self) -> bool:
        return bool(self.classes_[0] == self.active_)

    def _log_odds(self, score: Array) -> Array:
        """Of the second class, from scores, which are those of the class that ranks first."""
        return score * self.predictor_.support.target.sign * (-1 if self._is_active_first else 1)


def _classes(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The two classes, in order, and which of them each row has."""
    kind = type_of_target(labels, input_name="y")
    if kind.startswith(("continuous", "unknown")):
        raise InputError(
            f"Unknown label type: {kind}; wanted two classes in y; FewShotRegressor takes values"
        )
    if kind != "binary":
        raise InputError(
            f"Only binary classification is supported. The type of the target is {kind}: found "
            f"{len(np.unique(labels))} classes in y; wanted 2: fit one against the others"
        )
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise NotEnoughData(
            f"y holds one class ({classes[0]}) in all {len(labels)} rows; wanted both classes"
        )
    return classes, codes


def _place_of_active(classes: NDArray[Any], active: Any) -> int:
    """Position of the active class among two."""
    if active is not None:
        if active not in classes.tolist():
            raise InputError(f"active={active!r} is no class of y; there are {classes.tolist()}")
        return int(classes.tolist().index(active))
    said = [CLASSES.get(str(one).strip().lower()) for one in classes]
    says_first, says_second = said[0] == 1.0 or said[1] == 0.0, said[1] == 1.0 or said[0] == 0.0
    return 0 if says_first and not says_second else 1
