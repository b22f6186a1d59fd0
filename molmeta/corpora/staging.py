"""`Staging`: the rows of a source in a database on disk, from which assays are taken one at a time.

A source may hold more rows than memory, in any order. So rows are written as they come, each text of a
structure once, and the database sorts them by assay.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -32000;
CREATE TABLE assay (id INTEGER PRIMARY KEY, place INTEGER, name TEXT UNIQUE, facts TEXT);
CREATE TABLE structure (id INTEGER PRIMARY KEY, text TEXT UNIQUE);
CREATE TABLE parent (id INTEGER PRIMARY KEY, text TEXT UNIQUE);
CREATE TABLE scaffold (id INTEGER PRIMARY KEY, text TEXT UNIQUE);
CREATE TABLE measurement (
    assay INTEGER, structure INTEGER, kind INTEGER, value REAL, relation INTEGER, label INTEGER
);
"""
_SORT = """
CREATE TABLE sorted AS SELECT measurement.* FROM measurement JOIN assay ON assay.id = measurement.assay
ORDER BY assay.place, assay.id, measurement.rowid
"""
_REMEMBERED = 200_000  # texts whose number is kept in memory
_ASKED = 10_000  # of which the database is asked at a time


@dataclass(frozen=True, eq=False)
class Batch:
    """n rows of a source.

    Attributes
    ----------
    assay : int64[n]
        Numbers that `Staging.assay` gave.
    smiles : list of str, length n
    kind : int16[n]
        Scale: a position in `molmeta.corpora.cleaning.KINDS`, or above these for values of another unit.
    value : float64[n]
        On that scale; nan where the source has classes alone.
    relation : int8[n]
        -1 the true value is below, 0 exact, +1 above.
    label : int8[n]
        0, 1, or -1 where the class is to be found from the values.
    """

    assay: NDArray[np.int64]
    smiles: Sequence[str]
    kind: NDArray[np.int16]
    value: NDArray[np.float64]
    relation: NDArray[np.int8]
    label: NDArray[np.int8]

    def select(self, keep: NDArray[np.bool_]) -> Batch:
        """The rows of a mask bool[n]."""
        smiles = [text for text, kept in zip(self.smiles, keep.tolist(), strict=True) if kept]
        arrays = (self.kind[keep], self.value[keep], self.relation[keep], self.label[keep])
        return Batch(self.assay[keep], smiles, *arrays)


@dataclass(frozen=True)
class StagedAssay:
    """An assay as its source describes it.

    Attributes
    ----------
    id : int
    name : str
    facts : dict
        Of "target", "groups" (names that two assays on one target share), "family", "organism", "fold",
        "endpoint", "source": those that are known.
    rows : int
    """

    id: int
    name: str
    facts: dict[str, Any]
    rows: int


