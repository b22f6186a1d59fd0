from __future__ import annotations

import pytest

CONFIG = """
name = "tiny"
[data]
train = "table.csv"
valid = "table.csv"
valid_roles = []
reserve = 0
workers = 1
[encoder]
name = "fingerprint"
width = 16
depth = 1
dim = 8
[heads.evidence]
dim = 8
[pretrain]
epochs = 1
batch_size = 16
validate_every = 1
[episodic]
steps = 2
episodes = 1
k_max = 8
query = 8
validate_every = 1
[validation]
support_sizes = [8]
draws = 1
"""


@pytest.fixture
def config(table, monkeypatch):
    monkeypatch.chdir(table.parent)
    path = table.parent / "tiny.toml"
    path.write_text(CONFIG)
    return path


def test_makes_a_checkpoint_that_adapts(run, config, assay, tmp_path):
    found = run("train", config, "--device", "cpu", "--json").json
    assert found["folder"] == "runs/tiny"
    assert found["validation"]["evidence"]["delta_auprc@8"] == pytest.approx(0.5, abs=0.5)
    assert run("adapt", assay, "--model", "runs/tiny", "--no-verdict").code == 0
    assert run("train", config, "--device", "cpu").code == 5


def test_says_how_it_went(run, config):
    done = run("train", config, "--device", "cpu", "-o", "here", "--seed", "5")
    assert done.code == 0
    assert "Next: molmeta adapt ASSAY --model here" in done.out
    assert "validation" in done.err


def test_unknown_keys_and_missing_data(run, config):
    config.write_text(CONFIG.replace("epochs", "epoch"))
    done = run("train", config)
    assert done.code == 2
    assert "epoch" in done.err
    config.write_text(CONFIG.replace("table.csv", "none.csv"))
    done = run("train", config)
    assert done.code == 3
    assert "--data" in done.err
    assert run("train", "none.toml").code == 2
