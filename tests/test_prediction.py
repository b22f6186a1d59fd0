from __future__ import annotations

import pytest
import torch

from molmeta.prediction import Bernoulli, Gaussian, assemble, mixture, overwrite


def bernoulli(logit: list[float], slope: float | None = None) -> Bernoulli:
    t = torch.tensor(logit, dtype=torch.float64)
    return Bernoulli(t * 0 + 9.0, t * 0 + 0.5, t, None if slope is None else t * 0 + slope)


def test_interval_uses_the_slope_of_the_link():
    flat, steep = bernoulli([0.3], 1.0).interval(0.9), bernoulli([0.3], 4.0).interval(0.9)
    assert torch.logit(steep[1]) - 0.3 == pytest.approx(4 * float(torch.logit(flat[1]) - 0.3))
    assert bernoulli([0.3]).interval(0.9) == flat


def test_mixture_averages_probabilities():
    mixed = mixture([bernoulli([-3.0, 800.0]), bernoulli([1.0, -800.0])], [0.25, 0.75])
    expected = 0.25 * torch.sigmoid(torch.tensor(-3.0)) + 0.75 * torch.sigmoid(torch.tensor(1.0))
    assert mixed.probability[0] == pytest.approx(float(expected))
    assert mixed.probability[1] == pytest.approx(0.25)
    assert mixed.mean.isfinite().all()


def test_mixture_of_one_keeps_the_logit_and_the_density():
    one = bernoulli([-40.0, 0.2, 35.0], 2.0)
    mixed = mixture([one], [1.0])
    assert isinstance(mixed, Bernoulli)
    torch.testing.assert_close(mixed.logit, one.logit)
    torch.testing.assert_close(mixed.std, one.logit_std)
    values = Gaussian(torch.tensor([5.0, 6.0]), torch.tensor([0.3, 1.0]))
    y = torch.tensor([5.5, 2.0])
    expected = torch.distributions.Normal(values.mean, values.std).log_prob(y)
    torch.testing.assert_close(mixture([values], [1.0]).log_prob(y), expected)


def test_parts_come_back_in_place():
    parts = [bernoulli([2.0, 0.0], 1.5), bernoulli([1.0], 2.5)]
    whole = assemble(parts, [torch.tensor([2, 0]), torch.tensor([1])])
    assert isinstance(whole, Bernoulli)
    assert whole.logit.tolist() == [0.0, 1.0, 2.0]
    assert whole.slope is not None
    assert whole.slope.tolist() == [1.5, 2.5, 1.5]


def test_overwrite_replaces_rows_in_a_copy():
    whole = bernoulli([1.0, 2.0, 3.0])
    changed = overwrite(whole, {1: bernoulli([-7.0])})
    assert isinstance(changed, Bernoulli)
    assert changed.logit.tolist() == [1.0, -7.0, 3.0]
    assert whole.logit.tolist() == [1.0, 2.0, 3.0]
    assert overwrite(whole, {}) is whole
