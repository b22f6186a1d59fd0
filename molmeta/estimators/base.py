"""`FewShot`: what the estimators share, from their parameters to what a notebook shows of them."""

from __future__ import annotations

from collections.abc import Collection
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from molmeta.adaptation import adapt
from molmeta.data.given import assay_of, names_of
from molmeta.estimators.columns import cells_of, unread, warn_of
from molmeta.learner import Learner
from molmeta.predictor import Predictor
from molmeta.units import Kind, Target

Array = NDArray[np.float64]


class FewShot(BaseEstimator):  # type: ignore[misc]
    """Adapts a meta-trained model to X and y by the path of `molmeta.adapt`.

    Parameters
    ----------
    model : str, path or Learner
        Name of a shipped checkpoint, folder of another, or a learner.
    head : str or None
        Another head of the model, or "average" (`molmeta.adapt`).
    fine_tune : bool
        Try to fine-tune the encoder; kept only where held-out compounds are predicted better.
    conflicts : "median", "drop" or "stop"
        What to do with a compound whose rows disagree (`molmeta.read_assay`).
    lower_is_better : bool
        Rank low values, or inactive compounds, first in the column `mm_score`.
    verdict : bool
        Whether to compare with baselines by cross-validation, for `predictor_.report.verdict`.
    name : str or None
        Of the assay; None: that of the Series y, or "y".
    device : str
        "auto", "cpu", "cuda", "cuda:0", ...
    random_state : int, RandomState or None
        Of the splits on which calibration and weights are fitted.
    """

    predictor_: Predictor

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
    ) -> None:
        self.model = model
        self.head = head
        self.fine_tune = fine_tune
        self.conflicts = conflicts
        self.lower_is_better = lower_is_better
        self.verdict = verdict
        self.name = name
        self.device = device
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # A column of structures, in one dimension or in two; a missing one is one that cannot be read.
        tags.input_tags.string = tags.input_tags.one_d_array = tags.input_tags.allow_nan = True
        return tags

    def predict_frame(self, X: Any, columns: Collection[str] | None = None) -> pd.DataFrame:
        """All that is predicted, as `molmeta score` writes it.

        Parameters
        ----------
        X : n structures
            The index of a Series or DataFrame is kept.
        columns : collection of str or None
            Which columns to give (`Predictor.predict`).

        Returns
        -------
        DataFrame of n rows
            A structure that cannot be read has its reason in `mm_status`.
        """
        check_is_fitted(self)
        cells = cells_of(X)
        frame = self.predictor_.predict(cells, columns)
        return frame.set_axis(X.index, axis=0) if isinstance(X, pd.Series | pd.DataFrame) else frame

    def _adapt(self, X: Any, y: Any, values: Array, kind: Kind) -> Predictor:
        """The model of structures X and labels on the model's scale, float64[n]; y may have a name."""
        cells = cells_of(X)
        check_consistent_length(cells, values)
        name = self.name or (y.name if isinstance(y, pd.Series) else None) or "y"
        target = Target(str(name), kind, higher_is_better=not self.lower_is_better)
        assay = assay_of(
            cells, values, target, source="fit(X, y)", names=names_of(X), conflicts=self.conflicts
        )
        if assay.rejected:
            warn_of("left out", cells, {one.row - 1: one.reason for one in assay.rejected})
        seed = self.random_state
        if not isinstance(seed, Integral):
            seed = check_random_state(seed).randint(np.iinfo(np.int32).max)
        return adapt(
            assay,
            self.model,
            device=self.device,
            seed=int(seed),
            verdict=self.verdict,
            head=self.head,
            fine_tune=self.fine_tune,
        )

    def _keep(self, predictor: Predictor) -> Self:
        self.predictor_ = predictor
        self.n_features_in_ = 1
        return self

    def _predicted(self, X: Any, *columns: str) -> list[Array]:
        """Columns of numbers, float64[n] each; nan, with a warning, where a structure cannot be read."""
        frame = self.predict_frame(X, {"mm_status", *columns})
        if lost := unread(frame):
            warn_of("predicted as nan", cells_of(X), lost)
        return [frame[column].to_numpy(np.float64) for column in columns]

    def _repr_html_inner(self) -> str:
        return self._repr_mimebundle_().get("text/html", "")

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """What a notebook shows: the diagram of scikit-learn, and once fitted the model of the assay."""
        bundle: dict[str, str] = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle and hasattr(self, "predictor_"):
            from molmeta.notebook import card

            bundle["text/html"] = card(self.predictor_.report, self.predictor_.support, type(self).__name__)
        return bundle
