"""The inner loop: its derivatives against finite differences, and what each variant adapts."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from molmeta.chem.batch import MolBatch
from molmeta.data.episode import Episode, Labelled
from molmeta.encoders.base import Encoder, Frozen
from molmeta.errors import ConfigError
from molmeta.heads.optimization.anil import ANIL
from molmeta.heads.optimization.maml import FOMAML, MAML
from molmeta.units import Kind, Target

DIM, INPUTS = 3, 4
VARIANTS = [MAML, FOMAML, ANIL]
Variant = type[MAML] | type[ANIL]
every_variant = pytest.mark.parametrize("kind", VARIANTS)


class Tiny(Encoder):
    """A smooth layer on four numbers, which stand in the place of counts."""

    needs = frozenset({"counts"})

    def __init__(self) -> None:
        super().__init__()
        self.dim = DIM
        self.layer = nn.Linear(INPUTS, DIM)

    def forward(self, mols: MolBatch) -> Tensor:
        return torch.tanh(self.layer(mols.need("counts").to(self.layer.weight.dtype)))


def data(n: int = 12, target: Kind = "classification", seed: int = 0) -> Labelled:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, INPUTS, generator=generator)
    value = x[:, 0] - x[:, 1] + 0.3 * torch.randn(n, generator=generator)
    y = (value > value.median()).float() if target == "classification" else 6.0 + value
    return Labelled(MolBatch(n=n, counts=x), y, torch.zeros(n, dtype=torch.int8), Target("y", target))


def built(kind: Variant, seed: int = 0, **arguments: float) -> tuple[ANIL | MAML, Tiny]:
    """In float64, with the start moved off zero."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head, encoder = kind(DIM, **arguments).double(), Tiny().double()  # type: ignore[arg-type]
        with torch.no_grad():
            head.output["weight"] += torch.randn(DIM)
    return head, encoder


def episode(target: Kind = "classification") -> Episode:
    return Episode("a", data(8, target), data(10, target, seed=1))


def slopes(head: ANIL | MAML, encoder: Encoder, task: Episode) -> list[Tensor]:
    parameters = [*head.parameters(), *encoder.parameters()]
    found = torch.autograd.grad(head.loss(encoder, task), parameters, allow_unused=True)
    return [torch.zeros_like(p) if s is None else s for p, s in zip(parameters, found, strict=True)]


def finite_differences(head: ANIL | MAML, encoder: Encoder, task: Episode) -> list[Tensor]:
    out = []
    for parameter in [*head.parameters(), *encoder.parameters()]:
        slope = torch.zeros_like(parameter)
        for i in range(parameter.numel()):
            losses = []
            for sign in (1e-5, -1e-5):
                with torch.no_grad():
                    parameter.view(-1)[i] += sign
                    losses.append(float(head.loss(encoder, task)))
                    parameter.view(-1)[i] -= sign
            slope.view(-1)[i] = (losses[0] - losses[1]) / 2e-5
        out.append(slope)
    return out


@pytest.mark.parametrize("kind", [MAML, ANIL])
@pytest.mark.parametrize("target", ["classification", "regression"])
def test_second_order_slopes_are_those_of_finite_differences(kind: Variant, target: Kind) -> None:
    head, encoder = built(kind, steps=3, rate=0.8, l2=0.1)
    task = episode(target)
    for slope, truth in zip(
        slopes(head, encoder, task), finite_differences(head, encoder, task), strict=True
    ):
        torch.testing.assert_close(slope, truth, rtol=1e-4, atol=1e-7)


def test_first_order_predicts_the_same_but_has_other_slopes() -> None:
    second, encoder = built(MAML, rate=0.8, encoder_rate=0.3)
    first, _ = built(FOMAML, rate=0.8, encoder_rate=0.3)
    assert torch.equal(second.loss(encoder, episode()), first.loss(encoder, episode()))
    a, b = (slopes(head, encoder, episode())[-2] for head in (second, first))
    assert not torch.allclose(a, b, rtol=1e-2)


def test_first_order_slope_is_the_slope_at_the_adapted_weights() -> None:
    head, encoder = built(FOMAML, steps=4, encoder_rate=0.3)
    task = episode()
    slope = slopes(head, encoder, task)[-2]
    with torch.no_grad():
        objective = head._objective(encoder, task.support)
        *_, weights = head._descend(objective, head.start(encoder))
    adapted = copy.deepcopy(encoder)
    adapted.load_state_dict(weights["encoder"])
    still = copy.deepcopy(head)
    still.output.load_state_dict(weights["output"])
    still.steps = 0
    torch.testing.assert_close(slope, slopes(still, adapted, task)[-2])


@every_variant
@pytest.mark.parametrize("target", ["classification", "regression"])
def test_inner_losses_fall(kind: Variant, target: Kind) -> None:
    head, encoder = built(kind, steps=4, eval_steps=7)
    losses = head.inner_losses(encoder, data(target=target))
    assert losses.shape == (5,)
    assert not losses.requires_grad
    assert (losses.diff() < 0).all()
    assert head.eval().inner_losses(encoder, data(target=target)).shape == (8,)


