"""A run ends in a checkpoint, and being killed at a random moment does not change what it ends in."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from molmeta.checkpoint import load_atlas, load_checkpoint
from molmeta.errors import ConfigError, NotEnoughData, RefusedError
from molmeta.training import train
from molmeta.training.report import Diverged
from molmeta.training.state import read_state, write_state

# Says when a step is done, so that kills can be aimed at steps of every stage.
_CHILD = """
import sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from molmeta.training import train
from molmeta.training.stages import Run
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
original = Run.advance
def watched(self, *arguments):
    original(self, *arguments)
    print("step", flush=True)
Run.advance = watched
train(folder / "tiny.toml", out, data=folder, resume=out.exists(), device="cpu")
"""


@pytest.fixture(scope="module")
def unbroken(corpus_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "run"
    train(corpus_folder / "tiny.toml", out, data=corpus_folder, device="cpu")
    return out


def test_a_run_leaves_a_checkpoint_that_loads(unbroken: Path) -> None:
    learner = load_checkpoint(unbroken)
    assert list(learner.heads) == ["evidence", "mahalanobis", "anil"]
    assert learner.info["assays"] == 8
    assert len(learner.seen) > 100
    assert learner.conformity.size.tolist() == [4, 8, 16, 32]  # assays have 40 compounds
    assert (np.diff(learner.conformity.value, axis=1) >= 0).all()
    stages = {json.loads(line)["stage"] for line in (unbroken / "train.jsonl").read_text().splitlines()}
    assert stages == {"pretrain", "evidence", "mahalanobis", "anil"}


def test_inner_and_outer_losses_are_logged(unbroken: Path) -> None:
    lines = [json.loads(line) for line in (unbroken / "train.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if line["stage"] == "anil" and line["step"]]
    assert losses
    assert all({"outer", "inner_first", "inner_last"} <= loss.keys() for loss in losses)


def test_a_killed_run_resumes_to_the_same_result(unbroken: Path, corpus_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    rng = np.random.default_rng(0)
    kills = 0
    for _ in range(40):
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(corpus_folder), str(out)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(int(rng.integers(5, 16))):
            if not child.stdout.readline():
                break
        time.sleep(float(rng.uniform(0, 0.05)))
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
        code = child.wait()
        child.stdout.close()
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
    assert code == 0
    assert kills >= 2
    for name in ("metrics.json", "train.toml"):
        assert (out / name).read_bytes() == (unbroken / name).read_bytes()
    want, got = load_checkpoint(unbroken).state_dict(), load_checkpoint(out).state_dict()
    assert all(torch.equal(want[key], got[key]) for key in want)

    def losses(folder: Path) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
        return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]

    assert losses(out) == losses(unbroken)


def test_the_same_seed_gives_the_same_weights(unbroken: Path, corpus_folder: Path, tmp_path: Path) -> None:
    train(corpus_folder / "tiny.toml", tmp_path / "again", data=corpus_folder, device="cpu")
    train(corpus_folder / "tiny.toml", tmp_path / "other", data=corpus_folder, device="cpu", seed=4)
    want = load_checkpoint(unbroken).state_dict()["encoder.output.weight"]
    assert torch.equal(load_checkpoint(tmp_path / "again").state_dict()["encoder.output.weight"], want)
    assert not torch.equal(load_checkpoint(tmp_path / "other").state_dict()["encoder.output.weight"], want)


def test_a_run_is_not_overwritten(unbroken: Path, corpus_folder: Path) -> None:
    with pytest.raises(RefusedError, match="--resume"):
        train(corpus_folder / "tiny.toml", unbroken, data=corpus_folder)


def test_a_state_of_another_configuration_is_refused(unbroken: Path, corpus_folder: Path) -> None:
    with pytest.raises(ConfigError, match="another configuration"):
        train(corpus_folder / "tiny.toml", unbroken, data=corpus_folder, resume=True, seed=99)


def test_the_encoder_learns_through_a_head(corpus_folder: Path, tmp_path: Path) -> None:
    text = (corpus_folder / "tiny.toml").read_text()
    head = text[: text.index("[heads.mahalanobis]")] + text[text.index("[pretrain]") :]
    config = tmp_path / "deep.toml"
    config.write_text(
        head.replace("[heads.evidence]", "[heads.maml]\nsteps = 2")
        .replace("[episodic]", "[episodic]\nfreeze_encoder = false\nencoder_rate = 1e-3")
        .replace("epochs = 2", "epochs = 0"),
        encoding="utf-8",
    )
    report = train(config, tmp_path / "deep", data=corpus_folder, device="cpu")
    assert report.validation["maml"].nll < 1.0


def test_new_heads_start_from_the_encoder_of_a_checkpoint(
    unbroken: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    text = (corpus_folder / "tiny.toml").read_text()
    config = tmp_path / "more.toml"
    config.write_text(
        text.replace("seed = 3", f'seed = 3\nstart = "{unbroken}"')
        .replace("[heads.mahalanobis]\n", "[heads.dkt]\n")
        .replace("steps = 6", "steps = 0"),
        encoding="utf-8",
    )
    train(config, tmp_path / "more", data=corpus_folder, device="cpu")
    want, got = load_checkpoint(unbroken).state_dict(), load_checkpoint(tmp_path / "more").state_dict()
    shared = {key for key in want if not key.startswith("heads.mahalanobis")}
    assert any(key.startswith("heads.evidence.panels") for key in shared)
    assert all(torch.equal(want[key], got[key]) for key in shared)
    assert "heads.dkt.log_length" in got


def test_compounds_that_the_encoder_of_a_start_has_seen_count_as_seen(
    unbroken: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    text = (corpus_folder / "tiny.toml").read_text()
    config = tmp_path / "few.toml"
    config.write_text(
        text.replace("seed = 3", f'seed = 3\nstart = "{unbroken}"')
        .replace('train = "train.csv.gz"', 'train = "valid.csv.gz"')
        .replace('roles = ["train"]', 'roles = ["valid_select"]')
        .replace("reserve = 0.4", "reserve = 0.0")
        .replace("steps = 6", "steps = 0"),
        encoding="utf-8",
    )
    train(config, tmp_path / "few", data=corpus_folder, device="cpu")
    before, after = load_checkpoint(unbroken).seen, load_checkpoint(tmp_path / "few").seen
    assert torch.isin(before, after).all()
    assert len(after) > len(before)
    # Tables that were taken over count the assays of the checkpoint.
    assert load_atlas(tmp_path / "few").names == load_atlas(unbroken).names


def test_assays_that_are_too_small_for_validation_are_found_before_training(
    corpus_folder: Path, tmp_path: Path
) -> None:
    config = tmp_path / "large.toml"
    text = (corpus_folder / "tiny.toml").read_text().replace("support_sizes = [16]", "support_sizes = [64]")
    config.write_text(text, encoding="utf-8")
    with pytest.raises(NotEnoughData, match=r"none of .* validation assays can be split into 64 compounds"):
        train(config, tmp_path / "large", data=corpus_folder)
    assert not (tmp_path / "large" / "train.jsonl").exists()


def test_a_state_from_before_a_key_was_added_goes_on(
    unbroken: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "old"
    out.mkdir()
    tensors, counters = read_state(unbroken / "state.safetensors")
    del counters["config"]["episodic"]["schedule"]
    write_state(out / "state.safetensors", tensors, counters)
    train(corpus_folder / "tiny.toml", out, data=corpus_folder, resume=True, device="cpu")
    assert (out / "metrics.json").read_bytes() == (unbroken / "metrics.json").read_bytes()


def test_a_rate_that_drives_parameters_out_of_all_bounds_is_said(corpus_folder: Path, tmp_path: Path) -> None:
    text = (corpus_folder / "tiny.toml").read_text()
    config = tmp_path / "fast.toml"
    text = text.replace("[episodic]", "[episodic]\nrate = 1e30").replace(
        "validate_every = 3", "validate_every = 1"
    )
    config.write_text(text, encoding="utf-8")
    with pytest.raises(
        Diverged, match=r"parameters of stage 'evidence' have grown to 1e.30 by step 0; lower the rate"
    ):
        train(config, tmp_path / "fast", data=corpus_folder, device="cpu")


@pytest.mark.parametrize("stage", ["pretrain", "anil"])
def test_a_loss_that_is_not_finite_is_said_with_the_assay_and_the_state(
    stage: str, corpus_folder: Path, tmp_path: Path
) -> None:
    config = tmp_path / "fast.toml"
    text = (corpus_folder / "tiny.toml").read_text()
    said = rf"'{stage}' is not finite at step \d, for the assay 'T\d'; "
    if stage == "pretrain":
        text = text.replace("[pretrain]", "[pretrain]\nrate = 1e38").replace("warmup = 5", "warmup = 0")
        said += "no state was saved yet: lower the rate"
    else:  # the inner loop of a head explodes
        text = text.replace("steps = 2\n", "steps = 2\nrate = 1e30\n")
        text = text.replace("[heads.evidence]\ndim = 16\n[heads.mahalanobis]\ndim = 16\n", "")
        said += r"the last good state, of step 0 of stage 1, is in .*state\.safetensors: lower the rate"
    config.write_text(text, encoding="utf-8")
    with pytest.raises(Diverged, match=said):
        train(config, tmp_path / "fast", data=corpus_folder, device="cpu")


def test_another_encoder_is_no_start(unbroken: Path, corpus_folder: Path, tmp_path: Path) -> None:
    text = (corpus_folder / "tiny.toml").read_text()
    config = tmp_path / "wide.toml"
    config.write_text(
        text.replace("seed = 3", f'seed = 3\nstart = "{unbroken}"').replace("width = 32", "width = 48"),
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match=r"the configuration wants .*48"):
        train(config, tmp_path / "wide", data=corpus_folder, device="cpu")