class Staging:
    """The staging database of one build; a context manager.

    Parameters
    ----------
    path : Path
        A file that is not there yet.
    """

    def __init__(self, path: Path) -> None:
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.executescript(_TABLES)
        self._assays: dict[str, int] = {}
        self._known: dict[str, dict[str, int]] = {"structure": {}, "parent": {}, "scaffold": {}}

    def __enter__(self) -> Staging:
        self._base.execute("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def assay(self, name: str, facts: Mapping[str, Any], place: int | None = None) -> int:
        """The number of an assay, which is noted with its facts when it is first met.

        Assays are taken in the order of their places, by default that in which they are met.
        """
        if name not in self._assays:
            number = len(self._assays)
            text = json.dumps({key: value for key, value in facts.items() if value not in (None, "", [])})
            row = (number, number if place is None else place, name, text)
            self._base.execute("INSERT INTO assay VALUES (?, ?, ?, ?)", row)
            self._assays[name] = number
        return self._assays[name]

    def knows(self, name: str) -> bool:
        """Whether an assay has a number already, so that nobody need say its facts again."""
        return name in self._assays

    def add(self, batch: Batch) -> None:
        """Writes rows."""
        structures = self.number("structure", batch.smiles)
        value = [None if number != number else number for number in batch.value.tolist()]
        columns = (batch.assay, structures, batch.kind, value, batch.relation, batch.label)
        rows = zip(*(c if isinstance(c, list) else c.tolist() for c in columns), strict=True)
        self._base.executemany("INSERT INTO measurement VALUES (?, ?, ?, ?, ?, ?)", rows)

    def number(self, table: str, texts: Sequence[str]) -> NDArray[np.int64]:
        """int64[n]: numbers of texts in "structure", "parent" or "scaffold"; new ones are given the next."""
        known = self._known[table]
        if len(known) > _REMEMBERED:
            known.clear()
        new = [text for text in dict.fromkeys(texts) if text not in known]
        for start in range(0, len(new), _ASKED):
            part = new[start : start + _ASKED]
            add = f"INSERT OR IGNORE INTO {table} (text) VALUES (?)"
            self._base.executemany(add, ((one,) for one in part))
            marks = ", ".join("?" * len(part))
            ask = f"SELECT text, id FROM {table} WHERE text IN ({marks})"  # nosec B608
            known.update(self._base.execute(ask, part))
        return np.array([known[text] for text in texts], dtype=np.int64)

    def texts(self, table: str, numbers: Sequence[int]) -> list[str]:
        """The texts of numbers, in their order."""
        marks = ", ".join("?" * len(numbers))
        ask = f"SELECT id, text FROM {table} WHERE id IN ({marks})"  # nosec B608
        found = dict(self._base.execute(ask, list(numbers)))
        return [found[number] for number in numbers]

    def largest(self, table: str) -> int:
        """The largest number given; numbers start at 1."""
        ask = f"SELECT COALESCE(MAX(id), 0) FROM {table}"  # nosec B608
        return int(self._base.execute(ask).fetchone()[0])

    def arrange(self) -> None:
        """Sorts the rows by assay; to be called when all are there.

        They are written once more, in that order, so that those of an assay lie together on disk.
        """
        self._base.execute(_SORT)
        self._base.execute("DROP TABLE measurement")
        self._base.execute("CREATE INDEX by_assay ON sorted (assay)")

    def assays(self) -> list[StagedAssay]:
        """All that have rows, in order."""
        counted = dict(self._base.execute("SELECT assay, COUNT(*) FROM sorted GROUP BY assay"))
        rows = self._base.execute("SELECT id, name, facts FROM assay ORDER BY place, id").fetchall()
        return [
            StagedAssay(number, name, json.loads(facts), counted[number])
            for number, name, facts in rows
            if number in counted
        ]

    def structures(self, assays: Sequence[int], size: int) -> Iterator[tuple[list[int], list[str]]]:
        """Numbers and texts of the structures in some assays, in parts of a size."""
        self._base.execute("CREATE TEMP TABLE wanted (assay INTEGER PRIMARY KEY)")
        self._base.executemany("INSERT INTO wanted VALUES (?)", ((number,) for number in assays))
        self._base.execute(
            "CREATE TEMP TABLE used AS SELECT DISTINCT structure AS id FROM sorted JOIN wanted USING (assay)"
        )
        found = self._base.execute("SELECT id, text FROM structure JOIN used USING (id) ORDER BY id")
        while part := found.fetchmany(size):
            yield [number for number, _ in part], [text for _, text in part]

    def rows(
        self, assay: int
    ) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
        """structure int64[n], kind int16[n], value float64[n], relation int8[n], label int8[n] of an assay,
        in the order of the source."""
        found = self._base.execute(
            "SELECT structure, kind, value, relation, label FROM sorted WHERE assay = ? ORDER BY rowid",
            (assay,),
        ).fetchall()
        structure, kind, value, relation, label = zip(*found, strict=True)
        return (
            np.array(structure, dtype=np.int64),
            np.array(kind, dtype=np.int16),
            np.array([np.nan if one is None else one for one in value], dtype=np.float64),
            np.array(relation, dtype=np.int8),
            np.array(label, dtype=np.int8),
        )

    def kinds(self) -> Iterator[tuple[int, int, int]]:
        """Assay, scale, and how many of its rows are on that scale."""
        yield from self._base.execute("SELECT assay, kind, COUNT(*) FROM sorted GROUP BY assay, kind")
