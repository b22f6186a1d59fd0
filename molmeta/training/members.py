"""The members of a population: their schedules, and how one takes over the state of another."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from molmeta.errors import CheckpointError
from molmeta.files import write_whole
from molmeta.stored import read_json
from molmeta.training.config import Change, TrainConfig
from molmeta.training.journal import BEST, LOG, STATE
from molmeta.training.report import Diverged
from molmeta.training.state import read_state, write_state

FACTORS = (0.8, 1.25)
_DECADES = 1.0  # members start at rates up to that far above and below those of the configuration
_MOST_PLAN = 2**26  # bytes
START = -1  # what all members copy in the beginning: the end of stage A


@dataclass
class Member:
    """One of the population.

    Attributes
    ----------
    schedule : list of [step, rate, encoder_rate]
        What its weights went through, in members that it copied too; the first step is 0.
    scores : list of float or None
        At the end of each interval: what `Run.look` judges by. None, where it diverged.
    """

    schedule: list[tuple[int, float, float]]
    scores: list[float | None] = field(default_factory=list)

    @property
    def score(self) -> float:
        last = self.scores[-1]
        return -math.inf if last is None else last


@dataclass
class Plan:
    """Where a population is; with the states of its members, all that a resumed one needs.

    step : steps of all members. copies : member -> member whose state it is still to take over.
    best : the member that won, once all are done. wanted : what the population was started with.
    """

    members: list[Member]
    wanted: dict[str, Any]
    step: int = 0
    copies: dict[int, int] = field(default_factory=dict)
    best: int | None = None

    def write(self, path: Path) -> None:
        write_whole(path, (json.dumps(asdict(self), indent=1) + "\n").encode())

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Raises CheckpointError where the file is damaged."""
        content = read_json(path, most=_MOST_PLAN)
        try:
            members = [Member([(*c,) for c in m["schedule"]], m["scores"]) for m in content["members"]]
            content["members"] = members
            content["copies"] = {int(member): source for member, source in content["copies"].items()}
            return cls(**content)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise CheckpointError(f"{path} is no plan of a population ({error!r}); start anew") from error


def first_plan(config: TrainConfig, members: int, seed: int, wanted: dict[str, Any]) -> Plan:
    """Members at rates around those of the configuration, which the first one has."""
    stage = config.episodic
    shift = 10 ** np.random.default_rng([seed, 0]).uniform(-_DECADES, _DECADES, (members, 2))
    shift[0] = 1.0
    if not stage.moves_embedding:
        shift[:, 1] = 1.0
    found = [Member([(0, stage.rate * float(a), stage.encoder_rate * float(b))]) for a, b in shift]
    return Plan(found, wanted, copies=dict.fromkeys(range(members), START))


def exploit(plan: Plan, config: TrainConfig, seed: int) -> None:
    """Plans what the worst members copy from the best, and the rates at which they go on.

    Those that diverged are among the worst, however many there are.
    """
    order = sorted(range(len(plan.members)), key=lambda i: -plan.members[i].score)
    quarter = max(1, len(order) // 4)
    worst = {*order[-quarter:], *(i for i in order if plan.members[i].score == -math.inf)}
    best = [i for i in order[:quarter] if i not in worst]
    if not best:
        raise Diverged(f"all {len(order)} members diverged by step {plan.step}; lower episodic.rate")
    rng = np.random.default_rng([seed, plan.step])
    for i in sorted(worst):
        source = best[int(rng.integers(len(best)))]
        schedule = plan.members[source].schedule
        _, rate, encoder_rate = schedule[-1]
        rate *= float(rng.choice(FACTORS))
        if config.episodic.moves_embedding:
            encoder_rate *= float(rng.choice(FACTORS))
        plan.members[i].schedule = [*schedule, (plan.step, rate, encoder_rate)]
        plan.copies[i] = source


def configured(config: TrainConfig, schedule: list[tuple[int, float, float]]) -> TrainConfig:
    """The configuration with the rates of a schedule."""
    (_, rate, encoder_rate), *later = schedule
    changes = tuple(Change(step=step, rate=a, encoder_rate=b) for step, a, b in later)
    rates = {"rate": rate, "encoder_rate": encoder_rate, "schedule": changes}
    return config.model_copy(update={"episodic": config.episodic.model_copy(update=rates)})


def copy_state(source: Path, target: Path, config: TrainConfig) -> None:
    """Gives the run in `target` all that the run in `source` has but its configuration.

    The state comes last, and nothing is taken away before: done again after a kill, it does the same.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in (BEST, LOG):
        if (source / name).exists():
            write_whole(target / name, (source / name).read_bytes())
    tensors, counters = read_state(source / STATE)
    write_state(target / STATE, tensors, counters | {"config": config.model_dump(mode="json")})
