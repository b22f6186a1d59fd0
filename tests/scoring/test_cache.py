"""What the network made of a library is kept, and scores from it are those without it, to the last bit."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
import torch

from molmeta import assays
from molmeta.adaptation import adapt
from molmeta.bundle import versions
from molmeta.checkpoint import save_checkpoint
from molmeta.chem.batch import to_tensors
from molmeta.chem.molecule import Rejection
from molmeta.data.library import LibraryChunk, read_library
from molmeta.ensemble import Ensemble
from molmeta.errors import ConfigError, ResourceError
from molmeta.learner import Learner
from molmeta.predictor import Predictor
from molmeta.scoring import Local, cache, score_library
from molmeta.scoring.cache import Cache
from molmeta.scoring.featurize import Featurize, Job, Packed
from molmeta.scoring.models import Embedded, Models
from molmeta.scoring.report import Progress
from molmeta.scoring.workers import Faults, Watch, Workers, silent

from .conftest import JUNK, spellings, write_smi

CHUNK = 64


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 rows, three of them junk and one ragged."""
    path = write_smi(tmp_path_factory.mktemp("library") / "lib.csv", spellings(300))
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:100], "100", *lines[101:]]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A model on another trunk, by a head that adapts the encoder and so reads the features themselves."""
    torch.manual_seed(1)
    learner = Learner(
        {"name": "fingerprint", "width": 16, "depth": 1, "dim": 8}, {"maml": {"dim": 8, "eval_steps": 2}}
    )
    path = tmp_path_factory.mktemp("models") / "other"
    save_checkpoint(path, learner)
    return adapt(pd.read_csv(assays.path("cox")).head(40), path, verdict=False)


@pytest.fixture(scope="module")
def plain(
    models: list[Predictor], other: Predictor, library: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of outputs without a cache."""
    folder = tmp_path_factory.mktemp("plain")
    for name, predictors in {"0": models[0], "1": models[1], "other": other, "all": [*models, other]}.items():
        score_library(predictors, library, folder / f"{name}.csv", chunk=CHUNK)
    return folder


