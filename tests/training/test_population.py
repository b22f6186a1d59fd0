"""Members copy and perturb, those that fail are replaced, and the schedule found trains as any other."""

from __future__ import annotations

import csv
import json
import math
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from molmeta.checkpoint import load_checkpoint
from molmeta.configuration import read_toml
from molmeta.errors import ConfigError, RefusedError
from molmeta.training import read_config, train
from molmeta.training.config import TrainConfig
from molmeta.training.folder import alone
from molmeta.training.journal import BEST, LOG, STATE
from molmeta.training.members import FACTORS, Member, Plan, configured, copy_state, exploit, first_plan
from molmeta.training.population import PLAN, PopulationReport, train_population
from molmeta.training.report import Diverged
from molmeta.training.state import read_state

# Says when a step is done, so that kills can be aimed.
_CHILD = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from molmeta.training.population import train_population
from molmeta.training.stages import Run
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
original = Run.advance
def watched(self, *arguments):
    original(self, *arguments)
    print("step", flush=True)
Run.advance = watched
train_population(folder / "one.toml", out, data=folder, members=4, interval=3, device="cpu")
"""


@pytest.fixture(scope="module")
def folder(corpus_folder: Path) -> Path:
    text = (corpus_folder / "tiny.toml").read_text()
    head = text[: text.index("[heads.mahalanobis]")] + text[text.index("[pretrain]") :]
    head = head.replace("save_every = 3", "save_every = 2").replace("steps = 6", "steps = 9")
    (corpus_folder / "one.toml").write_text(head, encoding="utf-8")
    return corpus_folder


@pytest.fixture(scope="module")
def config(folder: Path) -> TrainConfig:
    return read_config(folder / "one.toml")


@pytest.fixture(scope="module")
def unbroken(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> PopulationReport:
    out = tmp_path_factory.mktemp("population") / "p"
    return train_population(folder / "one.toml", out, data=folder, members=4, interval=3, device="cpu")


def same_weights(one: Path, other: Path) -> bool:
    a, b = load_checkpoint(one).state_dict(), load_checkpoint(other).state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_the_best_member_leaves_a_checkpoint_and_its_schedule(unbroken: PopulationReport) -> None:
    assert [len(member.scores) for member in unbroken.members] == [3] * 4
    assert load_checkpoint(unbroken.folder / "best").default_head == "evidence"
    schedule = unbroken.members[unbroken.best].schedule
    with (unbroken.folder / "schedule.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(int(r["step"]), float(r["rate"]), float(r["encoder_rate"])) for r in rows] == schedule
    lines = [json.loads(line) for line in (unbroken.folder / "best" / "train.jsonl").read_text().splitlines()]
    looks = [(line["stage"], line["step"]) for line in lines]
    assert looks[-4:] == [("evidence", step) for step in (0, 3, 6, 9)]
    assert not (unbroken.folder / "members").exists()


def test_training_by_the_schedule_found_gives_the_same_weights(
    unbroken: PopulationReport, folder: Path, tmp_path: Path
) -> None:
    assert any(len(member.schedule) > 1 for member in unbroken.members)
    train(unbroken.folder / "best.toml", tmp_path / "again", data=folder, device="cpu")
    assert same_weights(tmp_path / "again", unbroken.folder / "best")


def test_a_killed_population_goes_on_to_the_same_result(
    unbroken: PopulationReport, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p"
    # 16 steps of stage A; then 3 for each member in each interval: a kill within the second member's second.
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(folder), str(out)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for _ in range(16 + 12 + 5):
        assert child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    report = train_population(folder / "one.toml", out, data=folder, members=4, interval=3, device="cpu")
    assert report.members == unbroken.members
    assert report.best == unbroken.best
    assert same_weights(out / "best", unbroken.folder / "best")
    again = train_population(folder / "one.toml", out, data=folder, members=4, interval=3, device="cpu")
    assert again.members == unbroken.members
    assert same_weights(out / "best", unbroken.folder / "best")


def test_exploit_copies_the_state_exactly(
    unbroken: PopulationReport, config: TrainConfig, tmp_path: Path
) -> None:
    source, target = unbroken.folder / "best", tmp_path / "target"
    other = configured(config, [(0, 0.5, 0.1), (3, 0.25, 0.1)])
    for _ in range(2):  # done again after a kill, it does the same
        copy_state(source, target, other)
        want, wanted = read_state(source / STATE)
        got, counters = read_state(target / STATE)
        assert want.keys() == got.keys()
        assert all(torch.equal(want[key], got[key]) for key in want)
        assert TrainConfig.model_validate(counters.pop("config")) == other
        assert counters == {key: value for key, value in wanted.items() if key != "config"}
        for name in (BEST, LOG):
            assert (source / name).read_bytes() == (target / name).read_bytes()


def test_the_worst_quarter_copies_the_best_and_perturbs_its_rates(config: TrainConfig) -> None:
    moving = config.model_copy(update={"episodic": config.episodic.model_copy(update={"last_layers": True})})
    members = [Member([(0, 0.1 * (i + 1), 1e-5 * (i + 1))], [float(i)]) for i in range(8)]
    plan = Plan(members, {}, step=50)
    exploit(plan, moving, seed=0)
    assert plan.copies.keys() == {0, 1}
    for loser, source in plan.copies.items():
        assert source in {6, 7}
        *before, (step, rate, encoder_rate) = members[loser].schedule
        assert before == members[source].schedule
        assert step == 50
        assert rate / before[0][1] in [pytest.approx(factor) for factor in FACTORS]
        assert encoder_rate / before[0][2] in [pytest.approx(factor) for factor in FACTORS]
    assert [members[i].schedule for i in range(2, 8)] == [
        [(0, 0.1 * (i + 1), 1e-5 * (i + 1))] for i in range(2, 8)
    ]


def test_the_rate_of_a_frozen_encoder_is_left_alone(config: TrainConfig) -> None:
    plan = first_plan(config, 4, 0, {})
    assert {member.schedule[0][2] for member in plan.members} == {config.episodic.encoder_rate}
    assert plan.members[0].schedule == [(0, config.episodic.rate, config.episodic.encoder_rate)]
    assert len({member.schedule[0][1] for member in plan.members}) == 4
    for i, member in enumerate(plan.members):
        member.scores.append(float(i))
    plan.step = 3
    exploit(plan, config, 0)
    assert plan.members[0].schedule[-1][2] == config.episodic.encoder_rate


def test_all_that_diverged_are_replaced(config: TrainConfig) -> None:
    scores = [None, 1.0, None, None]
    plan = Plan([Member([(0, 0.1, 1e-5)], [score]) for score in scores], {}, step=3)
    exploit(plan, config, 0)
    assert plan.copies == {0: 1, 2: 1, 3: 1}
    dead = Plan([Member([(0, 0.1, 1e-5)], [None]) for _ in range(4)], {}, step=3)
    with pytest.raises(Diverged, match="all 4 members diverged by step 3"):
        exploit(dead, config, 0)


@pytest.mark.parametrize("rate", [1e3, 1e30])
def test_a_member_with_an_absurd_rate_is_replaced(rate: float, folder: Path, tmp_path: Path) -> None:
    path, out = folder / "short.toml", tmp_path / "p"
    path.write_text((folder / "one.toml").read_text().replace("steps = 9", "steps = 6"), encoding="utf-8")
    wanted = {"configuration": read_toml(path), "members": 2, "interval": 3, "seed": 0}
    plan = first_plan(read_config(path), 2, 0, wanted)
    sane = plan.members[0].schedule
    plan.members[1].schedule = [(0, rate, 1e-5)]
    out.mkdir()
    plan.write(out / PLAN)
    report = train_population(path, out, data=folder, members=2, interval=3, device="cpu")
    good, replaced = report.members
    assert good.scores[0] is not None
    assert replaced.scores[0] is None or replaced.scores[0] < good.scores[0]
    assert replaced.schedule[0] == sane[0]
    assert replaced.schedule[1][0] == 3
    assert replaced.schedule[1][1] in {sane[0][1] * factor for factor in FACTORS}
    assert replaced.scores[1] is not None
    assert math.isfinite(replaced.scores[1])


def test_a_population_is_not_mixed_with_another(unbroken: PopulationReport, folder: Path) -> None:
    path, out = folder / "one.toml", unbroken.folder
    with pytest.raises(ConfigError, match="started with another members"):
        train_population(path, out, data=folder, members=3, interval=3)
    with alone(out), pytest.raises(RefusedError, match="another process works"):
        train_population(path, out, data=folder, members=4, interval=3)


@pytest.mark.parametrize(
    ("old", "new", "members", "interval", "message"),
    [
        ("", "", 1, 3, "population of 1"),
        ("", "", 4, 4, "interval of 4 steps, but members are validated every 3"),
        ("", "", 4, 9, "more than the interval of 9"),
        ("steps = 9", "steps = 10", 4, 3, "a multiple of episodic.validate_every"),
        ("[heads.evidence]", "[heads.proto]\ndim = 16\n[heads.evidence]", 4, 3, "a schedule is that of one"),
        (
            "[episodic]",
            "[episodic]\nschedule = [{ step = 2, rate = 1, encoder_rate = 1 }]",
            4,
            3,
            "leave it out",
        ),
        ("[heads.evidence]\ndim = 16", "[heads.mean]", 4, 3, "has nothing to train"),
    ],
)
def test_what_does_not_fit_is_said(
    folder: Path, tmp_path: Path, old: str, new: str, members: int, interval: int, message: str
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        (folder / "one.toml").read_text().replace(old, new) if old else (folder / "one.toml").read_text()
    )
    with pytest.raises(ConfigError, match=message):
        train_population(path, tmp_path / "p", data=folder, members=members, interval=interval)


def test_changes_of_rates_come_in_order(folder: Path, tmp_path: Path) -> None:
    change = "{ step = 2, rate = 1e-3, encoder_rate = 1e-4 }"
    path = tmp_path / "c.toml"
    text = (folder / "one.toml").read_text()
    path.write_text(text.replace("[episodic]", f"[episodic]\nschedule = [{change}]"))
    config = read_config(path).episodic
    assert [config.rates_at(step) for step in (0, 1, 2, 9)] == [(1e-2, 1e-5)] * 2 + [(1e-3, 1e-4)] * 2
    path.write_text(text.replace("[episodic]", f"[episodic]\nschedule = [{change}, {change}]"))
    with pytest.raises(ConfigError, match="steps must increase"):
        read_config(path)


def test_a_folder_that_holds_something_else_is_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "members").mkdir()
    (tmp_path / "members" / "list.csv").touch()
    with pytest.raises(RefusedError, match=r"holds 'members' and no population.json"):
        train_population(folder / "one.toml", tmp_path, data=folder, interval=3, device="cpu")
    assert (tmp_path / "members" / "list.csv").exists()
