"""Batches of picks, with a Gaussian process on a line in the place of the heads."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from molmeta.chem.batch import MolBatch
from molmeta.data.episode import Labelled
from molmeta.heads.base import Conditioned
from molmeta.prediction import Bernoulli, Gaussian, Prediction
from molmeta.suggest.acquisition import ACQUISITIONS, Belief
from molmeta.suggest.batch import Prices, pick
from molmeta.units import Target


def at(*places: float) -> MolBatch:
    """Compounds that are points on a line."""
    return MolBatch(n=len(places), descriptors=torch.tensor(places)[:, None])


def condition(known: Labelled) -> Conditioned:
    """A Gaussian process with a kernel of length 1; what is far from all has the mean of the labels."""
    x = known.mols.need("descriptors").double()
    classes = known.target.kind == "classification"
    y = 2 * known.y.double() - 1 if classes else known.y.double()
    solved = torch.linalg.inv(kernel(x, x) + 0.1 * torch.eye(len(x), dtype=torch.float64))

    def predict(mols: MolBatch) -> Prediction:
        k = kernel(mols.need("descriptors").double(), x)
        mean = y.mean() + k @ solved @ (y - y.mean())
        std = (1 - ((k @ solved) * k).sum(1)).clamp(min=1e-9).sqrt()
        return Bernoulli(mean, std, 2 * mean, torch.full_like(mean, 2.0)) if classes else Gaussian(mean, std)

    return predict


def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.exp(-0.5 * (a - b.T).square())


def labelled(
    places: list[float], y: list[float], kind: str = "classification", higher: bool = True
) -> Labelled:
    target = Target("t", kind, None, higher)  # type: ignore[arg-type]
    return Labelled(at(*places), torch.tensor(y), torch.zeros(len(y), dtype=torch.int8), target)


# Series A is around 0, where two actives are, series B around 10, where one is; nothing good is around 20.
A, B, C = (0.0, 0.1, 0.2, 0.3), (10.0, 10.1, 10.2, 10.3), (20.0, 20.1)
SERIES = at(*A, *B, *C)
KNOWN = labelled([0.0, 0.4, 9.5, 20.0, 20.3, 5.0], [1, 1, 1, 0, 0, 0])


def of(name: str):
    return lambda belief, number: ACQUISITIONS[name].worth(belief, torch.zeros_like(belief.mean))


def series(picks) -> str:
    return "".join("A" if one.index < 4 else "B" if one.index < 8 else "C" for one in picks)


def test_a_batch_covers_two_series_where_the_ranking_takes_one():
    assert series(pick(condition, KNOWN, SERIES, 4, of("greedy"))) == "AAAA"
    assert set(series(pick(condition, KNOWN, SERIES, 4, of("greedy"), hedge=True))) == {"A", "B"}


@pytest.mark.parametrize("name", list(ACQUISITIONS))
def test_no_candidate_twice_and_no_more_than_there_are(name):
    for hedge in (True, False):
        found = pick(condition, KNOWN, SERIES, 50, of(name), hedge=hedge)
        assert sorted(one.index for one in found) == list(range(10))


def test_alone_it_is_the_ranking():
    belief = Belief.of(condition(KNOWN)(SERIES), 1)
    order = belief.mean.argsort(descending=True).tolist()
    found = pick(condition, KNOWN, SERIES, 6, of("greedy"))
    assert [one.index for one in found] == order[:6]
    assert all(one.passed == () for one in found)
    assert [one.worth for one in found] == belief.mean[order[:6]].tolist()


def test_those_that_were_passed_over_were_worth_more_and_are_not_picked_yet():
    belief = Belief.of(condition(KNOWN)(SERIES), 1)
    found = pick(condition, KNOWN, SERIES, 4, of("greedy"), hedge=True)
    assert any(one.passed for one in found)
    for i, one in enumerate(found):
        taken = {other.index for other in found[: i + 1]}
        worth = belief.mean.tolist()
        assert set(one.passed) == {j for j in range(10) if worth[j] > worth[one.index]} - taken


@pytest.mark.parametrize("higher", [True, False])
def test_values_of_either_direction(higher):
    sign = 1.0 if higher else -1.0
    y = [sign * v for v in (8.0, 8.0, 7.9, 7.9, 4.0, 4.0)]
    known = labelled([0.0, 0.4, 10.0, 10.4, 20.0, 20.3], y, "regression", higher)
    for name in ("ei", "greedy", "ucb"):
        for hedge in (True, False):
            assert "C" not in series(pick(condition, known, SERIES, 4, of(name), hedge=hedge))
    # All of series A are a little better than those of series B, until one of them is a disappointment.
    assert series(pick(condition, known, SERIES, 4, of("greedy"))) == "AAAA"
    assert set(series(pick(condition, known, SERIES, 4, of("greedy"), hedge=True))) == {"A", "B"}


def test_the_labelled_compounds_stay_as_they_were():
    before = KNOWN.y.clone()
    pick(condition, KNOWN, SERIES, 5, of("ucb"), hedge=True)
    assert torch.equal(KNOWN.y, before)
    assert len(KNOWN) == 6


def test_a_price_counts_per_gain():
    alike = at(0.0, 0.0, 0.0)
    prices = Prices(torch.tensor([3.0, 1.0, 2.0], dtype=torch.float64))
    found = pick(condition, KNOWN, alike, 3, of("ei"), prices=prices)
    assert [one.index for one in found] == [1, 2, 0]
    assert found[0].worth == pytest.approx(3 * found[2].worth)


def test_a_budget_is_kept_and_spent():
    each = torch.tensor([5.0, 4.0, 3.0, 0.3, 9.0, 2.0, 0.1, 0.2, 6.0, 7.0], dtype=torch.float64)
    for budget, hedge in itertools.product((0.05, 0.1, 0.6, 4.0, 12.5, 1e9), (True, False)):
        found = pick(condition, KNOWN, SERIES, 10, of("ei"), prices=Prices(each, budget), hedge=hedge)
        spent = sum(float(each[one.index]) for one in found)
        assert spent <= budget * (1 + 1e-6)
        rest = [float(each[i]) for i in range(10) if i not in {one.index for one in found}]
        assert not rest or min(rest) > budget - spent - 1e-6  # nothing more could be bought


def test_a_budget_is_not_lost_to_rounding():
    each = torch.full((10,), 0.1, dtype=torch.float64)
    found = pick(condition, KNOWN, SERIES, 10, of("ei"), prices=Prices(each, 0.3))
    assert len(found) == 3


def counted(*rows: list[int]) -> MolBatch:
    """Candidates at one place, which are worth the same, with counts of substructures."""
    counts = torch.zeros(len(rows), 2048, dtype=torch.uint8)
    counts[:, : len(rows[0])] = torch.tensor(rows, dtype=torch.uint8)
    return replace(at(*[0.01 * i for i in range(len(rows))]), counts=counts)


def test_like_compounds_wait_until_there_are_no_others():
    """Similarity 0.9 of the first two, 0.5 of the third to both at most, none of the fourth."""
    mols = counted([9, 0, 0], [10, 0, 0], [5, 0, 0], [0, 0, 3])
    known = labelled([-0.2, 3.0], [1, 0])
    order = [
        [one.index for one in pick(condition, known, mols, 4, of("greedy"), alike=limit)]
        for limit in (1.0, 0.95, 0.8, 0.52, 0.1)
    ]
    assert order == [[0, 1, 2, 3], [0, 1, 2, 3], [0, 2, 3, 1], [0, 3, 1, 2], [0, 3, 1, 2]]


def test_nothing_to_pick_from():
    assert pick(condition, KNOWN, SERIES.select(torch.zeros(0, dtype=torch.long)), 3, of("ucb")) == []
