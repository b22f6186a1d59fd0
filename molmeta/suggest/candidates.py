"""The candidates of a library: of all its rows, those that are worth most by themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import torch

from molmeta.chem.features import compound_hash
from molmeta.chem.rows import Rows
from molmeta.data.library import Library, LibraryChunk
from molmeta.predictor import Predictor
from molmeta.scoring.engines import Engine
from molmeta.scoring.featurize import Featurize
from molmeta.scoring.models import Models
from molmeta.suggest.acquisition import Acquisition, Belief, noise_of
from molmeta.suggest.batch import best_of
from molmeta.suggest.terms import EXCLUDED, NO_PRICE, UNAVAILABLE, Terms

# Is told how many rows were read and rejected so far, and the share of the library, if known.
Show = Callable[[int, int, float | None], None]
OK = "ok"
MEASURED = "measured"
# Why rows that can be read are no candidates.
LEFT_OUT = (MEASURED, EXCLUDED, UNAVAILABLE, NO_PRICE)


@dataclass(frozen=True, eq=False)
class Found:
    """Candidates, and what became of the rows of a library.

    Attributes
    ----------
    rows : DataFrame
        One row a compound, best first: row (its number in the library, from 1), text (the structure as the
        library has it), smiles (canonical), hash (of that), worth, cost, cells (those of the library).
    status : dict of str to int
        Rows by "ok", the reason of a rejection, "measured" (in the assay of the model), or the reason
        for which the terms leave a row out.
    """

    rows: pd.DataFrame
    status: Counter[str] = field(default_factory=Counter)

    def joined(self, other: Found, most: int) -> Found:
        """With what another part of the library holds."""
        rows = pd.concat([self.rows, other.rows], ignore_index=True) if len(self.rows) else other.rows
        return Found(_first(rows, most), self.status + other.status)


@dataclass(frozen=True, eq=False)
class Screen:
    """A stage of an `Engine`: a chunk to the best of its rows.

    Attributes
    ----------
    predictor : Predictor
    acquisition : Acquisition
    terms : Terms
        Fitted to the library.
    most : int
        Candidates to keep.
    seed : int
    """

    predictor: Predictor
    acquisition: Acquisition
    terms: Terms
    most: int
    seed: int

    @cached_property
    def models(self) -> Models:
        return Models([self.predictor], ["mm_smiles"])

    @cached_property
    def best(self) -> float:
        return best_of(self.predictor.labelled)

    @property
    def featurize(self) -> Featurize:
        # With the canonical SMILES of all, by which compounds are told apart.
        return Featurize(self.models.needs)

    def knows(self, chunk: LibraryChunk) -> bool:
        return False

    @torch.no_grad()
    def __call__(self, index: int, chunk: LibraryChunk, rows: Rows | None) -> Found:
        assert rows is not None
        (mols,) = self.models.embed(rows).prepared.values()
        at = [i for i, status in enumerate(rows.status) if status == OK]
        smiles = [str(rows.smiles[i]) for i in at]
        hashes = np.array([compound_hash(one) for one in smiles], dtype=np.int64)
        worth = np.zeros(0)
        if at:
            belief = Belief.of(self.predictor.conditioned(mols), self.sign, self.best)
            noise = torch.from_numpy(noise_of(hashes, self.seed)).to(belief.mean.device)
            worth = self.acquisition.worth(belief, noise).cpu().numpy()
        told = [self._status(one, chunk.cells[i]) for one, i in zip(smiles, at, strict=True)]
        found = pd.DataFrame(
            {
                "row": [chunk.first_row + i for i in at],
                "text": [chunk.smiles[i] for i in at],
                "smiles": smiles,
                "hash": hashes,
                "worth": worth,
                "cost": [self.terms.price(chunk.cells[i]) for i in at],
                "cells": [chunk.cells[i] for i in at],
            }
        )
        wanted = found[np.array([one == OK for one in told], dtype=bool)]
        wanted = wanted.assign(worth=wanted["worth"] / wanted["cost"])
        rejected = Counter(status for status in rows.status if status != OK)
        return Found(_first(wanted, self.most), Counter(told) + rejected)

    @property
    def sign(self) -> int:
        return int(self.predictor.support.target.sign)

    def _status(self, smiles: str, cells: Sequence[str]) -> str:
        """Whether a compound can be a candidate, or why not."""
        if smiles in self.predictor.places:
            return MEASURED
        return self.terms.refusal(smiles, cells) or OK


def find_candidates(
    screen: Screen, library: Library, engine: Engine, progress: Show = lambda rows, rejected, share: None
) -> Found:
    """The best compounds of a library, each once, in constant memory.

    Raises
    ------
    InputError
        The library breaks off.
    """
    found = Found(pd.DataFrame())
    with closing(engine.run(library, lambda index: True, screen)) as parts:
        for part in parts:
            if isinstance(part, Found):
                found = found.joined(part, screen.most)
                kept = sum(found.status[name] for name in (OK, *LEFT_OUT))
                progress(found.status.total(), found.status.total() - kept, library.share)
    return found


def _first(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """The best rows; of each compound the best, and of equal ones that which comes first in the library."""
    if not len(rows):
        return rows
    ordered = rows.sort_values(["worth", "row"], ascending=[False, True], kind="stable")
    return ordered.drop_duplicates("smiles").head(most).reset_index(drop=True)
