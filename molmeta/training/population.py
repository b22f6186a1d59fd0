"""Population-based training of the learning rates of stage B: a schedule is found while a head is trained.

Members train in turns from the same end of stage A, at rates of their own. Every `interval` steps the
worst quarter takes over all that a member of the best quarter has (exploit) and goes on at rates 0.8 or 1.25
times as high (explore). All members see the same episodes, and a change of rates is an entry of
`episodic.schedule`: what the best member went through is a plain configuration, and `molmeta train` repeats
it to the last bit.

Source: Jaderberg et al. 2017, "Population Based Training of Neural Networks", with truncation selection.
"""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from molmeta.configuration import read_toml
from molmeta.ensemble import pick_device
from molmeta.errors import ConfigError
from molmeta.files import write_whole
from molmeta.toml import to_toml
from molmeta.training.config import TrainConfig, parse_config
from molmeta.training.data import Corpora
from molmeta.training.folder import alone, refuse_foreign
from molmeta.training.group import Group
from molmeta.training.journal import STATE
from molmeta.training.members import START, Member, Plan, configured, copy_state, exploit, first_plan
from molmeta.training.report import Diverged, Progress, TrainReport
from molmeta.training.run import check_heads
from molmeta.training.stages import Run
from molmeta.training.state import read_state

PLAN = "population.json"


@dataclass(frozen=True)
class PopulationReport:
    """Result: the report of the best member's run in `folder`/best, and all members."""

    folder: Path
    train: TrainReport
    best: int
    members: tuple[Member, ...]
    seconds: float


def train_population(
    config_path: Path,
    out: Path,
    *,
    data: Path = Path(),
    members: int = 4,
    interval: int = 50,
    seed: int = 0,
    device: str = "auto",
    progress: Callable[[int, Progress], None] = lambda member, now: None,
) -> PopulationReport:
    """Trains the head of a configuration by a population, or goes on with that.

    Parameters
    ----------
    config_path : Path
        TOML file of a training with one head; its section [search] is left out of account. The first
        member starts at its rates, the others around them.
    out : Path
        Folder of the population: `best` is the run of the best member, best.toml its configuration.
    data : Path
        Folder to which the paths of the configuration are relative.
    members : int
        At least 2.
    interval : int
        Steps between two comparisons: a multiple of `episodic.validate_every`.
    seed : int
        Of the rates; the trainings have that of the configuration.
    device : str
        As for `molmeta.training.train`.
    progress : callable
        Called with the number of the member (-1: stage A, which all share) and what it is at.

    Raises
    ------
    ConfigError
        The configuration does not fit, or is another than that of the population in `out`.
    RefusedError
        Another process works on this population.
    Diverged
        All members diverged.
    """
    content = read_toml(config_path)
    content.pop("search", None)
    config = parse_config(content, str(config_path))
    _check(config, members, interval, str(config_path))
    started = time.monotonic()
    wanted = {"configuration": content, "members": members, "interval": interval, "seed": seed}
    with alone(out):
        path = out / PLAN
        refuse_foreign(out, PLAN, ("start", "members", "best"))
        plan = Plan.read(path) if path.exists() else first_plan(config, members, seed, wanted)
        if other := [key for key in wanted if plan.wanted[key] != json.loads(json.dumps(wanted[key]))]:
            raise ConfigError(
                f"the population in {out} was started with another {other[0]}: found {wanted[other[0]]!r}, "
                f"wanted {plan.wanted[other[0]]!r}; give the same, or another folder"
            )
        plan.write(path)
        population = Population(plan, config, out, Group(device=pick_device(device)), progress)
        population.prepare(data)
        while plan.step < config.episodic.steps:
            population.advance(interval)
            if plan.step < config.episodic.steps:
                exploit(plan, config, seed)
            population.save()
        return population.finish(content, started)


def _check(config: TrainConfig, members: int, interval: int, source: str) -> None:
    check_heads(config)
    stage = config.episodic
    if len(config.heads) != 1:
        raise ConfigError(
            f"{source}: found the heads {', '.join(config.heads)}; a schedule is that of one, leave one"
        )
    if members < 2:
        raise ConfigError(f"found a population of {members}; give 2 or more, 4 or 8 for example")
    if interval < 1 or interval % stage.validate_every:
        raise ConfigError(
            f"found an interval of {interval} steps, but members are validated every {stage.validate_every}; "
            "give a multiple of episodic.validate_every"
        )
    if stage.steps <= interval or stage.steps % stage.validate_every:
        raise ConfigError(
            f"{source}: found episodic.steps = {stage.steps}; wanted more than the interval of {interval}, "
            "and a multiple of episodic.validate_every"
        )
    if stage.schedule:
        raise ConfigError(f"{source}: found an episodic.schedule; one is searched, so leave it out")


