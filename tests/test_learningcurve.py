from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from molmeta.chem.batch import MolBatch
from molmeta.data.episode import Labelled
from molmeta.heads.base import Conditioned
from molmeta.learningcurve import EARLIER, _Thinned, combine, draw_curve, forecast
from molmeta.prediction import Gaussian, Prediction
from molmeta.resampling import Comparison, r2
from molmeta.units import Target
from molmeta.verdict import judge


def values(n: int, seed: int = 0) -> Labelled:
    """Labels that are a noisy line in the first count."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 200, (n, 32)).astype(np.uint8)
    y = counts[:, 0] / 50 + rng.normal(0, 0.02, n)
    return Labelled(
        MolBatch(n=n, counts=torch.from_numpy(counts)),
        torch.from_numpy(y.astype(np.float32)),
        torch.zeros(n, dtype=torch.int8),
        Target("y", "regression"),
    )


def classes(n_active: int, n_inactive: int) -> Labelled:
    n = n_active + n_inactive
    counts = torch.randint(0, 5, (n, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    y = (torch.arange(n) < n_active).float()
    relation = torch.zeros(n, dtype=torch.int8)
    return Labelled(MolBatch(n=n, counts=counts), y, relation, Target("y", "classification"))


def nearest_count(support: Labelled) -> Conditioned:
    """The label of the compound with the nearest first count, which learns as it sees more."""
    x, y = support.mols.need("counts")[:, 0].double(), support.y.double()

    def predict(mols: MolBatch) -> Prediction:
        nearest = (mols.need("counts")[:, :1].double() - x).abs().argmin(1)
        return Gaussian(y[nearest], torch.ones(mols.n, dtype=torch.float64))

    return predict


def test_a_method_that_learns_has_a_rising_curve():
    found = judge(nearest_count, values(64), seed=0).curve
    assert found is not None
    assert [point.compounds for point in found.points] == [13, 26, 51]
    scores = [point.score for point in found.points]
    assert scores == sorted(scores)
    assert found.measured[0] > 0.3
    assert EARLIER["R²"].power[0] < found.power[0] < found.measured[0]
    assert [one.added for one in found.forecasts] == [10, 64, 192]
    gains = [one.gain for one in found.forecasts]
    assert gains == sorted(gains)
    assert all(one.low < one.gain < one.high for one in found.forecasts)
    assert "10 more compounds would change R² by about +0." in found.sentence


def test_the_last_point_is_the_score_of_the_verdict():
    found = judge(nearest_count, values(40), seed=3)
    assert found.curve is not None
    last = found.curve.points[-1]
    assert (last.score, last.error) == found.scores["molmeta"]


def test_a_part_of_the_compounds_is_nested_and_keeps_both_classes():
    data, seen = classes(6, 30), []

    def spy(support: Labelled) -> Conditioned:
        seen.append(support)
        return lambda mols: None  # type: ignore[return-value]

    for share in (0.25, 0.5):
        _Thinned(spy, share, seed=5)(data)
    quarter, half = (set(map(tuple, one.mols.need("counts").tolist())) for one in seen)
    assert quarter < half
    assert [int(one.y.sum()) for one in seen] == [2, 3]
    assert [len(one) for one in seen] == [10, 18]


@pytest.mark.parametrize(("active", "inactive"), [(2, 2), (3, 3), (2, 40)])
def test_too_few_of_a_class_give_no_curve(active: int, inactive: int):
    trial = Comparison.of(classes(active, inactive), 2, seed=0)
    assert trial is not None
    whole = np.zeros(len(trial.weights))
    assert draw_curve(nearest_count, trial, "ΔAUPRC", r2, whole, seed=0) is None


@given(gap=st.floats(0.01, 2), power=st.floats(-0.5, 1), n=st.integers(4, 300))
def test_no_forecast_is_beyond_a_perfect_score(gap: float, power: float, n: int):
    few, many = (forecast(gap, (power, 0.1), 0.2, n, added) for added in (n, 7 * n))
    assert many.high < gap
    assert few.low <= few.gain <= few.high
    assert abs(few.gain) <= abs(many.gain) + 1e-12


def test_what_is_not_known_of_an_assay_is_what_others_were_like():
    prior = (0.2, 0.1)
    assert combine((5.0, 1e6), prior) == pytest.approx(prior)
    mean, error = combine((0.4, 0.05), prior)
    assert 0.2 < mean < 0.4
    assert error < 0.1
