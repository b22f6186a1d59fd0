"""Means over assays, strata and paired differences, worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from molmeta.errors import InputError
from molmeta.summary import STRATA, paired, summarize

ASSAYS = pd.DataFrame(
    {
        "role": ["dev", "dev", "valid_report", "valid_select"],
        "kinase": [True, False, False, pd.NA],
        "panel": [False, False, True, pd.NA],
    },
    index=["A", "B", "C", "D"],
)
SCORES = {  # (assay, method): delta AUPRC of each draw
    ("A", "gp"): [0.1, 0.3],
    ("A", "rf"): [0.1, 0.1],
    ("B", "gp"): [0.4, 0.4],
    ("B", "rf"): [0.5, 0.5],
    ("C", "gp"): [0.3],
    ("C", "rf"): [0.0],
    ("D", "gp"): [0.2, 0.0],
    ("D", "rf"): [np.nan, np.nan],
}


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"assay": assay, "k": 16, "seed": seed, "method": method, "delta_auprc": value}
            for (assay, method), values in SCORES.items()
            for seed, value in enumerate(values)
        ]
    )


def entry(summary: pd.DataFrame, **where: object) -> pd.Series:
    for column, value in where.items():
        summary = summary[summary[column] == value]
    assert len(summary) == 1
    return summary.iloc[0]


def test_draws_are_averaged_before_assays(table: pd.DataFrame):
    found = entry(summarize(table, ASSAYS), method="gp", stratum="all")
    assert found["mean"] == pytest.approx(np.mean([0.2, 0.4, 0.3, 0.1]))
    assert found["se"] == pytest.approx(stats.sem([0.2, 0.4, 0.3, 0.1]))
    assert (found["n"], found["k"]) == (4, 16)


def test_unknown_scores_are_left_out(table: pd.DataFrame):
    found = entry(summarize(table, ASSAYS), method="rf", stratum="all")
    assert (found["mean"], found["n"]) == (pytest.approx(0.2), 3)


@pytest.mark.parametrize(
    ("stratum", "members"),
    [
        ("dev", "AB"),
        ("dev kinase", "A"),
        ("dev other", "B"),
        ("valid", "CD"),
        ("valid_report", "C"),
        ("valid_select", "D"),
        ("kinase", "A"),
        ("other", "BC"),
        ("panel", "C"),
        ("non-panel", "AB"),
    ],
)
def test_strata(table: pd.DataFrame, stratum: str, members: str):
    found = entry(summarize(table, ASSAYS), method="gp", stratum=stratum)
    means = {"A": 0.2, "B": 0.4, "C": 0.3, "D": 0.1}
    assert found["mean"] == pytest.approx(np.mean([means[name] for name in members]))
    assert found["n"] == len(members)


def test_empty_strata_have_no_row(table: pd.DataFrame):
    nothing_known = ASSAYS.assign(role="", kinase=pd.NA, panel=pd.NA)
    assert set(summarize(table, nothing_known)["stratum"]) == {"all"}
    assert set(STRATA) > {"all"}


def test_support_sizes_are_apart(table: pd.DataFrame):
    both = pd.concat([table, table.assign(k=4, delta_auprc=table["delta_auprc"] / 2)])
    found = summarize(both, ASSAYS)
    assert found["k"].unique().tolist() == [4, 16]
    large, small = (entry(found, method="gp", stratum="all", k=k)["mean"] for k in (16, 4))
    assert small == pytest.approx(large / 2)


def test_paired_differences_take_the_assays_of_both(table: pd.DataFrame):
    found = entry(paired(table, ASSAYS, "gp", "rf"), stratum="all")
    assert found["mean"] == pytest.approx(np.mean([0.1, -0.1, 0.3]))
    assert found["se"] == pytest.approx(stats.sem([0.1, -0.1, 0.3]))
    assert found["wins"] == pytest.approx(2 / 3)
    assert found["n"] == 3


def test_paired_turns_round(table: pd.DataFrame):
    one, other = paired(table, ASSAYS, "gp", "rf"), paired(table, ASSAYS, "rf", "gp")
    assert one["mean"].tolist() == pytest.approx((-other["mean"]).tolist())
    assert "valid_select" not in set(one["stratum"])


def test_what_is_missing_is_named(table: pd.DataFrame):
    with pytest.raises(InputError, match="no method maml; it has gp, rf"):
        paired(table, ASSAYS, "gp", "maml")
    with pytest.raises(InputError, match="no column 'auroc'"):
        summarize(table, ASSAYS, "auroc")
