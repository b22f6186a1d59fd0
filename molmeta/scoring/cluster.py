"""`Ray`: the engine that scores a library on a Ray cluster; needs `pip install 'molmeta[ray]'`.

One task reads the library, on the machine where the run was started: no other one has to see the files.
Actors, one a core of the cluster, featurize and score. A chunk crosses from process to process as an object
in a row of its own, in a block of its own, so that it is scored as soon as it is read.
"""

# long: both ends of one conversation, first the driver's, then those that Ray runs elsewhere.

from __future__ import annotations

import copy
import gc
import logging
import os
import platform
import signal
import socket
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from molmeta.bundle import versions
from molmeta.chem.rows import Rows
from molmeta.data.library import Library, LibraryChunk
from molmeta.data.sources import is_stream
from molmeta.errors import ConfigError, MolmetaError, ResourceError
from molmeta.scoring.engines import Stage, T, Wanted, cores
from molmeta.scoring.featurize import Job, Packed, joined
from molmeta.scoring.parts import End
from molmeta.scoring.workers import Workers

# Ray would say on stdout, where the table may be, what it lost. It reads this when it is imported.
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "(?s:.*)")
try:
    import ray
    import ray.data
    from ray.data.block import Block, BlockAccessor, BlockMetadata
    from ray.data.datasource import Datasource, ReadTask
except ImportError as error:
    raise ConfigError(f"the engine ray needs Ray: pip install 'molmeta[ray]' ({error})") from error

_AHEAD = 1 << 25  # bytes of chunks that may wait for each actor
_PIECE = 512  # rows that are featurized at a time: where one kills the process, the others are done again
_SHARING = 8  # actors that share a GPU, at most: each keeps half a gigabyte there
_COLUMN = "item"


@dataclass(frozen=True)
class Ray:
    """A Ray cluster: Ray Data hands the chunks to actors, and does again what a lost process or node did.

    Parts come in any order: those that a lost node had are done last where there is no room for them before.

    Attributes
    ----------
    address : str or None
        Of a cluster, which is left running: "auto" or host:port. None: one is started on this machine for
        the time of the run. A program that is connected to a cluster already uses that. The nodes need
        molmeta, in the version that is here.
    actors : int or None
        Processes that score, one core each; None is one for every core of the cluster.
    deadline : float
        Seconds that one structure may take.
    """

    address: str | None = None
    actors: int | None = None
    deadline: float = 10.0

    def __post_init__(self) -> None:
        if (self.actors is not None and self.actors < 1) or self.deadline <= 0:
            raise ConfigError(
                f"found actors = {self.actors} and deadline = {self.deadline}; wanted at least 1, above 0"
            )

    def run(self, library: Library, wanted: Wanted, stage: Stage[T]) -> Generator[T | End]:
        if is_stream(library.sources):
            raise ConfigError("Ray may have to read a library twice, and this one is a stream; give a file")
        last: End | MolmetaError | None = None
        with _connected(self.address, self.actors or cores()):
            try:
                for item in self._items(library, wanted, stage):
                    library._read = max(library._read, item.read)
                    if item.index is None:
                        last = item.content
                    elif isinstance(item.content, MolmetaError):
                        raise item.content
                    else:
                        yield item.content
            except ray.exceptions.RayTaskError:  # a bug of molmeta, with its traceback
                raise
            except ray.exceptions.RayError as error:
                reason = str(error).strip().splitlines()[-1]
                raise ResourceError(f"the Ray cluster gave up: {reason}") from error
        if isinstance(last, MolmetaError):
            raise last
        assert last is not None
        yield last

    def _items(self, library: Library, wanted: Wanted, stage: Stage[T]) -> Iterator[_Item]:
        size, gpus = _pool(self.actors, stage.models.device)
        # The reader has no core of its own, as the actors take all there are.
        source = ray.data.read_datasource(_Source(library, wanted), override_num_blocks=1, num_cpus=0)
        settings = source.context
        settings.enable_progress_bars = False
        settings.max_errored_blocks = 0
        settings.target_max_block_size = 1  # so each row fills a block
        # An actor takes its time to start, so none is stopped because it has nothing to do for a moment.
        settings.autoscaling_config.actor_pool_util_downscaling_threshold = -1.0
        settings.execution_options.resource_limits = ray.data.ExecutionResources(
            object_store_memory=_AHEAD * (size + 8)
        )
        scored = source.map_batches(
            _Actor,
            fn_constructor_args=(ray.put(stage), self.deadline, versions()),
            batch_size=1,
            batch_format="numpy",
            # A smallest size above 1 has Ray warn of libraries with few chunks.
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=size, initial_size=size),
            num_cpus=1,
            num_gpus=gpus,
        )
        for batch in scored.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0):
            yield from batch[_COLUMN]


@dataclass(frozen=True, eq=False, repr=False)  # Ray writes the repr into its logs
class _Item:
    """What crosses from process to process.

    Attributes
    ----------
    index : int or None
        Of the chunk; None for what comes after the chunks.
    read : int
        Bytes of the library that were read until then.
    content : chunk or what the stage made of it, End, or MolmetaError
    """

    index: int | None
    read: int
    content: Any


