"""What the page can be filled in with at a click: shipped assays of well-known compounds."""

from __future__ import annotations

import csv
from collections.abc import Collection
from functools import cache

from molmeta import assays

_EACH = 12  # actives, and inactives
_CANDIDATES = 24
_SIDES = {"actives": "1", "inactives": "0"}


@cache
def classes() -> dict[str, str]:
    """Boxes of the page of actives and inactives: which drugs act in the brain."""
    rows = _rows("bbb")
    boxes = {
        side: _spread([row for row in rows if row["bbb"] == label], _EACH) for side, label in _SIDES.items()
    }
    taken = {row["smiles"] for found in boxes.values() for row in found}
    filled = {
        side: "\n".join(f"{row['smiles']} {row['compound']}" for row in found)
        for side, found in boxes.items()
    }
    return filled | {"name": "acts in the brain", "candidates": drugs(taken)}


@cache
def values() -> dict[str, str]:
    """Boxes of the page of values: lipophilicity."""
    chosen = _spread(_rows("logp"), 2 * _EACH)
    text = "\n".join(f"{row['smiles']} {row['logP']} {row['compound']}" for row in chosen)
    taken = {row["smiles"] for row in chosen}
    return {"compounds": text, "candidates": drugs(taken), "name": "lipophilicity", "measured": "logP"}


def _rows(name: str) -> list[dict[str, str]]:
    with assays.path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _spread(rows: list[dict[str, str]], most: int) -> list[dict[str, str]]:
    """Rows from all over the file."""
    return rows[:: max(1, len(rows) // most)][:most]


def drugs(taken: Collection[str] = ()) -> str:
    """Lines of well-known drugs, without some that were measured."""
    lines = assays.path(assays.LIBRARY).read_text(encoding="utf-8").splitlines()
    fresh = [line.replace("\t", " ") for line in lines if line.split()[0] not in taken]
    return "\n".join(fresh[:: max(1, len(fresh) // _CANDIDATES)][:_CANDIDATES])
