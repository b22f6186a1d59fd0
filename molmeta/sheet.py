"""`Sheet`: what an adapted model says of compounds, as the columns of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from molmeta.calibration import Calibration, Outcome
from molmeta.chem.batch import MolBatch
from molmeta.chem.rows import Rows
from molmeta.data.episode import Labelled
from molmeta.data.support import Support
from molmeta.domain import Domain, neighbours, spread
from molmeta.heads.base import Conditioned
from molmeta.lazy import lazy
from molmeta.prediction import Prediction, overwrite

_COLUMNS = (
    "mm_status",
    "mm_smiles",
    "mm_score",
    "mm_value",
    "mm_std",
    "mm_low",
    "mm_high",
    "mm_call",
    "mm_in_domain",
    "mm_nearest",
    "mm_nearest_similarity",
    "mm_nearest_label",
    "mm_set",
)


def columns_of(kind: str) -> tuple[str, ...]:
    """Columns of a model of "classification" or "regression"."""
    value = "mm_probability" if kind == "classification" else "mm_value"
    return tuple(value if name == "mm_value" else name for name in _COLUMNS)


class Adapted(Protocol):
    """What a sheet asks of a model; see `molmeta.predictor.Predictor`."""

    @property
    def support(self) -> Support: ...
    @property
    def calibration(self) -> Calibration: ...
    @property
    def domain(self) -> Domain: ...
    @property
    def labelled(self) -> Labelled: ...
    @property
    def places(self) -> Mapping[str, int]: ...
    @property
    def conditioned(self) -> Conditioned: ...
    def without(self, i: int) -> Prediction | None: ...


@dataclass(frozen=True, eq=False)
class Sheet:
    """Columns of n rows, of which m are compounds; each is computed when it is asked for.

    Attributes
    ----------
    model : Adapted
    rows : Rows
        n rows.
    mols : MolBatch
        The m compounds among them, prepared (`Ensemble.prepare`).
    """

    model: Adapted
    rows: Rows
    mols: MolBatch

    def frame(self, columns: Sequence[str]) -> pd.DataFrame:
        """The columns, with nothing but the status where a row is no compound."""
        every = pd.RangeIndex(len(self.rows))
        index = every if self._whole else every[np.array(self.rows.status) == "ok"]
        own = {name: self._column(name) for name in columns if name != "mm_status"}
        frame = pd.DataFrame({name: column.set_axis(index) for name, column in own.items()}, index=index)
        frame = frame if self._whole else frame.reindex(every)
        if "mm_status" in columns:
            frame.insert(columns.index("mm_status"), "mm_status", pd.Series(self.rows.status, dtype="str"))
        return frame

    @lazy
    def _whole(self) -> bool:
        """Whether each row is a compound, as in most chunks of most libraries."""
        return self.rows.status.count("ok") == len(self.rows)

    def _column(self, name: str) -> pd.Series:
        """float64[m], text, or the nullable type that it is written as."""
        makers: dict[str, Callable[[], pd.Series]] = {
            "mm_smiles": lambda: pd.Series(self._smiles, dtype="str"),
            "mm_score": lambda: pd.Series(self._score),
            "mm_probability": lambda: pd.Series(self._outcome.value),
            "mm_value": lambda: pd.Series(self._outcome.value),
            "mm_std": lambda: pd.Series(self._outcome.std),
            "mm_low": lambda: pd.Series(self._outcome.low),
            "mm_high": lambda: pd.Series(self._outcome.high),
            "mm_call": lambda: pd.Series(self._outcome.call).astype("Int64"),
            "mm_in_domain": lambda: pd.Series(self._inside, dtype="boolean"),
            "mm_nearest": lambda: pd.Series(self._nearest_names, dtype="str"),
            "mm_nearest_similarity": lambda: pd.Series(self._near[0]),
            "mm_nearest_label": lambda: pd.Series(self._nearest_labels),
            "mm_set": lambda: pd.Series(self._outcome.prediction_set, dtype="str"),
        }
        return makers[name]()

    @lazy
    def _smiles(self) -> list[str | None]:
        """Of m compounds; None for one that is known to be none of the support set."""
        if self._whole:
            return self.rows.smiles
        rows = zip(self.rows.status, self.rows.smiles, strict=True)
        return [smiles for status, smiles in rows if status == "ok"]

    @lazy
    def _places(self) -> NDArray[np.int64]:
        """int64[m]: position in the support set, -1 for a compound that is not in it."""
        places = self.model.places
        found = [-1 if one is None else places.get(one, -1) for one in self._smiles]
        return np.array(found, dtype=np.int64)

    @lazy
    def _prediction(self) -> Prediction:
        """Of the heads; a compound of the support set is predicted from the others."""
        prediction = self.model.conditioned(self.mols)
        rows = np.flatnonzero(self._places >= 0)
        known = {int(row): self.model.without(int(self._places[row])) for row in rows}
        return overwrite(prediction, {row: one for row, one in known.items() if one is not None})

    @lazy
    def _outcome(self) -> Outcome:
        if not len(self.mols):
            none = np.zeros(0)
            return Outcome(none, none, none, none, none, none, none.astype(bool), none.astype(bool))
        return self.model.calibration.apply(self._prediction)

    @property
    def _score(self) -> NDArray[np.float64]:
        latent = self._outcome.latent
        return latent if self.model.support.target.higher_is_better else -latent

    @lazy
    def _near(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Similarity float64[m] to the nearest support compound, and which it is, int64[m]."""
        labelled = self.model.labelled.mols.need("counts")
        if not len(self.mols):
            return np.zeros(0), np.zeros(0, dtype=np.int64)
        similarity, nearest = neighbours(self.mols.need("counts"), labelled)
        return similarity, np.where(self._places >= 0, self._places, nearest)

    @property
    def _nearest_names(self) -> list[str | None]:
        # Half a character of a broken table would be no text to pandas.
        own = [name.encode("utf-8", "backslashreplace").decode() for name in self.model.support.names()]
        # The place -1 is that of no neighbour, where nothing was measured.
        names = np.array([*own, None], dtype=object)
        found: list[str | None] = names[self._near[1]].tolist()
        return found

    @property
    def _nearest_labels(self) -> NDArray[np.float64]:
        return np.array([*self.model.support.values, np.nan])[self._near[1]]

    @property
    def _inside(self) -> list[bool | None]:
        if not self.model.places:
            return [None] * len(self.mols)
        std = spread(self._prediction).cpu().double().numpy() if len(self.mols) else np.zeros(0)
        inside = self.model.domain.contains(self._near[0], std) | (self._places >= 0)
        return list(inside.tolist())
