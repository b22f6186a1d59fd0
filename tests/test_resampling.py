from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, r2_score, roc_auc_score

from molmeta.resampling import auroc, delta_auprc, r2, resamples, rmse


@settings(max_examples=40, deadline=None)
@given(n=st.integers(4, 30), levels=st.integers(2, 30), seed=st.integers(0, 10_000))
def test_weighted_metrics_are_those_of_scikit_learn(n: int, levels: int, seed: int):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 3 == 0).astype(float)
    score = rng.integers(0, levels, n).astype(float)  # with ties
    weights = rng.integers(1, 4, (3, n)).astype(float)
    prevalence = weights @ y / weights.sum(1)
    for i, w in enumerate(weights):
        expected = average_precision_score(y, score, sample_weight=w) - prevalence[i]
        assert delta_auprc(y, score, weights)[i] == pytest.approx(expected)
        assert auroc(y, score, weights)[i] == pytest.approx(roc_auc_score(y, score, sample_weight=w))
    even = np.ones((1, n))
    values = rng.normal(size=n)
    assert r2(values, score, even)[0] == pytest.approx(r2_score(values, score))
    assert rmse(values, score, even)[0] == pytest.approx(np.sqrt(np.mean((values - score) ** 2)))


def test_compounds_that_a_resample_leaves_out_do_not_count():
    y, score = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.8, 0.1, 0.2])
    weights = np.array([[1.0, 0.0, 0.0, 1.0]])
    assert delta_auprc(y, score, weights)[0] == pytest.approx(0.5)
    assert auroc(y, score, weights)[0] == pytest.approx(1.0)


def test_a_resample_keeps_the_number_of_each_class():
    y = np.array([1.0] * 5 + [0.0] * 11)
    weights = resamples(y, True, np.random.default_rng(0))
    assert (weights[0] == 1).all()
    assert (weights[:, y > 0.5].sum(1) == 5).all()
    assert (weights[:, y < 0.5].sum(1) == 11).all()
