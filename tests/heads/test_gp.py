"""The Gaussian process head against other implementations of the same formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_t
from sklearn.kernel_ridge import KernelRidge

from molmeta.chem.batch import MolBatch
from molmeta.chem.similarity import tanimoto
from molmeta.data.episode import Episode, Labelled
from molmeta.encoders.base import Frozen
from molmeta.heads.gp import GP, TanimotoGP, mixtures
from molmeta.prediction import Gaussian
from molmeta.units import Target

DIM = 8


def batch(n: int, seed: int) -> MolBatch:
    generator = torch.Generator().manual_seed(seed)
    counts = torch.poisson(torch.full((2, n, 2048), 0.02), generator).to(torch.uint8)
    return MolBatch(
        n=n, counts=counts[0], pairs=counts[1], embedding=torch.randn(n, DIM, generator=generator)
    )


def labelled(n: int, seed: int, kind: str = "regression") -> Labelled:
    mols = batch(n, seed)
    assert mols.embedding is not None
    y = mols.embedding[:, 0] + 0.1 * mols.embedding[:, 1]
    if kind == "classification":
        y = (y > y.median()).float()
    return Labelled(mols, y, torch.zeros(n, dtype=torch.int8), Target("t", kind))  # type: ignore[arg-type]


def test_one_setting_is_kernel_ridge_regression() -> None:
    support, query = labelled(20, 0), batch(7, 1)
    with torch.no_grad():
        got = TanimotoGP(ratios=(0.3,)).condition(Frozen(DIM), support)(query)
    counts = support.mols.need("counts")
    y = support.y.double().numpy()
    ridge = KernelRidge(alpha=0.3, kernel="precomputed").fit(
        tanimoto(counts, counts).numpy().astype(float), y - y.mean()
    )
    want = ridge.predict(tanimoto(query.need("counts"), counts).numpy().astype(float)) + y.mean()
    np.testing.assert_allclose(got.mean.numpy(), want, atol=1e-6)


def test_weights_are_the_multivariate_t_evidence() -> None:
    """Scale A ~ inverse gamma(a, b) integrated out: y ~ t with 2a degrees of freedom, shape (b/a)(K + rI)."""
    ratios = (0.1, 1.0, 3.0)
    support = labelled(12, 3)
    head = TanimotoGP(ratios=ratios)
    a, b = head.log_shape.exp().item(), head.log_rate.exp().item()
    counts = support.mols.need("counts")
    kernel = tanimoto(counts, counts).double()
    y = support.y.double()
    y = (y - y.mean()) / y.std(correction=0)
    got = head._posterior(kernel[None], y, torch.zeros(12).double()).weight[:, 0]
    evidence = [
        multivariate_t(shape=(b / a) * (kernel.numpy() + r * np.eye(12)), df=2 * a).logpdf(y.numpy())
        for r in ratios
    ]
    want = np.exp(np.array(evidence) - np.logaddexp.reduce(evidence))
    np.testing.assert_allclose(got.detach().numpy(), want, atol=1e-6)


def test_the_latent_variance_agrees_with_gpytorch() -> None:
    import gpytorch

    support, query = labelled(15, 4), batch(6, 5)
    ratio = 0.3
    head = TanimotoGP(ratios=(ratio,))
    with torch.no_grad():
        got = head.condition(Frozen(DIM), support)(query)
    assert isinstance(got, Gaussian)
    every = torch.cat([support.mols.need("counts"), query.need("counts")])
    kernel = tanimoto(every, every).double()

    class Fixed(gpytorch.models.ExactGP):  # type: ignore[misc]
        def __init__(self) -> None:
            likelihood = gpytorch.likelihoods.GaussianLikelihood().double()
            likelihood.noise = scale * ratio
            super().__init__(torch.arange(15.0).double()[:, None], y, likelihood)

        def forward(self, x: torch.Tensor) -> object:
            index = x.squeeze(-1).long()
            covariance = scale * kernel[index][:, index]
            return gpytorch.distributions.MultivariateNormal(torch.zeros(len(index)).double(), covariance)

    raw = support.y.double()
    spread = raw.std(correction=0)
    y = (raw - raw.mean()) / spread
    solve = torch.linalg.solve(kernel[:15, :15] + ratio * torch.eye(15), y)
    shape, rate = head.log_shape.detach().double().exp(), head.log_rate.detach().double().exp()
    scale = float((rate + (y @ solve) / 2) / (shape + 15 / 2 - 1))
    model = Fixed().eval()
    with torch.no_grad(), gpytorch.settings.fast_pred_var(False):
        want = model.likelihood(model(torch.arange(15.0, 21.0).double()[:, None]))
    torch.testing.assert_close(got.mean, want.mean * spread + raw.mean(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(got.std, want.stddev * spread, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("truth", ["embedding", "counts"])
def test_evidence_goes_to_the_kernel_that_made_the_values(truth: str) -> None:
    mols = batch(80, 6)
    if truth == "embedding":
        unit = mols.need("embedding").double()
        kernel = (unit / unit.norm(dim=1, keepdim=True)) @ (unit / unit.norm(dim=1, keepdim=True)).T
    else:
        kernel = tanimoto(mols.need("counts"), mols.need("counts")).double()
    factor = torch.linalg.cholesky(kernel + 1e-6 * torch.eye(80))
    y = factor @ torch.randn(80, generator=torch.Generator().manual_seed(7)).double()
    head = GP(DIM)
    y = (y - y.mean()) / y.std(correction=0)
    with torch.no_grad():
        phi = head.features(Frozen(DIM), mols)
        posterior = head._posterior(head.kernels(phi, phi, mols, mols), y, torch.zeros(80).double())
    share = posterior.weight.sum(1) @ posterior.mixture
    learned = float(share[:2].sum())
    assert learned > 0.5 if truth == "embedding" else learned < 0.2


def test_the_grid_holds_every_corner() -> None:
    corners = {tuple(float(i == j) for j in range(4)) for i in range(4)}
    grid = mixtures(4)
    assert corners <= set(grid)
    assert all(math.isclose(sum(mixture), 1.0) for mixture in grid)
    assert len(set(grid)) == len(grid) == 4 + 6 + 1


def test_equal_values_do_not_make_the_head_sure() -> None:
    support = labelled(5, 12)
    equal = Labelled(support.mols, torch.full((5,), 6.0), support.relation, support.target)
    with torch.no_grad():
        got = GP(DIM).condition(Frozen(DIM), equal)(batch(3, 13))
    assert (got.std > 0.1).all()
    torch.testing.assert_close(got.mean, torch.full((3,), 6.0, dtype=torch.float64))


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_the_loss_reaches_every_parameter(kind: str) -> None:
    support, query = labelled(16, 8, kind), labelled(10, 9, kind)
    head = GP(DIM)
    head.loss(Frozen(DIM), Episode("a", support, query)).backward()
    unused = {"link"} if kind == "regression" else set()
    for name, parameter in head.named_parameters():
        if name not in unused:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def test_leaving_out_negligible_settings_changes_next_to_nothing() -> None:
    support, query = labelled(40, 10), batch(5, 11)
    head = GP(DIM)
    with torch.no_grad():
        pruned = head.condition(Frozen(DIM), support)(query)
    whole = head.condition(Frozen(DIM), support)(query)
    torch.testing.assert_close(pruned.mean, whole.mean.detach(), atol=5e-3, rtol=0)
    torch.testing.assert_close(pruned.std, whole.std.detach(), atol=5e-3, rtol=0)


def test_a_believed_mean_is_kernel_ridge_regression_on_what_it_leaves() -> None:
    support, query = labelled(20, 0, "classification"), batch(7, 1)
    head = GP(DIM, ("counts",), (), ratios=(0.3,), shares=(0.5,))
    head.start_from(torch.tensor([[1.0] * DIM, [3.0] * DIM]))  # on average 2, as a -1/+1 label 1
    # One kernel only: Tanimoto alone.
    head.grid = head.get_buffer("grid")[head.get_buffer("grid")[:, 2] == 1.0]
    head.prior, head.prior_slope = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))

    def mean(mols: MolBatch) -> np.ndarray:
        phi = mols.need("embedding").double()
        return 0.5 * (phi / phi.norm(dim=1, keepdim=True)).sum(1).numpy()

    with torch.no_grad():
        got = head.condition(Frozen(DIM), support)(query)
    counts, y = support.mols.need("counts"), 2 * support.y.double().numpy() - 1
    level = mean(support.mols).mean()
    left = y - y.mean() - (mean(support.mols) - level)
    ridge = KernelRidge(alpha=0.3, kernel="precomputed").fit(
        tanimoto(counts, counts).numpy().astype(float), left
    )
    cross = tanimoto(query.need("counts"), counts).numpy().astype(float)
    np.testing.assert_allclose(
        got.mean.numpy(), ridge.predict(cross) + mean(query) - level + y.mean(), atol=1e-6
    )


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_earlier_assays_rank_where_labels_say_nothing(higher_is_better: bool) -> None:
    support, query = labelled(6, 2), batch(30, 3)
    target = Target("t", "regression", None, higher_is_better)
    equal = Labelled(support.mols, torch.full((6,), 6.0), support.relation, target)
    head = GP(DIM)
    head.start_from(torch.eye(DIM)[:1])  # assays so far liked the first axis
    with torch.no_grad():
        got = head.condition(Frozen(DIM), equal)(query).mean
    unit = head.features(Frozen(DIM), query)[:, 0]
    slope = torch.corrcoef(torch.stack([unit, got]))[0, 1]
    assert slope > 0.7 if higher_is_better else slope < -0.7
