"""`suggest`: the compounds of a library to measure next."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch

from molmeta.chem.rows import read_rows
from molmeta.chem.similarity import tanimoto
from molmeta.configuration import check_seed
from molmeta.data.library import read_library
from molmeta.data.sources import Sources
from molmeta.errors import ConfigError, InputError, NotEnoughData
from molmeta.predictor import CHUNK, Predictor
from molmeta.scoring.engines import Engine, Local
from molmeta.scoring.run import check_columns
from molmeta.suggest.acquisition import (
    ACQUISITIONS,
    DEFAULT,
    DEFAULT_PER_COST,
    Acquisition,
    Belief,
    find_acquisition,
    noise_of,
)
from molmeta.suggest.batch import Prices, pick
from molmeta.suggest.candidates import Screen, Show, find_candidates
from molmeta.suggest.reasons import Reasons
from molmeta.suggest.suggestions import Suggestions
from molmeta.suggest.terms import Terms, read_excluded
from molmeta.wording import counted

# Of a library, how many are looked at together.
CANDIDATES = 1000
# In replays of assays this much diversity costs nothing; more of it does (docs/experiments.md).
ALIKE = 0.9


def suggest(
    predictor: Predictor,
    source: Sources,
    n: int = 24,
    *,
    acquisition: str | None = None,
    alike: float = ALIKE,
    hedge: bool = False,
    exclude: Sources | None = None,
    cost: str | None = None,
    available: str | None = None,
    budget: float | None = None,
    candidates: int = CANDIDATES,
    engine: Engine | None = None,
    smiles_column: str | None = None,
    chunk: int = CHUNK,
    trusted: bool = False,
    seed: int = 0,
    progress: Show = lambda rows, rejected, share: None,
) -> Suggestions:
    """Picks the compounds of a library that are worth most to be measured next.

    A first pass keeps the compounds that are worth most, each by itself. Among these picks are made one after
    the other, with regard to each other (`molmeta.suggest.batch`). Compounds of the support set are never
    picked, and no compound twice.

    Parameters
    ----------
    predictor : Predictor
    source : path, glob pattern, several of these, DataFrame, or "-" (stdin)
        See `molmeta.data.library.read_library`.
    n : int
        Compounds to pick.
    acquisition : str or None
        What a compound is worth: a name in `molmeta.suggest.acquisition.ACQUISITIONS`; None is DEFAULT there,
        or with a cost DEFAULT_PER_COST.
    alike : float
        Tanimoto similarity from 0 to 1: compounds that are more similar to a pick wait until there are no
        others. 1 takes those that are worth most, alike or not.
    hedge : bool
        Picks each compound as if those before it had failed, so that a batch does not rest on one idea.
    exclude : as `source`, or None
        Compounds that are not wanted, compared by their canonical SMILES.
    cost : str or None
        Column with the price of a measurement; worth is divided by it, and rows without one are left out.
    available : str or None
        Column that says whether a compound can be had: a number above 0, or not one of the words for no.
    budget : float or None
        What all picks may cost together.
    candidates : int
        Compounds that the first pass keeps, n or more.
    engine : Engine or None
        Where the first pass is computed (`molmeta.scoring.engines`); None is this process.
    smiles_column, chunk, trusted
        As in `score_library`.
    seed : int
        Of what is left to chance.
    progress : callable
        Is told how many rows of the library were read and rejected, and the share of it, after each chunk.

    Raises
    ------
    ConfigError
        No such acquisition or column, numbers out of range, or a cost for an acquisition that is no gain.
    NotEnoughData
        The model has no labelled compounds.
    InputError
        A file cannot be read, or nothing in it can be suggested.
    """
    started = time.perf_counter()
    check_seed(seed)
    chosen = find_acquisition(acquisition or (DEFAULT if cost is None else DEFAULT_PER_COST))
    _check(chosen, n, candidates, alike, cost, budget)
    if not len(predictor.support):
        raise NotEnoughData(
            f"{predictor.name} is a prior, without labelled compounds to learn from; rank the library with "
            "molmeta score, measure some of the best, and adapt to them"
        )
    excluded, notes = (frozenset[str](), []) if exclude is None else read_excluded(exclude)
    library = read_library(source, smiles_column=smiles_column, chunk=chunk, trusted=trusted)
    check_columns(library.header)
    terms = Terms.of(library, cost, available, excluded)
    screen = Screen(predictor, chosen, terms, candidates, seed)
    found = find_candidates(screen, library, engine or Local(), progress)
    if not len(found.rows):
        raise InputError(_nothing(found.status))
    rows = found.rows.sort_values("row", ignore_index=True)
    read = read_rows(rows["text"].tolist(), predictor.needs)
    mols = predictor.ensemble.prepare(read.mols)
    hashes, each = rows["hash"].to_numpy(np.int64), rows["cost"].to_numpy(np.float64)

    def worth(belief: Belief, number: int) -> torch.Tensor:
        noise = torch.from_numpy(noise_of(hashes, seed, number))
        return chosen.worth(belief, noise.to(belief.mean.device))

    prices = Prices(torch.tensor(each, device=mols.device), math.inf if budget is None else budget)
    picks = pick(
        predictor.ensemble.condition,
        predictor.labelled,
        mols,
        n,
        worth,
        prices=None if cost is None else prices,
        alike=alike,
        hedge=hedge,
    )
    if not picks:
        raise InputError(
            f"a budget of {budget:g} is enough for nothing: the cheapest candidate costs {each.min():g}"
        )
    predictions = predictor.predict_rows(read, prepared=mols)
    counts, chosen_rows = mols.need("counts"), [one.index for one in picks]
    similarity = tanimoto(counts[chosen_rows], counts).double().cpu().numpy()
    rank = predictions["mm_score"].rank(ascending=False, method="min").to_numpy().astype(np.int64)
    reasons = Reasons(predictor.support.target, predictions, rank, None if cost is None else each)
    why = [reasons.sentence(one.index, similarity[:i], one.passed) for i, one in enumerate(picks)]
    own = predictions.iloc[chosen_rows].reset_index(drop=True)
    own.insert(0, "mm_pick", np.arange(1, len(picks) + 1))
    own = own.assign(mm_rank=rank[chosen_rows], mm_why=pd.Series(why, dtype="str"))
    return Suggestions(
        picks=own,
        header=library.header,
        cells=tuple(rows["cells"].iloc[chosen_rows]),
        rows=tuple(rows["row"].iloc[chosen_rows].tolist()),
        acquisition=chosen.name,
        candidates=len(rows),
        cost=None if cost is None else float(each[chosen_rows].sum()),
        status=dict(sorted(found.status.items())),
        notes=(*library.notes, *notes),
        seconds=time.perf_counter() - started,
    )


def _check(
    acquisition: Acquisition, n: int, candidates: int, alike: float, cost: str | None, budget: float | None
) -> None:
    if n < 1 or candidates < n:
        raise ConfigError(f"found n={n} and candidates={candidates}; wanted 1 <= n <= candidates")
    if not 0 <= alike <= 1:
        raise ConfigError(f"alike={alike} is no similarity; wanted 0 to 1")
    if cost is None:
        if budget is not None:
            raise ConfigError(
                "a budget needs the prices: name the column of the library that has them as cost"
            )
        return
    if budget is not None and not budget > 0:
        raise ConfigError(f"budget={budget} buys nothing; wanted a number above 0")
    if not acquisition.positive:
        able = ", ".join(one.name for one in ACQUISITIONS.values() if one.positive)
        raise ConfigError(
            f"'{acquisition.name}' is no gain, which a cost could divide; with a cost, take one of {able}"
        )


def _nothing(status: Mapping[str, int]) -> str:
    """Why a library has no candidate."""
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(status.items()))
    read = f"{counted(sum(status.values()), 'row')} read{told and f' ({told})'}"
    return f"nothing in the library can be suggested: {read}; wanted compounds that were not measured"
