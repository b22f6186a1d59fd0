"""Wrote the files of `first/`, which every later molmeta must read: python tests/golden/first.py

They are those of the first release and are never written again; a new format gets a folder of its own.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import molmeta
import molmeta.assays
from molmeta.atlas import Atlas
from molmeta.checkpoint import save_checkpoint
from molmeta.chem.features import compound_hash
from molmeta.chem.sketch import sketches
from molmeta.conformity import Conformity, Scores
from molmeta.data.support import Support
from molmeta.heads.evidence.head import Evidence
from molmeta.learner import Learner

FOLDER = Path(__file__).with_name("first")
COLUMNS = ("mm_score", "mm_std", "mm_low", "mm_high", "mm_nearest_similarity")
LABELLED = "NCCCC(O)(P(=O)(O)O)P(=O)(O)O"
QUERIES = ["CCO", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "CN1CCC[C@H]1c1cccnc1", LABELLED]


def table(name: str) -> pd.DataFrame:
    """Every fifth compound of an example assay."""
    return pd.read_csv(molmeta.assays.path(name)).iloc[::5]


def learner() -> Learner:
    """Small, with random weights, and with everything that a checkpoint can hold."""
    torch.manual_seed(0)
    encoder = {"name": "fingerprint", "fingerprints": ["counts"], "width": 4, "depth": 1, "dim": 4}
    fingerprints = {"fingerprints": ["counts"], "presence": ["counts"]}
    heads = {"evidence": {"dim": 4, "rank": 2, **fingerprints}, "proto": {"dim": 4}, "anil": {"dim": 4}}
    made = Learner(encoder, heads, ["anil"])
    support = Support.of(molmeta.read_assay(table("bbb")))
    known = torch.tensor(sorted(map(compound_hash, support.smiles)))
    made.seen = known.clone()
    made.sketches = sketches(support.labelled({"counts"}).mols.need("counts")).unique()
    rng = np.random.default_rng(0)
    drawn = [[rng.normal(mean, 1, 40) for mean in (1, -1, 0)] for _ in (8, 64)]
    draws = [Scores(n, a, b, abs(c)) for n, (a, b, c) in zip((8, 64), drawn, strict=True)]
    made.conformity = Conformity.learn(draws)
    made.info = {"name": "first", "assays": 2}
    head, n = made.head("evidence"), len(known)
    assert isinstance(head, Evidence)
    values = torch.from_numpy(rng.integers(-90, 90, 2 * n))
    head.profiles.fill(
        key=known.clone(), count=torch.full((n,), 2), assay=torch.arange(2).repeat(n), value=values
    )
    head.panels.fill(
        panel=torch.zeros(n, dtype=torch.long),
        key=known,
        mean=torch.from_numpy(rng.normal(0, 1, n)),
        own=torch.full((n,), 0.5),
        factor=torch.from_numpy(rng.normal(0, 0.5, (n, 2))),
    )
    return made


def main() -> None:
    if (FOLDER / "predictions.json").exists():
        sys.exit(f"{FOLDER} is there; what was released once is not written again")
    checkpoint = Path("checkpoint")
    FOLDER.mkdir(exist_ok=True)
    os.chdir(FOLDER)  # so that no path of a machine is in the files
    atlas = Atlas(("one", "two"), (("kinase",), ()), torch.randn(2, 4))
    save_checkpoint(checkpoint, learner(), atlas=atlas)
    found = {}
    for name in ("bbb", "logp"):
        predictor = molmeta.adapt(table(name), checkpoint, device="cpu", head="average")
        predictor.save(f"{name}.molmeta")
        predicted = predictor.predict(QUERIES)
        found[name] = {column: predicted[column].tolist() for column in COLUMNS}
        if name == "bbb":
            default = molmeta.adapt(table(name), checkpoint, device="cpu", verdict=False)
            default.as_private().save("private.molmeta")
            predicted = default.predict(QUERIES)
            found["private"] = {column: predicted[column].tolist() for column in COLUMNS}
    text = json.dumps({"smiles": QUERIES, **found}, indent=1, allow_nan=False)
    (FOLDER / "predictions.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
