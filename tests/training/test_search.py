"""Studies train for real, go on after a kill as if there had been none, and end in a configuration."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from molmeta.checkpoint import load_checkpoint
from molmeta.errors import ConfigError, RefusedError
from molmeta.training import train
from molmeta.training.folder import alone
from molmeta.training.search import SearchReport, search
from molmeta.training.stages import Run
from molmeta.training.study import SAMPLERS, Settings

SPACE = """
[search]
head = ["evidence", "mahalanobis"]
"encoder.width" = [16, 32]
"encoder.fingerprints" = [["counts"], ["counts", "pairs"]]
"pretrain.rate" = { low = 1e-5, high = 1e-1, log = true }
"""
# Says when a step is done, so that the kill can be aimed.
_CHILD = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from molmeta.training.search import search
from molmeta.training.stages import Run
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
original = Run.advance
def watched(self, *arguments):
    original(self, *arguments)
    print(self.out.name, flush=True)
Run.advance = watched
search(folder / "study.toml", out, data=folder, trials=3, device="cpu")
"""


@pytest.fixture(scope="module")
def folder(corpus_folder: Path) -> Path:
    text = (corpus_folder / "tiny.toml").read_text()
    (corpus_folder / "study.toml").write_text(text + SPACE, encoding="utf-8")
    return corpus_folder


