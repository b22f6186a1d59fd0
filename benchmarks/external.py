"""Assays that users recognise and that no model here was trained on: Biogen ADME and eight sets of TDC.

    python benchmarks/external.py DATA_DIR --checkpoint base -k 16 64 --out external.json

DATA_DIR holds `biogen_adme.csv.gz` (assay, smiles, value) and `tdc_admet.csv.gz` (assay, smiles, label).
Values are split at their median into active and inactive, so that all fourteen sets have a ΔAUPRC;
`--metrics r2_os` predicts the values of the six Biogen sets themselves. `--unseen` leaves out the compounds
that the checkpoint saw in its training.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from harness import choose, kept, parser, run, unseen

from molmeta.data.corpus import Corpus, build_corpus
from molmeta.evaluation import needs_of

MOST = 1500  # compounds of a set that are used; a larger query tells no more
FILES = ("biogen_adme.csv.gz", "tdc_admet.csv.gz")


def main() -> None:
    options = parse()
    methods = choose(options.checkpoint, options.heads, options.baselines)
    table = pd.concat([read(options.data / file) for file in FILES], ignore_index=True)
    if "r2_os" in options.metrics:
        table = table[table["p_value"].notna()]
    corpus = build_corpus(table, describe(table), needs_of(methods), options.workers)
    if options.unseen:
        corpus = unseen(corpus, options.checkpoint)
    run([shuffled(corpus)], methods, options, options.metrics, "clean")


def parse() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--metrics", nargs="+", default=["delta_auprc"])
    return made.parse_args()


def read(path: Path) -> pd.DataFrame:
    """The long table that `build_corpus` takes."""
    table = pd.read_csv(path, dtype={"assay": str, "smiles": str})
    if "label" not in table:
        median = table.groupby("assay")["value"].transform("median")
        table["label"] = (table["value"] > median).astype(float)
    value = table.get("value", np.nan)
    return table[["assay", "smiles", "label"]].assign(p_value=value, relation="")


def describe(table: pd.DataFrame) -> pd.DataFrame:
    """A row a set; "pXC50" is what the evaluation takes for assays of values."""
    valued = table.groupby("assay")["p_value"].count() > 0
    return pd.DataFrame(
        {
            "kind": np.where(valued, "pXC50", "percent"),
            "role": np.where(valued, "biogen", "tdc"),
            "kinase": pd.NA,
            "panel": pd.NA,
        },
        index=valued.index,
    )


def shuffled(corpus: Corpus) -> Corpus:
    """At most MOST measurements of each set, drawn at random."""
    order = np.random.default_rng(0).permutation(len(corpus.assay))
    rank = np.empty(len(order), dtype=np.int64)
    for assay in range(len(corpus)):
        mine = order[corpus.assay[order] == assay]
        rank[mine] = np.arange(len(mine))
    return kept(corpus, rank < MOST)


if __name__ == "__main__":
    main()
