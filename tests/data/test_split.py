"""Splits: whole groups, the share that was asked for, the same for the same seed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molmeta.data.split import split_assays, split_scaffolds
from molmeta.errors import ConfigError

DRUGS = (
    "CC(=O)Oc1ccccc1C(=O)O",  # benzene: aspirin, paracetamol, ibuprofen
    "CC(=O)Nc1ccc(O)cc1",
    "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O",
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",  # purine: caffeine, theophylline
    "Cn1c(=O)c2[nH]cnc2n(C)c1=O",
    "NCCc1c[nH]c2ccc(O)cc12",  # indole: serotonin, melatonin
    "COc1ccc2[nH]cc(CCNC(C)=O)c2c1",
    "NCCCC(=O)O",  # no ring: GABA, metformin
    "CN(C)C(=N)NC(N)=N",
)


def assays(targets: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"target_id": targets}, index=[f"A{i}" for i in range(len(targets))])


@given(
    targets=st.lists(st.one_of(st.integers(0, 12), st.none()), min_size=5, max_size=60),
    share=st.floats(0.05, 0.9),
    seed=st.integers(0, 100),
)
@settings(max_examples=80, deadline=None)
def test_no_target_is_on_both_sides(targets: list[object], share: float, seed: int):
    table = assays(targets)
    kept, held = split_assays(table, share, seed)
    assert sorted(kept + held) == sorted(table.index)
    known = table["target_id"].dropna()
    assert not set(known[known.index.isin(kept)]) & set(known[known.index.isin(held)])
    largest = max([1, *known.value_counts()])
    assert share * len(table) <= len(held) < share * len(table) + largest
    assert split_assays(table, share, seed) == (kept, held)


def test_seeds_differ_and_a_missing_column_means_that_no_target_is_known():
    table = pd.DataFrame(index=[f"A{i}" for i in range(100)])
    drawn = [split_assays(table, 0.2, seed)[1] for seed in range(3)]
    assert [len(held) for held in drawn] == [20, 20, 20]
    assert drawn[0] != drawn[1] != drawn[2]


@pytest.mark.parametrize("seed", range(8))
def test_no_scaffold_is_on_both_sides(seed: int):
    kept, held = split_scaffolds(DRUGS, 0.3, seed)
    assert sorted([*kept, *held]) == list(range(len(DRUGS)))
    assert len(held)
    for group in ({0, 1, 2}, {3, 4}, {5, 6}):
        assert group <= set(kept) or group <= set(held)
    again = split_scaffolds(DRUGS, 0.3, seed)
    assert np.array_equal(kept, again[0])
    assert np.array_equal(held, again[1])


def test_acyclic_compounds_are_no_family():
    sides = [{7, 8} & set(split_scaffolds(DRUGS, 0.3, seed)[1]) for seed in range(20)]
    assert {7} in sides
    assert {8} in sides


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 20.0])
def test_share_is_a_share(share: float):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        split_assays(assays([1, 2]), share)
