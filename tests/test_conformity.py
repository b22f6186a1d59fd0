"""Quantiles of earlier assays, and the threshold that joins them with an assay's own scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molmeta.conformity import POINTS, Conformity, Scores, log_odds, threshold

NONE = np.zeros(0)


def scores(size: int, level: float) -> Scores:
    return Scores(size, np.full(3, level), np.full(3, -level), np.full(3, level))


def test_quantiles_lie_between_those_of_the_sizes_beside():
    learned = Conformity.learn([scores(8, 1.0), scores(32, 3.0), scores(8, 1.0)])
    assert learned.size.tolist() == [8, 32]
    for n, want in ((2, 1.0), (8, 1.0), (16, 2.0), (32, 3.0), (1000, 3.0)):
        np.testing.assert_allclose(learned.at(learned.active, n), np.full(POINTS, want), rtol=1e-6)
        np.testing.assert_allclose(learned.at(learned.inactive, n), np.full(POINTS, -want), rtol=1e-6)


def test_assays_count_alike_however_large_they_are() -> None:
    one = np.ones(1)
    small, large = Scores(16, np.zeros(5), one, one), Scores(16, np.ones(500), one, one)
    assert Conformity.learn([small, large]).active[0].mean() == pytest.approx(0.5, abs=0.01)
    alone = Conformity.learn([Scores(16, np.random.default_rng(0).permutation(4000) / 4000, one, one)])
    np.testing.assert_allclose(alone.active[0], np.linspace(0, 1, POINTS), atol=0.01)


def test_a_size_without_one_of_the_scores_is_left_out():
    learned = Conformity.learn([scores(8, 1.0), Scores(16, np.ones(2), np.ones(2), NONE)])
    assert learned.size.tolist() == [8]
    assert len(Conformity.unknown().at(Conformity.unknown().value, 16)) == 0


@given(n=st.integers(0, 40), level=st.sampled_from([0.5, 0.8, 0.9]), seed=st.integers(0, 99))
def test_alone_the_threshold_is_the_split_conformal_quantile(n: int, level: float, seed: int):
    own = np.random.default_rng(seed).normal(size=n)
    rank = math.ceil(level * (n + 1) - 1e-9)
    want = np.sort(own)[rank - 1] if rank <= n else math.inf
    assert threshold(own, NONE, level, 0.0) == want


def test_earlier_assays_weigh_as_much_as_they_are_said_to():
    own, earlier = np.zeros(50), np.ones(POINTS)
    assert threshold(own, earlier, 0.9, 4.0) == 0.0
    assert threshold(own, earlier, 0.9, 6.0) == 1.0
    assert threshold(NONE, np.linspace(0, 1, POINTS), 0.9, 1e6) == pytest.approx(0.9)


def test_log_odds():
    assert log_odds(np.array([1.0, 1.0, 0.0])) == pytest.approx(math.log(2.5 / 1.5))
