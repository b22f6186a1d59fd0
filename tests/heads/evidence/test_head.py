"""The evidence-averaged Gaussian process against other implementations of the same formulas."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_t
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import roc_auc_score

from molmeta.chem.batch import MolBatch
from molmeta.chem.similarity import tanimoto
from molmeta.data.episode import Episode, Labelled
from molmeta.data.history import History
from molmeta.encoders.base import Frozen
from molmeta.heads.evidence.averaging import average
from molmeta.heads.evidence.gp import TanimotoGP
from molmeta.heads.evidence.head import Evidence
from molmeta.heads.kernels import mixtures
from molmeta.prediction import Gaussian
from molmeta.units import Target

DIM = 8
NONE = np.zeros(0, dtype=np.int64)
EMPTY = History(NONE, NONE, NONE, *[NONE.astype(np.float32)] * 2)


def batch(n: int, seed: int) -> MolBatch:
    generator = torch.Generator().manual_seed(seed)
    counts = torch.poisson(torch.full((2, n, 2048), 0.02), generator).to(torch.uint8)
    return MolBatch(
        n=n,
        counts=counts[0],
        pairs=counts[1],
        identity=torch.arange(n) + 1000 * seed,
        embedding=torch.randn(n, DIM, generator=generator),
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
    grid = head.settings(0, 0, math.log(12 / 32))
    got = average(kernel[None], y, torch.zeros(12, 2).double(), grid, *head.scale).weight[:, 0]
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
    head = Evidence(DIM)
    y = (y - y.mean()) / y.std(correction=0)
    with torch.no_grad():
        phi = head.features(Frozen(DIM), mols)
        grid = head.settings(0, 0, math.log(80 / 32))
        kernels = torch.stack([kernel() for kernel in head.kernels(phi, phi, mols, mols)])
        posterior = average(kernels, y, torch.zeros(80, 2).double(), grid, *head.scale)
    share = posterior.weight.sum(1) @ posterior.grid.mixture
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
        got = Evidence(DIM).condition(Frozen(DIM), equal)(batch(3, 13))
    assert (got.std > 0.1).all()
    torch.testing.assert_close(got.mean, torch.full((3,), 6.0, dtype=torch.float64))


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_the_loss_reaches_every_parameter(kind: str) -> None:
    support, query = labelled(16, 8, kind), labelled(10, 9, kind)
    head = Evidence(DIM)
    head.loss(Frozen(DIM), Episode("a", support, query)).backward()
    unused = {"panel_prior", "profile_prior"} | ({"link.weight"} if kind == "regression" else set())
    for name, parameter in head.named_parameters():
        if name not in unused:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def test_leaving_out_negligible_settings_changes_next_to_nothing() -> None:
    support, query = labelled(40, 10), batch(5, 11)
    head = Evidence(DIM)
    with torch.no_grad():
        pruned = head.condition(Frozen(DIM), support)(query)
    whole = head.condition(Frozen(DIM), support)(query)
    torch.testing.assert_close(pruned.mean, whole.mean.detach(), atol=5e-3, rtol=0)
    torch.testing.assert_close(pruned.std, whole.std.detach(), atol=5e-3, rtol=0)


def test_a_believed_mean_is_kernel_ridge_regression_on_what_it_leaves() -> None:
    support, query = labelled(20, 0, "classification"), batch(7, 1)
    head = Evidence(DIM, ("counts",), (), ratios=(0.3,), shares=((0.5, 0.0),), rank=0)
    head.start_from(torch.tensor([[1.0] * DIM, [3.0] * DIM]), EMPTY)  # on average 2, as a -1/+1 label 1
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
    head = Evidence(DIM)
    head.start_from(torch.eye(DIM)[:1], EMPTY)  # assays so far liked the first axis
    with torch.no_grad():
        got = head.condition(Frozen(DIM), equal)(query).mean
    unit = head.features(Frozen(DIM), query)[:, 0]
    slope = torch.corrcoef(torch.stack([unit, got]))[0, 1]
    assert slope > 0.7 if higher_is_better else slope < -0.7


def panel(n: int, assays: int, seed: int) -> tuple[History, np.ndarray]:
    """Assays of the same n compounds (those of `batch(n, seed)`), which go together in three groups."""
    rng = np.random.default_rng(seed)
    group = rng.normal(size=(assays + 1, 3))[:, np.arange(n) % 3]
    mostly = np.where(np.arange(n) < n // 4, 1.5, 0.0)
    truth = group + mostly + 0.3 * rng.normal(size=(assays + 1, n))
    label = (truth > np.median(truth, axis=1, keepdims=True)).astype(np.float32)
    history = History(
        identity=np.arange(n) + 1000 * seed,
        compound=np.tile(np.arange(n), assays),
        assay=np.repeat(np.arange(assays), n),
        label=label[:-1].ravel(),
        value=np.full(assays * n, np.nan, dtype=np.float32),
    )
    return history, label[-1]


def test_a_panel_that_was_measured_before_is_predicted_from_its_history() -> None:
    history, label = panel(60, 40, 3)
    mols = batch(60, 3)
    data = Labelled(
        mols, torch.from_numpy(label), torch.zeros(60, dtype=torch.int8), Target("t", "classification")
    )
    rows = torch.arange(60)
    support, query = data.select(rows[::4]), data.select(rows[rows % 4 > 0])
    scores = {}
    for rank in (0, 3):
        head = Evidence(DIM, rank=rank)
        head.start_from(torch.zeros(1, DIM), history)
        with torch.no_grad():
            mean = head.condition(Frozen(DIM), support)(query.mols).mean
        scores[rank] = roc_auc_score(query.y.numpy(), mean.numpy())
    assert scores[3] > 0.85
    assert scores[3] > scores[0] + 0.15


def test_a_panel_of_other_compounds_changes_nothing() -> None:
    history, _ = panel(60, 40, 3)
    support, query = labelled(16, 8, "classification"), batch(9, 9)
    head = Evidence(DIM)
    with torch.no_grad():
        before = head.condition(Frozen(DIM), support)(query)
        head.start_from(torch.zeros(1, DIM), history)
        after = head.condition(Frozen(DIM), support)(query)
    assert torch.equal(before.mean, after.mean)
    assert torch.equal(before.std, after.std)


def together(n: int, seed: int) -> tuple[History, Labelled]:
    """n compounds that four earlier assays measured, and an assay that is the second of them turned round,
    so that their mean says nothing of it."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, (4, n)).astype(np.float32)
    history = History(
        identity=np.arange(n) + 1000 * seed,
        compound=np.tile(np.arange(n), 4),
        assay=np.repeat(np.arange(4), n),
        label=label.ravel(),
        value=np.full(4 * n, np.nan, dtype=np.float32),
    )
    y = torch.from_numpy(1 - label[1])
    return history, Labelled(
        batch(n, seed), y, torch.zeros(n, dtype=torch.int8), Target("t", "classification")
    )


