"""Engines: where the chunks of a library are scored. Which one it is changes the time, never the output."""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from molmeta.chem.rows import Rows
from molmeta.data.library import Library, LibraryChunk
from molmeta.errors import ConfigError, MolmetaError
from molmeta.scoring.featurize import NOTHING, Featurize, Job, Packed, joined
from molmeta.scoring.models import Models
from molmeta.scoring.parts import End
from molmeta.scoring.workers import Faults, Workers, silent
from molmeta.threads import one_thread

T = TypeVar("T")
# Rows that a worker gets at a time: where one of them kills it, the others are done again.
_PIECE = 512

T_co = TypeVar("T_co", covariant=True)
# Whether the chunk of a number is wanted.
Wanted = Callable[[int], bool]


class Stage(Protocol[T_co]):
    """What becomes of a chunk when it has its features: see `molmeta.scoring.scorer`."""

    @property
    def models(self) -> Models: ...
    @property
    def featurize(self) -> Featurize:
        """What reads the chunks for it."""

    def knows(self, chunk: LibraryChunk, /) -> bool:
        """Whether the features of a chunk are not needed, because a cache has what comes after them."""

    def __call__(self, index: int, chunk: LibraryChunk, rows: Rows | None, /) -> T_co:
        """Of a chunk with its features, or None where the stage knows it."""


class Engine(Protocol):
    """Where a stage works on a library."""

    def run(self, library: Library, wanted: Wanted, stage: Stage[T]) -> Generator[T | End]:
        """What the stage makes of the chunks that are wanted, and at last the end of the library.

        Raises
        ------
        InputError
            The library breaks off; what was before that was yielded.
        """


@dataclass(frozen=True)
class Local:
    """This machine: structures are read in separate processes, the network runs in threads of this one.

    Attributes
    ----------
    workers : int
        Processes that read structures. With 0 all is done in this process and thread, where a structure
        that kills RDKit ends the run.
    deadline : float
        Seconds that one structure may take; needs workers.
    """

    workers: int = 0
    deadline: float = 10.0

    def __post_init__(self) -> None:
        if self.workers < 0 or self.deadline <= 0:
            raise ConfigError(
                f"found workers = {self.workers} and deadline = {self.deadline}; wanted at least 0, above 0"
            )

    def run(self, library: Library, wanted: Wanted, stage: Stage[T]) -> Generator[T | End]:
        chunks = _Chunks(library, wanted)
        with one_thread(), _little_garbage():
            yield from self._overlapped(chunks, stage) if self.workers else _alone(chunks, stage)
        yield End(chunks.count, list(library.notes))

    def _overlapped(self, chunks: _Chunks, stage: Stage[T]) -> Iterator[T]:
        """Reading, featurizing, computing and writing at the same time, with a bounded number under way."""
        # A chunk is computed by one thread, so that its numbers do not depend on how many there are.
        threads = 1 if stage.models.device != "cpu" else self.workers
        taken: deque[tuple[int, LibraryChunk, int]] = deque()
        done: list[Packed] = []
        waiting: deque[Future[T]] = deque()
        failure: MolmetaError | None = None

        def jobs() -> Iterator[Job]:
            for index, chunk in chunks:
                pieces = [] if stage.knows(chunk) else Job.of(chunk).cut(_PIECE)
                taken.append((index, chunk, len(pieces)))
                # Of a chunk that is known nothing is to be done, but it must come back in its turn.
                yield from pieces or [NOTHING]

        def idle(job: Job) -> Packed | None:
            return Packed([], [], 0, {}) if job is NOTHING else None

        pool = ThreadPoolExecutor(threads)
        try:
            with Workers(stage.featurize, self.workers, self.deadline) as workers:
                try:
                    for _, packed in workers.map(jobs(), idle):
                        done.append(packed)
                        if len(done) < max(1, taken[0][2]):
                            continue
                        index, chunk, pieces = taken.popleft()
                        rows = joined(done) if pieces else None
                        done = []
                        waiting.append(pool.submit(stage, index, chunk, rows))
                        while len(waiting) > threads:
                            yield waiting.popleft().result()
                except MolmetaError as error:  # after the chunks before it, which are still under way
                    failure = error
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
        if failure is not None:
            raise failure


def _alone(chunks: _Chunks, stage: Stage[T]) -> Iterator[T]:
    for index, chunk in chunks:
        known = stage.knows(chunk)
        yield stage(index, chunk, None if known else stage.featurize.rows(Job.of(chunk), Faults(), silent))


class _Chunks:
    """The chunks of a library that are wanted, with their numbers.

    Attributes
    ----------
    count : int
        Chunks that were read so far, wanted or not.
    """

    def __init__(self, library: Library, wanted: Wanted) -> None:
        self._library, self._wanted, self.count = library, wanted, 0

    def __iter__(self) -> Iterator[tuple[int, LibraryChunk]]:
        for index, chunk in enumerate(self._library):
            self.count = index + 1
            if self._wanted(index):
                yield index, chunk


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _little_garbage() -> Iterator[None]:
    """Leaves what is there now out of garbage collections, which take 3 us a row to look through torch."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
