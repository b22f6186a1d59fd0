"""A run that is killed goes on where it was, and nobody can tell from the output."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from molmeta.errors import InputError, RefusedError
from molmeta.predictor import Predictor
from molmeta.scoring import Local, Shard, merge, score_library
from molmeta.scoring.report import Progress

from .conftest import spellings, write_smi

CHUNK = 64


class Stop(Exception):
    """What ends a run in these tests."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_smi(tmp_path_factory.mktemp("library") / "lib.csv", spellings(1500))


@pytest.fixture(scope="module")
def whole(models: list[Predictor], library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of outputs of runs that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    for ending in ("csv", "parquet", "jsonl.gz"):
        score_library(models[0], library, folder / f"out.{ending}", chunk=CHUNK)
    score_library(models[0], library, folder / "top.csv", chunk=CHUNK, top=40)
    return folder


def stop_after(rows: int) -> Callable[[Progress], None]:
    def look(now: Progress) -> None:
        if now.rows >= rows:
            raise Stop

    return look


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl.gz"])
def test_a_run_in_pieces_gives_the_same_bytes(
    models: list[Predictor], library: Path, whole: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"out.{ending}"
    for rows in (1, 500, 501, 1400):
        with pytest.raises(Stop):
            score_library(models[0], library, out, chunk=CHUNK, resume=True, progress=stop_after(rows))
        assert not out.exists()
    report = score_library(models[0], library, out, chunk=CHUNK, resume=True)
    assert out.read_bytes() == (whole / f"out.{ending}").read_bytes()
    assert (report.read, report.read - report.scored) == (1500, 15)
    assert len(report.best) == 5
    assert os.listdir(tmp_path) == [f"out.{ending}"]


def test_the_best_rows_too(models: list[Predictor], library: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "top.csv"
    with pytest.raises(Stop):
        score_library(models[0], library, out, chunk=CHUNK, top=40, progress=stop_after(700))
    score_library(models[0], library, out, chunk=CHUNK, top=40, resume=True)
    assert out.read_bytes() == (whole / "top.csv").read_bytes()


def test_a_begun_run_is_refused_without_resume(
    models: list[Predictor], library: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    with pytest.raises(Stop):
        score_library(models[0], library, out, chunk=CHUNK, progress=stop_after(1))
    with pytest.raises(RefusedError, match="--resume"):
        score_library(models[0], library, out, chunk=CHUNK)
    score_library(models[0], library, out, chunk=CHUNK, force=True)
    assert os.listdir(tmp_path) == ["out.csv"]


def test_another_run_is_not_mixed_in(models: list[Predictor], library: Path, tmp_path: Path) -> None:
    own = tmp_path / "lib.csv"
    shutil.copy2(library, own)
    out = tmp_path / "out.csv"
    with pytest.raises(Stop):
        score_library(models[0], own, out, chunk=CHUNK, progress=stop_after(1))
    go_on = {"chunk": CHUNK, "resume": True}
    with pytest.raises(RefusedError, match="another models"):
        score_library(models[1], own, out, **go_on)
    with pytest.raises(RefusedError, match="another chunk"):
        score_library(models[0], own, out, chunk=32, resume=True)
    with pytest.raises(RefusedError, match="another columns"):
        score_library(models[0], own, out, columns=["mm_score"], **go_on)
    with pytest.raises(RefusedError, match="another top"):
        score_library(models[0], own, out, top=3, **go_on)
    text = own.read_text()
    own.write_text(text.replace("0,", "9,", 1))
    with pytest.raises(RefusedError, match="another input"):
        score_library(models[0], own, out, **go_on)


def test_shards_merge_to_the_same_bytes(
    models: list[Predictor], library: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    rows = [
        score_library(models[0], library, out, chunk=CHUNK, shard=Shard(number, 3)).read for number in (2, 3)
    ]
    assert rows == [512, 476]
    with pytest.raises(RefusedError, match="8 chunks are missing"):
        merge(out)
    with pytest.raises(RefusedError, match="another shards"):
        score_library(models[0], library, out, chunk=CHUNK, shard=Shard(1, 2))
    with pytest.raises(Stop):
        score_library(models[0], library, out, chunk=CHUNK, shard=Shard(1, 3), progress=stop_after(100))
    score_library(models[0], library, out, chunk=CHUNK, shard=Shard(1, 3))
    report = merge(out)
    assert (report.read, report.scored) == (1500, 1485)
    assert out.read_bytes() == (whole / "out.csv").read_bytes()
    assert os.listdir(tmp_path) == ["out.csv"]


def test_what_is_there_can_be_joined(models: list[Predictor], library: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    with pytest.raises(RefusedError, match="no parts"):
        merge(out)
    with pytest.raises(Stop):
        score_library(models[0], library, out, chunk=CHUNK, progress=stop_after(300))
    with pytest.raises(RefusedError, match="end of the library"):
        merge(out)
    assert merge(out, incomplete=True).read == 320
    assert len(out.read_text().splitlines()) == 321


def test_two_runs_do_not_write_one_output(models: list[Predictor], library: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    seen: list[str] = []

    def second(now: Progress) -> None:
        if not seen:
            with pytest.raises(RefusedError, match="another run writes"):
                score_library(models[0], library, out, chunk=CHUNK, resume=True)
            seen.append("refused")

    score_library(models[0], library, out, chunk=CHUNK, progress=second)
    assert seen == ["refused"]
    assert os.listdir(tmp_path) == ["out.csv"]


def test_a_lock_of_a_dead_run_holds_nobody(models: list[Predictor], library: Path, tmp_path: Path) -> None:
    (tmp_path / "out.csv.parts").mkdir()
    FileLock(tmp_path / "out.csv.parts" / "lock.1").acquire().lock.release()
    score_library(models[0], library, tmp_path / "out.csv", chunk=CHUNK)


def test_a_library_that_breaks_off_keeps_what_was_done(
    models: list[Predictor], library: Path, tmp_path: Path
) -> None:
    packed = gzip.compress(library.read_bytes())
    broken, out = tmp_path / "lib.csv.gz", tmp_path / "out.csv"
    broken.write_bytes(packed[: len(packed) * 2 // 3])
    with pytest.raises(InputError, match="cut off") as caught:
        score_library(models[0], broken, out, chunk=CHUNK, engine=Local(2))
    assert "stay in" in str(caught.value.__notes__)
    assert not out.exists()
    assert merge(out, incomplete=True).read > 700


def test_a_full_disk_is_told_and_survived(
    models: list[Predictor], library: Path, whole: Path, tmp_path: Path
) -> None:
    """A file size limit of the process fails writes as a full disk does."""
    out = tmp_path / "out.csv"
    script = (
        "import resource, signal, sys, molmeta\n"
        "from molmeta.errors import ResourceError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "model = molmeta.load(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        "try:\n"
        f"    molmeta.score_library(model, sys.argv[2], sys.argv[3], chunk={CHUNK})\n"
        "except ResourceError as error:\n"
        "    print(error)\n"
    )
    models[0].save(tmp_path / "m.molmeta")
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "m.molmeta", library, out], capture_output=True, text=True
    )
    assert "cannot be written (File too large)" in done.stdout, done.stderr
    assert not out.exists()
    score_library(models[0], library, out, chunk=CHUNK, resume=True)
    assert out.read_bytes() == (whole / "out.csv").read_bytes()


def test_killed_at_random_moments(library: Path) -> None:
    """The benchmark, with fewer kills: of the process, or of the one that has workers."""
    root = Path(__file__).parents[2]
    command = [sys.executable, root / "benchmarks" / "kills.py", root / "assays" / "bbb.csv", library]
    done = subprocess.run([*command, "--runs", "6", "--kills", "6"], capture_output=True, text=True)
    found = re.fullmatch(r"6 runs, (\d+) kills, 0 outputs differ\n", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert int(found[1]) >= 20
