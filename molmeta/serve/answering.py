"""`Answering`: what a worker process of the service does with a question."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from rdkit import rdBase

from molmeta.adaptation import adapt
from molmeta.adaptreport import AdaptReport
from molmeta.checkpoint import load_checkpoint
from molmeta.drawing import structure
from molmeta.ensemble import open_ensemble, pick_device
from molmeta.errors import RefusedError
from molmeta.learner import Learner
from molmeta.loading import load
from molmeta.predictor import CHUNK, Predictor
from molmeta.scoring.serving import Faults, Watch
from molmeta.serve.answer import Answer, Illustrated, Ranked, Refused
from molmeta.serve.ordering import basis_of, in_order
from molmeta.serve.question import CANDIDATES, Adapting, Question, Ranking, Reusing
from molmeta.serve.reading import Guard, assay_of, refused, refused_labelled

_SIZE = (220, 150)  # pixels of a picture
_SIGN_OF_LIFE = 0.5  # seconds


@dataclass(frozen=True)
class Offered:
    """A model that the service offers.

    Attributes
    ----------
    name : str
        In the service.
    path : str
    report : AdaptReport
        As it was when the service started.
    """

    name: str
    path: str
    report: AdaptReport


@dataclass(frozen=True, eq=False)
class Answering:
    """The work of the service; `molmeta.scoring.workers.Workers` run it.

    Rows have positions, by which a death is held against them: those of the labelled compounds, then the
    candidates, then the pictures of the candidates.

    Attributes
    ----------
    checkpoint : str
        What pasted assays are adapted with.
    offered : tuple of Offered
    device : str
    """

    checkpoint: str
    offered: tuple[Offered, ...] = ()
    device: str = "auto"

    def __call__(self, question: Question | None, faults: Faults, watch: Watch) -> Illustrated | None:
        """The answer; for no question None, when all is loaded."""
        with rdBase.BlockLogs():
            if question is None:
                with _alive(watch):
                    self._prepare()
                return None
            started = time.perf_counter()
            ranked, rejected, predictor, guard = self._ranked(question, faults, watch)
            pictures = _pictures(ranked[: question.ranking.pictures], guard)
            answer = Answer(
                model=basis_of(predictor.report),
                ranked=ranked,
                rejected=rejected,
                seconds=time.perf_counter() - started,
            )
            return Illustrated(answer=answer, pictures=pictures)

    @cached_property
    def learner(self) -> Learner:
        return load_checkpoint(self.checkpoint).to(pick_device(self.device))

    @cached_property
    def _loaded(self) -> dict[str, Predictor]:
        return {}

    def _prepare(self) -> None:
        _ = self.learner
        for one in self.offered:
            self.predictor(one.name)

    def predictor(self, name: str) -> Predictor:
        """An offered model.

        Raises
        ------
        RefusedError
            Its file is another one than when the service started.
        """
        if name not in self._loaded:
            offer = next(one for one in self.offered if one.name == name)
            predictor = load(offer.path, device=self.device)
            if predictor.report != offer.report:
                raise RefusedError(f"the model {name} was exchanged since the service started; start it anew")
            self._loaded[name] = predictor
        return self._loaded[name]

    def _ranked(
        self, question: Question, faults: Faults, watch: Watch
    ) -> tuple[list[Ranked], list[Refused], Predictor, Guard]:
        """Compounds in order, rows that were rejected, the model, and what guards the pictures."""
        rejected: list[Refused] = []
        if isinstance(question, Reusing):
            predictor, first = self.predictor(question.model), 0
        else:
            predictor, rejected = self._adapted(question, Guard(faults, watch))
            first = len(question.labelled)
        if question.ranking.prevalence is not None:
            predictor = predictor.expecting(question.ranking.prevalence)
        candidates = question.ranking.candidates
        frame = _predicted(predictor, question.ranking, Guard(faults, watch, first))
        rejected += [
            refused(CANDIDATES, line, status)
            for line, status in zip(candidates, frame["mm_status"], strict=True)
            if status != "ok"
        ]
        ranked = in_order(candidates, frame, predictor.support)
        return ranked, rejected, predictor, Guard(faults, watch, first + len(candidates))

    def _adapted(self, question: Adapting, guard: Guard) -> tuple[Predictor, list[Refused]]:
        labelled = question.labelled
        lines = [line.structure for box in labelled.boxes.values() for line in box]
        status = guard.read(lines, self._needs).status
        with _alive(guard.watch):
            assay = assay_of(labelled, status)
            predictor = adapt(
                assay, self.learner, device=self.device, seed=question.seed, verdict=question.verdict
            )
        return predictor, refused_labelled(labelled, assay.rejected)

    @cached_property
    def _needs(self) -> frozenset[str]:
        """Features that adapting may read, whatever kind the labels are of."""
        kinds = {kind for name in self.learner.heads for kind in self.learner.head(name).kinds}
        return frozenset({"counts"}).union(*(open_ensemble(self.learner, kind).needs for kind in kinds))


def _predicted(predictor: Predictor, ranking: Ranking, guard: Guard) -> pd.DataFrame:
    """The columns of `Predictor.predict`, one row a candidate."""
    cells = [line.structure for line in ranking.candidates]
    frames = []
    for start in range(0, max(len(cells), 1), CHUNK):
        part = Guard(guard.faults, guard.watch, guard.first + start)
        rows = part.read(cells[start : start + CHUNK], predictor.needs)
        with _alive(guard.watch):
            frames.append(predictor.predict_rows(rows))
    return pd.concat(frames, ignore_index=True)


def _pictures(ranked: list[Ranked], guard: Guard) -> dict[str, str]:
    """Of each compound and of its nearest one; a picture that kills the process is left out."""
    found: dict[str, str] = {}
    for i, one in enumerate(ranked):
        for position, smiles in enumerate((one.smiles, one.nearest_smiles), guard.first + 2 * i):
            if smiles is not None and smiles not in found and position not in guard.faults.lost:
                guard.watch(position, position + 1)
                found[smiles] = structure(smiles, _SIZE)
    return found


@contextmanager
def _alive(watch: Watch) -> Iterator[None]:
    """Gives signs of life during work that is no row's."""
    over = threading.Event()

    def give() -> None:
        while not over.wait(_SIGN_OF_LIFE):
            watch(0, 0)

    watch(0, 0)
    giver = threading.Thread(target=give, daemon=True)
    giver.start()
    try:
        yield
    finally:
        over.set()
        giver.join()
