"""The configuration of a meta-training run: a TOML file, checked before anything is read."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from molmeta.configuration import Count, Positive, Section, Seed, Share, parse_as, read_toml


class Data(Section):
    """Where the assays are; paths are relative to the data folder given on the command line.

    roles, valid_roles : values of the column "role" of assays.csv to keep (all, if empty).
    reserve : share of the training targets that stage A does not see, so that the heads are trained on
        embeddings of assays that are new to the encoder, as the user's assay will be.
    """

    train: str
    valid: str
    roles: tuple[str, ...] = ()
    valid_roles: tuple[str, ...] = ("valid_select",)
    reserve: Share = 0.05
    workers: Count = 2


class Pretrain(Section):
    """Stage A: one linear output per training assay on the shared embedding.

    value_weight : weight of the Huber loss on standardized p-values beside the cross-entropy.
    validate_every : epochs between two looks at the validation assays.
    """

    epochs: int = Field(default=40, ge=0)
    batch_size: Count = 512
    rate: Positive = 1e-3
    weight_decay: float = Field(default=0.05, ge=0.0)
    warmup: int = Field(default=500, ge=0)
    value_weight: float = Field(default=0.0, ge=0.0)
    clip: Positive = 1.0
    validate_every: Count = 10


class Change(Section):
    """Learning rates of stage B from a step on, until the next change."""

    step: Count
    rate: Positive
    encoder_rate: Positive


class Episodic(Section):
    """Stage B: each head in turn, through its own loss on episodes.

    freeze_encoder : train the heads alone, on stored embeddings; otherwise the encoder learns through
        the (only) head.
    last_layers : each head trains a last layer of its own on the frozen trunk.
    encoder_rate : learning rate of the encoder, or of last layers.
    regression : share of episodes that are drawn from p-values, for heads that handle them.
    schedule : changes of both rates, in the order of their steps (`molmeta.training.population` finds one).
    """

    steps: int = Field(default=500, ge=0)
    episodes: Count = 8
    rate: Positive = 1e-2
    encoder_rate: Positive = 1e-5
    weight_decay: float = Field(default=0.0, ge=0.0)
    clip: Positive = 1.0
    k_min: Count = 4
    k_max: Count = 256
    query: int = Field(default=128, ge=2)
    regression: Share = 0.25
    freeze_encoder: bool = True
    last_layers: bool = False
    validate_every: Count = 100
    schedule: tuple[Change, ...] = ()

    @field_validator("schedule")
    @classmethod
    def _in_order(cls, schedule: tuple[Change, ...]) -> tuple[Change, ...]:
        if any(a.step >= b.step for a, b in pairwise(schedule)):
            raise ValueError("steps must increase from change to change")
        return schedule

    @property
    def moves_embedding(self) -> bool:
        """Whether what the heads read changes while they are trained."""
        return not self.freeze_encoder or self.last_layers

    def rates_at(self, step: int) -> tuple[float, float]:
        """Learning rates of the head and of the encoder at a step."""
        rates = (self.rate, self.encoder_rate)
        for change in self.schedule:
            if change.step <= step:
                rates = (change.rate, change.encoder_rate)
        return rates


class Validation(Section):
    """How validation scores are made: FS-Mol draws of these sizes on the validation assays."""

    support_sizes: tuple[int, ...] = (16, 64)
    draws: Count = 3


class TrainConfig(Section):
    """A whole run.

    encoder : {name, constructor arguments} (`molmeta.encoders`).
    heads : name -> constructor arguments (`molmeta.heads`); the first becomes the default head.
    precision : "float32", or "bf16" for autocast in stage A.
    start : checkpoint (name or folder) whose encoder is taken over, and those of its heads that are named
        here; stage A is left out. New heads on an encoder that is there already.
    save_every : optimizer steps between two resumable states.
    log_every : optimizer steps between two lines of train.jsonl, beside those of validation.
    """

    name: str
    seed: Seed = 0
    precision: Annotated[str, Field(pattern="^(float32|bf16)$")] = "float32"
    start: str | None = None
    save_every: Count = 500
    log_every: Count = 100
    data: Data
    encoder: dict[str, Any]
    heads: dict[str, dict[str, Any]]
    pretrain: Pretrain = Pretrain()
    episodic: Episodic = Episodic()
    validation: Validation = Validation()


def read_config(path: Path) -> TrainConfig:
    """The configuration in a TOML file.

    Raises
    ------
    ConfigError
        No such file, no TOML, an unknown key (the nearest known one is named) or a value out of range.
    """
    return parse_config(read_toml(path), str(path))


def parse_config(content: dict[str, Any], source: str) -> TrainConfig:
    """The configuration with this content; messages say that it is from `source`.

    Raises
    ------
    ConfigError
        An unknown key (the nearest known one is named) or a value out of range.
    """
    return parse_as(TrainConfig, content, source)