def test_an_assay_that_goes_with_an_earlier_one_is_predicted_from_it() -> None:
    history, data = together(80, 3)
    support, query = data.select(torch.arange(24)), data.select(torch.arange(24, 80))
    head = Evidence(DIM)
    with torch.no_grad():
        before = head.condition(Frozen(DIM), support)(query.mols).mean
        head.start_from(torch.zeros(1, DIM), history)
        after = head.condition(Frozen(DIM), support)(query.mols).mean
    assert roc_auc_score(query.y.numpy(), after.numpy()) > 0.9
    assert roc_auc_score(query.y.numpy(), before.numpy()) < 0.7


def remembered(memory: str) -> tuple[History, Labelled]:
    """An assay with a history that one of the memories of the head speaks of."""
    if memory == "profile":
        return together(80, 3)
    history, label = panel(60, 40, 3)
    relation, target = torch.zeros(60, dtype=torch.int8), Target("t", "classification")
    return history, Labelled(batch(60, 3), torch.from_numpy(label), relation, target)


@pytest.mark.parametrize("memory", ["panel", "profile"])
def test_the_loss_reaches_the_prior_of_a_memory(memory: str) -> None:
    history, data = remembered(memory)
    head = Evidence(DIM)
    head.start_from(torch.zeros(1, DIM), history)
    support, query = data.select(torch.arange(20)), data.select(torch.arange(20, len(data)))
    head.loss(Frozen(DIM), Episode("a", support, query)).backward()
    gradient = head.get_parameter(f"{memory}_prior").grad
    assert gradient is not None
    assert gradient.abs().max() > 0
    assert all(p.grad.isfinite().all() for p in head.parameters() if p.grad is not None)


def test_a_compound_that_was_mostly_active_ranks_above_its_twin() -> None:
    support, query = labelled(6, 2, "regression"), batch(2, 3)
    equal = Labelled(support.mols, torch.full((6,), 6.0), support.relation, support.target)
    # Twins in all but their history: one was active in ten assays, each beside three inactive compounds.
    query = replace(query.select(torch.tensor([0, 0])), identity=torch.tensor([7001, 7002]))
    others = np.arange(30) + 8000
    history = History(
        identity=np.concatenate([[7001], others]),
        compound=np.insert(np.arange(30) + 1, np.arange(0, 30, 3), 0),
        assay=np.repeat(np.arange(10), 4),
        label=np.tile(np.array([1, 0, 0, 0], dtype=np.float32), 10),
        value=np.full(40, np.nan, dtype=np.float32),
    )
    head = Evidence(DIM)
    head.start_from(torch.zeros(1, DIM), history)
    with torch.no_grad():
        mean = head.condition(Frozen(DIM), equal)(query).mean
    assert mean[0] > mean[1] + 1e-3


