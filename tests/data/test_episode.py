"""Laws of episodes: sizes, classes on both sides, no compound on both sides."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from molmeta.chem.batch import MolBatch
from molmeta.data.episode import EpisodeSampler, Labelled
from molmeta.errors import NotEnoughData
from molmeta.units import Target


def labelled(y: list[float], kind: str = "classification") -> Labelled:
    """Compounds whose embedding is their number."""
    n = len(y)
    mols = MolBatch(n=n, embedding=torch.arange(n, dtype=torch.float32)[:, None])
    target = Target("y", kind)  # type: ignore[arg-type]
    return Labelled(mols, torch.tensor(y, dtype=torch.float32), torch.zeros(n, dtype=torch.int8), target)


def members(data: Labelled) -> list[int]:
    return data.mols.need("embedding")[:, 0].long().tolist()


@given(
    n_pos=st.integers(2, 60),
    n_neg=st.integers(2, 60),
    k_min=st.integers(2, 8),
    k_max=st.integers(8, 64),
    n_query=st.integers(2, 64),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=150, deadline=None)
def test_classification_episode(n_pos: int, n_neg: int, k_min: int, k_max: int, n_query: int, seed: int):
    data = labelled([1.0] * n_pos + [0.0] * n_neg)
    sampler = EpisodeSampler(k_min=k_min, k_max=k_max, query=n_query)
    if len(data) < k_min + 2:
        with pytest.raises(NotEnoughData):
            sampler.draw("a", data, np.random.default_rng(seed))
        return
    episode = sampler.draw("a", data, np.random.default_rng(seed))
    support, query = members(episode.support), members(episode.query)
    assert episode.assay == "a"
    assert not set(support) & set(query)
    assert k_min <= len(set(support)) == len(support) <= min(k_max, len(data) - 2)
    assert len(query) == min(n_query, len(data) - len(support))
    assert set(episode.support.y.tolist()) == set(episode.query.y.tolist()) == {0.0, 1.0}
    assert episode.support.y.tolist() == data.y[support].tolist()
    assert episode.query.y.tolist() == data.y[query].tolist()


@given(n=st.integers(6, 200), query=st.integers(1, 50), seed=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_regression_episode(n: int, query: int, seed: int):
    data = labelled([float(i) for i in range(n)], "regression")
    sampler = EpisodeSampler(k_min=4, k_max=32, query=query)
    episode = sampler.draw("a", data, np.random.default_rng(seed))
    support, rest = members(episode.support), members(episode.query)
    assert 4 <= len(support) <= min(32, n - 2)
    assert len(rest) == min(query, n - len(support))
    assert not set(support) & set(rest)
    assert episode.support.y.tolist() == support


def test_same_seed_same_episode():
    data = labelled([0.0, 1.0] * 30)
    one, two = (EpisodeSampler().draw("a", data, np.random.default_rng(5)) for _ in range(2))
    assert members(one.support) == members(two.support)
    assert members(one.query) == members(two.query)


def test_support_size_and_prevalence_vary_within_their_limits():
    data = labelled([1.0] * 150 + [0.0] * 350)
    sampler = EpisodeSampler(k_min=8, k_max=128, prevalence=(0.1, 0.5), shift=1.0)
    rng = np.random.default_rng(0)
    drawn = [sampler.draw("a", data, rng).support for _ in range(200)]
    sizes = np.array([len(s) for s in drawn])
    shares = np.array([float(s.y.mean()) for s in drawn if len(s) >= 32])
    assert (sizes.min(), sizes.max()) >= (8, 100)
    assert sizes.max() <= 128
    assert 20 < np.median(sizes) < 55  # log-uniform: the median is the geometric mean, 32
    assert 0.08 <= shares.min() < 0.15
    assert 0.4 < shares.max() <= 0.52


@pytest.mark.parametrize("y", [[1.0] * 20, [0.0] * 20, [1.0] + [0.0] * 19])
def test_an_assay_without_two_of_each_class_is_refused(y: list[float]):
    with pytest.raises(NotEnoughData, match="two of each"):
        EpisodeSampler().draw("a", labelled(y), np.random.default_rng(0))


def test_select_keeps_labels_with_their_compounds():
    data = labelled([0.0, 1.0, 2.0, 3.0], "regression")
    picked = data.select(torch.tensor([3, 1]))
    assert members(picked) == picked.y.tolist() == [3, 1]
    assert len(picked) == 2
