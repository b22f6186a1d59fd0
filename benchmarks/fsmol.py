"""Few-shot benchmark on the FS-Mol folds: the protocol of FS-Mol on the assays that a model has not seen.

    python benchmarks/fsmol.py DATA_DIR --checkpoint runs/base-dev --out fsmol.json

DATA_DIR holds `train.csv.gz`, `valid.csv.gz` and `assays.csv`. The checkpoint must not have been trained
on the assays with the roles dev and held_back. Scored are the development and the validation assays, and
those held-back ones that belong to the panel which half of the test fold consists of.
"""

from __future__ import annotations

import argparse

from harness import choose, parser, run, unseen

from molmeta.data.corpus import Corpus
from molmeta.data.fsmol import read_fsmol
from molmeta.evaluation import needs_of

FOLDS = {"train.csv.gz": ("dev", "held_back"), "valid.csv.gz": ("valid_select", "valid_report")}


def main() -> None:
    options = parse()
    methods = choose(options.checkpoint, options.heads, options.baselines)
    corpora = []
    for file, roles in FOLDS.items():
        kept = tuple(role for role in roles if role in options.roles)
        if kept:
            corpus = scored(read_fsmol(options.data / file, needs_of(methods), options.workers, kept))
            corpora.append(unseen(corpus, options.checkpoint) if options.unseen else corpus)
    run(corpora, methods, options, options.metrics, options.protocol)


def parse() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--protocol", default="fsmol")
    made.add_argument("--metrics", nargs="+", default=["delta_auprc"])
    every = [role for roles in FOLDS.values() for role in roles]
    made.add_argument("--roles", nargs="+", default=every, choices=every)
    return made.parse_args()


def scored(corpus: Corpus) -> Corpus:
    """Without the held-back assays that belong to no panel."""
    assays = corpus.assays
    return corpus.select(list(assays.index[~assays["role"].eq("held_back") | assays["panel"].astype(bool)]))


if __name__ == "__main__":
    main()