def series(n: int, seed: int) -> MolBatch:
    """Compounds of eight series by counts, of eight others by pairs, and in three dimensions."""
    generator = torch.Generator().manual_seed(seed)
    core = torch.poisson(torch.full((2, 8, 2048), 0.03), generator)
    member = torch.randint(8, (2, n), generator=generator)
    own = torch.poisson(torch.full((2, n, 2048), 0.004), generator)
    counts, pairs = (core[i, member[i]] + own[i] for i in range(2))
    embedding = torch.randn(n, DIM, generator=generator) * torch.tensor([1.0, 1.0, 1.0] + [0.1] * (DIM - 3))
    return MolBatch(
        n=n, counts=counts.byte(), pairs=pairs.byte(), identity=torch.arange(n), embedding=embedding
    )


def corner(kernel: int) -> Evidence:
    """The head with one kernel alone, and with no prior mean."""
    head = Evidence(DIM, rank=0)
    alone = head.get_buffer("grid")[:, kernel] == 1.0
    with torch.no_grad():
        head.prior.masked_fill_(~alone, -1e9)
        head.share_prior[1:] = -1e9
    return head


def mean_corner() -> Evidence:
    """The head that all but says what earlier assays said."""
    head = corner(0)
    with torch.no_grad():
        head.prior.masked_fill_(head.get_buffer("grid")[:, -1] < 3.0, -1e9)
        head.share_prior.fill_(-1e9)[2] = 0.0
    head.get_buffer("prior_mean")[:] = torch.linspace(-4, 4, DIM)
    return head


@pytest.mark.parametrize("truth", [0, 2, 3, "mean"])
def test_averaging_never_ranks_below_its_worst_corner(truth: int | str) -> None:
    """On assays that are drawn from one of the corners, and nearly as well as that corner itself."""
    n, k, assays = 90, 30, 4
    corners = {**{kernel: corner(kernel) for kernel in range(6)}, "mean": mean_corner()}
    whole = Evidence(DIM, rank=0)
    whole.get_buffer("prior_mean").copy_(corners["mean"].get_buffer("prior_mean"))
    area: dict[object, list[float]] = {name: [] for name in (*corners, "whole")}
    for seed in range(assays):
        mols = series(n, 100 + seed)
        with torch.no_grad():
            phi = whole.features(Frozen(DIM), mols)
            if truth == "mean":
                latent = phi @ whole.get_buffer("prior_mean").double()
            else:
                kernel = whole.kernels(phi, phi, mols, mols)[int(truth)]()
                normal = torch.randn(n, generator=torch.Generator().manual_seed(seed)).double()
                latent = torch.linalg.cholesky(kernel + 1e-6 * torch.eye(n)) @ normal
            y = (latent > latent.median()).float()
            target = Target("t", "classification")
            data = Labelled(mols, y, torch.zeros(n, dtype=torch.int8), target)
            rows = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
            support, query = data.select(rows[:k]), data.select(rows[k:])
            for name, head in (*corners.items(), ("whole", whole)):
                score = head.condition(Frozen(DIM), support)(query.mols).mean
                area[name].append(float(roc_auc_score(query.y.numpy(), score.numpy())))
    found = {name: float(np.mean(values)) for name, values in area.items()}
    assert found["whole"] >= min(found[name] for name in corners)
    assert found["whole"] >= found[truth] - 0.1


def test_new_assays_move_the_prior_mean_by_their_number() -> None:
    head = Evidence(DIM)
    first, second = torch.randn(3, DIM), torch.randn(2, DIM)
    head.start_from(first, EMPTY)
    silent = torch.zeros(1, DIM)  # an assay with too few labels has no say
    head.extend(torch.cat([second, silent]), EMPTY, known=3)
    torch.testing.assert_close(head.get_buffer("prior_mean"), torch.cat([first, second]).mean(0) / 2)


def test_a_head_that_knows_of_no_earlier_assay_takes_none_in() -> None:
    head = TanimotoGP()
    before = {name: value.clone() for name, value in head.state_dict().items()}
    head.extend(torch.randn(2, DIM), EMPTY, known=3)
    assert all(torch.equal(before[name], value) for name, value in head.state_dict().items())
