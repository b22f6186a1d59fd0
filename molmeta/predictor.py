"""`Predictor`: a model of one assay. It predicts tables, and saves itself into one file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from rdkit import Chem
from scipy.special import logit

from molmeta.adaptreport import AdaptReport
from molmeta.bundle import Origin
from molmeta.calibration import Conformal, Platt
from molmeta.chem.batch import MolBatch
from molmeta.chem.rows import Rows, read_rows
from molmeta.chem.sketch import sketches
from molmeta.conformity import log_odds
from molmeta.crossvalidation import predict_parts
from molmeta.data.episode import Labelled
from molmeta.data.given import structures_of
from molmeta.data.support import Support
from molmeta.domain import Domain
from molmeta.ensemble import Ensemble
from molmeta.errors import ConfigError, NotEnoughData
from molmeta.heads.base import Conditioned
from molmeta.prediction import Prediction
from molmeta.private import Hidden, hide
from molmeta.recipe import Recipe
from molmeta.saving import save
from molmeta.sheet import Sheet, columns_of

CHUNK = 4096


@dataclass(frozen=True, eq=False, repr=False)
class Predictor:
    """A model of one assay: heads conditioned on its compounds, calibrated, with a domain.

    Attributes
    ----------
    ensemble : Ensemble
    support : Support
    calibration : Platt or Conformal
    domain : Domain
    report : AdaptReport
    origin : Origin or None
        The checkpoint; None where the model came from no checkpoint or was fine-tuned.
    recipe : Recipe or None
        How it was made, for `molmeta.update`; None where it is private, or an earlier molmeta wrote it.
    hidden : Hidden or None
        Of a private model, what it keeps of its compounds in place of their structures.
    """

    ensemble: Ensemble
    support: Support
    calibration: Platt | Conformal
    domain: Domain
    report: AdaptReport
    origin: Origin | None = None
    recipe: Recipe | None = None
    hidden: Hidden | None = None

    def __repr__(self) -> str:
        return f"<Predictor of {self.report.assay}: {self.report.model}, {self.report.n} compounds>"

    @property
    def name(self) -> str:
        """Name of the assay."""
        return self.report.assay

    @property
    def needs(self) -> frozenset[str]:
        """Features that `predict_rows` reads."""
        return self.ensemble.needs | {"counts"}

    @cached_property
    def known(self) -> NDArray[np.int32] | None:
        """Sorted sketches int32[k] of labelled compounds and of those in tables of heads; None if unknown."""
        own, others = sketches(self.labelled.mols.need("counts")), self.ensemble.learner.sketches
        if "identity" in self.needs:
            if not len(others):
                return None
            own = torch.cat([own, others])
        return np.unique(own.numpy())

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of `predict`, in order."""
        return columns_of(self.support.target.kind)

    def predict(
        self, smiles: str | Chem.Mol | Iterable[object], columns: Collection[str] | None = None
    ) -> pd.DataFrame:
        """One row per structure; a structure that cannot be read has its reason in `mm_status`.

        Parameters
        ----------
        smiles : str or Chem.Mol, or iterable of them
            Also an array or a DataFrame of one column. The index of a Series or DataFrame is kept.
        columns : collection of str or None
            Which columns to give; what only others need is not computed.

        Returns
        -------
        DataFrame
            mm_status, mm_smiles, mm_score (higher is better), mm_probability or mm_value (on the model's
            scale, `report.target.model_unit`), mm_std, mm_low and mm_high (90 % interval), mm_call,
            mm_in_domain, mm_nearest, mm_nearest_similarity, mm_nearest_label, mm_set (the 90 % prediction
            set: "active", "inactive", "either" or "neither"). A compound of the support set is predicted
            from the others.

        Raises
        ------
        InputError
            Several columns, or numbers in place of structures.
        """
        index = smiles.index if isinstance(smiles, pd.Series | pd.DataFrame) else None
        cells = structures_of(smiles)
        starts = range(0, max(len(cells), 1), CHUNK)
        parts = (read_rows(cells[start : start + CHUNK], self.needs) for start in starts)
        frames = [self.predict_rows(part, columns) for part in parts]
        return pd.concat(frames, ignore_index=True).set_axis(
            pd.RangeIndex(len(cells)) if index is None else index, axis=0
        )

    def expecting(self, prevalence: float) -> Predictor:
        """The same model for a library of which another share is active than of the labelled compounds.

        Probabilities, with their intervals, move by the change of the log-odds; the order of the compounds,
        their calls and their prediction sets stay.

        Parameters
        ----------
        prevalence : float
            Share of actives that is expected, between 0 and 1.

        Raises
        ------
        ConfigError
            A share that is none, or a model of values.

        Source: Saerens et al. 2002, Neural Comput. 14, 21, equation 2.4 (posteriors under new priors).
        """
        if not isinstance(self.calibration, Platt):
            raise ConfigError(f"{self.name} predicts values; a prevalence is for classes")
        if not 0 < prevalence < 1:
            raise ConfigError(f"prevalence={prevalence} is no share of compounds; wanted 0 < prevalence < 1")
        shift = float(logit(prevalence)) - log_odds(np.array(self.support.values))
        return replace(self, calibration=replace(self.calibration, shift=shift))

    def predict_rows(
        self, rows: Rows, columns: Collection[str] | None = None, prepared: MolBatch | None = None
    ) -> pd.DataFrame:
        """One row per row that was read, in order.

        Parameters
        ----------
        rows : Rows
            With the features that this model `needs`; where not all have their SMILES, those of the sketches
            that it `known` have it.
        columns : collection of str or None
            Which of `columns` to give; what only others need is not computed.
        prepared : MolBatch or None
            What `ensemble.prepare` made of `rows.mols`, if that was done.
        """
        mols = self.ensemble.prepare(rows.mols) if prepared is None else prepared
        return Sheet(self, rows, mols).frame([n for n in self.columns if columns is None or n in columns])

    def save(self, path: str | Path, *, force: bool = False, reference_only: bool = False) -> None:
        """Writes the model into one `.molmeta` file, which appears whole or not at all.

        Parameters
        ----------
        force : bool
            Replace a file that is there.
        reference_only : bool
            Leave the weights out; loading then needs the same checkpoint.

        Raises
        ------
        RefusedError
            The file exists, or there is no checkpoint to refer to.
        """
        save(self, Path(path), force=force, reference_only=reference_only)

    def as_private(self) -> Predictor:
        """The same model with fingerprints in place of structures and names (`molmeta.private`).

        It predicts the same numbers; `mm_nearest` names rows of the assay; no rows can be added to it.
        Raises what `molmeta.private.hide` raises.
        """
        if self.hidden is not None:
            return self
        support, report, hidden = hide(self.ensemble, self.support, self.report, self.labelled.mols)
        return replace(self, support=support, report=report, hidden=hidden, recipe=None)

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        from molmeta.notebook import card  # draws; nobody but a notebook needs that

        return card(self.report, self.support)

    def __getstate__(self) -> dict[str, Any]:
        """What it is copied or sent to another process by; what is computed from that stays behind."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @cached_property
    def labelled(self) -> Labelled:
        """The support set with its features and embedding, on the device of the model."""
        if self.hidden is not None:
            return self.support.labelled((), self.hidden.mols).to(self.ensemble.device)
        bare = self.support.labelled(self.needs).to(self.ensemble.device)
        return replace(bare, mols=self.ensemble.prepare(bare.mols))

    @cached_property
    def conditioned(self) -> Conditioned:
        """Predicts prepared batches (`Ensemble.prepare`)."""
        return self.ensemble.condition(self.labelled)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Position in the support set of its compounds, by canonical SMILES."""
        if self.hidden is not None:
            return self.hidden.places
        return {smiles: i for i, smiles in enumerate(self.support.smiles)}

    @cached_property
    def _left_out(self) -> dict[int, Prediction | None]:
        """Predictions of support compounds from all the others: of all at once, or as they are asked for."""
        return {**self.ensemble.each_held_out(self.labelled)}

    def without(self, i: int) -> Prediction | None:
        """Prediction of support compound i from all others; None where those are not enough."""
        if i not in self._left_out:
            own = torch.tensor([i], device=self.ensemble.device)
            try:
                (self._left_out[i],) = predict_parts(self.ensemble, self.labelled, [own])
            except NotEnoughData:
                # A hidden compound may have a salted identity, which it has in no other batch.
                same = None if self.hidden is None else self.conditioned(self.labelled.mols.select(own))
                self._left_out[i] = same
        return self._left_out[i]
