from __future__ import annotations

import csv
import gzip
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "library.smi"
    path.write_text("OCCc1cc[nH]c1 one\nCC(C)C two\nC1CC three\nOCCO four\n")
    return path


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_one_row_for_each_row(run, model, library, tmp_path):
    done = run("score", model, library)
    assert done.code == 0
    assert "4 rows read: 3 scored, 1 rejected (1 invalid_smiles)\n" in done.out
    assert "Best compounds" in done.out
    assert "OCCc1cc[nH]c1" in done.out
    table = rows(tmp_path / "library.alcohols.csv")
    assert [row["name"] for row in table] == ["one", "two", "three", "four"]
    assert [row["mm_status"] == "ok" for row in table] == [True, True, False, True]
    assert table[2]["mm_score"] == ""


def test_a_prevalence_moves_probabilities(run, model, library, tmp_path):
    for name, more in (("own", ()), ("rare", ("--prevalence", "0.01"))):
        assert run("score", model, library, "-o", tmp_path / f"{name}.csv", *more).code == 0
    own, rare = (
        [float(row["mm_probability"]) for row in rows(tmp_path / f"{name}.csv") if row["mm_status"] == "ok"]
        for name in ("own", "rare")
    )
    assert len(own) == 3
    assert all(before > after for before, after in zip(own, rare, strict=True))


def test_lower_precision_is_asked_for(run, model, library, tmp_path):
    for name, more in (("full", ()), ("lower", ("--precision", "bf16"))):
        assert run("score", model, library, "-o", tmp_path / f"{name}.csv", *more).code == 0
    full, lower = (pd.read_csv(tmp_path / f"{name}.csv")["mm_score"].dropna() for name in ("full", "lower"))
    assert not full.equals(lower)
    assert (full - lower).abs().max() < 0.1
    done = run("score", model, library, "--precision", "half")
    assert done.code == 2
    assert "float32 and bf16" in done.err


def test_json_counts_every_row(run, model, library):
    found = run("score", model, library, "--json").json
    assert found["read"] == found["scored"] + sum(found["rejected"].values()) == 4
    assert found["path"] == "library.alcohols.csv"
    scores = [row["mm_score"] for row in found["best"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


def test_several_models_prefix_their_columns(run, model, assay, checkpoint, library, tmp_path):
    shutil.copy(assay, tmp_path / "again.csv")
    assert run("adapt", "again.csv", "--model", checkpoint, "--no-verdict").code == 0
    assert run("score", model, "again.molmeta", library).code == 0
    (first, *_) = rows(tmp_path / "library.alcohols.again.csv")
    assert first["alcohols_mm_score"] == first["again_mm_score"] != ""


def test_table_on_stdout_has_nothing_else(run, model, library):
    done = run("score", model, library, "-o", "-", "--top", "2")
    assert done.code == 0
    header, *body = done.out.splitlines()
    assert "mm_score" in header
    assert len(body) == 2
    assert "4 rows read" in done.err
    assert "Wrote stdout in" in done.err


def test_one_is_no_plural(run, model, tmp_path):
    (tmp_path / "one.csv").write_text("smiles,note\nCCO,=1+1\n")
    done = run("score", model, "one.csv")
    assert "1 row read: 1 scored, 0 rejected\n" in done.out
    assert "Warning: 1 cell starts like a formula" in done.out


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ("mm_score", "smiles name mm_score"),
        ("mm_score,mm_std", "smiles name mm_score mm_std"),
        ("mm_probability,mm_score", "smiles name mm_probability"),
        ("mm_status", "smiles name"),
    ],
)
def test_the_best_have_the_numbers_that_are_written(run, model, library, columns, shown):
    done = run("score", model, library, "--columns", columns)
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()]
    assert shown.split() in lines
    first = lines[lines.index(shown.split()) + 1]
    assert len(first) == len(shown.split())


def test_copies_are_told(run, model, tmp_path):
    (tmp_path / "twice.smi").write_text("CCO a\nCCCCCN b\nOCC c\n")
    lines = [line.split() for line in run("score", model, "twice.smi").out.splitlines()]
    (header,) = [line for line in lines if line[-1:] == ["rows"]]
    found = {line[1]: line[-1] for line in lines if len(line) == len(header)}
    assert (found["a"], found["b"]) == ("2", "1")
    assert "c" not in found


