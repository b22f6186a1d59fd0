"""`train`: runs the stages of a configuration, survives a kill, and leaves a checkpoint."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from molmeta.checkpoint import save_checkpoint, write_whole
from molmeta.chem.features import compound_hash
from molmeta.errors import ConfigError, MolmetaError, RefusedError
from molmeta.learner import Learner
from molmeta.training import episodic, pretrain
from molmeta.training.config import TrainConfig, read_config
from molmeta.training.data import Corpora, load_corpora, measurements
from molmeta.training.state import pack, read_state, unpack, write_state
from molmeta.training.validation import Score, validate

STATE, BEST, LOG = "state.safetensors", "best.safetensors", "train.jsonl"


@dataclass(frozen=True)
class Progress:
    """Where a run is: shown by the command line, written as a line of `train.jsonl`."""

    stage: str
    step: int
    steps: int
    loss: dict[str, float]
    validation: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class TrainReport:
    """Result of a run: the checkpoint folder and the validation scores of each head."""

    folder: Path
    validation: dict[str, Score]
    seconds: float


class Diverged(MolmetaError):
    """A loss that is not finite."""

    exit_code = 6


def train(
    config_path: Path,
    out: Path,
    *,
    data: Path = Path(),
    resume: bool = False,
    device: str = "auto",
    seed: int | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> TrainReport:
    """Meta-trains a learner as a configuration says.

    Parameters
    ----------
    config_path : Path
        TOML file (`molmeta.training.config.TrainConfig`).
    out : Path
        Folder of the run: state, log and, in the end, the checkpoint.
    data : Path
        Folder to which the paths of the configuration are relative.
    resume : bool
        Go on from the state in `out`; the result is the same as that of a run that was not stopped.
    device : str
        "auto", "cpu", "cuda", "cuda:1".
    seed : int or None
        In place of the configuration's.
    progress : callable
        Called about once a second with the latest `Progress`.

    Raises
    ------
    ConfigError
        The configuration does not fit, or `resume` finds a state of another configuration.
    RefusedError
        `out` already holds a run and `resume` is not given.
    """
    config = read_config(config_path)
    if seed is not None:
        config = config.model_copy(update={"seed": seed})
    if not config.episodic.freeze_encoder and len(config.heads) > 1:
        raise ConfigError("episodic.freeze_encoder = false needs exactly one head, as they share the encoder")
    if not resume and any((out / name).exists() for name in (STATE, LOG, "config.json")):
        raise RefusedError(f"{out} already holds a run; give --resume to go on with it, or another folder")
    out.mkdir(parents=True, exist_ok=True)
    run = _Run(config, out, pick_device(device), progress)
    if resume:
        run.restore()
    run.read(data)
    report = run.finish() if run.counters["stage"] > len(config.heads) else run.go()
    shutil.copyfile(config_path, out / "train.toml")
    return report


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"unknown device '{name}'; give auto, cpu, cuda or cuda:1") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device '{name}' was asked for, but no CUDA device is there; give --device cpu")
    return device


class _Run:
    """The stages of one run over one learner; `counters` says how far it is."""

    def __init__(
        self, config: TrainConfig, out: Path, device: torch.device, progress: Callable[[Progress], None]
    ) -> None:
        self.config, self.out, self.device, self.progress = config, out, device, progress
        torch.manual_seed(config.seed)
        self.learner = Learner(config.encoder, config.heads).to(device)
        self.counters: dict[str, Any] = {
            "stage": 0, "step": 0, "best": None, "log_bytes": 0, "seconds": 0.0,
            "config": config.model_dump(mode="json"),
        }
        self.stored: dict[str, torch.Tensor] = {}
        self.started = time.monotonic()
        self.shown = 0.0

    def read(self, data: Path) -> None:
        self.corpora: Corpora = load_corpora(self.config.data, data, self.out / "cache", self.learner.needs)

    def restore(self) -> None:
        if not (self.out / STATE).exists():
            return
        self.stored, counters = read_state(self.out / STATE)
        if counters["config"] != self.counters["config"]:
            raise ConfigError(f"{self.out} was started with another configuration; give another folder")
        self.counters = counters
        if (self.out / LOG).exists():
            with (self.out / LOG).open("r+b") as stream:
                stream.truncate(counters["log_bytes"])

    def go(self) -> TrainReport:
        if self.counters["stage"] == 0:
            self.pretrain()
        if self.stored:
            kept = {k.removeprefix("learner/"): v for k, v in self.stored.items() if k.startswith("learner/")}
            if kept:
                self.learner.load_state_dict(kept)
        for number, name in enumerate(self.config.heads, start=1):
            if self.counters["stage"] == number:
                self.episodes(name)
        return self.finish()

    def pretrain(self) -> None:
        config = self.config.pretrain
        leave_out = self.corpora.reserved if self.config.episodic.steps else ()
        table = measurements(self.corpora.train, leave_out)
        model = pretrain.Multitask(self.learner.encoder, table.n_assays).to(self.device)
        optim = pretrain.optimizer(model, config)
        self.resume_into(model, optim)
        per_epoch = max(1, len(table.compound) // config.batch_size)
        steps = config.epochs * per_epoch
        autocast = self.config.precision == "bf16"
        loss = np.zeros(2)
        while self.counters["step"] < steps:
            epoch, skip = divmod(self.counters["step"], per_epoch)
            model.train()
            for index in list(pretrain.batches(table, config.batch_size, self.config.seed, epoch))[skip:]:
                for group in optim.param_groups:
                    group["lr"] = pretrain.rate_at(self.counters["step"], steps, config)
                now = pretrain.step(
                    model, optim, self.corpora.train.mols, table, index, config, self.device, autocast
                )
                loss = np.array(now) if not loss.any() else 0.99 * loss + 0.01 * np.array(now)
                self.advance("pretrain", steps, {"labels": loss[0], "values": loss[1]}, model, optim)
            if (epoch + 1) % config.validate_every == 0 or epoch + 1 == config.epochs:
                name = self.learner.default_head
                scores = {name: validate(self.learner, self.corpora.valid, name, self.config.validation)}
                self.keep_best(name, scores[name].delta_auprc)
                self.log("pretrain", steps, {"labels": loss[0], "values": loss[1]}, scores)
        self.next_stage()

    def episodes(self, name: str) -> None:
        config = self.config.episodic
        head = self.learner.head(name)
        if config.steps and list(head.parameters()):
            names = self.corpora.reserved or tuple(self.corpora.train.assays.index)
            source = episodic.pool(self.learner, self.corpora.train, names, config)
            encoder = self.learner.frozen if config.freeze_encoder else self.learner.encoder
            trained: nn.Module = head if config.freeze_encoder else nn.ModuleList([head, encoder])
            optim = episodic.optimizer(head, self.learner.encoder, config)
            self.resume_into(trained, optim)
            if self.counters["step"] == 0:
                self.look(name, config.steps, {})
            while self.counters["step"] < config.steps:
                trained.train()
                rng = np.random.default_rng([self.config.seed, self.counters["stage"], self.counters["step"]])
                drawn = [source.draw(head, rng).to(self.device) for _ in range(config.episodes)]
                losses = {"outer": episodic.step(head, encoder, optim, drawn, config)}
                self.advance(name, config.steps, losses, trained, optim)
                if self.counters["step"] % config.validate_every == 0:
                    losses |= _inner(head, encoder, drawn[0])
                    self.look(name, config.steps, losses)
        self.next_stage()

    def look(self, name: str, steps: int, losses: dict[str, float]) -> None:
        score = validate(self.learner, self.corpora.valid, name, self.config.validation)
        # Heads of one frozen encoder differ in their probabilities more than in their ranking.
        self.keep_best(name, -score.nll if self.config.episodic.freeze_encoder else score.delta_auprc)
        self.log(name, steps, losses, {name: score})

    def advance(
        self, stage: str, steps: int, loss: dict[str, float], model: nn.Module, optim: torch.optim.Optimizer
    ) -> None:
        if not all(np.isfinite(value) for value in loss.values()):
            raise Diverged(
                f"the loss of stage '{stage}' is not finite at step {self.counters['step']}; "
                f"the last good state is in {self.out / STATE}: lower the rate and start again"
            )
        self.counters["step"] += 1
        if self.counters["step"] % self.config.save_every == 0:
            self.save(pack(model, optim))
        if time.monotonic() - self.shown > 1.0:
            self.shown = time.monotonic()
            self.progress(Progress(stage, self.counters["step"], steps, loss, {}, self.seconds))

    def keep_best(self, name: str, score: float) -> None:
        if self.counters["best"] is None or score > self.counters["best"]:
            self.counters["best"] = score
            write_state(self.out / BEST, dict(self.learner.state_dict()), {"stage": self.counters["stage"]})

    def next_stage(self) -> None:
        if self.counters["best"] is not None:
            self.learner.load_state_dict(read_state(self.out / BEST)[0])
        self.counters |= {"stage": self.counters["stage"] + 1, "step": 0, "best": None}
        self.stored = {f"learner/{key}": value for key, value in self.learner.state_dict().items()}
        self.save({"random/cpu": torch.get_rng_state()})

    def resume_into(self, model: nn.Module, optim: torch.optim.Optimizer) -> None:
        if any(key.startswith("model/") for key in self.stored):
            unpack(self.stored, model, optim)
        elif "random/cpu" in self.stored:
            torch.set_rng_state(self.stored["random/cpu"])

    def save(self, tensors: dict[str, torch.Tensor]) -> None:
        whole = {f"learner/{key}": value for key, value in self.learner.state_dict().items()}
        write_state(self.out / STATE, whole | tensors, self.counters | {"seconds": self.seconds})

    def log(self, stage: str, steps: int, loss: dict[str, float], scores: dict[str, Score]) -> None:
        validation = {f"{name}/{key}": v for name, s in scores.items() for key, v in s.flat().items()}
        now = Progress(stage, self.counters["step"], steps, loss, validation, self.seconds)
        self.progress(now)
        with (self.out / LOG).open("ab") as stream:
            stream.write((json.dumps(asdict(now)) + "\n").encode())
            self.counters["log_bytes"] = stream.tell()

    @property
    def seconds(self) -> float:
        return float(self.counters["seconds"]) + time.monotonic() - self.started

    def finish(self) -> TrainReport:
        if self.stored:
            kept = {k.removeprefix("learner/"): v for k, v in self.stored.items() if k.startswith("learner/")}
            self.learner.load_state_dict(kept)
        self.learner.eval()
        scores = {
            name: validate(self.learner, self.corpora.valid, name, self.config.validation)
            for name in self.learner.heads
        }
        self.learner.seen = torch.tensor(sorted(compound_hash(s) for s in self.corpora.train.smiles))
        train_set = self.corpora.train
        self.learner.info = {
            "name": self.config.name,
            "assays": len(train_set),
            "compounds": train_set.mols.n,
            "measurements": int((train_set.mol >= 0).sum()),
            "seconds": round(self.seconds),
            "device": str(self.device),
            "torch": torch.__version__,
        }
        save_checkpoint(self.out, self.learner)
        validation = {name: score.flat() for name, score in scores.items()}
        write_whole(self.out / "metrics.json", (json.dumps({"validation": validation}, indent=1) + "\n").encode())
        return TrainReport(self.out, scores, self.seconds)


def _inner(head: Any, encoder: nn.Module, episode: Any) -> dict[str, float]:
    """Inner losses before and after adaptation, of heads that have an inner loop."""
    if not hasattr(head, "inner_losses"):
        return {}
    path = head.inner_losses(encoder, episode.support)
    return {"inner_first": float(path[0]), "inner_last": float(path[-1])}
