"""Acquisition functions against closed forms, draws and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from molmeta.errors import ConfigError
from molmeta.prediction import Bernoulli, Gaussian
from molmeta.suggest.acquisition import ACQUISITIONS, DEFAULT, Belief, find_acquisition, noise_of

MEAN = torch.tensor([4.0, 5.5, 6.0, 7.5], dtype=torch.float64)
STD = torch.tensor([0.1, 1.0, 0.5, 0.2], dtype=torch.float64)
NONE = torch.zeros(4, dtype=torch.float64)


def values(sign: int = 1, best: float = 6.0) -> Belief:
    return Belief.of(Gaussian(sign * MEAN, STD), sign, best)


def classes(sign: int = 1) -> Belief:
    logit = sign * (MEAN - 5)
    return Belief.of(Bernoulli(logit / 3, STD, logit, torch.full((4,), 3.0)), sign)


def worth(name: str, belief: Belief, noise: torch.Tensor = NONE) -> torch.Tensor:
    return ACQUISITIONS[name].worth(belief, noise)


def test_expected_improvement_is_that_of_draws():
    draws = norm.rvs(MEAN.numpy(), STD.numpy(), size=(400_000, 4), random_state=0)
    expected = np.maximum(draws - 6.0, 0).mean(0)
    assert worth("ei", values()).numpy() == pytest.approx(expected, abs=3e-3)


def test_expected_improvement_is_a_gain_where_it_is_hopeless():
    belief = Belief.of(Gaussian(torch.tensor([-40.0, -400.0]), torch.tensor([1.0, 1.0])), 1, 6.0)
    assert (worth("ei", belief) >= 0).all()


def test_of_classes_it_is_the_chance_to_be_active():
    assert worth("ei", classes()).numpy() == pytest.approx(1 / (1 + np.exp(-(MEAN - 5).numpy())))


def test_probability_of_being_better_than_the_best():
    assert values().good.numpy() == pytest.approx(norm.sf(6.0, MEAN.numpy(), STD.numpy()))


def test_upper_confidence_bound_lies_between_the_mean_and_a_standard_deviation_above_it():
    share = (worth("ucb", values()) - MEAN) / STD
    assert share.numpy() == pytest.approx(float(share[0]))
    assert 0 < float(share[0]) <= 1


def test_of_classes_the_standard_deviation_is_on_the_scale_of_the_log_odds():
    assert classes().std.numpy() == pytest.approx(3 * STD.numpy())


def test_thompson_draws_from_what_is_believed():
    noise = torch.from_numpy(norm.rvs(size=4, random_state=1))
    assert torch.equal(worth("thompson", values(), noise), MEAN + STD * noise)


def test_uncertainty_is_largest_where_least_is_known():
    assert int(worth("uncertainty", values()).argmax()) == int(STD.argmax())
    assert int(worth("uncertainty", classes()).argmax()) == int((MEAN - 5).abs().argmin())


@pytest.mark.parametrize("name", list(ACQUISITIONS))
@pytest.mark.parametrize("make", [values, classes])
def test_low_is_good_mirrors_high_is_good(name, make):
    """Of a target of which low is good, the negative values are those of one of which high is."""
    noise = torch.from_numpy(norm.rvs(size=4, random_state=2))
    assert worth(name, make(-1), noise).numpy() == pytest.approx(worth(name, make(1), noise).numpy())


@pytest.mark.parametrize("name", [name for name, one in ACQUISITIONS.items() if one.positive])
@pytest.mark.parametrize("belief", [values(), values(best=50.0), classes()])
def test_a_gain_is_never_negative(name, belief):
    assert (worth(name, belief) >= 0).all()


def test_names():
    assert find_acquisition(DEFAULT).name == DEFAULT
    assert all(name == one.name for name, one in ACQUISITIONS.items())
    with pytest.raises(ConfigError, match="ei"):
        find_acquisition("entropy")


def test_noise_is_standard_normal_and_belongs_to_the_compound():
    compounds = np.arange(-10_000, 10_000)
    drawn = noise_of(compounds, 0)
    assert kstest(drawn, "norm").pvalue > 0.01
    order = np.random.default_rng(0).permutation(len(compounds))
    assert np.array_equal(noise_of(compounds[order], 0), drawn[order])
    others = [noise_of(compounds, 1), noise_of(compounds, 0, 1), noise_of(compounds, -1)]
    assert all(abs(np.corrcoef(drawn, other)[0, 1]) < 0.03 for other in others)
    assert math.isfinite(np.abs(drawn).max())
