"""The stages of a run over one learner: each can be left at any step and taken up again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from molmeta.chem.batch import MolBatch
from molmeta.data.history import History
from molmeta.encoders.base import Encoder
from molmeta.heads.base import Head
from molmeta.learner import Learner
from molmeta.training import episodic, pretrain
from molmeta.training.config import TrainConfig
from molmeta.training.data import Corpora, Measurements, history, load_corpora, measurements
from molmeta.training.group import Group, bare
from molmeta.training.journal import Journal
from molmeta.training.pretrain import Multitask
from molmeta.training.report import NonFinite, Progress, TrainReport, divergence
from molmeta.training.result import leave
from molmeta.training.start import start_last_layers, take_over
from molmeta.training.state import pack
from molmeta.training.validation import check, validate

_SAMPLE = 1024  # training compounds that stand for all of them


class Run(Journal):
    """The stages of one run over one learner."""

    def __init__(
        self, config: TrainConfig, out: Path, group: Group, progress: Callable[[Progress], None]
    ) -> None:
        torch.manual_seed(config.seed)
        super().__init__(self.first(config).to(group.device), config, out, group, progress)
        self.device = group.device

    def first(self, config: TrainConfig) -> Learner:
        """The learner before it is trained."""
        own = config.heads if config.episodic.last_layers else ()
        return Learner(config.encoder, config.heads, own)

    def read(self, data: Path, cache: Path) -> None:
        self.corpora: Corpora = load_corpora(self.config.data, data, cache, self.learner.needs)
        check(self.corpora.valid, self.config.validation)

    def go(self) -> TrainReport:
        self.prepare()
        for number, name in enumerate(self.config.heads, start=1):
            if self.counters["stage"] == number:
                self.episodes(name)
        self.learner.eval()
        if not self.group.first:
            return TrainReport(self.out, {}, self.seconds)
        return self.finish()

    def finish(self) -> TrainReport:
        """Leaves the checkpoint and its scores."""
        return leave(self.learner, self.corpora, self.config, self.out, self.device, self.seconds)

    def prepare(self) -> None:
        """Stage A, or the start in its place, unless that is done; then the learner is where the run is."""
        if self.counters["stage"] == 0 and self.config.start is not None:
            take_over(self.learner, self.config.start, self.history)
            self.next_stage()
        elif self.counters["stage"] == 0:
            self.pretrain()
        stored = {k.removeprefix("learner/"): v for k, v in self.stored.items() if k.startswith("learner/")}
        self.learner.load_state_dict(stored)

    def pretrain(self) -> None:
        config = self.config.pretrain
        table = measurements(self.corpora.train, self.left_out)
        model = Multitask(self.learner.encoder, table.n_assays).to(self.device)
        optim = pretrain.optimizer(model, config)
        self.resume_into(model, optim)
        spread = self.group.spread(model)
        per_epoch = max(1, len(table.compound) // config.batch_size)
        steps = config.epochs * per_epoch
        while self.counters["step"] < steps:
            epoch, skip = divmod(self.counters["step"], per_epoch)
            batches = list(pretrain.batches(table, config.batch_size, self.config.seed, epoch))
            self.learn(spread, optim, table, batches[skip:], steps)
            if (epoch + 1) % config.validate_every == 0 or epoch + 1 == config.epochs:
                self.start_heads(model)
                name = self.learner.default_head
                scores = {name: validate(self.learner, self.corpora.valid, name, self.config.validation)}
                self.keep_best(scores[name].delta_auprc)
                self.log("pretrain", steps, scores)
        self.next_stage()

    def learn(
        self,
        model: nn.Module,
        optim: torch.optim.Optimizer,
        table: Measurements,
        batches: Sequence[torch.Tensor],
        steps: int,
    ) -> None:
        """A step of stage A on each of the batches, compounds of the table; the model is one that is spread
        over the group."""
        config, autocast = self.config.pretrain, self.config.precision == "bf16"
        make = partial(pretrain.batch_of, self.corpora.train.mols, table, group=self.group)
        model.train()
        for batch in map(make, batches):
            self.keep_state(bare(model), optim)
            self.reseed()
            rate = pretrain.rate_at(self.counters["step"], steps, config)
            for part in optim.param_groups:
                part["lr"] = rate
            with divergence(model, "pretrain", self.counters["step"], self.good):
                now = pretrain.step(model, optim, batch, config, self.group, autocast=autocast)
            self.advance("pretrain", steps, {"labels": now[0], "values": now[1]}, rate)

    @cached_property
    def history(self) -> History:
        return history(self.corpora.train, self.left_out)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Training assays that stage A does not see, so that stage B can learn from them."""
        return self.corpora.reserved if self.config.episodic.steps else ()

    def sample(self) -> MolBatch:
        """About a thousand training compounds, embedded."""
        mols = self.corpora.train.mols
        rows = torch.arange(0, len(mols), max(1, len(mols) // _SAMPLE))
        return self.learner.embed(mols.select(rows).to(self.device))

    def start_heads(self, model: Multitask) -> None:
        model.eval()
        outputs = model.outputs(self.sample().need("embedding"))
        start_last_layers(self.learner)
        for name in self.config.heads:
            self.learner.head(name).start_from(outputs, self.history)

    def episodes(self, name: str, until: int | None = None) -> None:
        """Trains a head to its last step, which ends its stage, or only to the step `until`."""
        config = self.config.episodic
        head = self.learner.head(name)
        last = config.steps if until is None else min(until, config.steps)
        if config.steps and list(head.parameters()):
            source = self.source()
            encoder = self.learner.reader(head) if config.freeze_encoder else self.learner.encoder
            trained = nn.ModuleList([head, encoder])
            optim = episodic.optimizer(head, encoder, config)
            self.resume_into(trained, optim)
            if self.counters["step"] == 0:
                self.introduce(head)
                self.look(name, config.steps)
            while self.counters["step"] < last:
                self.keep_state(trained, optim)
                with divergence(trained, name, self.counters["step"], self.good):
                    self.practise(name, encoder, optim, source)
                    if self.counters["step"] % config.validate_every == 0:
                        self.look(name, config.steps)
            if until is not None:
                self.save(pack(trained, optim))
        if until is None:
            self.next_stage()

    def practise(
        self, name: str, encoder: Encoder, optim: torch.optim.Optimizer, source: episodic.Source
    ) -> None:
        """A step of a head in stage B, with the encoder that it reads."""
        head, config = self.learner.head(name), self.config.episodic
        head.train()
        encoder.train()
        episodic.set_rates(optim, config, self.counters["step"])
        rng = np.random.default_rng([self.config.seed, self.counters["stage"], self.counters["step"]])
        drawn = [source.draw(head, rng) for _ in range(config.episodes)]
        self.reseed()
        loss = {"outer": episodic.step(head, encoder, optim, drawn, config, self.group)}
        first = drawn[0].to(self.device)
        loss |= head.diagnostics(encoder, first.support)
        if not all(map(math.isfinite, loss.values())):
            raise NonFinite(first.assay)
        self.advance(name, config.steps, loss, optim.param_groups[0]["lr"])

    def source(self) -> episodic.Source:
        """Where episodes are drawn from."""
        return episodic.pool(self.learner, self.corpora.train, self.episode_assays, self.config.episodic)

    @property
    def episode_assays(self) -> tuple[str, ...]:
        """Training assays that episodes are drawn from."""
        return self.corpora.reserved or tuple(self.corpora.train.assays.index)

    def introduce(self, head: Head) -> None:
        """What a head is given before its first episode."""
        head.remember(self.sample())

    def look(self, name: str, steps: int) -> None:
        score = validate(self.learner, self.corpora.valid, name, self.config.validation)
        # What is trained on a frozen embedding changes probabilities more than the ranking.
        moves = self.config.episodic.moves_embedding
        self.counters["last"] = score.merit if moves else -score.nll
        if self.counters["step"] or not moves:  # a head with an embedding of its own is one that was trained
            self.keep_best(self.counters["last"])
        self.log(name, steps, {name: score})
