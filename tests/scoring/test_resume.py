"""A run that is killed goes on where it was, and nobody can tell from the output."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from molmeta.errors import InputError, RefusedError
from molmeta.files import beside
from molmeta.predictor import Predictor
from molmeta.scoring import Local, Shard, merge, score_library
from molmeta.scoring.parts import End, Parts
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
    assert sorted(os.listdir(tmp_path)) == [f"out.{ending}", f"out.{ending}.done"]


def test_a_complete_run_is_not_done_again(models: list[Predictor], library: Path, tmp_path: Path) -> None:
    out, go_on = tmp_path / "out.csv", {"chunk": CHUNK, "resume": True}
    first = score_library(models[0], library, out, **go_on)
    assert not first.complete
    written = out.stat()
    seen: list[Progress] = []
    again = score_library(models[0], library, out, progress=seen.append, **go_on)
    assert again.complete
    assert replace(again, complete=False, seconds=first.seconds) == first
    assert not seen
    assert (out.stat().st_ino, out.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    # From any folder, and after a copy of everything.
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for path in (library, out, tmp_path / "out.csv.done"):
        shutil.copy(path, moved / path.name)
    assert score_library(models[0], moved / library.name, moved / "out.csv", **go_on).complete
    with pytest.raises(RefusedError, match="exists"):
        score_library(models[0], library, out, chunk=CHUNK)


def test_a_complete_output_of_another_run_is_refused(
    models: list[Predictor], library: Path, tmp_path: Path
) -> None:
    own, out = tmp_path / "lib.csv", tmp_path / "out.csv"
    shutil.copy2(library, own)
    go_on = {"chunk": CHUNK, "resume": True}
    score_library(models[0], own, out, **go_on)
    before = out.read_bytes()
    for other, what in (
        ((models[1], own, out, go_on), "another model"),
        ((models[0].expecting(0.01), own, out, go_on), "another model or --prevalence"),
        ((models[0], own, out, {**go_on, "columns": ["mm_score"]}), "other --columns"),
        ((models[0], own, out, {**go_on, "top": 7}), "another --top"),
    ):
        with pytest.raises(RefusedError, match=f"of another run: .*{what}"):
            score_library(*other[:3], **other[3])
    own.write_text(own.read_text().replace("0,", "9,", 1))
    with pytest.raises(RefusedError, match="another library"):
        score_library(models[0], own, out, **go_on)
    shutil.copy2(library, own)
    assert score_library(models[0], own, out, **go_on).complete
    out.write_bytes(before.replace(b"ok", b"no", 1))
    with pytest.raises(RefusedError, match="was changed"):
        score_library(models[0], own, out, **go_on)
    out.write_bytes(before)
    (tmp_path / "out.csv.done").write_text("{}")
    with pytest.raises(RefusedError, match="cannot be read"):
        score_library(models[0], own, out, **go_on)


def test_an_output_that_nothing_is_known_of_is_refused(
    models: list[Predictor], library: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    score_library(models[0], library, out, chunk=CHUNK, resume=True)
    # Another run takes its place, and what was known of it goes.
    score_library(models[1], library, out, chunk=CHUNK, force=True)
    assert os.listdir(tmp_path) == ["out.csv"]
    for model in models:
        with pytest.raises(RefusedError, match=r"out\.csv\.done"):
            score_library(model, library, out, chunk=CHUNK, resume=True)


def test_a_run_that_replaces_an_output_goes_on(
    models: list[Predictor], library: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    out.write_text("old")
    with pytest.raises(Stop):
        score_library(models[0], library, out, chunk=CHUNK, force=True, progress=stop_after(700))
    assert out.read_text() == "old"
    seen: list[int] = []
    score_library(
        models[0],
        library,
        out,
        chunk=CHUNK,
        force=True,
        resume=True,
        progress=lambda now: seen.append(now.rows),
    )
    assert out.read_bytes() == (whole / "out.csv").read_bytes()
    assert len(seen) == len(set(seen)) == 24


def test_an_output_that_comes_meanwhile_is_safe(
    models: list[Predictor], library: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    with pytest.raises(RefusedError, match="exists"):
        score_library(
            models[0], library, out, chunk=CHUNK, progress=lambda now: out.write_text("mine") and None
        )
    assert out.read_text() == "mine"
    assert merge(out, force=True).read == 1500
    assert out.read_bytes() == (whole / "out.csv").read_bytes()


def test_a_copy_of_the_library_is_the_same(
    models: list[Predictor], library: Path, whole: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "a" / "lib.csv", tmp_path / "b" / "lib.csv"
    for path in (first, second):
        path.parent.mkdir()
        shutil.copy(library, path)
    os.utime(second, (1, 1))
    out = tmp_path / "out.csv"
    with pytest.raises(Stop):
        score_library(models[0], first, out, chunk=CHUNK, progress=stop_after(700))
    score_library(models[0], second, out, chunk=CHUNK, resume=True)
    assert out.read_bytes() == (whole / "out.csv").read_bytes()


def test_the_best_rows_too(models: list[Predictor], library: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "top.csv"
    with pytest.raises(Stop):
        score_library(models[0], library, out, chunk=CHUNK, top=40, progress=stop_after(700))
    score_library(models[0], library, out, chunk=CHUNK, top=40, resume=True)
    assert out.read_bytes() == (whole / "top.csv").read_bytes()


def test_what_a_kill_left_while_joining_goes(models: list[Predictor], library: Path, tmp_path: Path) -> None:
    out = tmp_path / "out[1].csv"
    left = beside(out)
    left.write_bytes(b"half")
    mine = tmp_path / "out[1].csv.mine.tmp"
    mine.write_bytes(b"mine")
    score_library(models[0], library, out, chunk=CHUNK)
    assert sorted(os.listdir(tmp_path)) == [out.name, mine.name]


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
    with pytest.raises(RefusedError, match=r"another model .*\(bbb \w{8}, now logp \w{8}\).*mm_value"):
        score_library(models[1], own, out, **go_on)
    with pytest.raises(RefusedError, match=r"rows in a chunk \(64, now 32\)"):
        score_library(models[0], own, out, chunk=32, resume=True)
    with pytest.raises(RefusedError, match=r"--columns .now without mm_status, mm_smiles, .* more"):
        score_library(models[0], own, out, columns=["mm_score"], **go_on)
    with pytest.raises(RefusedError, match=r"another --top \(all, now 3\)"):
        score_library(models[0], own, out, top=3, **go_on)
    text, size = own.read_text(), own.stat().st_size
    own.write_text(text.replace("0,", "9,", 1))
    with pytest.raises(RefusedError, match=rf"lib\.csv still has {size} bytes, but not the same"):
        score_library(models[0], own, out, **go_on)
    own.write_text(text + "\n")
    with pytest.raises(RefusedError, match=rf"lib\.csv had {size} bytes, now {size + 1}"):
        score_library(models[0], own, out, **go_on)
    shutil.copy2(library, tmp_path / "more.csv")
    with pytest.raises(RefusedError, match=r"other files of the library \(now with more\.csv\)"):
        score_library(models[0], [own, tmp_path / "more.csv"], out, **go_on)
    assert not out.exists()


def test_shards_merge_to_the_same_bytes(
    models: list[Predictor], library: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    rows = [
        score_library(models[0], library, out, chunk=CHUNK, shard=Shard(number, 3)).read for number in (2, 3)
    ]
    assert rows == [512, 476]
    with pytest.raises(RefusedError, match="shard 1 of 3 lacks 8 chunks; score it again"):
        merge(out)
    with pytest.raises(RefusedError, match=r"number of shards \(3, now 2\)"):
        score_library(models[0], library, out, chunk=CHUNK, shard=Shard(1, 2))
    with pytest.raises(Stop):
        score_library(models[0], library, out, chunk=CHUNK, shard=Shard(1, 3), progress=stop_after(100))
    score_library(models[0], library, out, chunk=CHUNK, shard=Shard(1, 3))
    report = merge(out)
    assert (report.read, report.scored) == (1500, 1485)
    assert out.read_bytes() == (whole / "out.csv").read_bytes()
    assert os.listdir(tmp_path) == ["out.csv"]


def test_shards_of_which_none_is_complete_are_named(
    models: list[Predictor], library: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    for number in (2, 5):
        with pytest.raises(Stop):
            score_library(
                models[0], library, out, chunk=CHUNK, shard=Shard(number, 6), progress=stop_after(1)
            )
    with pytest.raises(RefusedError, match=r"none of the 6 shards is complete.*--shard 1,3-4,6;"):
        merge(out)


def test_what_is_there_can_be_joined(models: list[Predictor], library: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    with pytest.raises(RefusedError, match="no parts"):
        merge(out)
    with pytest.raises(Stop):
        score_library(models[0], library, out, chunk=CHUNK, progress=stop_after(300))
    with pytest.raises(RefusedError, match="end of the library"):
        merge(out)
    Parts(out).finish(End(6, []))
    with pytest.raises(RefusedError, match="1 chunk is missing; score with --resume"):
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
    assert "stays in" in str(caught.value.__notes__)
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
