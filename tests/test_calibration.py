from __future__ import annotations

import numpy as np
import pytest
import torch
from crepes import ConformalRegressor
from hypothesis import given, settings
from hypothesis import strategies as st

from molmeta.calibration import Conformal, Platt
from molmeta.conformity import Conformity, Scores
from molmeta.domain import Domain
from molmeta.prediction import Bernoulli, Gaussian

UNKNOWN = Conformity.unknown()


def bernoulli(logit: np.ndarray, std: float = 0.5) -> Bernoulli:
    t = torch.as_tensor(logit)
    return Bernoulli(t, torch.full_like(t, std), t)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_few_compounds_leave_the_probabilities_alone():
    rng = np.random.default_rng(0)
    y = np.array([0.0, 1.0] * 14)
    fitted = Platt.fit(rng.normal(size=28), y, UNKNOWN)
    assert (fitted.slope, fitted.offset) == (1.0, 0.0)


@settings(max_examples=20, deadline=None)
@given(factor=st.floats(0.5, 3.0), shift=st.floats(-0.5, 0.5), seed=st.integers(0, 1000))
def test_distorted_logits_are_pulled_to_the_truth(factor: float, shift: float, seed: int):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=2000)
    y = (rng.random(2000) < sigmoid(truth)).astype(float)
    fitted = Platt.fit(factor * truth + shift, y, UNKNOWN)
    mended = fitted.slope * (factor * truth + shift) + fitted.offset
    assert np.abs(sigmoid(mended) - sigmoid(truth)).mean() < 0.04


def test_calibrated_logits_stay_nearly_as_they_are():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=40)
    y = (rng.random(40) < sigmoid(truth)).astype(float)
    fitted = Platt.fit(truth, y, UNKNOWN)
    assert 0.7 < fitted.slope < 1.4
    assert abs(fitted.offset) < 0.4


def test_threshold_separates_what_can_be_separated_and_shrinks_to_the_prevalence():
    y = np.repeat([0.0, 1.0], [150, 50])
    cut = Platt.fit(np.where(y > 0.5, 4.0, 2.0) + np.linspace(0, 0.1, 200), y, UNKNOWN)
    called = cut.apply(bernoulli(np.array([2.05, 4.05]))).call
    assert called.tolist() == [0.0, 1.0]
    few = Platt.fit(np.array([5.0, 6.0, 7.0, 8.0]), np.array([0.0, 0.0, 0.0, 1.0]), UNKNOWN)
    assert 0.25 < few.threshold < 0.6
    assert Platt.unfitted(np.array([0.0, 0.0, 0.0, 0.0, 1.0]), UNKNOWN).threshold == pytest.approx(0.2)


def test_probabilities_lie_in_their_interval():
    out = Platt(1.3, -0.2, 0.4).apply(bernoulli(np.linspace(-30, 30, 61), std=2.0))
    assert np.all((out.low <= out.value) & (out.value <= out.high))
    assert np.all((out.low >= 0) & (out.high <= 1) & (out.std >= 0))
    assert np.all(np.diff(out.latent) > 0)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(10, 300), seed=st.integers(0, 1000))
def test_intervals_are_those_of_crepes(n: int, seed: int):
    n += n % 10 == 9  # there crepes takes the next larger residual, by a rounding error in 1 - 0.9
    rng = np.random.default_rng(seed)
    residuals, sigmas = rng.standard_t(3, n), rng.uniform(0.5, 2, n)
    oracle = ConformalRegressor()
    oracle.fit(residuals=residuals, sigmas=sigmas)
    mean, std = np.array([5.0, 7.0]), np.array([0.7, 1.5])
    expected = oracle.predict_int(y_hat=mean, sigmas=std, confidence=0.9)
    out = Conformal.fit(residuals / sigmas, n, UNKNOWN).apply(
        Gaussian(torch.as_tensor(mean), torch.as_tensor(std))
    )
    np.testing.assert_allclose(np.stack([out.low, out.high], 1), expected)


