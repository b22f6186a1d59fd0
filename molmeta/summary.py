"""An evaluation summed up: means over assays with standard errors, by stratum, and paired differences."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from molmeta.errors import InputError
from molmeta.metrics import paired_difference, standard_error

# Name -> which rows of `Corpus.assays` it holds, as a boolean Series. An assay whose family or panel is
# not known belongs to neither side.
STRATA: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "all": lambda assays: pd.Series(True, index=assays.index),
    "dev": lambda assays: assays["role"].eq("dev"),
    "dev + valid_report": lambda assays: assays["role"].isin(["dev", "valid_report"]),
    "dev kinase": lambda assays: assays["role"].eq("dev") & _is(assays["kinase"], True),
    "dev other": lambda assays: assays["role"].eq("dev") & _is(assays["kinase"], False),
    "valid_report": lambda assays: assays["role"].eq("valid_report"),
    "valid_select": lambda assays: assays["role"].eq("valid_select"),
    "valid": lambda assays: assays["role"].isin(["valid_report", "valid_select"]),
    "biogen": lambda assays: assays["role"].eq("biogen"),
    "tdc": lambda assays: assays["role"].eq("tdc"),
    "muv": lambda assays: assays["role"].eq("muv"),
    "toxcast": lambda assays: assays["role"].eq("toxcast"),
    "kinase": lambda assays: _is(assays["kinase"], True),
    "other": lambda assays: _is(assays["kinase"], False),
    "panel": lambda assays: _is(assays["panel"], True),
    "non-panel": lambda assays: _is(assays["panel"], False),
}


def summarize(table: pd.DataFrame, assays: pd.DataFrame, metric: str = "delta_auprc") -> pd.DataFrame:
    """Mean of a metric over assays, of each its mean over draws.

    Parameters
    ----------
    table : DataFrame
        What `molmeta.evaluation.evaluate` returns.
    assays : DataFrame
        `Corpus.assays`: role, kinase and panel of each assay.
    metric : str
        Column of `table`; draws where it is nan are left out.

    Returns
    -------
    DataFrame
        method, k, stratum, mean, se, n: a row for each stratum that has assays; se is the standard error
        over n assays (ddof 1; nan for one assay).

    Raises
    ------
    InputError
        The table has no such metric.
    """
    rows = [
        {"method": method, "k": k, "stratum": stratum}
        | {"mean": part[method].mean(), "se": standard_error(part[method].to_numpy()), "n": len(part)}
        for k, stratum, scores in _parts(table, assays, metric)
        for method in scores.columns
        if len(part := scores[[method]].dropna())
    ]
    return pd.DataFrame(rows, columns=["method", "k", "stratum", "mean", "se", "n"])


def paired(
    table: pd.DataFrame, assays: pd.DataFrame, a: str, b: str, metric: str = "delta_auprc"
) -> pd.DataFrame:
    """Method a minus method b, assay by assay, over the assays that both were scored on.

    Returns
    -------
    DataFrame
        k, stratum, mean, se, wins, n: mean difference and its standard error over n assays, and the
        share of them where a has the higher value (a tie counts half).

    Raises
    ------
    InputError
        The table lacks a method or the metric.
    """
    missing = {a, b} - set(table["method"])
    if missing:
        known = ", ".join(sorted(table["method"].unique()))
        raise InputError(f"the table has no method {', '.join(sorted(missing))}; it has {known}")
    rows = []
    for k, stratum, scores in _parts(table, assays, metric):
        both = scores[[a, b]].dropna() if {a, b} <= set(scores.columns) else scores.iloc[:0]
        if len(both):
            difference = paired_difference(both[a].to_numpy(), both[b].to_numpy())
            rows.append({"k": k, "stratum": stratum} | vars(difference))
    return pd.DataFrame(rows, columns=["k", "stratum", "mean", "se", "wins", "n"])


def _parts(table: pd.DataFrame, assays: pd.DataFrame, metric: str) -> list[tuple[int, str, pd.DataFrame]]:
    """k, stratum, and the mean over draws of each assay (rows) and method (columns, in table order)."""
    if metric not in table.columns:
        raise InputError(f"the table has no column '{metric}'; it has {', '.join(table.columns)}")
    members = {name: assays.index[holds(assays)] for name, holds in STRATA.items()}
    parts = []
    for k in sorted(table["k"].unique()):
        at_k = table[table["k"] == k]
        order = at_k["method"].unique()
        scores = at_k.pivot_table(metric, "assay", "method", aggfunc="mean", observed=True)
        scores = scores.reindex(columns=order)
        parts += [(int(k), name, scores[scores.index.isin(index)]) for name, index in members.items()]
    return parts


def _is(column: pd.Series, value: bool) -> pd.Series:
    return column.eq(value).fillna(False).astype(bool)
