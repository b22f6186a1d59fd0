"""What the benchmarks of scoring share: a library, models of an assay, and rates without start-up."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain, cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
from rdkit import Chem, rdBase

import molmeta
from molmeta import assays
from molmeta.predictor import Predictor
from molmeta.scoring import Engine, score_library

Row = dict[str, Any]
LABELLED = 64
SCORE = ("mm_score",)


class Trial:
    """A library in a temporary folder, and the two models that score it.

    Attributes
    ----------
    options : Namespace
    folder : Path
    smiles : list of str
        Different structures in random order, or random spellings of them.
    new : list of str
        As many structures as the sample has at most, which are not among those of the table.
    """

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.smiles = structures(options)
        self.new = unknown(options) if options.new else []

    @property
    def sample(self) -> list[str]:
        """The first structures, for what is measured on one core."""
        return self.smiles[: self.options.sample]

    @property
    def sizes(self) -> tuple[int, int]:
        """A quarter of the library and all of it, in whole chunks."""
        whole = len(self.smiles) // self.options.chunk
        return max(1, whole // 4) * self.options.chunk, whole * self.options.chunk

    def model(self, name: str) -> Predictor:
        """ "fast" or "base", adapted to the first rows of the shipped blood-brain barrier assay."""
        return adapted(getattr(self.options, name))

    def library(self, rows: int) -> Path:
        """A file of so many rows: the structures, again and again."""
        path = self.folder / f"{rows}.smi"
        if not path.exists():
            write(path, islice(cycle(self.smiles), rows))
        return path

    def score(
        self,
        models: Predictor | Sequence[Predictor],
        library: Path,
        columns: Collection[str] | None,
        engine: Engine | None = None,
        **how: Any,
    ) -> Path:
        """Scores a library into a Parquet file."""
        out = self.folder / "scored.parquet"
        chunk = self.options.chunk
        score_library(models, library, out, engine=engine, columns=columns, chunk=chunk, force=True, **how)
        return out

    def steady(
        self, model: Predictor, columns: Collection[str] | None, smiles: Sequence[str] | None = None
    ) -> float:
        """Molecules of the sample, or of other SMILES, a second, in one process.

        Timed from the moment that the first chunk is done, which leaves start-up out, until the file is
        there, which holds joining the parts of all chunks.
        """
        smiles, times = smiles or self.sample, list[float]()
        path, rows = self.folder / "steady.smi", len(smiles)
        write(path, smiles)
        self.score(model, path, columns, progress=lambda now: times.append(time.perf_counter()))
        return (rows - self.options.chunk) / (time.perf_counter() - times[0])

    def growing(
        self,
        model: Predictor,
        columns: Collection[str] | None,
        engine: Engine,
        cache: Callable[[], Path] | None = None,
    ) -> float:
        """Molecules of the library a second, by what all of it takes longer than a quarter.

        That leaves out the start of processes, and their first and last chunks, when some of them wait. The
        cache of a run is the folder that `cache` gives.
        """

        def measure(rows: int) -> float:
            kept = {} if cache is None else {"cache": cache()}
            return timed(lambda: self.score(model, self.library(rows), columns, engine, **kept))

        measure(self.sizes[0])  # what is slower the first time
        return by_difference(measure, *self.sizes, self.options.rounds)

    def median(self, measure: Callable[[], float]) -> float:
        """Of the rounds."""
        return median(measure() for _ in range(self.options.rounds))


def structures(options: argparse.Namespace) -> list[str]:
    """The SMILES of a table, each once, in an order that is drawn with a fixed seed."""
    table = pd.read_csv(options.table, usecols=["smiles"])["smiles"].dropna().drop_duplicates()
    shuffled = table.sample(frac=1.0, random_state=0)
    if options.spellings:
        return spelled(shuffled, options.spellings)
    if len(shuffled) < options.compounds:
        raise SystemExit(
            f"{options.table} has {len(shuffled):,} structures; wanted {options.compounds:,}: "
            "take fewer --compounds, or --spellings"
        )
    return shuffled.head(options.compounds).tolist()


def unknown(options: argparse.Namespace) -> list[str]:
    """SMILES of another table that are not in the first, in an order that is drawn with a fixed seed."""
    first, other = (
        pd.read_csv(path, usecols=["smiles"])["smiles"].dropna().drop_duplicates()
        for path in (options.table, options.new)
    )
    return other[~other.isin(first)].sample(frac=1.0, random_state=0).head(options.sample).tolist()


def spelled(smiles: Iterable[str], rows: int) -> list[str]:
    """So many random spellings of structures, one of each before the next of any."""
    with rdBase.BlockLogs():
        mols = list(islice(filter(None, map(Chem.MolFromSmiles, smiles)), rows))
        times = math.ceil(rows / len(mols))
        found = [Chem.MolToRandomSmilesVect(mol, times, randomSeed=1) for mol in mols]
    return list(islice(chain.from_iterable(zip(*found, strict=True)), rows))


def write(path: Path, smiles: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(f"{one}\n" for one in smiles)


@cache
def adapted(model: str, device: str = "cpu") -> Predictor:
    """A checkpoint, at the shipped assay."""
    return ready(shipped_assay(), model, "bbb", device)


def shipped_assay() -> pd.DataFrame:
    """The first labelled compounds of the shipped blood-brain barrier assay."""
    return pd.read_csv(assays.path("bbb")).head(LABELLED)


def ready(assay: pd.DataFrame, model: str, name: str, device: str = "cpu") -> Predictor:
    """A model of an assay that has predicted before, which takes longer once."""
    predictor = molmeta.adapt(assay, model, device=device, verdict=False, name=name)
    predictor.predict(["C" * length for length in range(1, 2 * LABELLED)])
    return predictor


def timed(action: Callable[[], object]) -> float:
    """Seconds."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def by_difference(measure: Callable[[int], float], few: int, many: int, rounds: int = 1) -> float:
    """Rows a second: by how many seconds more, in the median, many rows take than few."""
    seconds = {few: [], many: []}
    for _ in range(rounds):
        for rows, found in seconds.items():
            found.append(measure(rows))
    longer = median(seconds[many]) - median(seconds[few])
    if longer <= 0:
        print(f"{many} rows took no longer than {few}: take more --compounds, --rounds", file=sys.stderr)
    return (many - few) / longer


@contextmanager
def one_core() -> Iterator[None]:
    """All threads of this process on the same core, and the processes that it starts; Linux only."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    _move({max(before)})
    try:
        yield
    finally:
        _move(before)


def _move(cores: Collection[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(int(thread.name), cores)