class Population:
    """The members of a plan, whose runs are in folders of their own."""

    corpora: Corpora

    def __init__(
        self,
        plan: Plan,
        config: TrainConfig,
        out: Path,
        group: Group,
        progress: Callable[[int, Progress], None],
    ) -> None:
        self.plan, self.config, self.out, self.group, self.progress = plan, config, out, group, progress
        (self.head,) = config.heads

    def folder(self, member: int) -> Path:
        if member == START:
            return self.out / "start"
        return self.out / "best" if member == self.plan.best else self.out / "members" / f"{member:02d}"

    def config_of(self, member: int) -> TrainConfig:
        if member == START:
            return self.config
        return configured(self.config, self.plan.members[member].schedule)

    def run(self, member: int) -> Run:
        """The run of a member, where its state is."""
        self.folder(member).mkdir(parents=True, exist_ok=True)
        run = Run(self.config_of(member), self.folder(member), self.group, partial(self.progress, member))
        run.restore()
        return run

    def save(self) -> None:
        self.plan.write(self.out / PLAN)

    def prepare(self, data: Path) -> None:
        """Reads the data, and brings stage A to its end unless all is done."""
        run = self.run(START if self.plan.best is None else self.plan.best)
        run.read(data, self.out / "cache")
        self.corpora = run.corpora
        if not list(run.learner.head(self.head).parameters()):
            raise ConfigError(f"head '{self.head}' has nothing to train; give another one")
        if self.plan.best is None:
            run.prepare()

    def advance(self, interval: int) -> None:
        """Makes the copies that are planned, and trains all members for an interval."""
        for member, source in self.plan.copies.items():
            copy_state(self.folder(source), self.folder(member), self.config_of(member))
        self.plan.copies = {}
        self.save()
        rounds = self.plan.step // interval
        step = min(self.plan.step + interval, self.config.episodic.steps)
        for number, one in enumerate(self.plan.members):
            if len(one.scores) == rounds:
                one.scores.append(self.train(number, step))
                self.save()
        self.plan.step = step

    def train(self, member: int, step: int) -> float | None:
        """Brings a member to a step; its score there, or None if it diverged on the way."""
        run = self.run(member)
        run.corpora = self.corpora
        run.prepare()
        try:
            run.episodes(self.head, until=step)
        except Diverged:
            return None
        score = float(run.counters["last"])
        return score if math.isfinite(score) else None

    def finish(self, content: dict[str, Any], started: float) -> PopulationReport:
        """Ends the run of the best member, and writes its schedule."""
        if self.plan.best is None:
            alive = [i for i, member in enumerate(self.plan.members) if member.score > -math.inf]
            if not alive:
                raise Diverged(f"all members diverged by step {self.plan.step}; lower episodic.rate")
            # A run ends with the weights of its best look, so that is what members are compared by.
            looks = {i: float(read_state(self.folder(i) / STATE)[1]["best"]) for i in alive}
            best = max(alive, key=lambda i: looks[i])
            copy_state(self.folder(best), self.out / "best", self.config_of(best))
            self.plan.best = best
            self.save()
        best = self.plan.best
        run = self.run(best)
        run.corpora = self.corpora
        report = run.go()
        stage = self.config_of(best).episodic.model_dump(include={"rate", "encoder_rate", "schedule"})
        text = to_toml({**content, "episodic": {**content.get("episodic", {}), **stage}})
        write_whole(run.out / "train.toml", text.encode())
        write_whole(self.out / "best.toml", text.encode())
        self.write_schedule(self.plan.members[best])
        for folder in (self.out / "members", self.out / "start"):
            shutil.rmtree(folder, ignore_errors=True)
        return PopulationReport(self.out, report, best, tuple(self.plan.members), time.monotonic() - started)

    def write_schedule(self, member: Member) -> None:
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["step", "rate", "encoder_rate"])
        rows.writerows(member.schedule)
        write_whole(self.out / "schedule.csv", text.getvalue().encode())