def test_a_complete_run_says_so(run, model, library, tmp_path):
    assert run("score", model, library, "-o", "out.csv", "--resume").code == 0
    done = run("score", model, library, "-o", "out.csv", "--resume")
    assert done.code == 0
    assert "4 rows read: 3 scored" in done.out
    assert done.out.splitlines()[-1].startswith("Complete: out.csv")
    assert run("score", model, library, "-o", "out.csv", "--resume", "--json").json["complete"] is True
    assert run("score", model, library, "-o", "out.csv").code == 5
    assert run("score", model, library, "-o", "out.csv", "--resume", "--top", "2").code == 5
    (tmp_path / "mine.csv").write_text("mine")
    assert run("score", model, library, "-o", "mine.csv", "--resume").code == 5
    assert (tmp_path / "mine.csv").read_text() == "mine"


def test_nothing_is_overwritten_without_force(run, model, library, tmp_path):
    kept = tmp_path / "library.alcohols.csv"
    kept.write_text("mine")
    assert run("score", model, library).code == 5
    assert run("score", model, library, "-o", kept).code == 5
    assert run("score", model, library, "-o", library, "--force").code == 2
    assert kept.read_text() == "mine"
    assert run("score", model, library, "--force").code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["library.smi"], 2),
        (["M"], 2),
        (["M", "library.smi", "--shard", "3/2"], 2),
        (["M", "library.smi", "--shard", "third"], 2),
        (["M", "library.smi", "--columns", "mm_nothing"], 2),
        (["M", "library.smi", "--engine", "abacus"], 2),
        (["M", "-", "--resume"], 2),
        (["M", "library.smi", "-o", "-", "--resume"], 2),
        (["M", "none.smi"], 3),
        (["none.molmeta", "library.smi"], 3),
        (["library.molmeta", "library.smi"], 3),
        (["M", "library.smi", "--top", "0"], 2),
        (["M", "library.smi", "-o", "table.docx"], 2),
        (["M", "library.smi", "-o", "no/such/folder.csv"], 5),
        (["M", "library.smi", "-o", "-", "--json"], 2),
    ],
)
def test_exit_codes(run, model, library, tmp_path, arguments, code):
    (tmp_path / "library.molmeta").write_text("CCO\n")
    done = run("score", *(model if argument == "M" else argument for argument in arguments))
    assert done.code == code
    assert done.out == ""
    assert "Traceback" not in done.err


def test_a_library_without_rows_gives_a_table_without_rows(run, model, tmp_path):
    (tmp_path / "empty.csv").write_text("id,smiles\n")
    assert run("score", model, "empty.csv").code == 0
    assert rows(tmp_path / "empty.alcohols.csv") == []


@pytest.mark.parametrize("ending", ["csv", "tsv.gz", "jsonl", "parquet", "sdf.gz"])
def test_every_format_has_a_file_without_rows(run, model, tmp_path, ending):
    (tmp_path / "empty.csv").write_text("id,smiles\n")
    out = tmp_path / f"out.{ending}"
    assert run("score", model, "empty.csv", "-o", out).code == 0
    if ending in ("csv", "parquet", "tsv.gz"):
        read = pd.read_parquet if ending == "parquet" else pd.read_csv
        table = read(out) if ending != "tsv.gz" else read(out, sep="\t")
        assert len(table) == 0
        assert {"id", "smiles", "mm_status", "mm_score", "mm_set"} <= set(table)
    else:
        assert (gzip.decompress(out.read_bytes()) if ending.endswith("gz") else out.read_bytes()) == b""


def test_many_files_patterns_and_columns(run, model, tmp_path):
    for name, smiles in (("a1", "CCO"), ("a2", "CCC"), ("b", "CCN")):
        (tmp_path / f"{name}.smi").write_text(f"{smiles} {name}\n")
    done = run("score", model, "a*.smi", "b.smi", "-o", "out.csv", "--columns", "mm_score,mm_status")
    assert done.code == 0
    (header, *body) = (tmp_path / "out.csv").read_text().splitlines()
    assert header == "smiles,name,mm_status,mm_score"
    assert [row.split(",")[1] for row in body] == ["a1", "a2", "b"]


