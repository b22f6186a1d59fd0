"""Held-out parts from one factorization, against the conditional normal, scikit-learn and refits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from torch import Tensor

from molmeta.chem.batch import MolBatch
from molmeta.data.episode import Labelled
from molmeta.data.history import History
from molmeta.encoders.base import Frozen
from molmeta.errors import NotEnoughData
from molmeta.heads.evidence.gp import TanimotoGP
from molmeta.heads.evidence.grid import Grid
from molmeta.heads.evidence.head import Evidence
from molmeta.heads.evidence.leaveout import leave_out
from molmeta.prediction import Bernoulli, Prediction
from molmeta.units import Target

DIM, KNOWN = 6, 60


def one_setting(ratio: float) -> Grid:
    one = torch.ones(1, 1, dtype=torch.float64)
    return Grid(one, one[0] * ratio, 0 * one, 0 * one)


def test_single_compounds_are_left_out_as_scikit_learn_does() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 2)), rng.normal(size=30)
    kernel, ratio = RBF(1.3), 0.2
    own = torch.from_numpy(kernel(x))
    each = [torch.tensor([i]) for i in range(30)]
    zeros = torch.zeros(30, 1).double()
    found = leave_out(
        own[None], torch.ones(1, 30).double(), torch.from_numpy(y), zeros, one_setting(ratio), each
    )
    got = np.array([float(y[i] - one.error[0, 0, 0]) for i, one in enumerate(found)])
    process = GaussianProcessRegressor(kernel, alpha=ratio, optimizer=None)
    np.testing.assert_allclose(got, cross_val_predict(process, x, y, cv=LeaveOneOut()), rtol=1e-9)
    _, std = process.fit(x[1:], y[1:]).predict(x[:1], return_std=True)
    assert float(found[0].left[0, 0]) == pytest.approx(float(std[0]) ** 2, rel=1e-9)
    half_log_det = np.linalg.slogdet(kernel(x[1:]) + ratio * np.eye(29))[1] / 2
    assert float(found[0].half_log_det[0]) == pytest.approx(half_log_det, rel=1e-9)


def history(seed: int) -> History:
    """Twelve assays of KNOWN compounds, of which most measured the same; some values are missing."""
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(KNOWN)[: KNOWN - 5 * (i % 3)] for i in range(12)]
    compound = np.concatenate(rows)
    return History(
        identity=np.arange(KNOWN),
        compound=compound,
        assay=np.concatenate([np.full(len(one), i) for i, one in enumerate(rows)]),
        label=rng.integers(0, 2, len(compound)).astype(np.float32),
        value=np.full(len(compound), np.nan, dtype=np.float32),
    )


def head(seed: int) -> Evidence:
    """One that knows KNOWN compounds, with parameters off their initial values."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = Evidence(DIM, rank=3)
        made.start_from(torch.randn(5, DIM), history(seed))
        with torch.no_grad():
            for parameter in made.parameters():
                parameter += 0.1 * torch.randn(parameter.shape)
    return made.eval()


