"""Whether the labels that `molmeta adapt` doubts are wrong ones, on assays new to the model.

    python benchmarks/doubts.py DATA_DIR --checkpoint base --out doubts.json

DATA_DIR is that of `benchmarks/fsmol.py`, of which the validation assays are used. Of n compounds three
get a wrong label: classes are exchanged, values are moved by 1.5 log units. Of each threshold of the
chance below which a label is doubted: how many labels are, how many of them chance would give by the model,
how many of the wrong ones are found, and how many of the doubted ones are wrong. The labels that the assays
came with are taken to be right; as some are not, the true share is higher.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from harness import save

from molmeta import doubts
from molmeta.bundle import rounded
from molmeta.calibration import Outcome, calibrate
from molmeta.checkpoint import load_checkpoint
from molmeta.crossvalidation import draw_folds, predict_held_out
from molmeta.data.corpus import Corpus
from molmeta.data.episode import Labelled
from molmeta.data.fsmol import read_fsmol
from molmeta.data.protocol import PROTOCOLS, measured, sample_draws
from molmeta.data.support import Support
from molmeta.doubts import RARE
from molmeta.ensemble import open_ensemble
from molmeta.fitting import Averaging
from molmeta.learner import Learner
from molmeta.units import Kind

WRONG, MOVED = 3, 1.5
_KINDS: dict[str, Kind] = {"classes": "classification", "values": "regression"}
THRESHOLDS = (0.02, 0.05, 0.1, 0.15, 0.2)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("data", type=Path, metavar="DATA_DIR")
    made.add_argument("--checkpoint", default="base")
    made.add_argument("--draws", type=int, default=4)
    made.add_argument("--out", type=Path, help="JSON")
    options = made.parse_args()
    learner = rounded(load_checkpoint(options.checkpoint))
    corpus = read_fsmol(options.data / "valid.csv.gz", frozenset(learner.needs) | {"counts"})
    rows = [
        found
        for kind in ("classification", "regression")
        for name in corpus.assays.index
        for n in (16, 32, 64, 128)
        for found in of_assay(learner, corpus, str(name), kind, n, options.draws)
    ]
    table = pd.DataFrame(rows)
    means = table.groupby(["labels", "n", "threshold"]).mean(numeric_only=True)
    means["of the doubted, wrong"] = means["wrong ones found"] * WRONG / means["doubted"]
    means.insert(0, "assays", table.groupby(["labels", "n", "threshold"])["assay"].nunique())
    print(means.reset_index().round(3).to_string(index=False))
    if options.out:
        shown = means.reset_index().round(2).astype({"threshold": str, "assays": int})
        usual = [RARE[_KINDS[row.labels]] == float(row.threshold) for row in shown.itertuples()]
        columns = shown.select_dtypes("float").columns
        shown[columns] = shown[columns].map("{:.2f}".format)
        save(options.out, {"usual": shown[usual].to_dict("records"), "all": shown.to_dict("records")})


@torch.no_grad()
def of_assay(
    learner: Learner, corpus: Corpus, name: str, kind: Kind, n: int, n_draws: int
) -> Iterator[dict[str, object]]:
    rows = PROTOCOLS["clean"](measured(corpus, name, kind))
    exact = rows.select(np.flatnonzero(rows.relation == 0))
    if len(exact) <= n:
        return
    way = Averaging(open_ensemble(learner, kind), 0)
    everything = way.data(exact.labelled(corpus.mols))
    for draw in sample_draws(exact, n, n_draws):
        right = everything.select(torch.from_numpy(draw.support))
        wrong = np.random.default_rng(draw.seed).permutation(n)[:WRONG]
        data = mislabelled(right, wrong, draw.seed)
        if not (folds := draw_folds(data, 0)):
            continue
        held_out = predict_held_out(way, data, folds)
        outcome = calibrate(held_out, data, learner.conformity).apply(held_out)
        for threshold in THRESHOLDS:
            found, expected = flagged(outcome, data, threshold)
            yield {
                "labels": "classes" if kind == "classification" else "values",
                "assay": name,
                "n": n,
                "threshold": threshold,
                "doubted": found.sum(),
                "by chance": expected,
                "wrong ones found": found[wrong].mean(),
            }


def mislabelled(data: Labelled, wrong: np.ndarray, seed: int) -> Labelled:
    y = data.y.clone()
    at = torch.from_numpy(wrong)
    if data.target.kind == "classification":
        y[at] = 1 - y[at]
    else:
        signs = np.random.default_rng([seed, 1]).choice([-MOVED, MOVED], len(wrong))
        y[at] += torch.from_numpy(signs).to(y)
    return replace(data, y=y)


def flagged(outcome: Outcome, data: Labelled, threshold: float) -> tuple[np.ndarray, float]:
    """bool[n]: labels that are doubted, and how many chance would give."""
    n = len(data)
    support = Support(
        data.target, ("",) * n, tuple(data.y.tolist()), (0,) * n, ("",) * n, tuple((i,) for i in range(n))
    )
    found = doubts.doubt(outcome, support, threshold, n)
    mask = np.zeros(n, dtype=bool)
    mask[[one.rows[0] for one in found.named]] = True
    return mask, found.expected


if __name__ == "__main__":
    main()
