"""Similarity through sparse counts, against all pairs of dense ones; and what is kept of a tensor."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch
from torch import Tensor

import molmeta.chem.similarity
from molmeta.chem.batch import Kept
from molmeta.chem.similarity import jaccard, sparse, tanimoto


def counts(n: int, width: int, seed: int) -> Tensor:
    """Mostly zero, the last compound wholly, and one count as large as a byte goes."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.poisson(torch.full((n, width), 0.3), generator).to(torch.uint8)
    drawn[0, 3], drawn[-1] = 255, 0
    return drawn


def min_over_max(a: Tensor, b: Tensor) -> Tensor:
    """float32[n, m]"""
    small, large = (f(a[:, None], b).sum(2).float() for f in (torch.minimum, torch.maximum))
    return torch.where(large > 0, small / large, 1.0)


@pytest.mark.parametrize("width", [64, 61])
def test_sparse_counts_are_the_dense_ones(width: int) -> None:
    dense = counts(9, width, 0)
    for mols in (dense, dense[2:7], dense.T.contiguous().T, dense[:0]):
        found = sparse(mols)
        again = torch.zeros_like(mols)
        owner = torch.repeat_interleave(found.ptr.diff())
        again[owner, found.column] = found.value
        assert torch.equal(again, mols)
        assert torch.equal(found.total, mols.sum(1).float())


@pytest.mark.parametrize("largest", [2**24, 40, 1])
def test_similarities_are_exact(largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many numbers a table may have."""
    monkeypatch.setattr(molmeta.chem.similarity, "_TABLE", largest)
    a, b = counts(20, 64, 1), counts(7, 64, 2)
    assert torch.equal(tanimoto(a, b), min_over_max(a, b))
    assert torch.equal(tanimoto(b, b), min_over_max(b, b))
    assert torch.equal(jaccard(a, b), min_over_max((a > 0).byte(), (b > 0).byte()))
    assert tanimoto(a[:0], b).shape == jaccard(a[:0], b).shape == (0, 7)
    assert tanimoto(a, b[:0]).shape == jaccard(a, b[:0]).shape == (20, 0)


def test_what_was_made_of_a_tensor_is_kept_until_it_changes() -> None:
    asked: list[int] = []

    def doubled(x: Tensor) -> Tensor:
        asked.append(len(x))
        return (2 * x).detach()

    kept = Kept(doubled)
    x = torch.nn.Parameter(torch.ones(3))
    assert kept(x) is kept(x)
    with torch.no_grad():
        x.add_(1)
    assert kept(x).tolist() == [4.0] * 3
    x.data = x.data.half().float() + 1
    assert kept(x).tolist() == [6.0] * 3
    x.data.add_(1)  # leaves no trace
    assert kept(x).tolist() == [6.0] * 3
    kept.forget(x)
    assert kept(x).tolist() == [8.0] * 3
    with torch.inference_mode():
        assert kept(torch.ones(1)).tolist() == [2.0]
    assert asked == [3] * 4 + [1]


def test_nothing_is_kept_of_a_tensor_that_is_gone() -> None:
    kept = Kept(lambda x: np.zeros(len(x)))
    layer = torch.nn.Linear(2, 3)
    first = kept(layer.weight)
    assert len(kept._made) == 1
    assert len(first) == 3
    del layer
    gc.collect()
    assert not kept._made
