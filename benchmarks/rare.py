"""Rare actives: support sets with few actives, from libraries in which nearly nothing is active.

    python benchmarks/rare.py DATA_DIR --checkpoint models/base-fingerprint -k 32 64 128 --out rare.json

DATA_DIR holds `moleculenet/` (MUV, the test tasks of ToxCast) and `external/` (eight sets of TDC). Of k
compounds, `--share` are active and at least one is; the query is drawn from the rest as it comes, at
most 3,000 compounds. Reported are the average precision, and the enrichment among the best 1 and 5 %:
how many times more actives are found there than by chance.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from external import read as read_external
from harness import choose, parser, run

from molmeta import metrics
from molmeta.data.corpus import Corpus, build_corpus
from molmeta.data.protocol import Draw, Rows
from molmeta.evaluation import needs_of
from molmeta.prediction import Prediction

QUERY = 3000
FEWEST = 20  # actives that a set must have
METRICS = ("average_precision", "enrichment_1", "enrichment_5")


def main() -> None:
    made = parser(__doc__ or "")
    made.set_defaults(baselines=["similarity", "knn", "rf", "gp-tanimoto"], sizes=[32, 64, 128], draws=3)
    made.add_argument("--share", type=float, default=0.05, help="of the support set that is active")
    options = made.parse_args()
    methods = choose(options.checkpoint, options.heads, options.baselines)
    tdc = read_external(options.data / "external/tdc_admet.csv.gz").assign(role="tdc")
    table = pd.concat([muv(options.data), toxcast(options.data), tdc], ignore_index=True)
    corpus = build_corpus(table, describe(table), needs_of(methods), options.workers)
    sampler = partial(draws, share=options.share)
    run([enough(corpus)], methods, options, METRICS, "clean", sampler=sampler, score=score)


def muv(data: Path) -> pd.DataFrame:
    return long(pd.read_csv(data / "moleculenet/muv.csv.gz"), "muv")


def toxcast(data: Path) -> pd.DataFrame:
    """The test tasks of the few-shot split, every fourth."""
    splits = json.loads((data / "moleculenet/splits.json").read_text(encoding="utf-8"))
    names = sorted(splits["toxcast"]["test"])[::4]
    return long(pd.read_csv(data / "moleculenet/toxcast.csv.gz", usecols=["smiles", *names]), "toxcast")


def long(wide: pd.DataFrame, role: str) -> pd.DataFrame:
    """The long table that `build_corpus` takes."""
    table = wide.melt("smiles", var_name="assay", value_name="label").dropna()
    return table[["assay", "smiles", "label"]].assign(p_value=np.nan, relation="", role=role)


def describe(table: pd.DataFrame) -> pd.DataFrame:
    role = table.groupby("assay")["role"].first()
    return pd.DataFrame({"kind": "percent", "role": role, "kinase": pd.NA, "panel": pd.NA}, index=role.index)


def enough(corpus: Corpus) -> Corpus:
    """The sets with FEWEST actives or more."""
    actives = pd.Series(corpus.label).groupby(corpus.assay).sum()
    return corpus.select(list(corpus.assays.index[actives.to_numpy() >= FEWEST]))


def draws(rows: Rows, k: int, n: int, share: float) -> Iterator[Draw]:
    active, inactive = np.flatnonzero(rows.y > 0.5), np.flatnonzero(rows.y <= 0.5)
    n_active = max(1, round(share * k))
    for seed in range(n):
        rng = np.random.default_rng(seed)
        support = np.concatenate(
            [rng.permutation(active)[:n_active], rng.permutation(inactive)[: k - n_active]]
        )
        rest = rng.permutation(np.setdiff1d(np.arange(len(rows)), support))
        # All actives are too few already; of the inactives as many as keep the share of the set.
        if (rows.y[rest[:QUERY]] > 0.5).any():
            yield Draw(seed, support, rest[:QUERY])


def score(support: Rows, query: Rows, prediction: Prediction) -> dict[str, float]:
    y, ranked = (query.y > 0.5).astype(np.float64), prediction.mean.double().cpu().numpy()
    return {
        "average_precision": metrics.auprc(y, ranked),
        "enrichment_1": metrics.enrichment(y, ranked, 0.01),
        "enrichment_5": metrics.enrichment(y, ranked, 0.05),
    }


if __name__ == "__main__":
    main()
