"""What folds and corpora share is found, whatever they are called and however a structure is written."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from molmeta.corpora.build import build
from molmeta.corpora.config import CorpusConfig
from molmeta.corpora.folds import deal, target_groups
from molmeta.corpora.overlap import between
from molmeta.corpora.staging import StagedAssay

CONFIG = {"filters": {"min_compounds": 2, "min_active": 0, "max_active": 1}, "folds": {"compounds": {}}}
BENZENES = ["c1ccccc1C", "c1ccccc1CC", "c1ccccc1CCC", "c1ccccc1CCCC"]
PYRIDINES = ["c1ccncc1C", "c1ccncc1CC", "c1ccncc1CCC", "c1ccncc1CCCC"]
INDOLES = ["c1ccc2[nH]ccc2c1", "Cc1ccc2[nH]ccc2c1", "CCc1ccc2[nH]ccc2c1"]


def assay(name: str, smiles: list[str], fold: str = "", target: str = "") -> pd.DataFrame:
    values = [5.0 + i for i in range(len(smiles))]
    return pd.DataFrame({"assay": name, "smiles": smiles, "pIC50": values, "fold": fold, "target": target})


def corpus(folder: Path, *assays: pd.DataFrame) -> Path:
    pd.concat(assays).to_csv(folder.with_suffix(".csv"), index=False)
    build(folder.with_suffix(".csv"), folder, CorpusConfig.model_validate(CONFIG))
    return folder


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    salt = "[Cl-].c1ccncc1CC[NH3+]"
    return corpus(
        tmp_path_factory.mktemp("overlap") / "first",
        assay("A", [*BENZENES, *PYRIDINES], "train", "T1"),
        assay("B", [*PYRIDINES[:2], salt, INDOLES[0]], "train", "T2"),
        assay("C", ["C1=CC=CN=C1C", *BENZENES[:1], *INDOLES[1:], "NCCc1cccnc1"], "test", "T3"),
    )


def test_folds_of_a_corpus(first: Path) -> None:
    (shared,) = between(first)
    assert (shared.of, shared.within) == ("test", "train")
    assert (shared.compounds, shared.shared_compounds) == (5, 2)  # toluene, and the amine without its salt
    assert (shared.measurements, shared.shared_measurements) == (5, 2)
    assert (shared.targets, shared.shared_targets) == (1, 0)
    assert (shared.clusters, shared.shared_clusters) == (3, 3)
    assert (shared.assays, shared.shared_assays) == (1, 0)
    assert shared.sampled == 3


def test_near_duplicates_are_looked_for(first: Path, tmp_path: Path) -> None:
    chain = "c1ccccc1" + "C" * 12
    other = corpus(tmp_path / "near", assay("X", [chain, "OCCO", "CCN"]))
    same = corpus(tmp_path / "same", assay("Y", [chain + "C", "CC(=O)O", "CSC"]))
    (shared,) = between(other, same)
    assert (shared.shared_compounds, shared.sampled, shared.near) == (0, 3, 1)


def test_two_corpora(first: Path, tmp_path: Path) -> None:
    second = corpus(
        tmp_path / "second",
        assay("A", ["Cc1ccccc1", "CCO", "CCCO"], "train", "T9"),
        assay("D", ["CCC[NH3+].[Cl-]", "CCCCO", "CCCCCO"], "test", "T1"),
    )
    (shared,) = between(second, first)
    assert (shared.of, shared.within) == ("second", "first")
    assert (shared.compounds, shared.shared_compounds) == (6, 1)
    assert (shared.targets, shared.shared_targets) == (2, 1)
    assert (shared.assays, shared.shared_assays) == (2, 1)
    assert shared.clusters is None
    (shared,) = between(second, first, of=["test"], within=["train"])
    assert (shared.of, shared.within) == ("test", "train")
    assert (shared.compounds, shared.shared_compounds, shared.shared_targets) == (3, 0, 1)
    assert len(between(first, of=["test"], within=["train", "test"])) == 1  # not with itself


def staged(*groups: list[str]) -> list[StagedAssay]:
    return [StagedAssay(i, f"A{i}", {"groups": names}, 1) for i, names in enumerate(groups)]


def test_assays_that_share_a_protein_through_a_complex_are_one_group() -> None:
    groups = target_groups(staged(["a"], ["b"], ["c"], [], ["a", "c"], []))
    assert groups[0] == groups[2] == groups[4]
    assert len({groups[0], groups[1], groups[3], groups[5]}) == 4


@pytest.mark.parametrize("seed", range(5))
def test_folds_hold_whole_groups_and_no_more_than_their_share(seed: int) -> None:
    import numpy as np

    groups = np.repeat(np.arange(40), np.random.default_rng(seed).integers(1, 9, 40))
    fold = np.array(deal(groups, {"valid": 0.1, "test": 0.2}, seed))
    assert all(len(set(fold[groups == g])) == 1 for g in range(40))
    assert 0.05 < (fold == "valid").mean() <= 0.1
    assert 0.15 < (fold == "test").mean() <= 0.2
    assert deal(groups, {"valid": 0.1, "test": 0.2}, seed) == fold.tolist()


def test_a_group_that_is_too_large_is_trained_on() -> None:
    import numpy as np

    fold = deal(np.array([0] * 90 + [1] * 5 + [2] * 5), {"test": 0.1}, 0)
    assert fold == ["train"] * 90 + ["test"] * 10
