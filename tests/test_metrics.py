"""Metrics against scikit-learn, SciPy and numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as oracle

from molmeta import metrics


def labels_and_probabilities(seed: int, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n).astype(float)
    y[:2] = 0, 1
    return y, rng.uniform(0.01, 0.99, n)


@pytest.mark.parametrize("seed", range(5))
def test_classification_agrees_with_scikit_learn(seed: int):
    y, p = labels_and_probabilities(seed)
    found = metrics.score_classes(y, p)
    assert tuple(found) == metrics.CLASSES
    assert found["prevalence"] == y.mean()
    assert found["auprc"] == pytest.approx(oracle.average_precision_score(y, p))
    assert found["delta_auprc"] == pytest.approx(oracle.average_precision_score(y, p) - y.mean())
    assert found["auroc"] == pytest.approx(oracle.roc_auc_score(y, p))
    assert found["nll"] == pytest.approx(oracle.log_loss(y, p))
    assert found["brier"] == pytest.approx(oracle.brier_score_loss(y, p))


def test_certain_and_wrong_is_finite():
    assert 30 < metrics.log_loss(np.array([1.0, 0.0]), np.array([0.0, 1.0])) < 40


def test_a_constant_score_gains_nothing():
    y = np.array([1.0, 0, 0, 1, 0])
    assert metrics.delta_auprc(y, np.full(5, 0.3)) == pytest.approx(0)
    assert metrics.auroc(y, np.full(5, 0.3)) == pytest.approx(0.5)


def test_ece_by_hand():
    # Two bins of three: (0.1, 0.2, 0.3) with one active, (0.7, 0.8, 0.9) with two.
    p = np.array([0.9, 0.1, 0.8, 0.2, 0.7, 0.3])
    y = np.array([1.0, 0, 1, 1, 0, 0])
    assert metrics.ece(y, p, bins=2) == pytest.approx((abs(0.6 - 1) + abs(2.4 - 2)) / 6)


def test_ece_of_one_probability_is_its_distance_from_the_prevalence():
    y = np.r_[np.zeros(30), np.ones(10)]
    assert metrics.ece(y, np.full(40, 0.25)) == pytest.approx(0)
    assert metrics.ece(y, np.full(40, 0.75)) == pytest.approx(0.5)


@given(seed=st.integers(0, 1000), ties=st.booleans())
@settings(max_examples=30, deadline=None)
def test_ece_lies_between_the_overall_gap_and_one_and_ignores_the_order(seed: int, ties: bool):
    y, p = labels_and_probabilities(seed)
    p = p.round(1) if ties else p
    order = np.random.default_rng(seed).permutation(len(y))
    value = metrics.ece(y, p)
    assert abs(p.mean() - y.mean()) - 1e-12 <= value <= 1
    assert metrics.ece(y[order], p[order]) == pytest.approx(value)


def test_ece_sees_calibration():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=20_000)
    y = (rng.uniform(size=20_000) < p).astype(float)
    assert metrics.ece(y, p) < 0.02
    assert metrics.ece(y, p**3) > 0.15


def test_r2_against_its_own_mean_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    y, mean = rng.normal(size=20), rng.normal(size=20)
    assert metrics.r2_os(y, mean, float(y.mean())) == pytest.approx(oracle.r2_score(y, mean))
    assert metrics.rmse(y, mean) == pytest.approx(oracle.root_mean_squared_error(y, mean))
    assert metrics.r2_os(y, np.full(20, 0.4), 0.4) == pytest.approx(0)


def test_r2_of_a_query_that_is_all_baseline_is_unknown():
    assert np.isnan(metrics.r2_os(np.ones(3), np.zeros(3), 1.0))


def test_regression_by_hand():
    y, mean = np.array([5.0, 6.0, 7.0]), np.array([5.0, 6.5, 6.0])
    found = metrics.score_values(y, mean, np.array([-1.0, -2.0, -3.0]), mean - 0.5, mean + 0.7, 6.0)
    assert tuple(found) == metrics.VALUES
    assert found == pytest.approx(
        {
            "r2_os": 1 - 1.25 / 2,
            "rmse": np.sqrt(1.25 / 3),
            "nll": 2.0,
            "coverage90": 2 / 3,
            "width90": 1.2,
        }
    )


def test_standard_error_is_that_of_scipy():
    x = np.random.default_rng(2).normal(size=17)
    assert metrics.standard_error(x) == pytest.approx(stats.sem(x))
    assert np.isnan(metrics.standard_error(x[:1]))


def test_paired_difference_by_hand():
    found = metrics.paired_difference(np.array([0.3, 0.5, 0.2, 0.1]), np.array([0.1, 0.5, 0.1, 0.3]))
    assert (found.n, found.wins) == (4, 0.625)
    assert found.mean == pytest.approx(0.025)
    assert found.se == pytest.approx(stats.sem([0.2, 0.0, 0.1, -0.2]))


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_paired_difference_turns_round(seed: int):
    a, b = np.random.default_rng(seed).normal(size=(2, 9))
    one, other = metrics.paired_difference(a, b), metrics.paired_difference(b, a)
    assert one.mean == pytest.approx(-other.mean)
    assert one.se == pytest.approx(other.se)
    assert one.wins == pytest.approx(1 - other.wins)