@every_variant
def test_compounds_that_resemble_each_other_are_told_apart(kind: Variant) -> None:
    """A part of the embedding that all compounds share must not slow the inner loop down."""
    head, _ = built(kind)
    nn.init.zeros_(head.output["weight"])
    support = data(20)
    alike = torch.tensor([5.0, 1.0, -3.0]) + 0.05 * torch.randn(
        20, DIM, generator=torch.Generator().manual_seed(0)
    )
    alike[:, 1] += 0.5 * support.y
    embedded = MolBatch(n=20, embedding=alike)
    frozen = Labelled(embedded, support.y, support.relation, support.target)
    losses = head.inner_losses(Frozen(DIM), frozen)
    assert losses[-1] < 0.7 * losses[0]


@every_variant
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_adapts_without_gradients(
    kind: Variant, mode: type[torch.no_grad] | type[torch.inference_mode]
) -> None:
    head, encoder = built(kind)
    with_grad = head.condition(encoder, data())(data().mols)
    with mode():
        without = head.condition(encoder, data())(data().mols)
    assert not without.mean.requires_grad
    torch.testing.assert_close(without.mean, with_grad.mean.detach())


@every_variant
def test_a_frozen_copy_of_the_weights_adapts_the_same(kind: Variant) -> None:
    """At inference nothing asks for gradients, and the inner loop must not notice."""
    head, encoder = built(kind)
    before = head.condition(encoder, data())(data().mols).mean.detach()
    head.requires_grad_(False)
    encoder.requires_grad_(False)
    assert torch.equal(head.condition(encoder, data())(data().mols).mean, before)


def test_with_a_frozen_encoder_only_the_output_layer_is_left() -> None:
    support = data()
    embedded = Labelled(
        MolBatch(n=len(support), embedding=torch.randn(len(support), DIM)),
        support.y,
        support.relation,
        support.target,
    )
    maml, anil = (built(kind)[0].condition(Frozen(DIM), embedded)(embedded.mols) for kind in (MAML, ANIL))
    assert torch.equal(maml.mean, anil.mean)


def test_no_steps_leave_the_start() -> None:
    head, encoder = built(MAML, eval_steps=0)
    torch.nn.init.zeros_(head.output["weight"])
    probability = head.eval().condition(encoder, data(10))(data(4).mols).probability
    torch.testing.assert_close(probability, torch.full_like(probability, 0.5))


def test_l2_holds_the_weights_near_the_start() -> None:
    moved = []
    for l2 in (0.0, 1.0):
        head, encoder = built(MAML, l2=l2)
        start = head.start(encoder)
        *_, end = head._descend(head._objective(encoder, data()), start)
        moved.append((end["output"]["weight"] - start["output"]["weight"]).norm().item())
    assert moved[1] < 0.7 * moved[0]


@every_variant
@settings(max_examples=5, deadline=None)
@given(scale=st.floats(0.01, 100.0), spreads=st.floats(-50.0, 50.0))
def test_regression_follows_the_unit_of_the_values(kind: Variant, scale: float, spreads: float) -> None:
    shift = scale * spreads  # values that are alike to a thousandth of their size have no spread of their own
    head, encoder = built(kind)
    support = data(target="regression")
    other = Labelled(support.mols, scale * support.y + shift, support.relation, support.target)
    with torch.no_grad():
        plain = head.condition(encoder, support)(support.mols)
        moved = head.condition(encoder, other)(support.mols)
    torch.testing.assert_close(moved.mean, scale * plain.mean + shift, rtol=1e-4, atol=1e-4 * scale)
    torch.testing.assert_close(moved.std, scale * plain.std, rtol=1e-3, atol=0.0)


def test_std_of_a_value_includes_the_noise() -> None:
    head, encoder = built(ANIL)
    support = data(target="regression")
    std = head.condition(encoder, support)(support.mols).std
    noise = math.exp(head.log_noise.item()) * support.y.double().std(correction=0)
    assert (std > noise).all()
    far = MolBatch(n=1, counts=torch.tensor([[-9.0, -9.0, 9.0, 9.0]]))
    assert head.condition(encoder, support)(far).std > std.mean()


def test_a_score_on_the_allowed_side_of_a_censored_value_has_no_loss() -> None:
    """The true value of the first compound is above what the table says."""
    head, encoder = built(ANIL, eval_steps=200)
    support = data(target="regression")
    y, relation = support.y.clone(), support.relation.clone()
    y[support.y.argmax()] = support.y.mean()
    relation[support.y.argmax()] = 1
    top = support.y.argmax()
    exact = Labelled(support.mols, y, support.relation, support.target)
    censored = Labelled(support.mols, y, relation, support.target)
    with torch.no_grad():
        means = [head.eval().condition(encoder, s)(support.mols).mean[top] for s in (exact, censored)]
    assert means[1] > means[0] > y[top]


@pytest.mark.parametrize("arguments", [{"rate": 0.0}, {"steps": -1}, {"l2": -0.1}])
def test_values_that_do_not_fit_are_refused(arguments: dict[str, float]) -> None:
    for kind in VARIANTS:
        with pytest.raises(ConfigError, match=next(iter(arguments))):
            kind(DIM, **arguments)
    with pytest.raises(ConfigError, match="encoder_rate"):
        MAML(DIM, encoder_rate=-1.0)
