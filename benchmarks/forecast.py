"""Whether the learning curve of `molmeta adapt` says what more compounds bring, on assays new to the model.

    python benchmarks/forecast.py DATA_DIR --external EXTERNAL_DIR --checkpoint base --out forecast.json

DATA_DIR is that of `benchmarks/fsmol.py`, of which the validation assays are used, and EXTERNAL_DIR that of
`benchmarks/external.py`. An assay of n compounds is drawn, its curve is measured, n more compounds are drawn,
and both models score all the other compounds. The first table is what `molmeta/learningcurve.py` takes as its
prior, from the validation assays: how the true power is spread over them, and the error of a measured one
that the bootstrap does not see. The second compares forecasts of the gain, averaged over the draws of an
assay, with what came: on the external assays, and on the validation assays of which each is left out of
its own prior.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import external
import numpy as np
import pandas as pd
import torch
from harness import save

from molmeta import bundle, learningcurve
from molmeta.checkpoint import load_checkpoint
from molmeta.data.corpus import Corpus, build_corpus
from molmeta.data.episode import Labelled
from molmeta.data.fsmol import read_fsmol
from molmeta.data.protocol import PROTOCOLS, Draw, measured, sample_draws
from molmeta.ensemble import open_ensemble
from molmeta.fitting import Averaging
from molmeta.learner import Learner
from molmeta.resampling import Comparison, Estimate
from molmeta.units import Kind
from molmeta.verdict import METRICS, REPEATS

SIZES = (16, 32, 64)
WAYS = ("combined", "prior alone", "measured alone")
QUERY = 64  # compounds at least that both models are scored on


def main() -> None:
    options = parse()
    if options.out.exists() and options.tables:
        table = pd.DataFrame(json.loads(options.out.read_text("utf-8"))["draws"])
    else:
        table = pd.DataFrame(draws(options))
    priors = [prior(part, metric) for metric, part in table[table["from"] == "valid"].groupby("metric")]
    print(pd.DataFrame(priors).to_string(index=False))
    tested = [row for _, part in table.groupby(["metric", "from"], sort=False) for row in test(part, table)]
    print(pd.DataFrame(tested).to_string(index=False))
    tables = {"prior": rounded(priors), "test": rounded(tested)}
    save(options.out, tables | {"draws": table.to_dict("records")})


def rounded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With three digits after the point."""
    return [{k: f"{v:.3f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]


def parse() -> argparse.Namespace:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("data", type=Path, metavar="DATA_DIR")
    made.add_argument("--external", type=Path, metavar="EXTERNAL_DIR")
    made.add_argument("--checkpoint", default="base")
    made.add_argument("--draws", type=int, default=6)
    made.add_argument("--tables", action="store_true", help="print the tables of --out again")
    made.add_argument("--out", type=Path, required=True, help="JSON")
    return made.parse_args()


def draws(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Of each assay, size and draw: the measured power, the gap, and the score with n and with 2n."""
    learner = bundle.rounded(load_checkpoint(options.checkpoint))
    needs = frozenset(learner.needs) | {"counts"}
    corpora = {"valid": read_fsmol(options.data / "valid.csv.gz", needs)}
    if options.external:
        parts = [external.read(options.external / name) for name in external.FILES]
        table = pd.concat(parts, ignore_index=True)
        corpora["external"] = external.shuffled(build_corpus(table, external.describe(table), needs))
    for origin, corpus in corpora.items():
        for kind in ("classification", "regression"):
            for name in corpus.assays.index:
                for found in of_assay(learner, corpus, str(name), kind, options.draws):
                    yield {"from": origin, **found}


@torch.no_grad()
def of_assay(
    learner: Learner, corpus: Corpus, name: str, kind: Kind, n_draws: int
) -> Iterator[dict[str, object]]:
    rows = PROTOCOLS["clean"](measured(corpus, name, kind))
    way = Averaging(open_ensemble(learner, kind), 0)
    everything = way.data(rows.labelled(corpus.mols))
    metric, measure = next(iter(METRICS[kind].items()))
    for n in SIZES:
        if len(rows) < 2 * n + QUERY:
            continue
        for draw in sample_draws(rows, 2 * n, n_draws):
            twice, half = everything.select(torch.from_numpy(draw.support)), halved(everything, draw, n)
            query = everything.select(torch.from_numpy(draw.query))
            query = query.select((query.relation == 0).nonzero().squeeze(1))
            trial = Comparison.of(half, REPEATS, draw.seed)
            y = query.y.double().numpy()
            if trial is None or np.ptp(y) == 0:
                continue
            whole = trial.score(measure, trial.pool(way))
            curve = learningcurve.draw_curve(way, trial, metric, measure, whole, draw.seed)
            if curve is None:
                continue
            scores = [
                float(measure(y, level(way, support, query), np.ones((1, len(y))))[0])
                for support in (half, twice)
            ]
            yield {
                "assay": name,
                "metric": metric,
                "n": n,
                "seed": draw.seed,
                "measured": curve.measured[0],
                "error": curve.measured[1],
                "gap": max(curve_gap(trial, whole), 1e-3),
                "folds": trial.folds,
                "perfect": 1 - float(y.mean()) if kind == "classification" else 1.0,
                "score": scores[0],
                "score twice": scores[1],
            }


def halved(everything: Labelled, draw: Draw, n: int) -> Labelled:
    """n of the 2n compounds of a draw, with the same share of actives."""
    y = everything.y.numpy()[draw.support]
    order = np.random.default_rng(draw.seed).permutation(len(y))
    if everything.target.kind == "classification":
        order = np.concatenate([order[y[order] > 0.5][::2], order[y[order] <= 0.5][::2]])
    return everything.select(torch.from_numpy(draw.support[order[:n]]))


def level(way: Averaging, support: Labelled, query: Labelled) -> np.ndarray:
    found = way(support)(query.mols)
    best = found.logit if support.target.kind == "classification" else found.mean
    return np.asarray(best.double().cpu())


def curve_gap(trial: Comparison, whole: np.ndarray) -> float:
    best = 1 - float(trial.y.mean()) if trial.data.target.kind == "classification" else 1.0
    return best - float(whole[0])


def powers(part: pd.DataFrame) -> pd.Series:
    """True power of each draw: log2 of the gap with n over that with 2n."""
    gaps = [np.maximum(part["perfect"] - part[name], 1e-3) for name in ("score", "score twice")]
    return np.log2(gaps[0]) - np.log2(gaps[1])


def prior(part: pd.DataFrame, metric: str) -> dict[str, object]:
    """Mean and spread over assays of the true power, and the error that a bootstrap does not see."""
    mean, spread = spread_of(part)
    per_draw = powers(part).groupby([part["assay"], part["n"]]).var(ddof=1)
    true = powers(part).groupby(part["assay"]).transform("mean")
    seen = float(np.square(part["error"]).mean())
    return {
        "metric": metric,
        "assays": part["assay"].nunique(),
        "power": mean,
        "spread": spread,
        "scatter of draws": math.sqrt(float(per_draw.mean())),
        "gap, of a perfect score": float((1 - part["score"] / part["perfect"]).mean()),
        "error of a measured one": math.sqrt(float(np.square(part["measured"] - true).mean())),
        "of which seen": math.sqrt(seen),
        "unseen": math.sqrt(max(float(np.square(part["measured"] - true).mean()) - seen, 0.0)),
        "correlation with the true one": float(np.corrcoef(part["measured"], true)[0, 1]),
    }


def spread_of(part: pd.DataFrame) -> tuple[float, float]:
    """Mean of the power over assays and sizes, and its spread without the noise of the draws."""
    groups = powers(part).groupby([part["assay"], part["n"]])
    means, noise = groups.mean(), groups.var(ddof=1) / groups.size()
    return float(means.mean()), math.sqrt(max(float(means.var(ddof=1) - noise.mean()), 1e-4))


def tested(own: pd.DataFrame, before: Estimate) -> dict[str, float]:
    """Of the draws of an assay: the mean gain, how far the forecasts are from it, and the share of intervals
    that hold the gain of their draw; `before` is the power of other assays."""
    earlier = learningcurve.EARLIER[own["metric"].iloc[0]]
    came = own["score twice"] - own["score"]
    said: dict[str, list[float]] = {name: [] for name in WAYS}
    held = []
    for row, gain in zip(own.to_dict("records"), came, strict=True):
        measured = row["measured"], row["error"]
        for name, power in zip(
            WAYS, (learningcurve.combine(measured, before), before, measured), strict=True
        ):
            gap = learningcurve.usual_gap(row["gap"], row["perfect"], row["n"], earlier)
            gap *= (1 - 1 / row["folds"]) ** power[0]
            one = learningcurve.forecast(gap, power, earlier.scatter, row["n"], row["n"])
            said[name].append(one.gain)
            if name == WAYS[0]:
                held.append(one.low <= gain <= one.high)
    off = {name: float(np.mean(np.abs(np.array(found) - came.mean()))) for name, found in said.items()}
    return {"held": float(np.mean(held)), "came": came.mean(), **off, "no gain": abs(came.mean())}


def test(part: pd.DataFrame, table: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Error of the forecast of a doubling, in the metric, and how often 90 % intervals hold what came."""
    metric, origin = part["metric"].iloc[0], part["from"].iloc[0]
    known = table[(table["from"] == "valid") & (table["metric"] == metric)]
    for n, sized in part.groupby("n"):
        rows = [
            tested(own, spread_of(known[known["assay"] != assay])) for assay, own in sized.groupby("assay")
        ]
        means = pd.DataFrame(rows).mean()
        yield {
            "metric": metric,
            "assays of": origin,
            "n": n,
            "assays": len(rows),
            "gain that came": means["came"],
            **{f"off by, {name}": means[name] for name in (*WAYS, "no gain")},
            "90 % intervals hold": means["held"],
        }


if __name__ == "__main__":
    main()