def test_intervals_cover_the_stated_share():
    rng = np.random.default_rng(3)
    hits = []
    for _ in range(400):
        z = 3 * rng.standard_normal(25)
        fitted = Conformal.fit(z[:24], 24, UNKNOWN)
        hits.append(abs(z[24]) <= fitted.quantile)
    assert np.mean(hits) == pytest.approx(0.9, abs=0.05)


def test_below_nine_values_the_interval_is_gaussian():
    fitted = Conformal.fit(np.zeros(5), 5, UNKNOWN)
    assert fitted.quantile == pytest.approx(1.6449 * fitted.scale, abs=1e-3)
    assert 0.7 < fitted.scale < 1
    assert Conformal.fit(np.zeros(0), 0, UNKNOWN) == Conformal()


def earlier(rng: np.random.Generator, assays: int = 40, size: int = 16, shift: float = 1.5) -> Conformity:
    """Of assays with logits N(shift, 1) of actives and N(-shift, 1) of inactives, and residuals N(0, 4)."""
    return Conformity.learn(
        Scores(
            size,
            rng.normal(shift, 1.0, 50),
            rng.normal(-shift, 1.0, 50),
            np.abs(rng.normal(0.0, 2.0, 50)),
        )
        for _ in range(assays)
    )


def test_few_compounds_take_the_width_of_earlier_assays():
    rng = np.random.default_rng(0)
    fitted = Conformal.fit(np.zeros(0), 8, earlier(rng))
    assert fitted.quantile == pytest.approx(2 * 1.645, abs=0.3)
    own = Conformal.fit(0.1 * rng.normal(size=900), 900, earlier(rng))
    assert own.quantile < 0.25  # and many have a width of their own


def test_prediction_sets_hold_the_class_of_nine_in_ten_of_either_class():
    rng = np.random.default_rng(1)
    known = earlier(rng)
    hits: list[np.ndarray] = []
    for _ in range(200):
        n_active = int(rng.integers(2, 14))
        y = np.repeat([0.0, 1.0], [16 - n_active, n_active])
        odds = np.log((n_active + 0.5) / (16 - n_active + 0.5))
        logit = rng.normal(np.where(y > 0.5, 1.5, -1.5), 1.0) + odds
        new = rng.normal([-1.5, 1.5], 1.0, (100, 2)) + odds
        fitted = Platt.fit(logit, y, known)
        out = [fitted.apply(bernoulli(column)) for column in new.T]
        hits.append(np.array([out[0].maybe_inactive.mean(), out[1].maybe_active.mean()]))
    np.testing.assert_allclose(np.mean(hits, 0), [0.9, 0.9], atol=0.02)


def test_without_anything_to_go_by_every_class_is_possible():
    y = np.array([0.0, 1.0])
    out = Platt.unfitted(y, UNKNOWN).apply(bernoulli(np.array([-9.0, 9.0])))
    assert out.prediction_set == ["either", "either"]


def test_prediction_sets_have_names():
    platt = Platt(active_from=0.0, inactive_to=1.0)
    assert platt.apply(bernoulli(np.array([-1.0, 0.5, 2.0]))).prediction_set == [
        "inactive",
        "either",
        "active",
    ]
    gap = Platt(active_from=1.0, inactive_to=0.0)
    assert gap.apply(bernoulli(np.array([0.5]))).prediction_set == ["neither"]
    values = Conformal().apply(Gaussian(torch.zeros(1), torch.ones(1)))
    assert values.prediction_set == [None]


def test_domain_is_the_neighbourhood_of_the_support():
    counts = torch.zeros(20, 2048, dtype=torch.uint8)
    counts[:, :10] = 1
    counts[torch.arange(20), 10 + torch.arange(20)] = 1  # pairwise similarity 10/12
    domain = Domain.fit(counts, bernoulli(np.zeros(20), std=1.0))
    assert domain.similarity == 0.5  # never stricter
    inside = domain.contains(np.array([0.6, 0.4, 0.6]), np.array([1.0, 1.0, 1.2]))
    assert inside.tolist() == [True, False, False]
    assert Domain.fit(counts, None).contains(np.array([0.6]), np.array([1e9])).all()


def test_domain_of_unrelated_compounds_keeps_a_floor():
    counts = torch.eye(20, 2048).to(torch.uint8)
    assert Domain.fit(counts, None).similarity == 0.1
