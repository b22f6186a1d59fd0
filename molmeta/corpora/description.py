"""A table that says of assays what their source does not: target, family, organism, fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from molmeta.corpora.longtable import NAMES
from molmeta.corpora.staging import StagedAssay
from molmeta.data.headers import plain
from molmeta.data.raw import open_table
from molmeta.errors import InputError

_SAYS = ("target", "family", "organism", "fold")


def described(assays: Sequence[StagedAssay], path: Path) -> list[StagedAssay]:
    """Assays with what a table says of them, by their name or that in their source; blanks say nothing.

    Raises
    ------
    InputError
        It has no column of assays, says nothing of any of them, or cannot be read.
    """
    table = open_table(path, trusted=True)
    columns = {key: _column(table.header, key) for key in ("assay", *_SAYS)}
    name = columns["assay"]
    if name is None:
        raise InputError(f"{path.name} has no column of assays among {', '.join(table.header)}")
    facts: dict[str, dict[str, object]] = {}
    for row in table.rows:
        if row.problem is not None:
            raise InputError(f"{path.name}: {row.problem.detail}")
        said: dict[str, object] = {
            key: row.cells[at].strip()
            for key in _SAYS
            if (at := columns[key]) is not None and row.cells[at].strip()
        }
        if "target" in said:
            said["groups"] = [said["target"]]
        facts[row.cells[name].strip()] = said
    out = [
        replace(a, facts=a.facts | facts.get(a.name, facts.get(str(a.facts.get("assay")), {})))
        for a in assays
    ]
    if all(new.facts == old.facts for new, old in zip(out, assays, strict=True)):
        raise InputError(f"{path.name} says nothing of the assays here ({assays[0].name}, ...)")
    return out


def _column(header: Sequence[str], key: str) -> int | None:
    titles = [plain(one) for one in header]
    return next((titles.index(name) for name in NAMES[key] if name in titles), None)
