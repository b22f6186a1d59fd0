"""The configuration of a federation, which all of its members must have agreed upon, and its rounds."""

from __future__ import annotations

import hashlib
import json
from enum import Enum
from pathlib import Path

from pydantic import Field

from molmeta.configuration import Count, Positive, Section, parse_as, read_toml
from molmeta.errors import ConfigError
from molmeta.training.config import TrainConfig


class Federated(Section):
    """How labs train together.

    labs : number of labs; a round needs `least` of them, and begins when all are there.
    rounds : of stage A; each lab takes an equal part of its steps in each. More of them are nearer to one
        training on all assays, and send more.
    prior_rounds : of stage B, with an equal part of `episodic.steps` each.
    secure : secure aggregation (SecAgg+): the server sees the sum of the updates alone. Each lab's secrets
        can be put together by `least` labs, and by no fewer.
    most : measurements of a lab that count; a lab with more weighs as if it had so many. With secure
        aggregation, updates are rounded, the more so the less a lab weighs beside this number.
    clip, prior_clip : longest update (Euclidean norm) of the trunk, and of the prior; longer ones are
        shortened.
    noise : noise multiplier: labs add normal noise to their updates, so much that the sum of all has a
        standard deviation of this times the clipping norm. All labs weigh the same then.
    """

    labs: int = Field(ge=2, le=1000)
    least: int = Field(default=2, ge=2)
    rounds: Count = 20
    prior_rounds: Count = 10
    secure: bool = True
    most: Count = 1_000_000
    clip: Positive | None = None
    prior_clip: Positive | None = None
    noise: float = Field(default=0.0, ge=0.0)


class FederatedConfig(TrainConfig):
    """A training run of several labs: that of one lab, and how they train together."""

    federated: Federated


class Phase(Enum):
    """What a round is for; the value is what people are told."""

    TRUNK = "trunk"
    START = "start of the prior"
    PRIOR = "prior"


def read_federated(path: Path) -> FederatedConfig:
    """The configuration in a TOML file.

    Raises
    ------
    ConfigError
        No such file, no TOML, an unknown key, a value out of range, or numbers that do not go together.
    """
    config = parse_as(FederatedConfig, read_toml(path), str(path))
    check(config, str(path))
    return config


def check(config: FederatedConfig, source: str) -> None:
    """Raises ConfigError where labs cannot be trained together like this."""
    plan, wrong = config.federated, f"{source}: "
    if list(config.heads) != ["evidence"]:
        raise ConfigError(
            f"{wrong}heads are {', '.join(config.heads) or 'none'}; a federation trains exactly one, "
            "evidence: of the others some keep compounds of the training in what would be sent"
        )
    if config.start is not None or config.episodic.last_layers or not config.episodic.freeze_encoder:
        raise ConfigError(
            f"{wrong}a federation trains its trunk from the beginning and freezes it for stage B; leave out "
            "start, episodic.last_layers and episodic.freeze_encoder"
        )
    steps, parts = config.episodic.steps, plan.prior_rounds
    if not config.pretrain.epochs or not steps or steps % parts:
        raise ConfigError(
            f"{wrong}pretrain.epochs is {config.pretrain.epochs} and episodic.steps is {steps}; give "
            f"both, and of steps a multiple of the {parts} rounds of the prior"
        )
    if plan.least > plan.labs:
        raise ConfigError(f"{wrong}federated.least is {plan.least}, of {plan.labs} labs")
    if plan.secure and 2 * plan.least <= plan.labs:
        raise ConfigError(
            f"{wrong}federated.least is {plan.least} of {plan.labs} labs, so that a server could unmask "
            f"a lab by telling two halves different things; give {plan.labs // 2 + 1} or more"
        )
    if plan.noise and (plan.clip is None or plan.prior_clip is None or plan.least < plan.labs):
        raise ConfigError(
            f"{wrong}noise is of use for updates of a bounded length, and while all labs add theirs; give "
            f"clip and prior_clip too, and least = {plan.labs}"
        )


def digest(config: FederatedConfig) -> str:
    """sha256 of all that the labs must agree upon: everything but where each has its data."""
    content = config.model_dump(mode="json", exclude={"data", "save_every", "log_every", "validation"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def last_round(config: FederatedConfig) -> int:
    """Number of the last round; the first is 1."""
    return config.federated.rounds + 1 + config.federated.prior_rounds


def phase_of(config: FederatedConfig, number: int) -> Phase:
    """What the round of this number is for."""
    if number <= config.federated.rounds:
        return Phase.TRUNK
    return Phase.START if number == config.federated.rounds + 1 else Phase.PRIOR
