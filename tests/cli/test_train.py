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


@pytest.fixture
def trained(run, config):
    assert run("train", config, "--device", "cpu", "-o", "old").code == 0
    return "old"


@pytest.fixture
def ours(config, assay):
    folder = config.parent / "ours"
    folder.mkdir()
    assay.rename(folder / "alcohols.csv")
    return folder


def test_adds_a_folder_of_assays_to_a_model(run, trained, ours):
    done = run("train", "--init", trained, "--data", ours, "--device", "cpu")
    assert done.code == 0
    assert "Assays that were added (1)" in done.out
    assert done.out.split("alcohols")[1].split()[:5] == ["13", "12", "6", "no", "6"]
    assert "What was forgotten is not known" in done.out
    assert "Next: molmeta adapt ASSAY --model runs/old-continued" in done.out
    assert run("adapt", ours / "alcohols.csv", "--model", "runs/old-continued", "--no-verdict").code == 0
    assert run("train", "--init", trained, "--data", ours).code == 5


def test_says_what_was_forgotten(run, trained, ours):
    plan = ours.parent / "plan.toml"
    plan.write_text(
        '[data]\ntrain = "ours"\nvalid = "table.csv"\nvalid_roles = []\nworkers = 1\n'
        '[replay]\ndata = "table.csv"\n[pretrain]\nepochs = 1\n[validation]\nsupport_sizes = [8]\ndraws = 2\n'
    )
    command = ("train", plan, "--init", trained, "--replay", "0.5", "--device", "cpu")
    done = run(*command, "-o", "a")
    assert done.code == 0
    assert "Delta AUPRC on the old validation assays (2)" in done.out
    assert "Validation\n" not in done.out
    found = run(*command, "-o", "b", "--json").json
    (row,) = found["comparison"]
    assert (row["head"], row["k"], row["n"]) == ("evidence", 8, 2)
    assert row["difference"] == pytest.approx(row["after"] - row["before"])
    assert found["added"][0]["assay"] == "alcohols"


def test_wants_something_to_train(run, trained, ours):
    done = run("train")
    assert done.code == 2
    assert "give CONFIG.toml, or --init MODEL" in done.err
    done = run("train", "--init", trained, "--replay", "0.2", "--data", ours)
    assert done.code == 2
    assert "--replay 0" in done.err
    done = run("train", "--init", "nonsense", "--data", ours)
    assert done.code == 3
    (ours / "alcohols.csv").write_text("smiles,active\n")
    done = run("train", "--init", trained, "--data", ours)
    assert done.code == 3
    assert "alcohols.csv" in done.err


def test_a_run_that_is_interrupted_says_how_it_goes_on(run, config, monkeypatch):
    from molmeta.training.journal import Journal

    log = Journal.log

    def interrupted(self, *arguments, **options):
        log(self, *arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "log", interrupted)
        patch.setattr("sys.argv", ["molmeta", "train", "tiny.toml", "-o", "here"])
        done = run("train", config, "--device", "cpu", "-o", "here")
    assert done.code == 130
    assert "  molmeta train tiny.toml -o here --resume" in done.err
    assert run("train", config, "--device", "cpu", "-o", "here", "--resume").code == 0