@pytest.fixture(scope="module")
def unbroken(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> SearchReport:
    # A name that would mean something else in a URL.
    out = tmp_path_factory.mktemp("unbroken") / "study? 100%20#1"
    return search(folder / "study.toml", out, data=folder, trials=3, device="cpu")


@pytest.fixture
def quick(folder: Path, tmp_path: Path) -> Path:
    """Trials of stage A alone: two epochs, and a look after each."""
    text = (folder / "tiny.toml").read_text()
    path = tmp_path / "quick.toml"
    text = (
        text[: text.index("[heads.evidence]")]
        + "[heads.proto]\ndim = 16\n"
        + text[text.index("[pretrain]") :]
    )
    path.write_text(
        text.replace("steps = 6", "steps = 0").replace("draws = 2", "draws = 1"), encoding="utf-8"
    )
    return path


def test_trials_are_trained_and_all_but_the_best_tidied_away(unbroken: SearchReport) -> None:
    assert [trial.state for trial in unbroken.trials] == ["complete"] * 3
    assert unbroken.best == max(unbroken.trials, key=lambda trial: trial.values["accuracy"])
    assert len({trial.values["accuracy"] for trial in unbroken.trials}) == 3
    for trial in unbroken.trials:
        run = unbroken.folder / "trials" / f"{trial.number:04d}"
        names = {file.name for file in run.iterdir()}
        assert {"train.jsonl", "metrics.json", "train.toml"} <= names
        assert ("weights.safetensors" in names) == (trial == unbroken.best)
        assert "cache" not in names
    learner = load_checkpoint(unbroken.folder / "trials" / f"{unbroken.best.number:04d}")
    assert [learner.default_head] == [unbroken.best.params["head"]]


def test_the_best_configuration_gives_the_best_value_again(
    unbroken: SearchReport, folder: Path, tmp_path: Path
) -> None:
    report = train(unbroken.folder / "best.toml", tmp_path / "again", data=folder, device="cpu")
    (score,) = report.validation.values()
    assert score.delta_auprc == unbroken.best.values["accuracy"]


def test_a_finished_study_trains_nothing_again(unbroken: SearchReport, folder: Path) -> None:
    steps: list[int] = []
    report = search(
        folder / "study.toml",
        unbroken.folder,
        data=folder,
        trials=3,
        device="cpu",
        progress=lambda number, now: steps.append(number),
    )
    assert report.trials == unbroken.trials
    assert not steps


def test_a_killed_study_goes_on_to_the_same_result(
    unbroken: SearchReport, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(folder), str(out)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    seen = 0
    for line in child.stdout:
        seen += line.strip() == "0001"
        if seen == 5:  # in the middle of the second trial, after a state was saved
            break
    child.send_signal(signal.SIGKILL)
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    resumed: set[int] = set()
    report = search(
        folder / "study.toml",
        out,
        data=folder,
        trials=3,
        device="cpu",
        progress=lambda number, now: resumed.add(number),
    )
    assert report.trials == unbroken.trials
    assert resumed == {1, 2}
    assert (out / "best.toml").read_bytes() == (unbroken.folder / "best.toml").read_bytes()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_in_two_calls_samples_what_it_does_in_one(
    sampler: str, folder: Path, quick: Path, tmp_path: Path
) -> None:
    text = (
        quick.read_text()
        .replace("epochs = 2", "epochs = 1")
        .replace("validate_every = 1", "validate_every = 9")
    )
    quick.write_text(
        text + '[search]\n"pretrain.rate" = { low = 1e-4, high = 1e-1, log = true }\n'
        '"encoder.dropout" = { low = 0.0, high = 0.5 }\n"encoder.depth" = { low = 1, high = 3 }\n'
    )
    settings = Settings(sampler=sampler, seed=7)

    def run(name: str, trials: int, first: int) -> SearchReport:
        (tmp_path / name).mkdir(exist_ok=True)
        for n in (first, trials):
            report = search(quick, tmp_path / name, data=folder, trials=n, settings=settings, device="cpu")
        return report

    whole, parts = run("whole", 5, 5), run("parts", 5, 3)
    assert whole.trials == parts.trials
    assert len({trial.params["encoder.dropout"] for trial in whole.trials}) == 5
    assert set(whole.importance) == {"pretrain.rate", "encoder.dropout", "encoder.depth"}


def test_poor_trials_are_pruned(folder: Path, quick: Path, tmp_path: Path) -> None:
    quick.write_text(
        quick.read_text().replace("epochs = 2", "epochs = 3") + '[search]\n"pretrain.rate" = [1e-2, 1e-9]\n'
    )
    report = search(quick, tmp_path / "study", data=folder, trials=8, device="cpu")
    pruned = [trial for trial in report.trials if trial.state == "pruned"]
    assert pruned
    for trial in pruned:
        assert trial.params == {"pretrain.rate": 1e-9}
        run = tmp_path / "study" / "trials" / f"{trial.number:04d}"
        assert {file.name for file in run.iterdir()} == {"train.jsonl"}
    assert report.best.params == {"pretrain.rate": 1e-2}


def test_a_trial_that_diverges_fails_and_the_study_goes_on(folder: Path, quick: Path, tmp_path: Path) -> None:
    quick.write_text(quick.read_text() + '[search]\n"pretrain.rate" = [1e30, 1e-3]\n')
    report = search(quick, tmp_path / "study", data=folder, trials=6, device="cpu")
    states = {trial.params["pretrain.rate"]: trial.state for trial in report.trials}
    assert states == {1e30: "fail", 1e-3: "complete"}
    (reason,) = {trial.reason for trial in report.trials if trial.state == "fail"}
    assert reason is not None
    assert reason.startswith("the loss of stage 'pretrain' is not finite at step")


def test_accuracy_and_size_leave_a_front(folder: Path, quick: Path, tmp_path: Path) -> None:
    quick.write_text(quick.read_text() + '[search]\n"encoder.width" = [4, 64]\n')
    settings = Settings(sampler="nsga2", objectives=("accuracy", "size"))
    report = search(quick, tmp_path / "study", data=folder, trials=4, settings=settings, device="cpu")
    assert report.best in report.front
    smallest = min(trial.values["size"] for trial in report.trials)
    assert any(trial.values["size"] == smallest for trial in report.front)
    for trial in report.trials:
        weights = tmp_path / "study" / "trials" / f"{trial.number:04d}" / "weights.safetensors"
        assert weights.exists() == (trial in report.front)


def test_a_trial_that_kills_the_process_again_and_again_is_given_up(
    folder: Path, quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick.write_text(quick.read_text() + '[search]\n"encoder.width" = [4, 1000]\n')
    original = Run.pretrain

    def deadly(run: Run) -> None:
        if run.config.encoder["width"] == 1000:
            os.kill(os.getpid(), signal.SIGKILL)
        original(run)

    monkeypatch.setattr(Run, "pretrain", deadly)
    deaths = 0
    for _ in range(10):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                search(quick, tmp_path / "study", data=folder, trials=4, device="cpu")
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        deaths += 1
    report = search(quick, tmp_path / "study", data=folder, trials=4, device="cpu")
    failed = [trial for trial in report.trials if trial.state == "fail"]
    assert failed
    assert deaths == 3 * len(failed)
    assert all(trial.reason and "ended the process 3 times" in trial.reason for trial in failed)


def test_a_study_is_not_mixed_with_another(unbroken: SearchReport, folder: Path) -> None:
    config, out = folder / "study.toml", unbroken.folder
    with pytest.raises(ConfigError, match="was started with sampler = 'tpe', found 'nsga2'"):
        search(config, out, data=folder, settings=Settings(sampler="nsga2"))
    with pytest.raises(ConfigError, match="was started with seed = 0, found 1"):
        search(config, out, data=folder, settings=Settings(seed=1))
    with alone(out), pytest.raises(RefusedError, match="another process works"):
        search(config, out, data=folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(sampler="tpee"), "unknown sampler 'tpee'; did you mean 'tpe'"),
        (Settings(pruner="x"), "unknown pruner 'x'; known are median, halving, none"),
        (Settings(objectives=("size",)), "first objective must be accuracy"),
        (Settings(objectives=("accuracy", "sise")), "did you mean 'size'"),
        (Settings(sampler="cmaes", objectives=("accuracy", "size")), "cmaes has one objective, found 2"),
    ],
)
def test_settings_are_checked_first(settings: Settings, message: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        search(folder / "study.toml", tmp_path / "study", data=folder, settings=settings)
    assert not list(tmp_path.glob("study/trials/*"))


def test_without_time_there_is_no_result(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="none of 0 trials came to its end"):
        search(folder / "study.toml", tmp_path / "study", data=folder, timeout=0.0)


def test_trials_of_a_study_that_is_gone_are_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "trials" / "0000").mkdir(parents=True)
    with pytest.raises(RefusedError, match=r"holds 'trials' and no study.db"):
        search(folder / "study.toml", tmp_path, data=folder, trials=1, device="cpu")
