"""Predictions from the moments of a posterior, against those of its settings one by one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from molmeta.heads.evidence.averaging import Posterior, average
from molmeta.heads.evidence.grid import Grid, join


def rbf(a: Tensor, b: Tensor, length: float) -> Tensor:
    return torch.exp(-torch.cdist(a, b).square() / length)


def kernels(a: Tensor, b: Tensor) -> list[Tensor]:
    """Three kernels float64[n, m], each 1 on the diagonal."""
    return [rbf(a, b, length) for length in (1.0, 5.0, 30.0)]


def grid(means: int, third: bool = True) -> Grid:
    """Settings of mixtures with noise, and shares of the mean functions."""
    mixture = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0.5, 0.5, 0], *[[0, 0.3, 0.7]] * third]).double()
    ratio = torch.tensor([0.03, 0.3, 3.0]).double()
    share = torch.cat([torch.zeros(1, means), torch.eye(means) / 2, torch.ones(1, means)]).double()
    settings = mixture.repeat_interleave(len(ratio), 0)
    return Grid(settings, ratio.repeat(len(mixture)), share, torch.zeros(len(settings), len(share)).double())


def posterior(x: Tensor, which: Grid) -> Posterior:
    """Of as many mean functions as x has columns: x itself."""
    y = torch.sin(x.sum(1)) + 0.1 * torch.randn(len(x), generator=torch.Generator().manual_seed(5)).double()
    one = torch.ones((), dtype=torch.float64)
    with torch.no_grad():
        return average(torch.stack(kernels(x, x)), y, x, which, 2 * one, one)


def points(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed)).double()


def both_ways(found: Posterior, x: Tensor, new: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Of many compounds at once, and of one by one."""
    cross = [kernels(new, x)[k] for k in found.used]
    own = [torch.ones(len(new)).double() for _ in found.used]
    with torch.no_grad():
        many = found.latent(cross, own, new)
        few = [
            found.latent([k[i : i + 1] for k in cross], [k[i : i + 1] for k in own], new[i : i + 1])
            for i in range(len(new))
        ]
    return many, tuple(torch.cat(part) for part in zip(*few, strict=True))


@pytest.mark.parametrize("n", [2, 16, 60])
@pytest.mark.parametrize("joined", [False, True])
def test_moments_say_what_all_settings_say(n: int, joined: bool) -> None:
    x = points(n)
    which = join([grid(2), grid(2, third=False)]) if joined else grid(2)
    found = posterior(x, which)
    for part, want in zip(*both_ways(found, x, points(100, 1)), strict=True):
        torch.testing.assert_close(part, want, rtol=1e-9, atol=1e-12)


def test_a_compound_that_was_measured_often_keeps_a_variance() -> None:
    x = points(3).repeat(20, 1)  # three compounds, twenty times each
    found = posterior(x, grid(2))
    (_, variance, _), (_, want, _) = both_ways(found, x, x.repeat(2, 1))
    assert (variance > 0).all()
    torch.testing.assert_close(variance, want, rtol=1e-9, atol=1e-12)


def test_without_finite_evidence_there_is_no_posterior() -> None:
    which = grid(2)
    which.log_prior.fill_(torch.inf)
    with pytest.raises(FloatingPointError, match="evidence of no setting is a number"):
        posterior(points(20), which)


def test_kernels_that_no_setting_mixes_are_not_asked_for() -> None:
    found = posterior(points(20), grid(2, third=False))
    assert set(found.used) <= {0, 1}
    assert set(posterior(points(20), grid(2)).used) <= {0, 1, 2}
