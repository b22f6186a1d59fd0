"""What a run writes while it goes on, so that it can be left at any step and taken up again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from molmeta.configuration import parse_as
from molmeta.errors import ConfigError
from molmeta.learner import Learner
from molmeta.training.board import Board
from molmeta.training.config import TrainConfig
from molmeta.training.group import Group
from molmeta.training.report import Progress
from molmeta.training.state import pack, read_state, unpack, write_state
from molmeta.training.validation import Score

STATE, BEST, LOG = "state.safetensors", "best.safetensors", "train.jsonl"


class Journal:
    """The state and the log of a run over one learner; `counters` says how far it is."""

    def __init__(
        self,
        learner: Learner,
        config: TrainConfig,
        out: Path,
        group: Group,
        progress: Callable[[Progress], None],
    ) -> None:
        self.learner, self.config, self.out, self.group, self.progress = learner, config, out, group, progress
        self.counters: dict[str, Any] = {
            "stage": 0,
            "step": 0,
            "best": None,
            "last": None,
            "loss": {},
            "log_bytes": 0,
            "seconds": 0.0,
            "config": config.model_dump(mode="json"),
        }
        self.stored: dict[str, torch.Tensor] = {}
        self.saved: tuple[int, int] | None = None  # stage and step of the state on disk
        self.rate = 0.0
        self.board: Board | None = None
        self.started = time.monotonic()
        self.shown = 0.0

    def restore(self) -> None:
        if (self.out / STATE).exists():
            self.stored, counters = read_state(self.out / STATE)
            # Keys that a later version of molmeta added have their defaults in an older state.
            if parse_as(type(self.config), counters["config"], str(self.out / STATE)) != self.config:
                raise ConfigError(f"{self.out} was started with another configuration; give another folder")
            self.counters = counters
            self.saved = (counters["stage"], counters["step"])
        if self.group.first and (self.out / LOG).exists():
            with (self.out / LOG).open("r+b") as stream:
                stream.truncate(self.counters["log_bytes"])

    def reseed(self) -> None:
        """Random numbers for the step that comes, where several processes must not draw the same."""
        self.group.reseed(self.config.seed, self.counters["stage"], self.counters["step"])

    def keep_state(self, model: nn.Module, optim: torch.optim.Optimizer) -> None:
        """Saves the state before a step, when all that follows from the step before is done."""
        if self.counters["step"] and self.counters["step"] % self.config.save_every == 0:
            self.save(pack(model, optim))

    @property
    def good(self) -> str:
        """Where the last good state is, in words."""
        if self.saved is None:
            return "no state was saved yet"
        stage, step = self.saved
        return f"the last good state, of step {step} of stage {stage}, is in {self.out / STATE}"

    def advance(self, stage: str, steps: int, loss: dict[str, float], rate: float) -> None:
        """Counts a step at a learning rate, and its losses into their moving averages."""
        self.counters["step"] += 1
        self.rate = rate
        averages = self.counters["loss"]
        self.counters["loss"] = {k: 0.99 * averages.get(k, v) + 0.01 * v for k, v in loss.items()}
        if self.counters["step"] % self.config.log_every == 0:
            self.log(stage, steps, {})
        if self.group.first and time.monotonic() - self.shown > 1.0:
            self.shown = time.monotonic()
            loss = self.counters["loss"]
            self.progress(Progress(stage, self.counters["step"], steps, loss, {}, self.seconds, rate))

    def keep_best(self, score: float) -> None:
        if self.counters["best"] is None or score > self.counters["best"]:
            self.counters["best"] = score
            if self.group.first:
                stage = {"stage": self.counters["stage"]}
                write_state(self.out / BEST, dict(self.learner.state_dict()), stage)

    def next_stage(self) -> None:
        self.group.wait()
        if self.counters["best"] is not None:
            self.learner.load_state_dict(read_state(self.out / BEST)[0])
        self.counters |= {"stage": self.counters["stage"] + 1, "step": 0, "loss": {}}
        self.counters |= {"best": None, "last": None}
        self.rate = 0.0
        self.stored = {f"learner/{key}": value for key, value in self.learner.state_dict().items()}
        self.save({"random/cpu": torch.get_rng_state()})

    def resume_into(self, model: nn.Module, optim: torch.optim.Optimizer) -> None:
        if any(key.startswith("model/") for key in self.stored):
            unpack(self.stored, model, optim)
        elif "random/cpu" in self.stored:
            torch.set_rng_state(self.stored["random/cpu"])

    def save(self, tensors: dict[str, torch.Tensor]) -> None:
        if not self.group.first:
            return
        whole = {f"learner/{key}": value for key, value in self.learner.state_dict().items()}
        write_state(self.out / STATE, whole | tensors, self.counters | {"seconds": self.seconds})
        self.saved = (self.counters["stage"], self.counters["step"])

    def log(self, stage: str, steps: int, scores: dict[str, Score]) -> None:
        if not self.group.first:
            return
        validation = {f"{name}/{key}": v for name, s in scores.items() for key, v in s.flat().items()}
        loss = self.counters["loss"]
        now = Progress(stage, self.counters["step"], steps, loss, validation, self.seconds, self.rate)
        self.progress(now)
        if self.board is not None:
            self.board.add(now)
        with (self.out / LOG).open("ab") as stream:
            stream.write((json.dumps(asdict(now)) + "\n").encode())
            self.counters["log_bytes"] = stream.tell()

    @property
    def seconds(self) -> float:
        return float(self.counters["seconds"]) + time.monotonic() - self.started
