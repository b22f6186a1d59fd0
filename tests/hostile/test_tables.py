"""Hostile tables, each with its one right reading, or with the exit code and the sentence that it ends with.

tables/tables.toml says what is in them and what must come of it, as a library and as an assay; makers.py in
the same folder makes those that are binary or large.
"""

from __future__ import annotations

import importlib.util
import io
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from molmeta.data.entries import labelled_entries
from molmeta.data.ledger import Wanted
from molmeta.data.library import read_library
from molmeta.data.table import read_assay
from molmeta.errors import MolmetaError

FOLDER = Path(__file__).parent / "tables"


@dataclass(frozen=True)
class Table:
    """A table and what it must be read as; see tables.toml."""

    name: str
    about: str
    text: str | None = None
    make: str = ""
    encoding: str = "utf-8"
    pandas: str = ""
    header: list[str] = field(default_factory=list)
    smiles: str = ""
    label: str = ""
    rows: list[list[str]] | None = None
    lengths: list[int] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    says: list[str] = field(default_factory=list)
    note: str = ""
    code: int = 0
    sentence: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return self.name

    @property
    def data(self) -> bytes:
        if self.text is None:
            made: bytes = getattr(MAKERS, self.make)()
            return made
        return self.text.encode(self.encoding)


def _makers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("makers", FOLDER / "makers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKERS = _makers()
TABLES = [Table(**one) for one in tomllib.loads((FOLDER / "tables.toml").read_text("utf-8"))["table"]]
READ = [table for table in TABLES if not table.code]
REFUSED = [table for table in TABLES if table.code]
LABELLED = [table for table in READ if table.label and table.rows]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Table], Path]:
    def write(table: Table) -> Path:
        path = tmp_path / table.name
        path.write_bytes(table.data)
        return path

    return write


@pytest.mark.parametrize("table", READ, ids=str)
@pytest.mark.parametrize("chunk", [1, 4096])
def test_a_library_is_read_as_what_it_is(table: Table, chunk: int, write: Callable[[Table], Path]):
    library = read_library(write(table), chunk=chunk, smiles_column=None if table.rows else table.smiles)
    chunks = list(library)
    assert list(library.header) == table.header
    assert library.smiles_column is not None
    assert library.header[library.smiles_column] == table.smiles
    cells = [list(row) for one in chunks for row in one.cells]
    if table.rows is None:
        assert [len(row[0]) for row in cells] == table.lengths
    else:
        assert cells == table.rows
    assert [one.first_row for one in chunks] == list(range(1, len(cells) + 1, chunk))
    rejected = {str(one.row): one for part in chunks for one in part.rejected}
    assert {row: one.reason for row, one in rejected.items()} == table.rejected
    said = " ".join(one.detail for one in rejected.values())
    assert [word for word in table.says if word not in said] == []
    assert table.note in " ".join(library.notes)


@pytest.mark.parametrize("table", LABELLED, ids=str)
def test_an_assay_is_read_as_what_it_is(table: Table, write: Callable[[Table], Path]):
    entries = labelled_entries(write(table), Wanted(label=table.label))
    assert (entries.smiles_column, entries.label_column) == (table.smiles, table.label)
    assert {str(e.row): e.problem.reason for e in entries.rows if e.problem} == table.rejected
    assert table.rows is not None
    smiles, label = table.header.index(table.smiles), table.header.index(table.label)
    for entry, row in zip(entries.rows, table.rows, strict=True):
        good = entry.problem is None
        assert (entry.smiles, entry.label.text) == ((row[smiles], row[label]) if good else ("", ""))


@pytest.mark.parametrize("table", REFUSED, ids=str)
@pytest.mark.parametrize(
    "read", [lambda path: list(read_library(path)), read_assay], ids=["library", "assay"]
)
def test_what_cannot_be_read_is_told_in_a_sentence(
    table: Table, read: Callable[[Path], object], write: Callable[[Table], Path]
):
    path, started = write(table), time.perf_counter()
    with pytest.raises(MolmetaError) as caught:
        read(path)
    assert caught.value.exit_code == table.code
    message = str(caught.value)
    assert path.name in message
    assert [word for word in table.sentence if word not in message] == []
    assert len(message) < 1000
    assert time.perf_counter() - started < 5


SILENT = [table for table in TABLES if table.pandas]


@pytest.mark.parametrize("table", SILENT, ids=str)
def test_what_pandas_makes_of_it_in_silence_is_something_else(table: Table):
    """So that it is known why there is a reader of our own; a pandas that does better is welcome here."""
    assert table.rows is not None
    try:
        frame = pd.read_csv(io.BytesIO(table.data))
    except pd.errors.ParserError:
        return
    rows = [["" if pd.isna(cell) else str(cell) for cell in row] for row in frame.itertuples(index=False)]
    assert (list(frame.columns), rows) != (table.header, table.rows) or table.rejected


def test_the_tables_are_many_and_all_silent_failures_are_among_them():
    assert len(TABLES) >= 60
    assert len(SILENT) >= 8
    assert len({table.name for table in TABLES}) == len(TABLES)
    made = {
        name
        for name, one in vars(MAKERS).items()
        if callable(one) and getattr(one, "__module__", "") == "makers"
    }
    assert {name for name in made if not name.startswith("_")} == {
        table.make for table in TABLES if table.make
    }