def data(n: int, known: float, kind: str, seed: int, offset: float = 0.0) -> Labelled:
    """An assay of n compounds, of which the share `known` is in the tables of `head`."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.poisson(torch.full((2, n, 2048), 0.02), generator).to(torch.uint8)
    identity = torch.where(
        torch.rand(n, generator=generator) < known, torch.randperm(KNOWN, generator=generator)[:n], -1
    )
    embedding = torch.randn(n, DIM, generator=generator)
    mols = MolBatch(
        n=n,
        counts=counts[0],
        pairs=counts[1],
        identity=torch.where(identity < 0, torch.arange(n) + 1000, identity),
        embedding=embedding,
    )
    y = embedding[:, 0] + 0.5 * torch.randn(n, generator=generator)
    if kind == "classification":
        y = (y > y.median()).float()
    target = Target("t", kind, higher_is_better=seed % 2 == 0)  # type: ignore[arg-type]
    return Labelled(mols, y + offset, torch.zeros(n, dtype=torch.int8), target)


def numbers(prediction: Prediction) -> Tensor:
    parts = [prediction.mean, prediction.std]
    if isinstance(prediction, Bernoulli):
        parts += [prediction.logit, prediction.logit_std]
    return torch.stack(parts)


def refitted(one: Evidence, assay: Labelled, part: Tensor) -> Prediction:
    rest = torch.tensor([i for i in range(len(assay)) if i not in part.tolist()])
    return one.condition(Frozen(DIM), assay.select(rest))(assay.mols.select(part))


@pytest.mark.parametrize("kind", ["classification", "regression"])
@settings(max_examples=25, deadline=None)
@given(n=st.integers(8, 40), known=st.sampled_from([0.0, 0.12, 0.35, 0.9]), seed=st.integers(0, 999))
def test_a_part_is_predicted_as_by_the_head_of_the_others(kind: str, n: int, known: float, seed: int) -> None:
    one, assay = head(seed), data(n, known, kind, seed)
    order = np.random.default_rng(seed).permutation(n)
    cuts = sorted({0, 1, 2, n // 3, n // 2})
    parts = [torch.from_numpy(np.sort(order[start:stop])) for start, stop in pairwise(cuts)]
    both = [torch.unique(y) for y in (assay.y[[i for i in range(n) if i not in p.tolist()]] for p in parts)]
    parts = [p for p, y in zip(parts, both, strict=True) if len(y) > 1]
    with torch.no_grad():
        found = one.held_out(Frozen(DIM), assay, parts)
        for part, got in zip(parts, found, strict=True):
            want = numbers(refitted(one, assay, part))
            torch.testing.assert_close(numbers(got), want, rtol=1e-9, atol=1e-9)


def test_tables_that_have_less_to_say_of_the_others_say_less() -> None:
    """Three of ten compounds are in the tables, which takes a third: without one of them these are silent."""
    one, whole = head(4), data(60, 1.0, "classification", 4)
    new = data(30, 0.0, "classification", 6)
    identity = torch.cat([whole.mols.need("identity")[:3], new.mols.need("identity")[:7]])
    assay = new.select(torch.arange(10))
    mols = MolBatch(
        n=10,
        counts=assay.mols.counts,
        pairs=assay.mols.pairs,
        identity=identity,
        embedding=assay.mols.embedding,
    )
    assay = Labelled(mols, torch.arange(10) % 2.0, assay.relation, assay.target)
    parts = [torch.tensor([0]), torch.tensor([9]), torch.tensor([1, 8])]
    said = [one.earlier(mols).same]
    said += [
        one.earlier(mols, torch.tensor([i for i in range(10) if i not in p.tolist()])).same for p in parts
    ]
    assert len(set(said)) > 1
    with torch.no_grad():
        for part, got in zip(parts, one.held_out(Frozen(DIM), assay, parts), strict=True):
            torch.testing.assert_close(numbers(got), numbers(refitted(one, assay, part)))


def test_values_far_from_zero_lose_no_digit() -> None:
    one, assay = head(2), data(30, 0.5, "regression", 2, offset=1e5)
    parts = list(torch.arange(30).split(7))
    with torch.no_grad():
        for part, got in zip(parts, one.held_out(Frozen(DIM), assay, parts), strict=True):
            want = refitted(one, assay, part)
            torch.testing.assert_close(got.mean - 1e5, want.mean - 1e5, rtol=1e-6, atol=1e-6)
            torch.testing.assert_close(got.std, want.std, rtol=1e-8, atol=0)


def test_fingerprints_alone_leave_out_too() -> None:
    assay = data(24, 0.0, "regression", 3)
    parts = list(torch.arange(24).split(5))
    with torch.no_grad():
        found = TanimotoGP().held_out(Frozen(DIM), assay, parts)
        for part, got in zip(parts, found, strict=True):
            torch.testing.assert_close(numbers(got), numbers(refitted(TanimotoGP(), assay, part)))


def test_a_part_that_leaves_one_class_is_refused() -> None:
    assay = data(12, 0.0, "classification", 5)
    actives = torch.nonzero(assay.y > 0.5).flatten()
    with torch.no_grad(), pytest.raises(NotEnoughData, match="of one class"):
        head(5).held_out(Frozen(DIM), assay, [torch.tensor([0]), actives])


def test_of_no_part_nothing_is_said() -> None:
    assert head(1).held_out(Frozen(DIM), data(9, 0.5, "regression", 1), []) == []
