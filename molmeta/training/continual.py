"""Continued meta-training: a trained model takes in more assays, and what it forgets is measured.

By default nothing is trained: the encoder and what the heads have learned from episodes stay, and only the
tables of the heads grow, so that compounds of the new assays are known from then on. Fine-tuning of the
encoder (stage A) and of the heads (stage B) is there to be asked for, with old assays mixed in.

Nothing is chosen by the validation assays, so that the difference on them is a measurement.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path

import torch

from molmeta.atlas import Atlas
from molmeta.checkpoint import find_checkpoint, load_checkpoint, read_config, save_checkpoint
from molmeta.data.collection import join
from molmeta.data.corpus import Corpus
from molmeta.errors import NotEnoughData
from molmeta.files import write_whole
from molmeta.heads.base import Head
from molmeta.learner import Learner
from molmeta.training import pretrain
from molmeta.training.atlas import learn_atlas
from molmeta.training.config import TrainConfig
from molmeta.training.data import Corpora, load_assays, measurements, reserve
from molmeta.training.episodic import Source, pool
from molmeta.training.forgetting import Comparison, compare, score_both
from molmeta.training.growth import (
    append,
    carry,
    check_new,
    count_assays,
    grow,
    list_added,
    note_compounds,
    turn,
    warm_start,
)
from molmeta.training.plan import ContinualConfig
from molmeta.training.pretrain import Multitask
from molmeta.training.replay import Mixture, batches, unremembered
from molmeta.training.report import Diverged, TrainReport
from molmeta.training.stages import Run
from molmeta.training.start import atlas_of
from molmeta.training.validation import Score, check, validate

OLD, NEW = "old validation assays", "held-out new assays"


class ContinualRun(Run):
    """The stages of a continued training; stage 0 ends with tables that know the new assays."""

    config: ContinualConfig

    def first(self, config: TrainConfig) -> Learner:
        assert isinstance(config, ContinualConfig)
        return load_checkpoint(config.init)

    def read(self, data: Path, cache: Path) -> None:
        plan, needs = self.config, self.learner.needs
        load = partial(load_assays, workers=plan.data.workers, cache=cache, needs=needs)
        self.new = load(data / plan.data.train, plan.data.roles)
        nothing = self.new.select(())
        self.old = load(data / plan.replay.data, plan.replay.roles) if plan.replay.share else nothing
        valid = load(data / plan.data.valid, plan.data.valid_roles) if plan.data.valid else nothing
        held_out = load(data / plan.held_out.data, plan.held_out.roles) if plan.held_out.data else nothing
        self.measured = {OLD: valid, NEW: held_out}
        self.known = count_assays(self.learner)
        check_new(self.new, self.atlas)
        for corpus in self.measured.values():
            if len(corpus):
                check(corpus, plan.validation)
        train = join(self.new, self.old) if len(self.old) else self.new
        self.corpora = Corpora(train, valid, reserve(self.new, plan.data.reserve))
        if plan.pretrain.epochs and not len(self.part(late=False)):
            raise NotEnoughData(
                f"data.reserve = {plan.data.reserve:g} keeps all {len(self.new)} new assays for stage B, and "
                "none for the encoder to learn from; lower it, or give pretrain.epochs = 0"
            )

    @cached_property
    def before(self) -> Learner:
        """The model as it was."""
        return load_checkpoint(self.config.init).to(self.device)

    @cached_property
    def atlas(self) -> Atlas | None:
        """The atlas of the model as it was, if it has one."""
        return atlas_of(self.config.init)

    def part(self, late: bool) -> Corpus:
        """The new assays that were left out of stage A and of the first tables, or the others."""
        names = self.new.assays.index
        return self.new.select([str(name) for name in names if (name in self.left_out) == late])

    def pretrain(self) -> None:
        """Stage A if it is wanted; then the tables take in the new assays."""
        if self.config.pretrain.epochs:
            self.tune()
            carry(self.learner, self.turned)
        grow(self.learner, self.part(late=False), self.known)
        self.next_stage()

    def tune(self) -> None:
        """Fine-tunes the encoder; every new compound is in one batch of an epoch."""
        config, corpus = self.config.pretrain, self.corpora.train
        table = measurements(corpus, self.left_out)
        model = Multitask(self.learner.encoder, table.n_assays).to(self.device)
        if self.counters["step"] == 0:
            names = [str(name) for name in corpus.assays.index if name not in self.left_out]
            # Compounds keep their rows, to which the table points.
            chosen = corpus.select(names)
            warm_start(model, self.learner, chosen, measurements(chosen, ()))
        optim = pretrain.optimizer(model, config)
        self.resume_into(model, optim)
        spread = self.group.spread(model)
        new = int((table.compound < len(self.new.smiles)).sum())
        old = len(table.compound) - new
        share, seed = self.config.replay.share, self.config.seed
        per_epoch = len(list(batches(new, old, config.batch_size, share, seed, 0)))
        steps = config.epochs * per_epoch
        while self.counters["step"] < steps:
            epoch, skip = divmod(self.counters["step"], per_epoch)
            drawn = list(batches(new, old, config.batch_size, share, seed, epoch))
            self.learn(spread, optim, table, drawn[skip:], steps)
            if not self.sample().need("embedding").isfinite().all():
                raise Diverged(
                    f"embeddings are not finite after epoch {epoch + 1}; lower pretrain.rate, found "
                    f"{config.rate:g}, and start again"
                )
            self.watch("pretrain", self.learner.default_head, steps)

    @cached_property
    def turned(self) -> torch.Tensor:
        """How directions of the embedding have turned while the encoder was fine-tuned."""
        return turn(self.before, self.learner, self.corpora.train.mols)

    def source(self) -> Source:
        """Episodes of the reserved new assays and, of the old ones, of those that no table holds."""
        late, share = self.part(late=True), self.config.replay.share
        new = pool(self.learner, late, list(late.assays.index), self.config.episodic)
        if not share:
            return new
        names = unremembered(self.before, self.old)
        if not names:
            raise NotEnoughData(
                f"{self.config.init} remembers all {len(self.old)} old assays of {self.config.replay.data}, "
                "so that its heads cannot learn from them; give --replay 0, or episodic.steps = 0"
            )
        return Mixture(new, pool(self.learner, self.old, names, self.config.episodic), share)

    def introduce(self, head: Head) -> None:
        """Nothing: what a head remembers of its first training stays."""

    def look(self, name: str, steps: int) -> None:
        self.watch(name, name, steps)

    def watch(self, stage: str, head: str, steps: int) -> None:
        """Logs how a head does on the old validation assays."""
        valid = self.corpora.valid
        scores = {head: validate(self.learner, valid, head, self.config.validation)} if len(valid) else {}
        self.log(stage, steps, scores)

    def finish(self) -> TrainReport:
        """Leaves the checkpoint, and the comparison of what it holds with the model as it was."""
        early, late = self.part(late=False), self.part(late=True)
        grow(self.learner, late, self.known + len(early))
        self.describe()
        save_checkpoint(self.out, self.learner, atlas=self.extended(early, late))
        # What is stored is measured, not what it was rounded from.
        after, validation = load_checkpoint(self.out).to(self.device), self.config.validation
        rows: list[Comparison] = []
        scores: dict[str, Score] = {}
        for name, corpus in self.measured.items():
            if len(corpus):
                table = score_both(self.before, after, corpus, validation)
                rows += compare(table, name)
                if name == OLD:
                    now = table[table["side"] == "after"]
                    scores = {str(head): Score.of(part) for head, part in now.groupby("head", sort=False)}
        added = list_added(self.new, self.before)
        content = {
            "added": [asdict(one) for one in added],
            "validation": {name: score.flat() for name, score in scores.items()},
            "comparison": [asdict(row) for row in rows],
        }
        write_whole(self.out / "metrics.json", (json.dumps(content, indent=1) + "\n").encode())
        return TrainReport(self.out, scores, self.seconds, tuple(added), tuple(rows))

    def describe(self) -> None:
        """What the model knows, and where it comes from. How its predictions conform is kept: it was learned
        on hundreds of assays that are new to the tables, which the new ones are not any more."""
        learner, before, new = self.learner, self.before, self.new
        note_compounds(learner, new, before)
        stored = read_config(find_checkpoint(self.config.init))
        learner.info = {
            **before.info,
            "name": self.config.name,
            "assays": self.known + len(new),
            "compounds": len(learner.seen),
            "measurements": before.info.get("measurements", 0) + int((new.mol >= 0).sum()),
            "seconds": round(self.seconds),
            "device": str(self.device),
            "torch": torch.__version__,
            "init": {"name": before.name, "sha256": stored["sha256"], "assays": self.known},
        }

    def extended(self, early: Corpus, late: Corpus) -> Atlas | None:
        """The atlas with the new assays, in the order in which the heads count them."""
        if self.atlas is None:
            return None
        old = self.atlas
        if self.config.pretrain.epochs:
            old = replace(old, outputs=old.outputs @ self.turned.T)
        for corpus in (early, late):
            old = append(old, learn_atlas(self.learner, corpus)) if len(corpus) else old
        return old
