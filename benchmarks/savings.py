"""What saves work on a library: a cache of what the network says, and a cascade of two models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd
from trial import LABELLED, SCORE, Row, Trial, ready, shipped_assay

from molmeta.heads.evidence import grid
from molmeta.predictor import Predictor
from molmeta.scoring import Local
from molmeta.scoring.cascade import best_share

PASSED = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_DROPPED = 0.01  # settings of the Gaussian process that weigh less than this share of the heaviest one


@cache
def cached_rates(trial: Trial) -> dict[tuple[str, str, int], float]:
    """Molecules a second of base, by model, columns and workers, with what the network says in a cache."""
    workers, models = trial.options.workers, cached_models(trial)
    kept = trial.folder / "cache"
    filling = trial.growing(models["base"], None, Local(workers), lambda: Path(mkdtemp(dir=trial.folder)))
    found = {("base", "all, filling the cache", workers): filling}
    trial.score(models["base"], trial.library(trial.sizes[1]), None, Local(workers), cache=kept)
    for name, model in models.items():
        for columns in (SCORE, None):
            for number in (0, workers):
                shown = ", ".join(columns or ("all",))
                found[name, shown, number] = trial.growing(model, columns, Local(number), lambda: kept)
    return found


@cache
def cached_models(trial: Trial) -> dict[str, Predictor]:
    """base, and base with fewer settings."""
    with dropping(_DROPPED):
        less = ready(shipped_assay(), trial.options.base, "bbb")
    return {"base": trial.model("base"), f"base, without settings below {_DROPPED:.0%}": less}


@contextmanager
def dropping(share: float) -> Iterator[None]:
    """Leaves more settings out of predictions."""
    usual, grid._NEGLIGIBLE = grid._NEGLIGIBLE, share
    try:
        yield
    finally:
        grid._NEGLIGIBLE = usual


def cached(trial: Trial) -> Iterator[Row]:
    """A library that was scored before, for the model of another assay, or again; and what it does to the
    scores to leave settings out, next to all of them."""
    scores = {name: model.predict(trial.sample)["mm_score"] for name, model in cached_models(trial).items()}
    whole = scores["base"]
    for (model, columns, workers), rate in cached_rates(trial).items():
        yield {
            "model": model,
            "columns": columns,
            "engine": f"Local({workers})",
            "molecules a second": round(rate),
            "rank correlation of scores": f"{whole.corr(scores[model], method='spearman'):.5f}",
        }


def cascade(trial: Trial) -> Iterator[Row]:
    """How many of base's best rows are among those that fast passes on, of all that could be."""
    labelled = {"bbb": shipped_assay()} | {name: drawn(trial, name) for name in trial.options.assays}
    rows, top = len(trial.smiles), min(trial.options.top, len(trial.smiles))
    scores = []
    for checkpoint in (trial.options.fast, trial.options.base):
        models = [ready(assay, checkpoint, name) for name, assay in labelled.items()]
        scored = pd.read_parquet(
            trial.score(models, trial.library(rows), SCORE, Local(trial.options.workers))
        )
        columns = [name for name in scored if name.endswith("mm_score")]
        scores.append(scored[columns].set_axis(list(labelled), axis=1))
    fast, base = scores
    for share in PASSED:
        found = {}
        for name in labelled:
            best = best_share(base[name].to_numpy(), top / base[name].notna().sum())
            found[name] = (best & best_share(fast[name].to_numpy(), share)).sum() / top
        most = min(1.0, share * rows / top)
        yield {
            "passed on by fast": f"{share:.1%}",
            **{f"base's best {top:,} of {name}": f"{recall:.1%}" for name, recall in found.items()},
            "most that could be": f"{most:.1%}",
        }


def drawn(trial: Trial, name: str) -> pd.DataFrame:
    """Labelled compounds of an assay of the table, at random."""
    table = pd.read_csv(trial.options.table, usecols=["assay", "smiles", "label"])
    rows = table[table["assay"] == name]
    if rows.empty:
        raise SystemExit(f"{trial.options.table} has no assay {name}")
    return rows.sample(min(LABELLED, len(rows)), random_state=0)[["smiles", "label"]]
