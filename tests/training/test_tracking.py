"""What a run leaves to look at: the log, its picture, and events for TensorBoard."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from molmeta.errors import ConfigError
from molmeta.training import train
from molmeta.training.board import FOLDER, Board
from molmeta.training.picture import PICTURE, draw_training
from molmeta.training.report import Progress, read_log


@pytest.fixture(scope="module")
def run(corpus_folder: Path) -> Path:
    config = corpus_folder / "watched.toml"
    text = (corpus_folder / "tiny.toml").read_text(encoding="utf-8")
    config.write_text(text.replace("save_every = 3", "save_every = 3\nlog_every = 2"), encoding="utf-8")
    train(config, corpus_folder / "watched", data=corpus_folder, device="cpu", tensorboard=True)
    return corpus_folder / "watched"


def test_losses_and_rates_are_logged_between_the_looks_at_validation_assays(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "train.jsonl").read_text().splitlines()]
    pretrain = [line for line in lines if line["stage"] == "pretrain"]
    assert [line["step"] for line in pretrain if not line["validation"]] == list(range(2, 17, 2))
    assert [line["step"] for line in pretrain if line["validation"]] == [8, 16]
    assert all(line["loss"] for line in pretrain)
    rates = [line["rate"] for line in pretrain]
    assert rates[0] < max(rates) > rates[-1]  # warm-up, then a cosine
    assert {line["rate"] for line in lines if line["stage"] == "anil" and line["step"]} == {1e-2}


def test_the_picture_has_a_column_for_each_stage(run: Path) -> None:
    drawn = (run / PICTURE).read_bytes()
    assert drawn == draw_training(read_log(run / "train.jsonl"))  # the same bytes for the same log
    titles = {element.get("id") for element in ElementTree.fromstring(drawn).iter()}
    assert {f"axes_{number}" for number in range(1, 13)} <= titles  # 3 by 4 stages
    assert "axes_13" not in titles


def test_a_log_of_an_earlier_version_is_drawn(tmp_path: Path) -> None:
    line = (
        '{"stage": "proto", "step": 5, "steps": 9, "loss": {"outer": 0.5}, "validation": {}, "seconds": 1.0}'
    )
    (tmp_path / "train.jsonl").write_text(line + "\n", encoding="utf-8")
    log = read_log(tmp_path / "train.jsonl")
    assert log == [Progress("proto", 5, 9, {"outer": 0.5}, {}, 1.0)]
    assert draw_training(log).startswith(b"<?xml")
    assert read_log(tmp_path / "none.jsonl") == []


def test_tensorboard_shows_what_is_logged_and_nothing_twice(run: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def shown(folder: Path) -> dict[str, list[tuple[int, float]]]:
        events = EventAccumulator(str(folder / FOLDER), size_guidance={"scalars": 0}).Reload()
        return {
            tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]
        }

    log = read_log(run / "train.jsonl")
    found = shown(run)
    assert {tag.split("/")[0] for tag in found} == {one.stage for one in log}
    for tag, points in found.items():
        assert all(a <= b for (a, _), (b, _) in pairwise(points)), tag
    wanted = [(one.step, one.loss["labels"]) for one in log if one.stage == "pretrain"]
    assert found["pretrain/loss/labels"] == [(step, pytest.approx(loss)) for step, loss in wanted]
    assert len(found["pretrain/validation/evidence/delta_auprc"]) == 2

    # A run that goes on has lost its last lines, and writes them again.
    board = Board(tmp_path, log)
    board.close()
    board = Board(tmp_path, log[:5])
    for one in log[5:]:
        board.add(one)
    board.close()
    assert shown(tmp_path) == found


def test_tensorboard_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r"pip install 'molmeta\[train\]'"):
        Board(tmp_path)