def test_a_cut_library_keeps_what_was_done(run, model, tmp_path):
    rows = b"".join(b"C%sO,%d\n" % (b"C" * (i % 40), i) for i in range(60_000))
    packed = gzip.compress(b"smiles,id\n" + rows, 1)
    (tmp_path / "cut.csv.gz").write_bytes(packed[: len(packed) * 4 // 5])
    done = run("score", model, "cut.csv.gz", "-o", "out.csv", "--columns", "mm_score")
    assert done.code == 3
    assert "cut off" in done.err
    assert "stays in" in done.err
    assert not (tmp_path / "out.csv").exists()
    assert run("merge", "out.csv").code == 5
    assert run("merge", "out.csv", "--incomplete").code == 0
    assert 30_000 < len((tmp_path / "out.csv").read_text().splitlines()) < 60_000


def test_a_gzip_bomb_ends_with_6(run, model, tmp_path):
    (tmp_path / "bomb.smi.gz").write_bytes(gzip.compress(b"C" * 50_000_000))
    assert run("score", model, "bomb.smi.gz", "-o", "out.csv").code == 6
    assert not (tmp_path / "out.csv").exists()


def test_shards_and_merge(run, model, library, tmp_path):
    assert run("score", model, library, "-o", "whole.csv").code == 0
    for shard in ("1/2", "2/2"):
        assert run("score", model, library, "-o", "out.csv", "--shard", shard).code == 0
    done = run("merge", "out.csv", "--json")
    assert done.code == 0
    assert done.json["read"] == 4
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert run("merge", "nothing.csv").code == 5


def test_a_cascade_from_the_command_line(run, tmp_path, assay, checkpoint, library):
    assert run("adapt", assay, "--model", checkpoint, "--no-verdict").code == 0
    more = ("--cascade", "0.5", "--first", checkpoint)
    done = run("score", "alcohols.molmeta", library, "-o", "out.csv", *more)
    assert done.code == 0
    assert "4 rows read: 3 scored by the first model, 1 rejected (1 invalid_smiles)\n" in done.out
    assert "The best 2 of these scored by the second model" in done.out
    assert len(rows(tmp_path / "out.csv")) == 2
    assert run("score", "alcohols.molmeta", library, "-o", "no.csv", *more, "--top", "3").code == 2
    (tmp_path / "other.csv").write_text(assay.read_text().replace("CCCCO", "CCCCCCCO"))
    assert run("adapt", "other.csv", "--model", checkpoint, "--no-verdict").code == 0
    done = run("score", "alcohols.molmeta", library, "--cascade", "0.5", "--first", "other.molmeta")
    assert done.code == 2
    assert "not of the assay" in done.err


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_it_within_seconds_and_says_how_to_go_on(model, tmp_path, name, code):
    (tmp_path / "long.smi").write_text("".join(f"C{'C' * (i % 20)}O n{i}\n" for i in range(20_000)))
    command = [sys.executable, "-m", "molmeta.cli", "score", model, "long.smi", "-o", "out.csv"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        until = time.monotonic() + 60
        while not list(tmp_path.glob("out.csv.parts/*.part")) and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(getattr(signal, name))
        sent = time.monotonic()
        assert process.stderr is not None
        err = process.stderr.readline()
        # All processes and threads are gone when it says so; then the interpreter takes its time to end.
        assert time.monotonic() - sent < 5
        err += process.stderr.read()
        process.wait(timeout=30)
    assert process.returncode == code
    assert "--resume" in err
    assert "Traceback" not in err
    done = shlex.split(err.splitlines()[-1])
    assert done[0] == "molmeta"
    assert subprocess.run(
        [sys.executable, "-m", "molmeta.cli", *done[1:]], cwd=tmp_path, capture_output=True, text=True
    ).stdout.startswith("long.smi read as")
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 20_001
