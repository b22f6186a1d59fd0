from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from molmeta.chem.batch import MolBatch
from molmeta.crossvalidation import draw_folds, predict_held_out, weigh
from molmeta.data.episode import Labelled
from molmeta.heads.base import Conditioned
from molmeta.prediction import Gaussian
from molmeta.units import Target


def labelled(y: list[float], kind: str) -> Labelled:
    n = len(y)
    mols = MolBatch(n=n, counts=torch.arange(n, dtype=torch.uint8)[:, None])
    return Labelled(mols, torch.tensor(y), torch.zeros(n, dtype=torch.int8), Target("y", kind))  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(n_pos=st.integers(2, 12), n_neg=st.integers(2, 12), seed=st.integers(0, 99))
def test_folds_part_the_compounds_and_leave_both_classes(n_pos: int, n_neg: int, seed: int):
    data = labelled([1.0] * n_pos + [0.0] * n_neg, "classification")
    folds = draw_folds(data, seed)
    assert len(folds) == min(5, n_pos, n_neg)
    assert sorted(torch.cat(folds).tolist()) == list(range(n_pos + n_neg))
    for held in folds:
        rest = np.setdiff1d(np.arange(n_pos + n_neg), held.numpy())
        assert set(data.y[rest].tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(("n", "folds"), [(3, 0), (4, 4), (5, 5), (40, 5)])
def test_folds_of_values(n: int, folds: int):
    assert len(draw_folds(labelled([float(i) for i in range(n)], "regression"), 0)) == folds


def test_a_class_of_one_has_no_folds():
    assert draw_folds(labelled([1.0, 0.0, 0.0, 0.0], "classification"), 0) == []


def test_a_compound_is_never_predicted_from_itself():
    data = labelled([float(i) for i in range(11)], "regression")

    def method(support: Labelled) -> Conditioned:
        known = set(support.mols.need("counts")[:, 0].tolist())

        def predict(mols: MolBatch) -> Gaussian:
            own = mols.need("counts")[:, 0]
            assert not known & set(own.tolist())
            return Gaussian(own.double(), torch.ones(len(mols)))

        return predict

    found = predict_held_out(method, data, draw_folds(data, 0))
    assert found.mean.tolist() == data.y.tolist()  # in the order of the compounds


def test_weights_follow_the_evidence_and_the_prior():
    better = torch.stack([torch.full((30,), -0.3), torch.full((30,), -0.9)])
    assert weigh(better, torch.zeros(2), seed=0)[0] > 0.99
    tied = torch.full((2, 30), -0.5)
    assert weigh(tied, torch.tensor([2.0, 0.0]), seed=0).tolist() == pytest.approx([0.8808, 0.1192], abs=1e-3)
    lucky = torch.zeros(2, 30)
    lucky[1, 0] = 4.0  # one compound alone does not decide
    assert 0.1 < weigh(lucky, torch.zeros(2), seed=0)[0] < 0.5
