"""Stage B: a head learns through its own loss, on episodes drawn from training assays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import nn

from molmeta.data.corpus import Corpus
from molmeta.data.episode import Episode, EpisodeSampler, Labelled
from molmeta.encoders.base import Encoder
from molmeta.errors import NotEnoughData
from molmeta.heads.base import Head
from molmeta.learner import Learner
from molmeta.training.config import Episodic
from molmeta.training.group import ALONE, Group
from molmeta.training.report import NonFinite
from molmeta.units import Kind


class Source(Protocol):
    """Where episodes come from."""

    def draw(self, head: Head, rng: np.random.Generator) -> Episode:
        """An episode of a kind that the head handles."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Assays from which episodes are drawn, by kind of target; each is (name, compounds with labels)."""

    classification: tuple[tuple[str, Labelled], ...]
    regression: tuple[tuple[str, Labelled], ...]
    sampler: EpisodeSampler
    regression_share: float

    def draw(self, head: Head, rng: np.random.Generator) -> Episode:
        """An episode of a kind that the head handles, from an assay chosen uniformly."""
        values = "regression" in head.kinds and bool(self.regression)
        if "classification" not in head.kinds or (values and rng.random() < self.regression_share):
            assays = self.regression
        else:
            assays = self.classification
        name, data = assays[rng.integers(len(assays))]
        return self.sampler.draw(name, data, rng)


def pool(learner: Learner, corpus: Corpus, names: Sequence[str], config: Episodic) -> Pool:
    """The assays `names` as episodes will be drawn from them, embedded once if the encoder is frozen.

    Raises
    ------
    NotEnoughData
        None of the assays is large enough, with two compounds of each class.
    """
    chosen = corpus.select(names)
    if config.freeze_encoder:
        chosen = replace(chosen, mols=learner.embed(chosen.mols))
    smallest = config.k_min + 2
    assays: dict[Kind, list[tuple[str, Labelled]]] = {"classification": [], "regression": []}
    for name in names:
        classes = chosen.labelled(name)
        n_pos = int(classes.y.sum())
        if len(classes) >= smallest and min(n_pos, len(classes) - n_pos) >= 2:
            assays["classification"].append((name, classes))
        values = chosen.labelled(name, "regression")
        if len(values) >= smallest and values.y.std() > 0:
            assays["regression"].append((name, values))
    if not assays["classification"]:
        raise NotEnoughData(
            f"none of {len(names)} training assays has {smallest} compounds with two of each class; "
            "lower episodic.k_min or raise data.reserve"
        )
    sampler = EpisodeSampler(k_min=config.k_min, k_max=config.k_max, query=config.query)
    return Pool(tuple(assays["classification"]), tuple(assays["regression"]), sampler, config.regression)


def optimizer(head: Head, encoder: Encoder, config: Episodic) -> torch.optim.AdamW:
    """AdamW over the head, and at a rate of its own over what the encoder that it reads has to learn."""
    groups = [{"params": list(head.parameters()), "lr": config.rate}]
    if list(encoder.parameters()):
        groups.append({"params": list(encoder.parameters()), "lr": config.encoder_rate})
    return torch.optim.AdamW(groups, weight_decay=config.weight_decay)


def set_rates(optim: torch.optim.Optimizer, config: Episodic, step: int) -> None:
    """Gives the optimizer the learning rates of a step; what it knows of its gradients stays."""
    for group, rate in zip(optim.param_groups, config.rates_at(step), strict=False):
        group["lr"] = rate


def step(
    head: Head,
    encoder: Encoder,
    optim: torch.optim.Optimizer,
    episodes: Sequence[Episode],
    config: Episodic,
    group: Group = ALONE,
) -> float:
    """One outer step on the mean loss of some episodes, of which each process of a group takes its own;
    returns that loss.

    Raises
    ------
    NonFinite
        The loss of an episode is not finite; nothing has changed then.
    """
    optim.zero_grad(set_to_none=True)
    total = 0.0
    for episode in episodes[group.rank :: group.size]:
        loss = head.loss(encoder, episode.to(group.device)) / len(episodes)
        if not loss.isfinite():
            raise NonFinite(episode.assay)
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    parameters = [p for part in optim.param_groups for p in part["params"]]
    group.add_gradients(parameters)
    nn.utils.clip_grad_norm_(parameters, config.clip)
    optim.step()
    (total,) = group.total(total)
    return total
