"""Prototypes against plain numpy, and what shrinkage and scale must do."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from molmeta.chem.batch import MolBatch
from molmeta.data.episode import Labelled
from molmeta.encoders.base import Frozen
from molmeta.errors import ConfigError
from molmeta.heads.metric.proto import Mahalanobis, Proto
from molmeta.prediction import Bernoulli, Prediction
from molmeta.units import Target

DIM = 5
QUERY = torch.randn(7, DIM, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def labelled(z: Tensor, y: list[int]) -> Labelled:
    mols = MolBatch(n=len(y), embedding=z)
    zeros = torch.zeros(len(y), dtype=torch.int8)
    return Labelled(mols, torch.tensor(y, dtype=torch.float32), zeros, Target("active", "classification"))


def draw(y: list[int], seed: int = 0, scale: float = 1.0) -> Labelled:
    z = torch.randn(len(y), DIM, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return labelled(scale * (z + torch.tensor(y)[:, None]), y)


def predict(head: Proto | Mahalanobis, support: Labelled, z: Tensor = QUERY) -> Bernoulli:
    with torch.no_grad():
        out: Prediction = head.condition(Frozen(DIM), support)(MolBatch(n=len(z), embedding=z))
    assert isinstance(out, Bernoulli)
    return out


def test_proto_is_the_difference_of_squared_distances_to_the_class_means() -> None:
    support = draw([0, 0, 0, 1, 1])
    z, q = support.mols.need("embedding").numpy(), QUERY.numpy()
    d0, d1 = (((q - z[rows].mean(0)) ** 2).sum(1) for rows in ([0, 1, 2], [3, 4]))
    out = predict(Proto(DIM, normalize=False), support)
    np.testing.assert_allclose(out.mean.numpy(), (d0 - d1) / DIM, rtol=1e-6)
    np.testing.assert_allclose((out.logit - out.mean).numpy(), math.log(3 / 4), rtol=1e-6)


def test_normalized_proto_sees_directions_only() -> None:
    support = draw([0, 1, 0, 1])
    lengths = torch.tensor([0.5, 2.0, 7.0, 1.0], dtype=torch.float64)[:, None]
    stretched = labelled(support.mols.need("embedding") * lengths, [0, 1, 0, 1])
    torch.testing.assert_close(predict(Proto(DIM), support).logit, predict(Proto(DIM), stretched).logit)


def test_kernel_proto_is_the_distance_of_means_in_the_feature_space() -> None:
    """Random Fourier features span that space (Rahimi and Recht 2007)."""
    support, sharpness = draw([0, 0, 0, 1, 1]), 0.7
    z, q = support.mols.need("embedding").numpy(), QUERY.numpy()
    rng = np.random.default_rng(0)
    frequencies = rng.normal(size=(DIM, 200_000)) * math.sqrt(sharpness)

    def features(x: np.ndarray) -> np.ndarray:
        return np.concatenate([np.cos(x @ frequencies), np.sin(x @ frequencies)], 1) / math.sqrt(200_000)

    own, new = features(z), features(q)
    d0, d1 = (((new - own[rows].mean(0)) ** 2).sum(1) for rows in ([0, 1, 2], [3, 4]))
    out = predict(Proto(DIM, normalize=False, sharpness=sharpness), support)
    np.testing.assert_allclose(out.mean.numpy(), (d0 - d1) / sharpness / DIM, atol=0.01)


def test_kernel_proto_becomes_euclidean() -> None:
    support = draw([0, 1, 0, 1, 1])
    blunt = predict(Proto(DIM, sharpness=1e-6), support)
    torch.testing.assert_close(blunt.mean, predict(Proto(DIM), support).mean, rtol=1e-4, atol=1e-4)


def test_kernel_proto_sees_actives_in_two_places() -> None:
    """Inactives lie where the mean of the actives is, which is what a Euclidean mean cannot tell apart."""
    z = torch.tensor([[-1.0, 0], [-1.1, 0], [1.0, 0], [1.1, 0], [0.0, 0], [0.1, 0], [-0.1, 0], [0.05, 0]])
    support = labelled(z.double(), [1, 1, 1, 1, 0, 0, 0, 0])
    query = torch.tensor([[1.05, 0], [-1.05, 0], [0.0, 0]], dtype=torch.float64)
    out = predict(Proto(2, normalize=False, sharpness=20.0), support, query)
    assert (out.mean[:2] > 0).all()
    assert out.mean[2] < 0
    with pytest.raises(ConfigError, match="sharpness"):
        Proto(2, sharpness=0.0)


def test_sharpness_is_learned() -> None:
    head, support = Proto(DIM, sharpness=2.0), draw([0, 1, 0, 1])
    out = head.condition(Frozen(DIM), support)(MolBatch(n=len(QUERY), embedding=QUERY))
    out.log_prob(torch.ones(len(QUERY))).sum().backward()  # type: ignore[no-untyped-call]
    assert head.log_sharpness is not None
    assert head.log_sharpness.grad is not None
    assert head.log_sharpness.grad.abs() > 0


def test_mahalanobis_is_the_shrunk_distance_of_simple_cnaps() -> None:
    y = [0, 0, 0, 0, 1, 1]
    support = draw(y)
    z, q = support.mols.need("embedding").numpy(), QUERY.numpy()
    pooled = np.cov(z.T, bias=True)
    distances = []
    for label in (0, 1):
        own = z[np.array(y) == label]
        weight = len(own) / (len(own) + 1)
        covariance = weight * np.cov(own.T, bias=True) + (1 - weight) * pooled
        covariance += np.trace(pooled) / DIM * np.eye(DIM)
        offset = q - own.mean(0)
        distances.append(np.einsum("nd,de,ne->n", offset, np.linalg.inv(covariance), offset))
    out = predict(Mahalanobis(DIM, normalize=False, beta=1.0), support)
    np.testing.assert_allclose(out.mean.numpy(), (distances[0] - distances[1]) / DIM, rtol=1e-6)


def test_mahalanobis_with_one_compound_per_class_rests_on_the_pooled_covariance() -> None:
    support = draw([0, 1])
    z, q = support.mols.need("embedding").numpy(), QUERY.numpy()
    pooled = np.cov(z.T, bias=True)
    inverse = np.linalg.inv(0.5 * pooled + np.trace(pooled) / DIM * np.eye(DIM))
    d0, d1 = (np.einsum("nd,de,ne->n", q - z[i], inverse, q - z[i]) for i in (0, 1))
    out = predict(Mahalanobis(DIM, normalize=False, beta=1.0), support)
    np.testing.assert_allclose(out.mean.numpy(), (d0 - d1) / DIM, rtol=1e-6)


@settings(max_examples=10, deadline=None)
@given(scale=st.floats(1e-2, 1e2), seed=st.integers(0, 99))
def test_mahalanobis_does_not_depend_on_the_scale_of_the_encoder(scale: float, seed: int) -> None:
    y = [0, 1, 1, 0, 1]
    head = Mahalanobis(DIM, normalize=False, beta=1.0)
    plain = predict(head, draw(y, seed), QUERY)
    scaled = predict(head, draw(y, seed, scale), scale * QUERY)
    torch.testing.assert_close(plain.logit, scaled.logit)
    torch.testing.assert_close(plain.std, scaled.std)


@pytest.mark.parametrize("kind", [Proto, Mahalanobis])
def test_the_prior_follows_the_prevalence_of_the_support_set(kind: type[Proto] | type[Mahalanobis]) -> None:
    out = predict(kind(DIM), draw([0] * 9 + [1]))
    assert float((out.logit - out.mean)[0]) == pytest.approx(math.log(2 / 10))


@pytest.mark.parametrize("kind", [Proto, Mahalanobis])
def test_more_compounds_make_the_score_surer(kind: type[Proto] | type[Mahalanobis]) -> None:
    few = draw([0, 1, 0, 1])
    many = labelled(few.mols.need("embedding").repeat(16, 1), [0, 1, 0, 1] * 16)
    assert (predict(kind(DIM), many).std < 0.5 * predict(kind(DIM), few).std).all()


def test_std_is_the_sampling_error_of_the_score() -> None:
    """Against the spread of the score over redrawn support sets of one population."""
    y = [0] * 40 + [1] * 40
    outs = [predict(Proto(DIM, normalize=False), draw(y, seed)) for seed in range(300)]
    seen = torch.stack([out.mean for out in outs]).std(0)
    said = torch.stack([out.std for out in outs]).mean(0)
    # The spread of both classes together is a little above that of each.
    assert ((said / seen > 0.9) & (said / seen < 1.3)).all()


@pytest.mark.parametrize("kind", [Proto, Mahalanobis])
def test_projection_is_learned(kind: type[Proto] | type[Mahalanobis]) -> None:
    head, support = kind(DIM, project=2), draw([0, 1, 0, 1])
    assert head.features(Frozen(DIM), support.mols).shape == (4, 2)
    out = head.condition(Frozen(DIM), support)(MolBatch(n=len(QUERY), embedding=QUERY))
    out.log_prob(torch.ones(len(QUERY))).sum().backward()  # type: ignore[no-untyped-call]
    assert head.project is not None
    assert head.project.weight.grad is not None
    assert head.project.weight.grad.abs().max() > 0
    with pytest.raises(ConfigError, match="project = 0"):
        kind(DIM, project=0)
