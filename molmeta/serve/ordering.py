"""Tables of predictions to what a service answers: the best first."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from molmeta.adaptreport import AdaptReport
from molmeta.data.support import Support
from molmeta.report.words import headline
from molmeta.scoring.formulas import as_text_cell, is_formula
from molmeta.serve.answer import Answer, Basis, Judgement, Ranked
from molmeta.serve.question import CANDIDATES, Line
from molmeta.verdict import Verdict


def in_order(lines: Sequence[Line], frame: pd.DataFrame, support: Support) -> list[Ranked]:
    """The compounds that could be scored, the best first; of equal ones that which was given first.

    Parameters
    ----------
    lines : sequence of Line, length n
    frame : DataFrame
        Of n rows, with the columns of `Predictor.predict`.
    support : Support
        The labelled compounds.
    """
    value = "mm_probability" if support.target.kind == "classification" else "mm_value"
    names = support.names()
    unique = {name for name, count in Counter(names).items() if count == 1}
    structures = {n: s for n, s in zip(names, support.smiles, strict=True) if s and n in unique}
    good = frame[frame["mm_status"] == "ok"].sort_values("mm_score", ascending=False, kind="stable")
    return [
        Ranked(
            rank=rank,
            row=lines[at].number,
            name=lines[at].name,
            text=lines[at].structure,
            smiles=row["mm_smiles"],
            score=row["mm_score"],
            predicted=row[value],
            nearest_smiles=structures.get(row["mm_nearest"]),
            **{name: _plain(row[f"mm_{name}"]) for name in _SAME},
        )
        for rank, (at, row) in enumerate(zip(good.index, good.to_dict("records"), strict=True), 1)
    ]


_SAME = ["std", "low", "high", "call", "set", "in_domain", "nearest", "nearest_similarity", "nearest_label"]


def _plain(value: Any) -> Any:
    """A cell without pandas' words for nothing."""
    return None if pd.isna(value) else value


def basis_of(report: AdaptReport) -> Basis:
    """What a model says of itself."""
    verdict = report.verdict
    return Basis(
        assay=report.assay,
        checkpoint=report.model,
        kind=report.target.kind,
        measured=report.target.model_unit or report.target.name,
        higher_is_better=report.target.higher_is_better,
        compounds=report.n,
        actives=report.n_active,
        span=report.span,
        seen=report.seen,
        verdict=None if verdict is None else _judgement(verdict),
        notes=list(report.notes),
        warnings=list(report.warnings),
    )


def _judgement(verdict: Verdict) -> Judgement:
    return Judgement(
        level=verdict.level,
        headline=headline(verdict),
        sentence=verdict.sentence,
        metric=verdict.metric,
        scores=verdict.scores,
    )


def formulas_of(answer: Answer) -> int:
    """Cells of the table that a spreadsheet would run."""
    names = [(one.name, one.text, one.nearest or "") for one in answer.ranked]
    names += [(bad.name, bad.text, "") for bad in answer.rejected if bad.box == CANDIDATES]
    return sum(is_formula(cell) for row in names for cell in row)


def table_of(answer: Answer, *, excel_safe: bool = False) -> str:
    """The answer as CSV: ranked rows with the columns of `molmeta score`, then the rejected candidates.

    With `excel_safe` what a spreadsheet would run has a quote in front.
    """
    value = "mm_probability" if answer.model.kind == "classification" else "mm_value"
    columns = ("mm_status", "mm_smiles", "mm_score", value, *(f"mm_{name}" for name in _SAME))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["rank", "row", "name", "structure", *columns])

    def write(*cells: object) -> None:
        safe = (as_text_cell(one) if excel_safe and isinstance(one, str) else one for one in cells)
        writer.writerow(safe)

    for one in answer.ranked:
        own = (getattr(one, name) for name in _SAME)
        write(one.rank, one.row, one.name, one.text, "ok", one.smiles, one.score, one.predicted, *own)
    for bad in answer.rejected:
        if bad.box == CANDIDATES:
            write("", bad.row, bad.name, bad.text, bad.reason, *[""] * (len(columns) - 1))
    return out.getvalue()
