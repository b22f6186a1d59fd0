"""`score_library`: a library of any size in, one scored row per row out, in constant memory.

read -> parse -> features -> predict -> write, chunk by chunk; borders of chunks depend on row numbers only.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from molmeta.chem.molecule import Molecule, Rejection
from molmeta.chem.rows import features_of
from molmeta.chem.smiles import read_smiles
from molmeta.data.library import LibraryChunk, Sources, read_library
from molmeta.errors import ConfigError, InputError, RefusedError
from molmeta.predictor import CHUNK, Predictor
from molmeta.sinks import SINKS, Csv, Sink, replacing

_SHOWN = 5  # best rows that the report repeats
_SHARED = ("mm_status", "mm_smiles")  # the same for every model


@dataclass(frozen=True)
class ScoreReport:
    """What became of a library; scored + the sum of rejected = read.

    Attributes
    ----------
    read, scored : int
        Rows.
    rejected : dict of str to int
        Rows by reason code.
    formulas : int
        Input cells that a spreadsheet would run as a formula; they are written as they are.
    notes : tuple of str
        How the library was read.
    seconds : float
    path : str
        "-" for stdout.
    best : tuple of dict
        The best rows by the (first model's) score, best first: columns of the output.
    """

    read: int
    scored: int
    rejected: dict[str, int]
    formulas: int
    notes: tuple[str, ...]
    seconds: float
    path: str
    best: tuple[dict[str, Any], ...] = ()


def score_library(
    predictor: Predictor | Sequence[Predictor],
    source: Sources,
    sink: str | Path,
    *,
    force: bool = False,
    smiles_column: str | None = None,
    chunk: int = CHUNK,
    top: int | None = None,
    trusted: bool = False,
    progress: Callable[[int], None] | None = None,
) -> ScoreReport:
    """Scores every row of a library.

    Parameters
    ----------
    predictor : Predictor, or several
        With several, all columns but mm_status and mm_smiles are prefixed by the name of the assay, and
        features are computed once.
    source : path, paths, DataFrame, or "-" (stdin)
        See `molmeta.data.library.read_library`.
    sink : path or "-" (stdout, as CSV)
        .csv .tsv .parquet .jsonl; it appears when it is complete.
    force : bool
        Replace a file that is there.
    smiles_column : str or None
        Found by content if None.
    chunk : int
        Rows at a time.
    top : int or None
        Write only the best rows by the (first model's) score, best first, equal ones in input order.
    trusted : bool
        Whether gzip may unpack to a huge file.
    progress : callable or None
        Called with the number of rows done after each chunk.

    Raises
    ------
    RefusedError
        The output exists, or is the input.
    ConfigError, InputError
        No such format; a library that cannot be read.
    """
    started = time.perf_counter()
    models = _named([predictor] if isinstance(predictor, Predictor) else list(predictor))
    kind = _check_sink(source, sink, force)
    if top is not None and top < 1:
        raise ConfigError(f"top={top} is not a number of rows; wanted 1 or more")
    library = read_library(source, smiles_column=smiles_column, chunk=chunk, trusted=trusted)
    _check_columns(library.header)
    counts: Counter[str] = Counter()
    formulas = done = 0
    best = _Best(max(top or 0, _SHOWN))
    with replacing(sink) as stream:
        writer = kind(stream, library.header)
        # The header is written even if there is no row.
        writer.write([], predict_chunk(models, []))
        for part in library:
            scored = predict_chunk(models, parse_chunk(part))
            counts.update(scored["mm_status"].tolist())
            formulas += sum(map(_is_formula, (cell for row in part.cells for cell in row)))
            best.add(part.cells, scored, _score_column(models))
            if top is None:
                writer.write(part.cells, scored)
            done += len(part)
            if progress is not None:
                progress(done)
        if top is not None:
            for cells, row in best.rows[:top]:
                writer.write([cells], row)
        writer.close()
    ok = counts.pop("ok", 0)
    return ScoreReport(
        read=done,
        scored=ok,
        rejected=dict(counts),
        formulas=formulas,
        notes=tuple(library.notes),
        seconds=time.perf_counter() - started,
        path=str(sink),
        best=tuple(_record(library.header, cells, row) for cells, row in best.rows[:_SHOWN]),
    )


def _record(header: Sequence[str], cells: Sequence[str], row: pd.DataFrame) -> dict[str, Any]:
    """A row of the output by column, with None for what is missing."""
    scored = {str(name): None if pd.isna(value) else value for name, value in row.iloc[0].items()}
    return dict(zip(header, cells, strict=True)) | scored


def parse_chunk(part: LibraryChunk) -> list[Molecule | Rejection]:
    """The outcome of reading each row."""
    broken = {rejection.row: rejection for rejection in part.rejected}
    return [broken.get(row) or read_smiles(row, text) for row, text in enumerate(part.smiles, part.first_row)]


def predict_chunk(models: dict[str, Predictor], found: list[Molecule | Rejection]) -> pd.DataFrame:
    """Columns of all models, one row per outcome; features are computed once."""
    needs = frozenset[str]().union(*(model.needs for model in models.values()))
    found, mols = features_of(found, needs)
    frames = {name: model.predict_rows(found, mols) for name, model in models.items()}
    if len(frames) == 1:
        return next(iter(frames.values()))
    shared = next(iter(frames.values()))[list(_SHARED)]
    own = [frame.drop(columns=list(_SHARED)).add_prefix(f"{name}_") for name, frame in frames.items()]
    return pd.concat([shared, *own], axis=1)


def _named(models: Sequence[Predictor]) -> dict[str, Predictor]:
    names = [model.name for model in models]
    if not names or len(set(names)) < len(names):
        raise ConfigError(
            f"models of different assays are wanted, their names prefix the columns; found {names}"
        )
    return dict(zip(names, models, strict=True))


def _score_column(models: dict[str, Predictor]) -> str:
    return "mm_score" if len(models) == 1 else f"{next(iter(models))}_mm_score"


def _check_sink(source: Sources, sink: str | Path, force: bool) -> type[Sink]:
    """The class that writes it."""
    if str(sink) == "-":
        return Csv
    path = Path(sink)
    if path.suffix.lower() not in SINKS:
        raise ConfigError(f"cannot write '{path.name}': give a name that ends in {', '.join(SINKS)}, or -")
    inputs = source if isinstance(source, list | tuple) else [source]
    if path.exists() and any(isinstance(one, str | Path) and _same(Path(one), path) for one in inputs):
        raise RefusedError(f"{path} is the library itself; give another name for the output")
    if path.exists() and not force:
        raise RefusedError(f"{path} exists; give another name, or --force to replace it")
    if not path.parent.is_dir():
        raise RefusedError(f"{path.parent} is not a folder; create it first, or give another path")
    return SINKS[path.suffix.lower()]


def _same(a: Path, b: Path) -> bool:
    return a.exists() and a.samefile(b)


def _check_columns(header: Sequence[str]) -> None:
    own = [name for name in header if name.startswith("mm_") or "_mm_" in name]
    if own:
        raise InputError(
            f"the library has the columns {', '.join(own[:3])}, which scoring adds; drop "
            "them, or score it with all models in one run"
        )


def _is_formula(cell: str) -> bool:
    """Whether a spreadsheet would take a cell for a formula: it starts as one and is no number."""
    if not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False


class _Best:
    """The rows with the highest scores so far; of equal ones, the first."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._rows: list[tuple[float, int, Sequence[str], pd.DataFrame]] = []
        self._seen = 0

    def add(self, cells: Sequence[Sequence[str]], scored: pd.DataFrame, column: str) -> None:
        for i, score in enumerate(scored[column].tolist()):
            self._seen += 1
            entry = (score, -self._seen)
            if score != score or (len(self._rows) == self.size and entry < self._rows[0][:2]):
                continue
            push = heapq.heappushpop if len(self._rows) == self.size else heapq.heappush
            push(self._rows, (*entry, cells[i], scored.iloc[i : i + 1]))

    @property
    def rows(self) -> list[tuple[Sequence[str], pd.DataFrame]]:
        """Best first: the cells of the input, and a frame of one row."""
        return [(cells, row) for _, _, cells, row in sorted(self._rows, key=lambda e: e[:2], reverse=True)]
