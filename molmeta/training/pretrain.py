"""Stage A: the encoder learns all training assays at once, through one linear output per assay.

Labels are learned by cross-entropy; where an assay has p-values, a second output learns those by a Huber
loss, in which a censored value costs nothing on its open side.
Source: the multitask pretraining on which Formont et al. 2024 build their probes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from molmeta.chem.batch import MolBatch
from molmeta.encoders.base import Encoder
from molmeta.training.config import Pretrain
from molmeta.training.data import Measurements
from molmeta.training.group import Group, bare
from molmeta.training.report import NonFinite


class Multitask(nn.Module):
    """An encoder with a label output and a value output for each of `n_assays` assays."""

    def __init__(self, encoder: Encoder, n_assays: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.label = nn.Embedding(n_assays, encoder.dim)
        self.value = nn.Embedding(n_assays, encoder.dim)
        self.label_bias = nn.Embedding(n_assays, 1)
        self.value_bias = nn.Embedding(n_assays, 1)
        for weight in (self.label.weight, self.value.weight):
            nn.init.normal_(weight, std=encoder.dim**-0.5)
        for bias in (self.label_bias.weight, self.value_bias.weight):
            nn.init.zeros_(bias)

    @torch.no_grad()
    def outputs(self, embedding: Tensor) -> Tensor:
        """Label outputs float32[n_assays, dim] on unit embeddings; a sample float32[m, dim] of embeddings
        says how long one is."""
        outputs: Tensor = self.label.weight * embedding.norm(dim=1).mean()
        return outputs

    def losses(
        self, embedding: Tensor, assay: Tensor, label: Tensor, value: Tensor, relation: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Mean cross-entropy float[] of labels, and mean Huber loss float[] of the known values.

        embedding float32[b, dim], assay int64[b], label float32[b], value float32[b] (nan if unknown),
        relation int8[b]
        """
        logit = (embedding * self.label(assay)).sum(1) + self.label_bias(assay).squeeze(1)
        classes = F.binary_cross_entropy_with_logits(logit, label)
        guess = (embedding * self.value(assay)).sum(1) + self.value_bias(assay).squeeze(1)
        known = value.isfinite()
        error = guess - torch.where(known, value, guess.detach())
        satisfied = relation.sign() * error > 0
        error = torch.where(satisfied, torch.zeros_like(error), error)
        huber = F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none")
        return classes, (huber * known).sum() / known.sum().clamp(min=1)

    def forward(self, batch: Batch, autocast: bool) -> tuple[Tensor, Tensor]:
        """What the compounds add to the mean losses of labels and of values of the whole batch: float[]."""
        with torch.autocast(batch.label.device.type, torch.bfloat16, enabled=autocast):
            embedding = self.encoder(batch.mols)
        classes, values = self.losses(
            embedding.float()[batch.owner], batch.assay, batch.label, batch.value, batch.relation
        )
        return batch.label_share * classes, batch.value_share * values


@dataclass(frozen=True, eq=False)
class Batch:
    """The part of a batch that a process computes: compounds and their measurements.

    owner int64[m]: compound of each measurement; assay int64[m], label, value float32[m], relation int8[m].
    label_share, value_share : of the labels, and of the known values, of the whole batch.
    names : of the assays.
    """

    mols: MolBatch
    owner: Tensor
    assay: Tensor
    label: Tensor
    value: Tensor
    relation: Tensor
    label_share: float
    value_share: float
    names: Sequence[str]


def batch_of(mols: MolBatch, data: Measurements, index: Tensor, group: Group) -> Batch:
    """What this process computes of the compounds `index` of a table, whose features are rows of `mols`."""
    rows, _ = data.batch(index)
    atoms = None if mols.graph is None else mols.graph.n_atoms(data.compound[index])
    own = group.own(index, atoms)
    part, owner = data.batch(own)
    known, known_here = (int(data.value[some].isfinite().sum()) for some in (rows, part))
    device = group.device
    return Batch(
        mols=mols.select(data.compound[own]).to(device),
        owner=owner.to(device),
        assay=data.assay[part].to(device),
        label=data.label[part].to(device),
        value=data.value[part].to(device),
        relation=data.relation[part].to(device),
        label_share=len(part) / len(rows),
        value_share=known_here / max(known, 1),
        names=data.names,
    )


def optimizer(model: Multitask, config: Pretrain) -> torch.optim.AdamW:
    """AdamW, with no weight decay on vectors (biases, norms) and on the biases of the assays."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    flat = [p for name, p in named if p.dim() < 2 or name.endswith("_bias.weight")]
    matrices = [p for name, p in named if p.dim() >= 2 and not name.endswith("_bias.weight")]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": flat, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.rate, fused=True)


def rate_at(step: int, steps: int, config: Pretrain) -> float:
    """Linear warm-up, then a cosine down to a hundredth of the peak."""
    warm = min(1.0, (step + 1) / max(1, config.warmup))
    return config.rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, steps)))))


def batches(data: Measurements, batch_size: int, seed: int, epoch: int) -> Iterator[Tensor]:
    """Shuffled compounds of one epoch, the same for the same seed and epoch: int64[batch_size] each."""
    generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
    order = torch.randperm(len(data.compound), generator=generator)
    full = len(order) - len(order) % batch_size or len(order)
    yield from torch.split(order[:full], batch_size)


@torch.no_grad()
def worst(model: nn.Module, batch: Batch) -> int:
    """The assay whose label is predicted worst, or of which a prediction is not finite."""
    assert isinstance(model, Multitask)
    embedding = model.encoder(batch.mols)[batch.owner]
    logit = (embedding * model.label(batch.assay)).sum(1) + model.label_bias(batch.assay).squeeze(1)
    loss = F.binary_cross_entropy_with_logits(logit, batch.label, reduction="none")
    return int(batch.assay[loss.nan_to_num(nan=math.inf).argmax()])


def step(
    model: nn.Module,
    optim: torch.optim.Optimizer,
    batch: Batch,
    config: Pretrain,
    group: Group,
    *,
    autocast: bool,
) -> tuple[float, float]:
    """One optimizer step of a `Multitask` that is spread over a group; both losses, of the whole batch.

    Raises
    ------
    NonFinite
        A loss is not finite; nothing has changed then.
    """
    classes, values = model(batch, autocast)
    if not (classes + values).isfinite():
        raise NonFinite(batch.names[worst(bare(model), batch)])
    optim.zero_grad(set_to_none=True)
    # What is spread has the mean of the gradients over the processes, whose losses add up.
    (group.size * (classes + config.value_weight * values)).backward()
    nn.utils.clip_grad_norm_(model.parameters(), config.clip)
    optim.step()
    labels, known = group.total(float(classes.detach()), float(values.detach()))
    return labels, known
