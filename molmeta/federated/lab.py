"""A lab's part in a federation: rounds of training on assays that stay where they are.

The outputs of stage A, one an assay, and the tables of single compounds are the lab's own and never leave;
they come to lie beside the shared trunk and prior in the model that the lab has in the end.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from molmeta.encoders.base import Encoder
from molmeta.errors import InputError
from molmeta.federated import shared
from molmeta.federated.guard import guarded
from molmeta.federated.plan import FederatedConfig, Phase, phase_of
from molmeta.federated.shared import Array
from molmeta.training import episodic, pretrain
from molmeta.training.data import Measurements, measurements
from molmeta.training.group import Group
from molmeta.training.pretrain import Multitask
from molmeta.training.report import Progress, TrainReport, divergence
from molmeta.training.stages import Run
from molmeta.training.state import pack

# Where labs weigh by their assays, one counts as so many measurements: weights that are small beside
# `Federated.most` cost digits.
_ASSAY = 100


class Lab(Run):
    """The rounds of one lab over its own assays.

    Attributes
    ----------
    config : FederatedConfig
    """

    config: FederatedConfig

    def __init__(
        self, config: FederatedConfig, out: Path, progress: Callable[[Progress], None], group: Group
    ) -> None:
        super().__init__(config, out, group, progress)
        self.counters |= {"round": 0, "started": False}
        self.chance = np.random.default_rng(secrets.randbits(128))

    def read(self, data: Path, cache: Path) -> None:
        """Reads the assays of this lab.

        Raises
        ------
        InputError
            There are none.
        NotEnoughData
            They are too few to train a prior on; this is found before any training.
        """
        super().read(data, cache)
        prefix = "learner/"
        if self.stored:
            kept = {k.removeprefix(prefix): v for k, v in self.stored.items() if k.startswith(prefix)}
            self.learner.load_state_dict(kept)
        loose = self.config.episodic.model_copy(update={"freeze_encoder": False})
        episodic.pool(self.learner, self.corpora.train, self.episode_assays, loose)

    def round(self, number: int, values: Sequence[Array]) -> tuple[list[Array], int]:
        """Trains for one round.

        Parameters
        ----------
        number : int
            Of the round, from 1.
        values : sequence of float32 arrays
            All that is shared (`shared.whole`), as it is after the round before.

        Returns
        -------
        (list of float32 arrays, int)
            What is to be added to what the round changes, and how much this lab weighs in the average.

        Raises
        ------
        InputError
            The values do not fit the model, or the prior is to start from assays that were never learned.
        Diverged
            The loss is not finite.
        """
        phase = phase_of(self.config, number)
        work = {Phase.TRUNK: self._trunk, Phase.START: self._start, Phase.PRIOR: self._prior}[phase]
        # What was saved comes first, so that it is not put over what is shared now.
        if phase is Phase.PRIOR:
            self._know()
            _ = self.stage_b
        else:
            _ = self.stage_a
        shared.put(shared.whole(self.learner), values)
        before = shared.arrays(shared.changed(self.learner, phase))
        weight, state = work(number)
        self.counters["round"] = number
        self.save(state)
        after = shared.arrays(shared.changed(self.learner, phase))
        update = [new - old for new, old in zip(after, before, strict=True)]
        plan = self.config.federated
        weight = plan.most if plan.noise else min(weight, plan.most)
        return guarded(update, phase, self.config, self.chance), weight

    def _know(self) -> None:
        """Sees to it that the tables of single compounds are there: also of a lab that came late."""
        if not self.counters["started"]:
            self.start_heads(self.stage_a[0])
            self.counters["started"] = True

    def finish_with(self, values: Sequence[Array]) -> TrainReport:
        """Leaves this lab's model: the shared trunk and prior, and its own tables."""
        self._know()
        shared.put(shared.whole(self.learner), values)
        self.learner.eval()
        return self.finish()

    @cached_property
    def table(self) -> Measurements:
        """Measurements of stage A."""
        return measurements(self.corpora.train, self.left_out)

    @cached_property
    def stage_a(self) -> tuple[Multitask, torch.optim.Optimizer]:
        """The trunk with this lab's outputs, and the optimizer, as they were left."""
        model = Multitask(self.learner.encoder, self.table.n_assays).to(self.device)
        optim = pretrain.optimizer(model, self.config.pretrain)
        if self.counters["round"] <= self.config.federated.rounds + 1:
            self.resume_into(model, optim)
        return model, optim

    @cached_property
    def stage_b(self) -> tuple[Encoder, nn.Module, torch.optim.Optimizer]:
        """What the head reads embeddings by, both as one module, and the optimizer, as they were left."""
        head = self.learner.head()
        encoder = self.learner.reader(head)
        optim = episodic.optimizer(head, encoder, self.config.episodic)
        trained = nn.ModuleList([head, encoder])
        if self.counters["round"] > self.config.federated.rounds + 1:
            self.resume_into(trained, optim)
        return encoder, trained, optim

    @cached_property
    def episodes_of(self) -> episodic.Source:
        """Where episodes are drawn from, embedded by the trunk as it is in the end."""
        return self.source()

    def _trunk(self, number: int) -> tuple[int, dict[str, Tensor]]:
        model, optim = self.stage_a
        config = self.config.pretrain
        per_epoch = max(1, len(self.table.compound) // config.batch_size)
        steps = config.epochs * per_epoch
        first, last = (r * steps // self.config.federated.rounds for r in (number - 1, number))
        self.counters |= {"stage": 0, "step": first}
        while self.counters["step"] < last:
            epoch, begin = divmod(self.counters["step"], per_epoch)
            end = min(per_epoch, begin + last - self.counters["step"])
            batches = list(pretrain.batches(self.table, config.batch_size, self.config.seed, epoch))
            self.learn(model, optim, self.table, batches[begin:end], steps)
        return len(self.table.label), pack(model, optim)

    def _start(self, number: int) -> tuple[int, dict[str, Tensor]]:
        model, optim = self.stage_a
        if self.counters["round"] == 0:
            raise InputError(
                f"this lab has learned none of its assays, and round {number} starts the prior from what was "
                "learned; it can take part from the next round on"
            )
        self.start_heads(model)
        self.counters |= {"stage": 1, "step": 0, "loss": {}, "started": True}
        return _ASSAY * self.table.n_assays, pack(model, optim)

    def _prior(self, number: int) -> tuple[int, dict[str, Tensor]]:
        name = self.learner.default_head
        encoder, trained, optim = self.stage_b
        each = self.config.episodic.steps // self.config.federated.prior_rounds
        first = (number - self.config.federated.rounds - 2) * each
        self.counters |= {"stage": 1, "step": first}
        for _ in range(each):
            self.keep_state(trained, optim)
            with divergence(trained, name, self.counters["step"], self.good):
                self.practise(name, encoder, optim, self.episodes_of)
        return _ASSAY * len(self.episode_assays), pack(trained, optim)
