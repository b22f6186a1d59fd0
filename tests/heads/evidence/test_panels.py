"""What is kept of panels; their factor analysis against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import FactorAnalysis

from molmeta.data.history import History, Panel
from molmeta.heads.evidence.panels import Panels, analyse


def drawn(assays: int, m: int, rank: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels float64[assays, m] of a factor model, and its correlation matrix."""
    rng = np.random.default_rng(seed)
    factor, own = rng.normal(size=(m, rank)), rng.uniform(0.2, 1.5, m)
    y = rng.normal(size=(assays, rank)) @ factor.T + rng.normal(size=(assays, m)) * own**0.5
    covariance = factor @ factor.T + np.diag(own)
    return y + rng.normal(size=m), covariance / np.diag(covariance).mean()


def covariance(y: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    mean, factor, own = analyse(Panel(np.arange(y.shape[1]), y), rank)
    return mean.numpy(), (factor @ factor.T + torch.diag(own)).numpy()


def test_with_many_assays_the_factor_analysis_is_that_of_scikit_learn() -> None:
    y, _ = drawn(4000, 10, 2)
    mean, found = covariance(y, 2)
    oracle = FactorAnalysis(2).fit(y)
    want = oracle.get_covariance()
    np.testing.assert_allclose(mean, oracle.mean_, atol=0.01)
    np.testing.assert_allclose(found, want / np.diag(want).mean(), atol=0.03)


def test_missing_labels_bias_nothing() -> None:
    y, truth = drawn(4000, 10, 2)
    y[np.random.default_rng(1).random(y.shape) < 0.5] = np.nan
    _, found = covariance(y, 2)
    np.testing.assert_allclose(found, truth, atol=0.15)


def test_few_assays_and_more_factors_than_assays_are_no_trouble() -> None:
    y, _ = drawn(3, 6, 2)
    y[:, 5] = np.nan
    y[0, 5] = 1.0
    mean, found = covariance(y, 8)
    assert np.isfinite(found).all()
    assert np.isfinite(mean).all()
    assert (np.linalg.eigvalsh(found) > 0).all()
    assert np.diag(found).mean() == pytest.approx(1.0)


def known(n: int = 12, assays: int = 20) -> History:
    rng = np.random.default_rng(0)
    return History(
        identity=rng.permutation(1000)[:n] - 500,
        compound=np.tile(np.arange(n), assays),
        assay=np.repeat(np.arange(assays), n),
        label=rng.integers(0, 2, n * assays).astype(np.float32),
        value=np.full(n * assays, np.nan, dtype=np.float32),
    )


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_as_many_factors_as_assays_leave_no_covariance_of_nothing(share: float) -> None:
    rng = np.random.default_rng(0)
    label = np.where(rng.random((8, 1000)) < share, np.sign(rng.standard_normal((8, 1000))), np.nan)
    label[0, np.isnan(label).all(0)] = 1.0
    _, factor, own = analyse(Panel(np.arange(1000), label), 8)
    assert torch.isfinite(factor).all()
    assert (own > 0).all()
    assert float((factor.square().sum(1) + own).mean()) == pytest.approx(1.0)


def test_assays_that_say_the_same_of_all_compounds_make_them_independent() -> None:
    mean, factor, own = analyse(Panel(np.arange(5), np.zeros((8, 5))), 8)
    assert not mean.any()
    assert not factor.any()
    assert own.tolist() == pytest.approx([1.0] * 5)


def test_covariances_of_a_panel_are_consistent() -> None:
    history = known()
    panels = Panels(4)
    panels.learn(history)
    wanted = torch.from_numpy(np.append(history.identity, 10_000))  # the last one is in no panel
    assert [one.number for one in panels.relevant(wanted)] == [0]
    at = panels.at(0, wanted)
    assert (at[:-1] >= 0).all()
    assert at[-1] == -1
    both = panels.covariance(at, at)
    torch.testing.assert_close(both.diagonal()[:-1], panels.variance(at)[:-1])
    assert (both[-1] == 0).all()
    assert panels.variance(at)[-1] == 1
    assert (torch.linalg.eigvalsh(both[:-1, :-1]) > 0).all()
    assert panels.average(at)[-1] == 0


def test_a_panel_is_of_use_where_it_holds_a_good_part_of_the_compounds() -> None:
    history = known()
    panels = Panels(4)
    panels.learn(history)
    inside, outside = torch.from_numpy(history.identity), torch.arange(10_000, 10_100)
    assert len(panels.relevant(torch.cat([inside, outside[:12]]))) == 1
    assert panels.relevant(torch.cat([inside, outside])) == []
    assert Panels(4).relevant(inside) == []


def test_a_new_panel_stands_beside_those_that_are_known() -> None:
    history, other = known(), known()
    other = History(other.identity + 2000, other.compound, other.assay, 1 - other.label, other.value)
    panels, second = Panels(4), Panels(4)
    panels.learn(history)
    second.learn(other)
    before = {name: value.clone() for name, value in panels.named_buffers()}
    panels.extend(other)
    for name, value in before.items():
        assert torch.equal(panels.get_buffer(name)[: len(value)], value)
    inside = torch.from_numpy(other.identity)
    (found,) = panels.relevant(inside)
    assert found.number == 1
    torch.testing.assert_close(
        panels.covariance(found.rows, found.rows), second.covariance(*[second.at(0, inside)] * 2)
    )
    assert panels.coverage(inside) == 1.0
    assert panels.coverage(inside + 5000) == 0.0
    empty = Panels(4)
    empty.extend(other)
    assert torch.equal(empty.get_buffer("factor"), second.get_buffer("factor"))


def test_a_number_of_a_panel_may_be_as_large_as_it_likes() -> None:
    """A forged file must not make a prediction count to it."""
    panels = Panels(2)
    one = torch.ones(3)
    panels.fill(
        panel=torch.full((3,), 2**62), key=torch.arange(3), mean=one, own=one, factor=torch.ones(3, 2)
    )
    assert len(panels.relevant(torch.arange(3))) == 1
