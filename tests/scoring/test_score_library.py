from __future__ import annotations

import csv
import json
import socket
from pathlib import Path

import pandas as pd
import pytest

from molmeta import assays
from molmeta.errors import ConfigError, InputError, RefusedError
from molmeta.predictor import Predictor
from molmeta.scoring import score_library
from molmeta.scoring.report import Progress

ROWS = [
    ["00123", "CCO", "=1+1"],
    ["NA", "C1CC", "-5"],
    ["1e5", "CC(=O)Oc1ccccc1C(=O)O", "a,b"],
    ["x", "", ""],
    ["y", "c1ccccc1O", 'say "hi"'],
    ["z", "CCССO", "@cmd"],
]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "lib.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["id", "smiles", "comment"], *ROWS])
    return path


def cells(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream, delimiter=delimiter))


def test_every_row_comes_back_verbatim_and_in_order(
    models: list[Predictor], library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    report = score_library(models[0], library, tmp_path / "out.csv")
    header, *rows = cells(tmp_path / "out.csv")
    assert [row[:3] for row in rows] == ROWS
    assert header[:5] == ["id", "smiles", "comment", "mm_status", "mm_smiles"]
    assert [row[3] for row in rows] == ["ok", "invalid_smiles", "ok", "empty", "ok", "non_ascii"]
    assert all(cell == "" for row in rows if row[3] != "ok" for cell in row[4:])
    assert all(cell != "" for row in rows if row[3] == "ok" for cell in row[4:])
    assert (report.read, report.scored) == (6, 3)
    assert report.scored + sum(report.rejected.values()) == report.read
    assert report.formulas == 2
    assert {file.name for file in tmp_path.iterdir()} == {"lib.csv", "out.csv"}


def test_numbers_have_six_digits_and_are_those_of_predict(
    models: list[Predictor], library: Path, tmp_path: Path
):
    score_library(models[0], library, tmp_path / "out.csv")
    found = pd.read_csv(tmp_path / "out.csv")
    expected = models[0].predict([row[1] for row in ROWS])
    for name in ("mm_score", "mm_probability", "mm_std", "mm_low", "mm_nearest_similarity"):
        pd.testing.assert_series_equal(found[name], expected[name], rtol=6e-6)
    digits = [text.lstrip("-0.").replace(".", "") for text in found.mm_score.dropna().astype(str)]
    assert max(map(len, digits)) <= 6


@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_chunks_do_not_show(models: list[Predictor], library: Path, tmp_path: Path, chunk: int):
    score_library(models[0], library, tmp_path / "whole.csv")
    done: list[Progress] = []
    score_library(models[0], library, tmp_path / "parts.csv", chunk=chunk, progress=done.append)
    whole, parts = pd.read_csv(tmp_path / "whole.csv"), pd.read_csv(tmp_path / "parts.csv")
    pd.testing.assert_frame_equal(whole, parts, rtol=1e-5)
    assert done[-1] == Progress(6, 3, 1.0)
    assert [one.rows for one in done] == sorted(one.rows for one in done)


def test_every_format_holds_the_same(models: list[Predictor], library: Path, tmp_path: Path):
    for ending in ("csv", "tsv", "jsonl", "parquet"):
        score_library(models[0], library, tmp_path / f"out.{ending}")
    table = cells(tmp_path / "out.csv")
    assert cells(tmp_path / "out.tsv", "\t") == table
    objects = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [list(one) for one in objects] == [table[0]] * 6
    assert objects[1]["mm_score"] is None
    assert objects[0]["id"] == "00123"
    frame = pd.read_parquet(tmp_path / "out.parquet")
    assert list(frame) == table[0]
    assert frame.id.tolist() == [row[0] for row in ROWS]
    assert frame.mm_score.dropna().tolist() == [float(row[5]) for row in table[1:] if row[5]]
    assert frame.mm_score.dropna().tolist() == [one["mm_score"] for one in objects if one["mm_score"]]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_parquet_whose_chunks_are_all_bad_or_of_values_keeps_its_types(
    models: list[Predictor], library: Path, tmp_path: Path, ending: str
):
    report = score_library(models[1], library, tmp_path / f"out.{ending}", chunk=1)
    assert report.read == 6


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_an_empty_library_gives_an_empty_table(models: list[Predictor], tmp_path: Path, ending: str):
    (tmp_path / "lib.csv").write_text("smiles,name\n")
    report = score_library(models[0], tmp_path / "lib.csv", tmp_path / f"out.{ending}")
    assert (report.read, report.scored, report.rejected) == (0, 0, {})
    if ending == "parquet":
        assert pd.read_parquet(tmp_path / "out.parquet").shape[0] == 0
    if ending == "csv":
        (header,) = cells(tmp_path / "out.csv")
        assert header[:3] == ["smiles", "name", "mm_status"]


def test_several_models_share_a_pass(models: list[Predictor], library: Path, tmp_path: Path):
    score_library(models, library, tmp_path / "both.csv")
    both = pd.read_csv(tmp_path / "both.csv")
    assert list(both)[3:6] == ["mm_status", "mm_smiles", "bbb_mm_score"]
    for model in models:
        score_library(model, library, tmp_path / f"{model.name}.csv")
        alone = pd.read_csv(tmp_path / f"{model.name}.csv")
        assert both[f"{model.name}_mm_score"].equals(alone.mm_score)
    with pytest.raises(ConfigError, match="different assays"):
        score_library([models[0], models[0]], library, tmp_path / "twice.csv")


def test_the_best_rows_are_the_best_of_all(models: list[Predictor], tmp_path: Path):
    drugs = assays.path("drugs")
    score_library(models[0], drugs, tmp_path / "all.csv")
    report = score_library(models[0], drugs, tmp_path / "top.csv", top=7, chunk=50)
    everything, best = pd.read_csv(tmp_path / "all.csv"), pd.read_csv(tmp_path / "top.csv")
    assert len(best) == 7
    assert report.read == len(everything)
    expected = everything.mm_score.sort_values(ascending=False).head(7).to_numpy()
    assert best.mm_score.to_numpy() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("columns", [None, ["mm_score"]])
def test_the_best_compounds_are_told_once(models: list[Predictor], tmp_path: Path, columns: list[str] | None):
    lines = [line.split() for line in assays.path("drugs").read_text("utf-8").splitlines()[:60]]
    twice = [*lines, *([smiles, f"again-{i}"] for i, (smiles, *_) in enumerate(lines[::-1])), lines[7]]
    (tmp_path / "once.smi").write_text("".join(f"{smiles} {name}\n" for smiles, name, *_ in lines))
    (tmp_path / "twice.smi").write_text("".join(f"{smiles} {name}\n" for smiles, name, *_ in twice))
    once, more = (
        score_library(
            models[0], tmp_path / f"{name}.smi", tmp_path / f"{name}.csv", columns=columns, chunk=chunk
        )
        for name, chunk in (("once", 60), ("twice", 37))
    )
    assert [one["smiles"] for one in more.best] == [one["smiles"] for one in once.best]
    assert once.copies == (1,) * 5
    assert more.copies == tuple(3 if one["smiles"] == lines[7][0] else 2 for one in more.best)


def test_spellings_of_a_compound_are_one(models: list[Predictor], tmp_path: Path):
    (tmp_path / "lib.smi").write_text("CCO a\nOCC b\nC(O)C c\nCCN d\n")
    report = score_library(models[0], tmp_path / "lib.smi", tmp_path / "out.csv")
    assert {one["name"]: n for one, n in zip(report.best, report.copies, strict=True)} == {"a": 3, "d": 1}


def test_existing_files_are_safe(models: list[Predictor], library: Path, tmp_path: Path):
    (tmp_path / "out.csv").write_text("precious")
    with pytest.raises(RefusedError, match="exists"):
        score_library(models[0], library, tmp_path / "out.csv")
    with pytest.raises(RefusedError, match="is what is read"):
        score_library(models[0], library, library, force=True)
    assert (tmp_path / "out.csv").read_text() == "precious"
    score_library(models[0], library, tmp_path / "out.csv", force=True)
    assert (tmp_path / "out.csv").read_text() != "precious"


def test_an_interrupt_leaves_the_parts_and_nothing_else(
    models: list[Predictor], library: Path, tmp_path: Path
):
    def stop(done: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_library(models[0], library, tmp_path / "out.csv", chunk=2, progress=stop)
    assert {file.name for file in tmp_path.iterdir()} == {"lib.csv", "out.csv.parts"}
    assert not list(tmp_path.glob("*.parts/*.tmp"))


def test_bad_requests_are_told(models: list[Predictor], library: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"cannot write '.*out\.xlsx'"):
        score_library(models[0], library, tmp_path / "out.xlsx")
    with pytest.raises(ConfigError, match="top=0"):
        score_library(models[0], library, tmp_path / "out.csv", top=0)
    with pytest.raises(RefusedError, match="not a folder"):
        score_library(models[0], library, tmp_path / "no" / "out.csv")
    with pytest.raises(InputError, match="no such file"):
        score_library(models[0], tmp_path / "nothing.smi", tmp_path / "out.csv")
    score_library(models[0], library, tmp_path / "out.csv")
    with pytest.raises(InputError, match="mm_status"):
        score_library(models[0], tmp_path / "out.csv", tmp_path / "again.csv")


def test_stdout_takes_csv(models: list[Predictor], library: Path, capfdbinary: pytest.CaptureFixture[bytes]):
    score_library(models[0], library, "-")
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert len(lines) == 7
    assert lines[0].startswith("id,smiles,comment,mm_status")


def test_broken_rows_keep_their_place(models: list[Predictor], tmp_path: Path):
    (tmp_path / "lib.csv").write_text("smiles,name\nCCO,a\nCCN\nCCCO,b\nCCCN,c,d,e\nCCCC,f\n")
    report = score_library(models[0], tmp_path / "lib.csv", tmp_path / "out.csv")
    _, *rows = cells(tmp_path / "out.csv")
    assert [row[2] for row in rows] == ["ok", "ragged_row", "ok", "ragged_row", "ok"]
    assert report.rejected == {"ragged_row": 2}
