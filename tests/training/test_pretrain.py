"""Stage A: its losses and its schedule."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from molmeta.encoders import build_encoder
from molmeta.training.config import Pretrain
from molmeta.training.data import Measurements
from molmeta.training.pretrain import Multitask, batches, rate_at


@pytest.fixture
def model() -> Multitask:
    torch.manual_seed(0)
    model = Multitask(build_encoder("fingerprint", width=8, depth=1, dim=4), 3)
    torch.nn.init.normal_(model.label_bias.weight)
    return model


def test_labels_cost_their_cross_entropy(model: Multitask) -> None:
    embedding, assay = torch.randn(5, 4), torch.tensor([0, 1, 2, 2, 0])
    label, none = torch.tensor([0.0, 1, 1, 0, 1]), torch.full((5,), math.nan)
    classes, values = model.losses(embedding, assay, label, none, torch.zeros(5))
    logit = torch.stack(
        [
            e @ model.label.weight[a] + model.label_bias.weight[a, 0]
            for e, a in zip(embedding, assay, strict=True)
        ]
    )
    torch.testing.assert_close(classes, F.binary_cross_entropy_with_logits(logit, label))
    assert values == 0


def test_a_censored_value_costs_nothing_on_its_open_side(model: Multitask) -> None:
    embedding, assay, label = torch.zeros(1, 4), torch.tensor([0]), torch.zeros(1)
    for relation, value, free in [(1, -2.0, True), (1, 2.0, False), (-1, 2.0, True), (-1, -2.0, False)]:
        _, cost = model.losses(embedding, assay, label, torch.tensor([value]), torch.tensor([relation]))
        assert (float(cost.detach()) == 0) == free


def test_unknown_values_leave_gradients_finite(model: Multitask) -> None:
    embedding = torch.randn(2, 4, requires_grad=True)
    value = torch.tensor([math.nan, 1.0])
    classes, values = model.losses(embedding, torch.tensor([0, 1]), torch.zeros(2), value, torch.zeros(2))
    (classes + values).backward()
    assert embedding.grad is not None
    assert embedding.grad.isfinite().all()


def test_the_rate_warms_up_and_falls_to_a_hundredth() -> None:
    config = Pretrain(rate=1.0, warmup=10)
    rates = [rate_at(step, 100, config) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) < 1.0
    assert rates[100] == pytest.approx(0.01)
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_an_epoch_has_every_compound_at_most_once_in_an_order_of_its_own() -> None:
    none = torch.zeros(0)
    data = Measurements(torch.arange(50), none, none, none, none, none, ("a",))
    first, second = (torch.cat(list(batches(data, 16, 0, epoch))) for epoch in (0, 1))
    assert len(first.unique()) == len(first) == 48
    assert not torch.equal(first, second)
    assert torch.equal(first, torch.cat(list(batches(data, 16, 0, 0))))