@pytest.fixture
def filled(models: list[Predictor], library: Path, tmp_path: Path) -> Path:
    """A cache of the library."""
    score_library(models[0], library, tmp_path / "first.csv", chunk=CHUNK, cache=tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def featurized(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the chunks that are featurized in this process from now on."""
    sizes: list[int] = []
    true = Featurize.rows

    def rows(self: Featurize, job: Job, faults: Faults, watch: Watch) -> object:
        sizes.append(len(job.smiles))
        return true(self, job, faults, watch)

    monkeypatch.setattr(Featurize, "rows", rows)
    return sizes


def chunks(library: Path, size: int = CHUNK) -> list[LibraryChunk]:
    return list(read_library(library, chunk=size))


def embed(models: Models, chunk: LibraryChunk) -> Embedded:
    return models.embed(Featurize(models.needs).rows(Job.of(chunk), Faults(), silent))


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*"))


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in entries(folder)}


def assert_same(found: Embedded | None, wanted: Embedded) -> None:
    assert found is not None
    assert (found.status, found.smiles) == (wanted.status, wanted.smiles)
    assert found.prepared.keys() == wanted.prepared.keys()
    for trunk, mols in wanted.prepared.items():
        a, b = to_tensors(found.prepared[trunk]), to_tensors(mols)
        assert found.prepared[trunk].n == mols.n
        assert a.keys() == b.keys()
        for name, value in b.items():
            assert a[name].dtype == value.dtype, name
            assert torch.equal(a[name], value), name


def test_the_next_assay_runs_only_its_head(
    models: list[Predictor],
    library: Path,
    plain: Path,
    filled: Path,
    tmp_path: Path,
    featurized: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    embedded: list[int] = []
    prepare = Ensemble.prepare
    monkeypatch.setattr(
        Ensemble, "prepare", lambda self, mols: embedded.append(mols.n) or prepare(self, mols)
    )
    assert (tmp_path / "first.csv").read_bytes() == (plain / "0.csv").read_bytes()
    assert {len(one.parent.name) for one in entries(filled)} == {2}
    before = {one: one.stat().st_mtime_ns for one in entries(filled)}
    assert len(before) == 5
    report = score_library(models[1], library, tmp_path / "out.csv", chunk=CHUNK, cache=filled)
    assert (report.read, report.rejected["ragged_row"]) == (300, 1)
    assert (tmp_path / "out.csv").read_bytes() == (plain / "1.csv").read_bytes()
    assert featurized == []
    assert max(embedded) <= len(models[1].support)  # the columns of no rows, and the support set
    assert {one: one.stat().st_mtime_ns for one in entries(filled)} == before


def test_workers_get_nothing_to_read(
    models: list[Predictor],
    library: Path,
    plain: Path,
    filled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    true, sent = Workers.map, []

    def spied(
        self: Workers[Job, Packed], jobs: Iterable[Job], given: Callable[[Job], Packed | None]
    ) -> Iterator[tuple[Job, Packed]]:
        return true(self, (sent.append(len(job.smiles)) or job for job in jobs), given)

    monkeypatch.setattr(Workers, "map", spied)
    out = tmp_path / "out.csv"
    score_library(models[1], library, out, chunk=CHUNK, cache=filled, engine=Local(2))
    assert out.read_bytes() == (plain / "1.csv").read_bytes()
    assert not any(sent)
    score_library(models[0], library, out, chunk=CHUNK, cache=tmp_path / "own", engine=Local(2), force=True)
    assert sum(sent) == 300
    # Whoever fills it, the entries are the same.
    assert contents(tmp_path / "own") == contents(filled)


def test_what_is_kept_comes_back_to_the_last_bit(
    models: list[Predictor], other: Predictor, library: Path, tmp_path: Path
) -> None:
    both = Models([models[0], other])
    store = Cache(tmp_path, both)
    for chunk in chunks(library):
        wanted = embed(both, chunk)
        assert not store.has(chunk)
        assert store.load(chunk) is None
        store.save(chunk, wanted)
        assert store.has(chunk)
        found = store.load(chunk)
        assert found is not None
        pd.testing.assert_frame_equal(both.predict(found), both.predict(wanted), check_exact=True)
        # What is there for the other model alone is not kept.
        trunk = both.trunks[1]
        wanted.prepared[trunk] = replace(wanted.prepared[trunk], identity=None)
        assert_same(found, wanted)


def test_several_trunks_in_one_pass(
    models: list[Predictor],
    other: Predictor,
    library: Path,
    plain: Path,
    filled: Path,
    tmp_path: Path,
    featurized: list[int],
) -> None:
    """One trunk is known and the other is not; then both are, and each for itself."""
    everything, store = [*models, other], {"chunk": CHUNK, "cache": filled}
    score_library(everything, library, tmp_path / "all.csv", **store)
    assert sum(featurized) == 300
    assert len(entries(filled)) == 10
    score_library(everything, library, tmp_path / "again.csv", **store)
    score_library(other, library, tmp_path / "other.csv", **store)
    assert sum(featurized) == 300
    for name, wanted in {"all": "all", "again": "all", "other": "other"}.items():
        assert (tmp_path / f"{name}.csv").read_bytes() == (plain / f"{wanted}.csv").read_bytes()


def test_what_changes_the_numbers_is_another_entry(
    models: list[Predictor], other: Predictor, library: Path, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk, *_ = chunks(library)
    own = Models(models[:1])
    rejected = (replace(Rejection(1, "", "ragged_row"), row=chunk.first_row + 3),)
    assert Cache(filled, own).has(chunk)
    assert Cache(filled, own).has(replace(chunk, cells=[], first_row=7))
    for another in (
        replace(chunk, smiles=[*chunk.smiles[:-1], "CCO"]),
        replace(
            chunk, smiles=[chunk.smiles[0] + chunk.smiles[1][:1], chunk.smiles[1][1:], *chunk.smiles[2:]]
        ),
        replace(chunk, smiles=chunk.smiles[:-1]),
        replace(chunk, rejected=rejected),
        *chunks(library, CHUNK + 1)[:1],
    ):
        assert not Cache(filled, own).has(another)
    assert not Cache(filled, Models([other])).has(chunk)
    assert not Cache(filled, Models([models[0], other])).has(chunk)
    monkeypatch.setattr(cache, "versions", lambda: versions() | {"rdkit": "2099.1"})
    assert not Cache(filled, own).has(chunk)
    monkeypatch.setattr(cache, "versions", lambda: versions() | {"python": "4.0"})
    assert Cache(filled, own).has(chunk)


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _forged(data: bytes) -> bytes:
    """A file of tensors that somebody else wrote."""
    return safetensors.numpy.save({"status": np.zeros(4, dtype=np.uint8)})


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut in the head": lambda data: data[:40],
    "cut": lambda data: data[:-1],
    "longer": lambda data: data + b"x",
    "zeros at the end": lambda data: data[:-5000] + bytes(5000),
    "a bit of the head": lambda data: _flip(data, 50),
    "a bit of the names": lambda data: _flip(data, 100),
    "a bit of the numbers": lambda data: _flip(data, len(data) // 2),
    "text": lambda data: b"id,smiles\n1,CCO\n",
    "foreign tensors": _forged,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_none_and_heals(
    models: list[Predictor],
    library: Path,
    plain: Path,
    filled: Path,
    tmp_path: Path,
    featurized: list[int],
    damage: str,
) -> None:
    before, bad = contents(filled), entries(filled)[2]
    bad.write_bytes(DAMAGES[damage](bad.read_bytes()))
    score_library(models[0], library, tmp_path / "out.csv", chunk=CHUNK, cache=filled)
    assert (tmp_path / "out.csv").read_bytes() == (plain / "0.csv").read_bytes()
    assert len(featurized) == 1
    assert contents(filled) == before


def test_an_entry_under_a_wrong_name_is_none(models: list[Predictor], library: Path, filled: Path) -> None:
    first, second, *_ = entries(filled)
    first.write_bytes(second.read_bytes())
    store = Cache(filled, Models(models[:1]))
    assert sum(store.load(chunk) is None for chunk in chunks(library)) == 1


def test_an_entry_that_vanishes_under_way_is_made_again(
    models: list[Predictor],
    library: Path,
    plain: Path,
    filled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, true = contents(filled), Cache.has

    def promised(self: Cache, chunk: LibraryChunk) -> bool:
        there = true(self, chunk)
        self._path(chunk, *self._trunks.values()).unlink()
        return there

    monkeypatch.setattr(Cache, "has", promised)
    score_library(models[0], library, tmp_path / "out.csv", chunk=CHUNK, cache=filled)
    assert (tmp_path / "out.csv").read_bytes() == (plain / "0.csv").read_bytes()
    assert contents(filled) == before


def test_every_flipped_bit_is_seen(models: list[Predictor], library: Path, filled: Path) -> None:
    store, (bad, *_) = Cache(filled, Models(models[:1])), entries(filled)
    (chunk,) = (one for one in chunks(library) if store._path(one, *store._trunks.values()) == bad)
    data = bad.read_bytes()
    for at in np.random.default_rng(0).integers(16, len(data), 200).tolist():
        bad.write_bytes(_flip(data, at))
        # Bytes 24 to 32 of the head are blank.
        assert 24 <= at < 32 or store.load(chunk) is None, at


def test_two_processes_write_at_once(
    models: list[Predictor], library: Path, plain: Path, filled: Path, tmp_path: Path
) -> None:
    models[0].save(tmp_path / "m.molmeta")
    script = (
        "import sys, molmeta\n"
        "model = molmeta.load(sys.argv[1])\n"
        f"molmeta.score_library(model, sys.argv[2], sys.argv[3], chunk={CHUNK}, cache=sys.argv[4])\n"
    )
    out, one = tmp_path / "out.csv", Models(models[:1])
    command = [sys.executable, "-c", script, tmp_path / "m.molmeta", library, out, filled]
    known = [(chunk, embed(one, chunk)) for chunk in chunks(library)]
    before = contents(filled)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            time.sleep(0.1)  # it has the cores to itself while it starts
            # Half of what is there for the other process vanishes, and comes back.
            for path in entries(filled)[::2]:
                path.unlink(missing_ok=True)
            for chunk, embedded in known:
                Cache(filled, one).save(chunk, embedded)
                assert_same(Cache(filled, one).load(chunk), embedded)
        assert process.stderr is not None
        assert process.returncode == 0, process.stderr.read()
    assert out.read_bytes() == (plain / "0.csv").read_bytes()
    assert contents(filled) == before


def test_threads_write_and_read_one_entry(models: list[Predictor], library: Path, tmp_path: Path) -> None:
    one = Models(models[:1])
    store, (chunk, *_) = Cache(tmp_path, one), chunks(library)
    wanted = embed(one, chunk)

    def work(number: int) -> Embedded | None:
        store.save(chunk, wanted)
        return store.load(replace(chunk))

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(work, range(40)):
            assert_same(found, wanted)
    assert len(entries(tmp_path)) == 1


@pytest.mark.parametrize("smiles", [[], list(JUNK), ["\udce9", "CCO\n", "\0", "C C"]], ids=len)
def test_chunks_of_nothing_or_junk(models: list[Predictor], tmp_path: Path, smiles: list[str]) -> None:
    one = Models(models[:1])
    store, chunk = Cache(tmp_path, one), LibraryChunk(1, ("smiles",), [(text,) for text in smiles], smiles)
    wanted = embed(one, chunk)
    store.save(chunk, wanted)
    found = store.load(chunk)
    assert_same(found, wanted)
    assert found is not None
    pd.testing.assert_frame_equal(one.predict(found), one.predict(wanted), check_exact=True)


@pytest.mark.parametrize("reason", ["crashed", "timeout"])
def test_what_one_machine_did_not_manage_is_not_kept(
    models: list[Predictor], library: Path, tmp_path: Path, reason: str
) -> None:
    one = Models(models[:1])
    store, (chunk, *_) = Cache(tmp_path, one), chunks(library)
    rows = Featurize(one.needs).rows(Job.of(chunk), Faults({3: reason}), silent)
    assert rows.status[3] == reason
    store.save(chunk, one.embed(rows))
    assert not store.has(chunk)


def test_a_run_that_was_stopped_goes_on_with_it(
    models: list[Predictor], library: Path, plain: Path, tmp_path: Path, featurized: list[int]
) -> None:
    def stop(now: Progress) -> None:
        if now.rows >= 2 * CHUNK:
            raise KeyboardInterrupt

    for i, model in enumerate(models):
        out, options = tmp_path / f"{i}.csv", {"chunk": CHUNK, "cache": tmp_path / "cache", "resume": True}
        with pytest.raises(KeyboardInterrupt):
            score_library(model, library, out, progress=stop, **options)
        score_library(model, library, out, **options)
        assert out.read_bytes() == (plain / f"{i}.csv").read_bytes()
    assert sum(featurized) == 300


def test_a_cache_that_cannot_be_is_told(
    models: list[Predictor], library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"lib\.csv cannot be a folder"):
        score_library(models[0], library, tmp_path / "out.csv", cache=library)

    def full(path: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("molmeta.files.os.fsync", full)
    with pytest.raises(ResourceError, match="No space left"):
        score_library(models[0], library, tmp_path / "out.csv", cache=tmp_path / "cache")
    assert entries(tmp_path / "cache") == []


def test_an_entry_is_small(models: list[Predictor], tmp_path: Path) -> None:
    """Counts without their zeros: a tenth of 4 kB a compound."""
    one = Models(models[:1])
    texts = spellings(CHUNK)
    chunk = LibraryChunk(1, ("smiles",), [(text,) for text in texts], texts)
    Cache(tmp_path, one).save(chunk, embed(one, chunk))
    assert sum(path.stat().st_size for path in entries(tmp_path)) < 900 * CHUNK
