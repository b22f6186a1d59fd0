"""`Models`: adapted models that score a library in one pass."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from molmeta.chem.batch import MolBatch, concatenate
from molmeta.chem.features import featurize
from molmeta.chem.rows import Rows
from molmeta.ensemble import Ensemble
from molmeta.errors import ConfigError
from molmeta.predictor import Predictor
from molmeta.scoring.halving import Halving

_SHARED = ("mm_status", "mm_smiles")  # the same for every model


@dataclass(frozen=True, eq=False)
class Embedded:
    """Rows behind the network: what the heads read, and what a cache keeps.

    Attributes
    ----------
    status : list of str
    smiles : list of str or None
        As in `Rows`.
    prepared : dict of str to MolBatch
        By trunk (`trunk_of`), what `Ensemble.prepare` made of the compounds.
    """

    status: list[str]
    smiles: list[str | None]
    prepared: dict[str, MolBatch]


class Models:
    """One or several adapted models; features, and the embedding of a trunk that several share, are
    computed once.

    Parameters
    ----------
    predictors : sequence of Predictor
        Of different assays: with several, all columns but mm_status and mm_smiles are prefixed by the name
        of the assay. The first one ranks.
    columns : collection of str or None
        Which of the columns of a model to give; None is all.
    precision : torch.dtype
        torch.float32, or torch.bfloat16: then the network multiplies matrices in it. Heads never do.

    Raises
    ------
    ConfigError
        No model, two of one assay, a column that no model has, or another precision.
    """

    def __init__(
        self,
        predictors: Sequence[Predictor],
        columns: Collection[str] | None = None,
        precision: torch.dtype = torch.float32,
    ) -> None:
        names = [one.name for one in predictors]
        if not names or len(set(names)) < len(names):
            raise ConfigError(
                f"models of different assays are wanted, their names prefix the columns; found {names}"
            )
        known = list(dict.fromkeys(name for one in predictors for name in one.columns))
        unknown = [name for name in columns or () if name not in known]
        if unknown:
            raise ConfigError(f"no column {', '.join(unknown)}; there are {', '.join(known)}")
        if precision not in (torch.float32, torch.bfloat16):
            raise ConfigError(f"precision {precision}; wanted torch.float32 or torch.bfloat16")
        self.predictors, self.precision = tuple(predictors), precision
        self._halving = Halving()
        self.columns = tuple(known if columns is None else dict.fromkeys(columns))

    @property
    def needs(self) -> frozenset[str]:
        """Features of a compound that any of them reads."""
        return frozenset[str]().union(*(one.needs for one in self.predictors))

    @cached_property
    def known(self) -> NDArray[np.int32] | None:
        """Sorted sketches int32[k] of the compounds whose SMILES scores depend on; None where the SMILES of
        all are wanted."""
        found = [None if "mm_smiles" in self.columns else one.known for one in self.predictors]
        parts = [one for one in found if one is not None]
        return np.unique(np.concatenate(parts)) if len(parts) == len(found) else None

    @property
    def device(self) -> str:
        """Type of the device that they compute on."""
        return self.predictors[0].ensemble.device.type

    @property
    def ranking(self) -> str:
        """Name of the column of `score` by which rows are ranked, whether or not it is written."""
        return self._name(self.predictors[0], "mm_score")

    @property
    def names(self) -> list[str]:
        """The columns that are written."""
        shared = [name for name in _SHARED if name in self.columns]
        own = [
            self._name(one, name)
            for one in self.predictors
            for name in one.columns
            if name in self.columns and name not in _SHARED
        ]
        if len(self.predictors) > 1:
            return shared + own
        return [name for name in self.predictors[0].columns if name in self.columns]

    @cached_property
    def trunks(self) -> tuple[str, ...]:
        """Of each model, a hash of what its embeddings depend on."""
        return tuple(trunk_of(one.ensemble) for one in self.predictors)

    @cached_property
    def identity(self) -> list[str]:
        """A hash of each model: whatever changes its numbers changes it."""
        return [f"{one.name} {_hash(one)}" for one in self.predictors]

    def empty(self) -> pd.DataFrame:
        """A frame of no rows with the columns that are written."""
        return self.predict(self.embed(Rows([], [], featurize([], self.needs))))[self.names]

    def embed(self, rows: Rows) -> Embedded:
        """Runs the network on rows that were read, once for each trunk."""
        trunks = dict(zip(self.trunks, self.predictors, strict=True))
        prepared = {trunk: self._prepare(one.ensemble, rows.mols) for trunk, one in trunks.items()}
        return Embedded(rows.status, rows.smiles, prepared)

    def _prepare(self, ensemble: Ensemble, mols: MolBatch) -> MolBatch:
        lower = self.precision != torch.float32

        def prepare(part: range) -> MolBatch:
            with torch.autocast(ensemble.device.type, self.precision, enabled=lower):
                made = ensemble.prepare(_part(mols, part))
            return (
                replace(made, embedding=_float(made.embedding), hidden=_float(made.hidden)) if lower else made
            )

        return concatenate(self._halving(prepare, mols.n))

    def predict(self, embedded: Embedded) -> pd.DataFrame:
        """The columns `names`, and `ranking`, one row per row that was read."""
        frames = []
        for one, trunk in zip(self.predictors, self.trunks, strict=True):
            rows = Rows(embedded.status, embedded.smiles, embedded.prepared[trunk])
            wanted = {*self.columns, *(["mm_score"] if one is self.predictors[0] else [])}
            frame = self._predict(one, rows, wanted)
            frames.append(frame.set_axis([self._name(one, str(name)) for name in frame], axis=1))
        if len(frames) == 1:
            return frames[0]
        own = [frame.drop(columns=[name for name in _SHARED if name in frame]) for frame in frames[1:]]
        return pd.concat([frames[0], *own], axis=1)

    def _predict(self, one: Predictor, rows: Rows, columns: Collection[str]) -> pd.DataFrame:
        compounds = rows.status.count("ok")

        def predict(part: range) -> pd.DataFrame:
            if len(part) == compounds:
                return one.predict_rows(rows, columns, rows.mols)
            read = [at for at, status in enumerate(rows.status) if status == "ok"]
            # Rows that were rejected go with the compound after them, or at the end with that before.
            start = read[part.start - 1] + 1 if part.start else 0
            stop = len(rows) if part.stop == len(read) else read[part.stop - 1] + 1
            mols = _part(rows.mols, part)
            cut = Rows(rows.status[start:stop], rows.smiles[start:stop], mols)
            return one.predict_rows(cut, columns, mols)

        parts = self._halving(predict, compounds)
        return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)

    def _name(self, one: Predictor, column: str) -> str:
        return column if len(self.predictors) == 1 or column in _SHARED else f"{one.name}_{column}"


def _part(mols: MolBatch, part: range) -> MolBatch:
    return (
        mols if len(part) == mols.n else mols.select(torch.arange(part.start, part.stop, device=mols.device))
    )


def _float(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.float()


def trunk_of(ensemble: Ensemble) -> str:
    """A hash of what makes the embedding of a compound, and of what a prepared batch keeps beside it."""
    learner = ensemble.learner
    found = hashlib.sha256()
    for part in (learner.encoder, learner.last_layers):
        for name, value in part.state_dict().items():
            found.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    found.update(json.dumps(learner.spec["encoder"], sort_keys=True, default=str).encode())
    found.update(repr(sorted(ensemble.needs)).encode())
    found.update(repr([ensemble.reader(name) is learner.encoder for name in ensemble.weights]).encode())
    return found.hexdigest()


def _hash(predictor: Predictor) -> str:
    found = hashlib.sha256()
    for name, value in predictor.ensemble.learner.state_dict().items():
        found.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    said = [asdict(part) for part in (predictor.support, predictor.calibration, predictor.domain)]
    found.update(json.dumps([*said, predictor.ensemble.weights], sort_keys=True, default=str).encode())
    return found.hexdigest()
