"""A structure that RDKit reads and then fails on costs its own rows, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest

from molmeta.corpora import writing
from molmeta.corpora.build import build
from molmeta.corpora.config import CorpusConfig
from molmeta.corpora.reading import read_assays
from molmeta.corpora.structures import Describe, Described
from molmeta.scoring.serving import Faults, Watch
from tests.corpora.chembl_release import alkanols

POISON = "CCCO"


@dataclass(frozen=True)
class Failing(Describe):
    """Loses one structure, as a process that dies at it does."""

    def __call__(self, job: Sequence[str], faults: Faults, watch: Watch) -> Described:
        lost = {i: "crashed" for i, smiles in enumerate(job) if smiles == POISON}
        return super().__call__(job, replace(faults, lost=lost), watch)


def test_it_is_left_out_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "Describe", Failing)
    parts = [
        pd.DataFrame({"assay": name, "smiles": alkanols(n), "pIC50": [5.0 + i for i in range(n)]})
        for name, n in (("A", 6), ("B", 3))
    ]
    pd.concat(parts).to_csv(tmp_path / "t.csv", index=False)
    config = CorpusConfig.model_validate(
        {"filters": {"min_compounds": 3}, "features": {"fields": ["counts"]}}
    )
    manifest = build(tmp_path / "t.csv", tmp_path / "c", config)
    assert manifest.counts["assays"] == 1
    assert manifest.counts["compounds"] == 5
    left_out = {reason: one["count"] for reason, one in manifest.left_out.items()}
    assert left_out == {"structure": 2, "small": 1}  # counted once, though it was done twice
    corpus = read_assays(tmp_path / "c", ["counts"])
    assert POISON not in corpus.smiles
    assert len(corpus.mols.loaded()) == len(corpus.smiles) == 5
