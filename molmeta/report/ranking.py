"""What a report shows of a library: its best compounds, and how similar it is to the labelled ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from molmeta.data.sources import Sources
from molmeta.predictor import Predictor
from molmeta.scoring.frames import score_frames

EDGES = np.linspace(0.0, 1.0, 21)


@dataclass(frozen=True, eq=False)
class Ranking:
    """A library, ranked.

    Attributes
    ----------
    source : str
        Its name.
    best : DataFrame
        The library's columns and molmeta's, of distinct compounds that were not measured, the best first.
    rows : int
        Of the library.
    status : Counter of str
        Rows by "ok", or by the reason why they could not be read.
    measured : int
        Rows of labelled compounds, which are not ranked.
    inside : int
        Compounds that the model can speak for.
    similarity : int64[len(EDGES) - 1]
        Compounds by the similarity to the nearest labelled one.
    """

    source: str
    best: pd.DataFrame
    rows: int
    status: Counter[str]
    measured: int
    inside: int
    similarity: NDArray[np.int64] = field(repr=False)


def rank(predictor: Predictor, source: Sources, name: str, most: int, workers: int = 0) -> Ranking:
    """The best of a library, in constant memory.

    Raises
    ------
    InputError
        The library cannot be read.
    """
    best = pd.DataFrame()
    status: Counter[str] = Counter()
    rows = measured = inside = 0
    similarity = np.zeros(len(EDGES) - 1, dtype=np.int64)
    for frame in score_frames(predictor, source, workers=workers):
        rows += len(frame)
        status.update(frame["mm_status"])
        scored = frame[frame["mm_status"] == "ok"]
        own = scored["mm_smiles"].map(lambda smiles: smiles in predictor.places).astype(bool)
        measured += int(own.sum())
        new = scored[~own]
        inside += int(new["mm_in_domain"].fillna(False).sum())
        similarity += np.histogram(new["mm_nearest_similarity"], EDGES)[0]
        best = _best(pd.concat([best, new]) if len(best) else new, most)
    return Ranking(name, best, rows, status, measured, inside, similarity)


def _best(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    ordered = frame.sort_values("mm_score", ascending=False, kind="stable")
    return ordered.drop_duplicates("mm_smiles").head(most)
