"""`build`: a source becomes a corpus, a folder that appears whole or not at all.

    source -> staging database -> parents -> assays one at a time -> features -> folds -> overlap

Memory holds what is known of assays and a few numbers a compound; rows, texts and features are on disk.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from molmeta.corpora.config import CorpusConfig
from molmeta.corpora.contents import CONFIG, FEATURES, MANIFEST
from molmeta.corpora.description import described
from molmeta.corpora.folds import check_given, has_given
from molmeta.corpora.losses import Losses
from molmeta.corpora.manifest import Manifest, is_corpus, manifest_of
from molmeta.corpora.overlap import fold_overlap, to_json
from molmeta.corpora.reading import open_corpus
from molmeta.corpora.selection import Chosen, choose, scales
from molmeta.corpora.sources import Kind, identity_of, kind_of_source
from molmeta.corpora.staging import Staging
from molmeta.corpora.structures import PART, FindParents, run
from molmeta.corpora.writing import write_assays, write_compounds, write_features, write_measurements
from molmeta.errors import NotEnoughData, RefusedError
from molmeta.files import beside, write_whole
from molmeta.toml import to_toml

_STAGING = "staging.db"
# Is told what is being done, how much of it is done, and how much there is, where that is known.
Progress = Callable[[str, int, int | None], None]


def build(
    source: Path,
    out: Path,
    config: CorpusConfig | None = None,
    *,
    description: Path | None = None,
    workers: int = 0,
    force: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> Manifest:
    """Makes a corpus.

    Parameters
    ----------
    source : Path
        The SQLite file of a ChEMBL release, a folder of assay files, a long table, a folder of FS-Mol task
        files, or an FS-Mol table.
    out : Path
        Folder of the corpus.
    config : CorpusConfig or None
        None: all defaults.
    description : Path or None
        Table with a column of assays and any of target, family, organism and fold, where the source does not
        say.
    workers : int
        Processes that read structures; 0: this one.
    force : bool
        Replace a corpus that is there.
    progress : callable

    Raises
    ------
    InputError
        The source cannot be read, or has faults that must not be dropped; they are named and counted.
    NotEnoughData
        No assay passes the filters.
    RefusedError
        `out` exists.
    """
    check_out(out, force)
    kind = kind_of_source(source)
    temporary = beside(out)
    temporary.mkdir(parents=True)
    try:
        steps = _Build(source, kind, temporary, config or CorpusConfig(), description, workers, progress)
        manifest = steps.run()
        _put(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return manifest


def check_out(out: Path, force: bool) -> None:
    """Raises RefusedError where `out` is there, and is not to be or must not be replaced."""
    if not out.exists():
        return
    if not force:
        raise RefusedError(f"{out} exists; give --force to replace it, or another name with -o")
    if not is_corpus(out):
        raise RefusedError(f"{out} is no corpus, and is not replaced; give another name with -o")


def _put(temporary: Path, out: Path) -> None:
    """Moves a finished folder to its place."""
    if not out.exists():
        temporary.rename(out)
        return
    old = beside(out)
    out.rename(old)
    temporary.rename(out)
    shutil.rmtree(old)


@dataclass
class _Build:
    """One build, step by step."""

    source: Path
    kind: Kind
    folder: Path
    config: CorpusConfig
    description: Path | None
    workers: int
    progress: Progress

    def run(self) -> Manifest:
        drop = self.config.faults.drop
        self.losses = Losses(self.kind.faults if drop is None else drop)
        with Staging(self.folder / _STAGING) as self.staging:
            rows = self.stage()
            self.parents = self.find_parents()
            order, clusters = self.write()
            assays = write_assays(self.folder, self.kept, self.config.folds)
            write_compounds(self.folder, self.staging, order, clusters, self.config.folds)
        (self.folder / _STAGING).unlink()
        source = identity_of(self.source, self.kind)
        manifest = manifest_of(source, self.config, self.losses, rows, assays, len(order))
        write_whole(self.folder / CONFIG, to_toml(self.config.model_dump(exclude_none=True)).encode())
        write_whole(self.folder / MANIFEST, manifest.to_json())
        self.progress("comparing folds", 0, None)
        found = to_json(fold_overlap(open_corpus(self.folder), self.config.overlap))
        manifest = replace(manifest, overlap=found)
        write_whole(self.folder / MANIFEST, manifest.to_json())
        return manifest

    def stage(self) -> int:
        """Stages the source and looks for its faults; returns how many rows it has."""
        self.progress("reading rows", 0, None)
        rows = self.kind.stage(self.source, self.config, self.staging, self.losses)
        self.staging.arrange()
        self.assays = self.staging.assays()
        if self.description is not None and self.assays:
            self.assays = described(self.assays, self.description)
        self.scales = scales(self.staging, self.assays, self.losses)
        if has_given(self.assays):
            out = check_given(self.assays, self.losses)
            self.assays = [one for one in self.assays if one.id not in out]
        self.losses.stop(self.source.name)
        return rows

    def find_parents(self) -> NDArray[np.int64]:
        """int64[s]: number of the parent of each structure that an assay of enough rows has, else -1."""
        least = self.config.filters.min_compounds
        parents = np.full(self.staging.largest("structure") + 1, -1)
        enough = [one.id for one in self.assays if one.rows >= least]
        waiting: list[list[int]] = []

        def jobs() -> Iterator[list[str]]:
            for numbers, texts in self.staging.structures(enough, PART):
                waiting.append(numbers)
                yield texts

        done = 0
        for _, found in run(FindParents(), jobs(), self.workers):
            at = np.array(waiting.pop(0))
            readable = np.array([one is not None for one in found.smiles], dtype=np.bool_)
            texts = [one for one in found.smiles if one is not None]
            parents[at[readable]] = self.staging.number("parent", texts)
            done += len(at)
            self.progress("reading structures", done, len(parents) - 1)
        return parents

    def write(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Writes measurements and features; the parent and the cluster of each compound."""
        before = self.losses.copy()
        order, self.kept = write_measurements(self.folder, self.choose(), self.staging.largest("parent"))
        self.losses.stop(self.source.name)
        if not self.kept:
            raise NotEnoughData(
                f"{self.source.name} gives no assay out of {len(self.assays)}: "
                f"{self.losses.summary() or 'it has no row'}; look at [filters] in the configuration"
            )

        def report(done: int) -> None:
            self.progress("computing features", done, len(order))

        needs = self.config.features.fields
        clusters, lost = write_features(self.folder, self.staging, order, needs, self.workers, report)
        if lost:  # of a structure that RDKit reads and then fails on; again, without it
            self.losses = before
            self.parents[np.isin(self.parents, lost)] = -1
            shutil.rmtree(self.folder / FEATURES)
            return self.write()
        return order, clusters

    def choose(self) -> Iterator[Chosen]:
        def report(done: int) -> None:
            self.progress("cleaning assays", done, len(self.assays))

        return choose(self.staging, self.assays, self.scales, self.parents, self.config, self.losses, report)
