"""`score_cascade`: all of a library by a fast model, and the best of it by the one that is wanted."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from molmeta.adaptation import adapt
from molmeta.chem.rows import Rows
from molmeta.data.assembly import assemble
from molmeta.data.library import LibraryChunk, read_library
from molmeta.data.sources import Sources, is_stream
from molmeta.errors import ConfigError, RefusedError
from molmeta.predictor import CHUNK, Predictor
from molmeta.scoring.engines import Engine, Local
from molmeta.scoring.featurize import Featurize
from molmeta.scoring.finished import recall
from molmeta.scoring.formats import format_of
from molmeta.scoring.joining import join
from molmeta.scoring.manifest import Manifest
from molmeta.scoring.models import Models
from molmeta.scoring.parts import Part, Parts
from molmeta.scoring.production import Run, Show
from molmeta.scoring.report import ScoreReport
from molmeta.scoring.run import check_columns, check_sink
from molmeta.scoring.scorer import Scorer
from molmeta.scoring.tally import Tally
from molmeta.wording import counted

FIRST = "fast"


def first_pass(predictor: Predictor, model: str | Path = FIRST, device: str = "auto") -> Predictor:
    """A model of the same assay by a faster checkpoint.

    Raises
    ------
    RefusedError
        The model does not know the rows that it was made of.
    """
    if predictor.hidden is not None:
        raise RefusedError(
            f"{predictor.name} is private: it keeps no structures, to which {FIRST} could be adapted; "
            "leave --cascade out, or give --first a model of the same assay"
        )
    if predictor.recipe is None:
        raise RefusedError(
            f"{predictor.name} was made by an earlier molmeta and does not hold the rows that it was made "
            "of; adapt again"
        )
    assay = assemble(predictor.recipe.ledger)
    return adapt(assay, model, device=device, seed=predictor.recipe.seed, verdict=False)


def score_cascade(
    first: Predictor,
    second: Predictor,
    source: Sources,
    sink: str | Path,
    *,
    share: float,
    engine: Engine | None = None,
    resume: bool = False,
    force: bool = False,
    columns: Collection[str] | None = None,
    precision: torch.dtype = torch.float32,
    excel_safe: bool = False,
    smiles_column: str | None = None,
    chunk: int = CHUNK,
    trusted: bool = False,
    progress: Show | None = None,
) -> ScoreReport:
    """Scores a library by a fast model, and the best share of it by another.

    Parameters
    ----------
    first, second : Predictor
        Of the same assay; `first_pass` makes the first.
    share : float
        Of the rows that can be scored, above 0 to 1: these the second model scores.
    source, sink, engine, resume, force, columns, precision, excel_safe, smiles_column, chunk, trusted
    progress
        As in `score_library`. The output holds the rows that the second model scored, best first; the
        scores of the first stay in OUT.first.parts until it is complete, four bytes a row.

    Raises
    ------
    ConfigError
        No such share; models of two assays; a stream, which cannot be read twice; and as `score_library`.
    """
    started = time.perf_counter()
    check_assay(first, second)
    if not 0 < share <= 1:
        raise ConfigError(f"cascade={share} is no share of a library; wanted above 0, to 1")
    if is_stream(source) or str(sink) == "-":
        raise ConfigError("a cascade reads the library twice: give it, and the output, as files")
    out = Path(sink)
    format_of(out.name, excel_safe=excel_safe)
    check_sink(source, out, force or resume)
    library = read_library(source, smiles_column=smiles_column, chunk=chunk, trusted=trusted)
    check_columns(library.header)
    engine = engine or Local()
    fast, best = Models([first], ["mm_score"], precision), Models([second], columns, precision)
    manifest = replace(
        Manifest.of(library, best, None, 1, excel_safe=excel_safe), screened=f"{share} by {fast.identity[0]}"
    )
    if resume and not force and out.exists():
        identified = manifest.identified(library)
        # How many rows are picked is known after the first pass only, and follows from all the rest.
        return recall(out, {name: value for name, value in identified.items() if name != "top"}, started)
    screen = Parts(out.with_name(f"{out.name}.first"))
    run = Run(library, Screen(fast), engine, progress)
    run.make(screen, Manifest.of(library, fast, None, 1).identified(library), resume=resume, force=force)
    everything, picked = run.tally, best_share(_scores(screen), share)
    library = read_library(source, smiles_column=smiles_column, chunk=chunk, trusted=trusted).only(picked)
    manifest = replace(manifest, top=int(picked.sum()))
    run = Run(library, Scorer(best, manifest.layout(out.name)), engine, progress)
    parts = Parts(out)
    run.make(parts, manifest.identified(library), resume=resume, force=force)
    report = join(parts, started, force=force, first=everything, resumable=resume)
    screen.drop()
    return report


def check_assay(first: Predictor, second: Predictor) -> None:
    """Raises ConfigError where two models were not made of the same labelled compounds.

    One may be of the values and the other of classes that were made of them: then the labels differ.
    """
    known, other = second.support, first.support
    if set(known.smiles) == set(other.smiles):
        if known.target.kind != other.target.kind:
            return
        labels = [dict(zip(one.smiles, one.values, strict=True)) for one in (known, other)]
        if labels[0] == labels[1]:
            return
        found = "other labels of the same compounds"
    else:
        common = len(set(known.smiles) & set(other.smiles))
        of = f"{common} of them among the {len(known.smiles)} of {second.name}"
        found = f"{counted(len(other.smiles), 'compound')}, {of}"
    raise ConfigError(
        f"the first model, {first.name}, is not of the assay of {second.name}: it has {found}; wanted one of "
        "the same rows: adapt it to the same table, or leave it out, and one is made"
    )


def best_share(scores: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
    """Which of n rows are among the best share of those with a score; of equal ones, the first.

    >>> best_share(np.array([1.0, np.nan, 3.0, 2.0, 0.0], dtype=np.float32), 0.5).tolist()
    [False, False, True, True, False]
    """
    known = np.flatnonzero(~np.isnan(scores))
    picked = np.zeros(len(scores), dtype=bool)
    if len(known):
        most = max(1, round(share * len(known)))
        picked[known[np.argsort(-scores[known], kind="stable")[:most]]] = True
    return picked


def _scores(parts: Parts) -> NDArray[np.float32]:
    """Scores float32[n] of all rows by the first model, nan where a row has none."""
    return np.frombuffer(b"".join(parts.read(index).data for index in sorted(parts.done())), dtype="<f4")


@dataclass(frozen=True, eq=False)
class Screen:
    """A chunk to its scores, four bytes a row."""

    models: Models

    @cached_property
    def featurize(self) -> Featurize:
        return Featurize(self.models.needs, self.models.known)

    def knows(self, chunk: LibraryChunk) -> bool:
        return False

    def __call__(self, index: int, chunk: LibraryChunk, rows: Rows | None) -> Part:
        assert rows is not None
        scored = self.models.predict(self.models.embed(rows))
        scores = scored[self.models.ranking].to_numpy()
        tally = Tally.of(chunk, rows.status, scores, scored)
        return Part(index, scores.astype("<f4").tobytes(), tally)