class _Source(Datasource):
    """The chunks of a library that are wanted, then its end, or why it broke off."""

    def __init__(self, library: Library, wanted: Wanted) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._what = ray.put((_portable(library), wanted))

    def get_name(self) -> str:
        return "Library"

    @property
    def supports_distributed_reads(self) -> bool:
        return False  # so the task runs on the node of the driver, which has opened the files

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(self, *_: Any, **__: Any) -> list[ReadTask]:
        what = self._what
        # Several would not be faster: to find a chunk, all before it must be read. One reads 200,000 rows a
        # second, what a hundred actors or more score.
        unknown = BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None, input_files=None)
        return [ReadTask(lambda: map(_block, _read(*ray.get(what))), unknown)]


def _portable(library: Library) -> Library:
    """A copy without open files, for another process on this machine."""
    twin = copy.copy(library)
    twin._first = None
    twin.sources = tuple(Path(s).absolute() if isinstance(s, str | Path) else s for s in library.sources)
    return twin


def _read(library: Library, wanted: Wanted) -> Iterator[_Item]:
    count = library._read = 0
    try:
        # Opened here, so that notes on the first file become notes on the library.
        library._first = library._open(0)
        library.notes = library._first.notes
        for index, chunk in enumerate(library):
            count = index + 1
            if wanted(index):
                yield _Item(index, library._read, chunk)
        yield _Item(None, library._read, End(count, list(library.notes)))
    except MolmetaError as error:
        yield _Item(None, library._read, error)


class _Actor:
    """A process of the cluster that holds the models, and has another one read structures.

    They take turns, so they need one core. A structure that kills RDKit costs its row and not the actor,
    which Ray would start again for the same row for ever.
    """

    def __init__(self, stage: Any, deadline: float, wanted: dict[str, str]) -> None:
        torch.set_num_threads(1)  # for the same last digit everywhere
        self._stage: Stage[Any] = ray.get(stage)
        self._workers: Workers[Job, Packed] = Workers(self._stage.featurize, 1, deadline)
        self._refusal = _refusal(wanted)
        gc.freeze()  # or each collection looks through all of torch

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {_COLUMN: _column([self._done(item) for item in batch[_COLUMN]])}

    def _done(self, item: _Item) -> _Item:
        if item.index is None:
            return item
        try:
            done = self._refusal or self._stage(item.index, item.content, self._rows(item.content))
        except MolmetaError as error:
            done = error
        return replace(item, content=done)

    def _rows(self, chunk: LibraryChunk) -> Rows | None:
        if self._stage.knows(chunk):
            return None
        return joined([packed for _, packed in self._workers.map(Job.of(chunk).cut(_PIECE))])


def _refusal(wanted: dict[str, str]) -> ConfigError | None:
    """Why this node must not score: its results may be others."""
    found = versions()
    other = [f"{name} {found[name]} (here {wanted[name]})" for name in wanted if found[name] != wanted[name]]
    if not other:
        return None
    return ConfigError(f"node {platform.node()} of the cluster has {', '.join(other)}; make them the same")


def _block(item: _Item) -> Block:
    return BlockAccessor.batch_to_block({_COLUMN: _column([item])})


def _column(items: list[_Item]) -> np.ndarray[Any, Any]:
    column = np.empty(len(items), dtype=object)
    column[:] = items
    return column


def _pool(actors: int | None, device: str) -> tuple[int, float]:
    """How many actors there are, and the share of a GPU that each takes."""
    found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    size, gpus = actors or max(1, int(found.get("CPU", 1))), int(found.get("GPU", 0))
    if device != "cuda":
        return size, 0.0
    if not gpus:
        raise ConfigError("the model is on a GPU and the Ray cluster has none; load it with --device cpu")
    sharing = min(_SHARING, -(-size // gpus))
    # Ray counts in steps of 0.0001, and rounds.
    return min(size, sharing * gpus), 10_000 // sharing / 10_000


@contextmanager
def _connected(address: str | None, number: int) -> Iterator[None]:
    """In a cluster, and quiet."""
    levels = {logger: logger.level for logger in map(logging.getLogger, ("ray", "ray.data"))}
    own = not ray.is_initialized()
    try:
        for logger in levels:
            logger.setLevel(logging.CRITICAL)
        if own:
            _connect(address, number)
        yield
    finally:
        if own:
            ray.shutdown()
        for logger, level in levels.items():
            logger.setLevel(level)


def _connect(address: str | None, number: int) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if address not in (None, "auto"):  # where Ray would try for some minutes
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()
        with _silent():
            ray.init(
                address or "local",
                num_cpus=number if address is None else None,
                include_dashboard=False,
                logging_level=logging.CRITICAL,
                log_to_driver=False,
            )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise ConfigError(
            f"no Ray cluster at {address or 'this machine'} ({error}); wanted auto, or what ray start says"
        ) from error
    finally:
        # Ray sets its own handler, which would lose the exit code.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


@contextmanager
def _silent() -> Iterator[None]:
    """Without stderr: Ray's core says there that it was told to say nothing."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
