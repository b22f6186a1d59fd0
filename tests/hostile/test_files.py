"""Files that are none, outputs that are inputs, full disks, odd names, and two runs at one output."""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import molmeta
from molmeta import assays
from molmeta.checkpoint import save_checkpoint
from molmeta.cli.app import app
from molmeta.data.fsmol import read_fsmol
from molmeta.data.library import read_library
from molmeta.data.table import read_assay
from molmeta.errors import ConfigError, InputError, MolmetaError, RefusedError, ResourceError
from molmeta.files import write_whole
from molmeta.learner import Learner
from molmeta.predictor import Predictor
from molmeta.scoring import Shard, merge, score_library
from molmeta.suggest.run import suggest

ROWS = [(f"{i:03d}", f"C{'C' * (i % 9)}O") for i in range(40)]
TEXT = "id,smiles\n" + "".join(f"{name},{smiles}\n" for name, smiles in ROWS)
Done = tuple[int, str, str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("small")
    learner = Learner({"name": "fingerprint", "width": 32, "depth": 1, "dim": 16}, {"evidence": {"dim": 16}})
    save_checkpoint(folder / "small", learner)
    return molmeta.adapt(assays.path("bbb"), folder / "small", verdict=False)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "library.csv"
    path.write_text(TEXT)
    return path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def call(*arguments: object) -> Done:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            app([str(argument) for argument in arguments])
        code = end.value.code
        return (code if isinstance(code, int) else 0, *capfd.readouterr())

    return call


@contextmanager
def nobody() -> Iterator[None]:
    """As a user who may not do everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may become larger than so many bytes; the kernel says so as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def ids(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as stream:
        return [row["id"] for row in csv.DictReader(stream)]


# What is read


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing.csv", "no such file"),
        ("folder", "is a folder"),
        ("pipe", "is not a regular file; to read from a pipe, give -"),
        ("/dev/null", "is not a regular file"),
        ("library.csv/inside.csv", "no such file"),
        ("x" * 300 + ".csv", "no such file"),
        ("secret.csv", "cannot be read: Permission denied"),
    ],
)
@pytest.mark.parametrize(
    "read", [lambda path: list(read_library(path)), read_assay], ids=["library", "assay"]
)
def test_what_is_no_file_is_told(
    name: str, words: str, read: Callable[[str], object], library: Path, tmp_path: Path
):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "secret.csv").write_text(TEXT)
    (tmp_path / "secret.csv").chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.owner() == tmp_path.owner():
            folder.chmod(0o755)
    with nobody(), pytest.raises(InputError, match=words) as caught:
        read(name)
    assert caught.value.exit_code == 3


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that cannot be read is one of Linux")
def test_a_disk_that_fails_is_told():
    with pytest.raises(InputError, match="mem cannot be read any further: Input/output error"):
        read_library("/proc/self/mem")


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe\x00", b"a,b\n1\n1,2,3\n", b"assay,smiles,label,value,p_value,relation\na,CCO,x,1,1,=\n"],
)
def test_no_table_of_fsmol_is_told(data: bytes, tmp_path: Path):
    (tmp_path / "table.csv").write_bytes(data)
    with pytest.raises(InputError, match=r"table\.csv"):
        read_fsmol(tmp_path / "table.csv", ())
    (tmp_path / "CHEMBL1.jsonl.gz").write_bytes(data)
    with pytest.raises(InputError, match=r"CHEMBL1\.jsonl\.gz"):
        read_fsmol(tmp_path, ())


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text(TEXT + "more,CCO\n"),
        lambda path: path.write_text(TEXT.replace("CCO", "CCN")),
        lambda path: os.truncate(path, 200),
    ],
    ids=["longer", "other", "shorter"],
)
def test_a_library_that_changes_while_it_is_read_is_refused(
    change: Callable[[Path], object], model: Predictor, library: Path, tmp_path: Path
):
    out, seen = tmp_path / "out.csv", []

    def at_first(now: object) -> None:
        if not seen:
            change(library)
        seen.append(now)

    with pytest.raises(RefusedError, match="was changed while it was read"):
        score_library(model, library, out, chunk=4, progress=at_first)
    assert len(seen) > 1
    assert not out.exists()
    with pytest.raises(RefusedError, match="another library"):
        score_library(model, library, out, chunk=4, resume=True)
    rows = len(library.read_text().splitlines()) - 1
    assert score_library(model, library, out, chunk=4, force=True).read == rows


@pytest.mark.parametrize("change", [lambda path: path.write_text(TEXT), Path.unlink], ids=["copied", "gone"])
def test_a_library_that_was_copied_over_itself_or_deleted_is_the_same(
    change: Callable[[Path], object], model: Predictor, library: Path, tmp_path: Path
):
    score_library(model, library, tmp_path / "whole.csv", chunk=4)
    changes = [change]

    def at_first(now: object) -> None:
        if changes:
            changes.pop()(library)

    score_library(model, library, tmp_path / "out.csv", chunk=4, progress=at_first)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


# What is written


@pytest.mark.parametrize(
    "how", ["itself", "symbolic link", "hard link", "through a link", "pattern", "upwards"]
)
def test_an_output_is_never_an_input(how: str, model: Predictor, library: Path, tmp_path: Path):
    given, out = "library.csv", tmp_path / "other.csv"
    match how:
        case "symbolic link":
            out.symlink_to(library)
        case "hard link":
            os.link(library, out)
        case "through a link":
            (tmp_path / "given.csv").symlink_to(library)
            given, out = "given.csv", library
        case "pattern":
            given, out = "lib*.csv", library
        case "upwards":
            out = tmp_path / ".." / tmp_path.name / "library.csv"
        case _:
            out = library
    with pytest.raises(RefusedError, match="is what is read"):
        score_library(model, given, out, force=True)
    assert library.read_text() == TEXT


def test_other_commands_do_not_write_over_what_they_read(
    model: Predictor, library: Path, run: Callable[..., Done]
):
    model.save("m.molmeta")
    for command in (
        ["suggest", "m.molmeta", "library.csv", "-o", "library.csv"],
        ["report", "m.molmeta", "library.csv", "-o", "library.csv"],
        ["report", "m.molmeta", "-o", "m.molmeta"],
        ["adapt", "library.csv", "-o", "library.csv"],
        ["evaluate", "library.csv", "-o", "library.csv"],
    ):
        code, out, err = run(*command, "--force")
        assert (code, out) == (5, "")
        assert "is what is read" in err
    assert library.read_text() == TEXT


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("folder.csv", "is a folder"),
        ("x" * 246 + ".csv", "too long; wanted at most 249 bytes"),
        ("no/such.csv", "is not a folder"),
        ("library.csv/out.csv", "is not a folder"),
        ("taken.csv", r"cannot be written \(File exists\)"),
        ("mine.csv", "'notes.txt', which is no part of a run"),
    ],
)
def test_what_cannot_be_an_output_is_told_before_any_work(
    name: str, words: str, model: Predictor, library: Path, tmp_path: Path
):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "taken.csv.parts").write_text("mine")
    (tmp_path / "mine.csv.parts").mkdir()
    (tmp_path / "mine.csv.parts" / "notes.txt").write_text("mine")
    with pytest.raises(RefusedError, match=words):
        score_library(model, library, name, force=True, progress=pytest.fail)
    assert (tmp_path / "taken.csv.parts").read_text() == "mine"
    assert (tmp_path / "mine.csv.parts" / "notes.txt").read_text() == "mine"


def test_a_folder_that_is_read_only_is_told(model: Predictor, library: Path, tmp_path: Path):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o555)
    for one in (tmp_path, *tmp_path.parents[:3]):
        if one.owner() == tmp_path.owner():
            one.chmod(0o755)
    for write in (
        lambda out: score_library(model, library, out / "out.csv"),
        lambda out: model.save(out / "m.molmeta"),
        lambda out: suggest(model, library, 2).write(out / "picks.csv"),
    ):
        write(tmp_path)  # so that what it needs of this environment, which may be closed to others, is read
        with nobody(), pytest.raises(RefusedError, match=r"cannot be written \(Permission denied\)"):
            write(folder)
    assert list(folder.iterdir()) == []


def test_a_full_disk_leaves_nothing_half_written(model: Predictor, library: Path, tmp_path: Path):
    picks = suggest(model, library, 5)
    for name, write in (
        ("whole", lambda: write_whole(tmp_path / "whole", b"x" * 9999)),
        ("m.molmeta", lambda: model.save(tmp_path / "m.molmeta")),
        ("picks.csv", lambda: picks.write(tmp_path / "picks.csv")),
    ):
        with room_for(200), pytest.raises(ResourceError, match=r"File too large\); make room"):
            write()
        assert not (tmp_path / name).exists()
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    score_library(model, library, whole, chunk=8)
    for size in (2500, whole.stat().st_size - 1):  # a part, and then the output itself
        with room_for(size), pytest.raises(ResourceError, match="make room") as caught:
            score_library(model, library, out, chunk=8, resume=True)
        assert caught.value.exit_code == 6
        assert "stays in" in " ".join(caught.value.__notes__)
        assert not list(tmp_path.rglob("*.tmp"))
        assert not out.exists()
    score_library(model, library, out, chunk=8, resume=True)
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is one of Linux")
@pytest.mark.parametrize("more", [["-o", "-"], ["--json", "-o", "out.csv"]])
def test_a_full_disk_behind_stdout_is_told(more: list[str], model: Predictor, library: Path, tmp_path: Path):
    model.save(tmp_path / "m.molmeta")
    command = [
        sys.executable,
        "-m",
        "molmeta.cli",
        "score",
        "m.molmeta",
        "library.csv",
        "--workers",
        "0",
        *more,
    ]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1][:8]) == (6, "molmeta:")
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "name", ["-out.csv", "a b'c$(x).csv", "new\nline.csv", "µ🧪.csv", "x" * 245 + ".csv", "..csv", "%s{}.csv"]
)
def test_odd_names_are_names(name: str, model: Predictor, library: Path, tmp_path: Path):
    library.rename(tmp_path / f"in{name[-200:]}")
    score_library(model, tmp_path / f"in{name[-200:]}", tmp_path / name)
    assert ids(tmp_path / name) == [row[0] for row in ROWS]
    assert len(list(tmp_path.iterdir())) == 2


def test_odd_names_do_not_reach_the_screen(model: Predictor, library: Path, run: Callable[..., Done]):
    model.save("m.molmeta")
    name = "a\n\x1b[31m\u202eb\udcff.csv"
    Path(name).write_text("smiles,name\nCCO,\x1b]0;x\x07[bold]\u2066\nCCCO,=1+1\n")
    code, out, err = run("score", "m.molmeta", name, "-o", "out.csv", "--workers", "0")
    assert code == 0
    assert r"a\n\x1b[31m\u202eb\udcff.csv read as" in out
    assert r"\x1b]0;x\x07[bold]\u2066" in out
    assert not {*"\x1b\x07\u202e\u2066"} & {*out, *err}
    code, out, _ = run("score", "m.molmeta", name, "-o", "out.csv", "--workers", "0", "--json", "--force")
    assert (code, json.loads(out)["notes"][0].partition(" read")[0]) == (0, name)
    code, _, err = run("score", "m.molmeta", name + "x", "-o", "other.csv")
    assert (code, err) == (3, "molmeta: no file matches a \\x1b[31m\\u202eb\\udcff.csvx\n")


def test_a_link_is_followed(model: Predictor, library: Path, tmp_path: Path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "target.csv")
    score_library(model, library, tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert len(ids(tmp_path / "target.csv")) == len(ROWS)


# Two runs


def test_the_second_run_says_who_is_first(model: Predictor, library: Path, tmp_path: Path):
    out, met = tmp_path / "out.csv", []

    def second(now: object) -> None:
        if not met:
            with pytest.raises(RefusedError) as caught:
                score_library(model, library, out, resume=True, chunk=8)
            met.append(str(caught.value))

    assert score_library(model, library, out, chunk=8, progress=second).read == len(ROWS)
    assert f"another run writes {out} right now (process {os.getpid()} on {socket.gethostname()})" in met[0]
    assert {path.name for path in tmp_path.iterdir()} == {"library.csv", "out.csv"}


def test_the_lock_of_a_killed_run_is_taken_over(model: Predictor, library: Path, tmp_path: Path):
    parts = tmp_path / "out.csv.parts"
    parts.mkdir()
    hold = (
        "import sys, time; from pathlib import Path; from molmeta.scoring.lock import held\n"
        "with held(Path(sys.argv[1]), 'out'): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, parts / "lock.1"], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(RefusedError, match=f"process {other.pid} on"):
            score_library(model, library, tmp_path / "out.csv")
        other.kill()
    assert {path.name for path in parts.iterdir()} == {"lock.1", "lock.1.held"}
    score_library(model, library, tmp_path / "out.csv")
    assert {path.name for path in tmp_path.iterdir()} == {"library.csv", "out.csv"}


def test_a_damaged_note_of_who_holds_a_lock_is_no_matter(tmp_path: Path):
    from molmeta.scoring.lock import held

    with held(tmp_path / "lock", "out"):
        (tmp_path / "lock.held").write_text("[")
        with pytest.raises(RefusedError, match="right now; wait"), held(tmp_path / "lock", "out"):
            pass


# Spreadsheets

FORMULAS = 'name,smiles,note\n"=cmd|\'/c calc\'!A0",CCO,-5\n+49 30,CCCO,-\n@x,CCCCO,1e5\n＝1,OCC,"\t=1"\n'


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz"])
def test_what_a_spreadsheet_would_run_is_counted_and_quoted_where_asked(
    ending: str, model: Predictor, tmp_path: Path
):
    (tmp_path / "library.csv").write_text(FORMULAS, encoding="utf-8")
    plain, safe = tmp_path / f"plain.{ending}", tmp_path / f"safe.{ending}"
    assert score_library(model, tmp_path / "library.csv", plain).formulas == 5
    report = score_library(model, tmp_path / "library.csv", safe, excel_safe=True)
    assert (report.formulas, report.excel_safe) == (5, True)
    before, now = (read_back(path) for path in (plain, safe))
    assert [row[0] for row in before[1:]] == ["=cmd|'/c calc'!A0", "+49 30", "@x", "＝1"]
    assert [row[0] for row in now[1:]] == ["'=cmd|'/c calc'!A0", "'+49 30", "'@x", "'＝1"]
    assert [row[2] for row in now[1:]] == ["-5", "-", "1e5", "'\t=1"]
    assert [row[3:] for row in now] == [row[3:] for row in before]


def read_back(path: Path) -> list[list[str]]:
    import gzip

    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    delimiter = "\t" if ".tsv" in path.name else ","
    return list(csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter))


def test_the_same_in_shards_from_stdin_and_in_suggest(
    model: Predictor, tmp_path: Path, run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("library.csv").write_text(FORMULAS, encoding="utf-8")
    for number in (1, 2):
        score_library(model, "library.csv", "out.csv", shard=Shard(number, 2), chunk=2, excel_safe=True)
    with pytest.raises(RefusedError, match="--excel-safe"):
        score_library(model, "library.csv", "out.csv", shard=Shard(1, 2), chunk=2)
    assert merge("out.csv").excel_safe
    score_library(model, "library.csv", "whole.csv", excel_safe=True)
    assert Path("out.csv").read_bytes() == Path("whole.csv").read_bytes()
    with pytest.raises(ConfigError, match="for a spreadsheet"):
        score_library(model, "library.csv", "out.parquet", excel_safe=True)
    model.save("m.molmeta")
    scoring = ["score", "m.molmeta", "library.csv", "--workers", "0"]
    code, out, err = run(*scoring, "-o", "-", "--excel-safe")
    assert (code, "'=cmd" in out, "with a ' in front" in err) == (0, True, True)
    code, out, _ = run(*scoring, "-o", "verbatim.csv")
    assert "Warning: 5 cells start like a formula; a spreadsheet may run such text (--excel-safe" in out
    picking = ["suggest", "m.molmeta", "library.csv", "--workers", "0", "-n", "2"]
    code, out, _ = run(*picking, "-o", "picks.csv", "--excel-safe")
    assert (code, "with a ' in front" in out) == (0, True)
    assert all(row[0].startswith("'") for row in read_back(Path("picks.csv"))[1:])
    code, out, _ = run(*picking, "-o", "other.csv", "--json")
    assert (code, json.loads(out)["formulas"] >= 2, "'=" in Path("other.csv").read_text("utf-8")) == (
        0,
        True,
        False,
    )


def test_every_refusal_is_quick_and_one_line(library: Path, tmp_path: Path):
    started = time.perf_counter()
    for name in ("nothing.csv", "x" * 4000, "\n.csv"):
        with pytest.raises(MolmetaError):
            read_library(name)
    assert time.perf_counter() - started < 1
