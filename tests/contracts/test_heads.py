"""Laws that every entry of `HEADS` obeys, with an encoder that is adapted and with a frozen one."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from inspect import signature
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from rdkit import Chem
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from molmeta.chem.batch import MolBatch
from molmeta.chem.features import FIELDS, featurize
from molmeta.chem.fingerprint import COUNT_BITS
from molmeta.chem.molecule import Molecule
from molmeta.data.episode import Episode, Labelled
from molmeta.data.history import History
from molmeta.encoders.base import Encoder, Frozen
from molmeta.errors import ConfigError, NotEnoughData
from molmeta.heads import HEADS, build_head
from molmeta.heads.base import Head
from molmeta.prediction import Bernoulli, Prediction
from molmeta.units import Target

DIM = 16
SERIES = ("NS(=O)(=O)c1ccc({})cc1", "O=C(CC1CCN(C)CC1)N1CCCC1C{}")
# fmt: off
GROUPS = (
    "C", "CC", "O", "OC", "N", "F", "Cl", "Br", "C#N", "C(=O)O", "C(F)(F)F", "CCO", "NC(C)=O", "C(=O)N",
    "OCC", "SC", "N1CCOCC1", "c1ccccc1", "CC(C)C", "CCN",
)
# fmt: on
N = len(SERIES) * len(GROUPS)
TRAINING = 200  # steps of heads that know nothing before they are trained
TARGETS = {
    "classification": Target("active", "classification"),
    "regression": Target("pIC50", "regression"),
}


class Tiny(Encoder):
    """One layer on the counts; whatever adapts an encoder can adapt this one."""

    needs = frozenset({"counts"})

    def __init__(self) -> None:
        super().__init__()
        self.dim = DIM
        self.layer = nn.Linear(COUNT_BITS, DIM)

    def forward(self, mols: MolBatch) -> Tensor:
        out: Tensor = self.layer(torch.log1p(mols.need("counts").to(self.layer.weight.dtype)))
        return out


@cache
def library() -> MolBatch:
    """Two series of compounds, in turn, with an embedding that tells them apart."""
    smiles = [series.format(group) for group in GROUPS for series in SERIES]
    generator = torch.Generator().manual_seed(0)
    series = torch.arange(N) % 2
    embedding = torch.randn(N, DIM, generator=generator)
    embedding[:, 0] += 6.0 * (series - 0.5)
    molecules = [Molecule(row, text, Chem.MolFromSmiles(text)) for row, text in enumerate(smiles, 1)]
    return replace(featurize(molecules, FIELDS), embedding=embedding)


def history() -> History:
    """Ten assays of the first 30 compounds, at random."""
    rng = np.random.default_rng(0)
    rows = np.stack([rng.permutation(30)[:25] for _ in range(10)])
    return History(
        identity=library().need("identity").numpy(),
        compound=rows.ravel(),
        assay=np.repeat(np.arange(10), 25),
        label=rng.integers(0, 2, 250).astype(np.float32),
        value=rng.normal(size=250).astype(np.float32),
    )


@cache
def assay(kind: str) -> Labelled:
    """An unreasonably easy assay: the first series is inactive, the second active."""
    active = (torch.arange(N) % 2).float()
    if kind == "regression":
        active = 5.0 + 2.0 * active + 0.3 * torch.sin(torch.arange(N))
    return Labelled(library(), active, torch.zeros(N, dtype=torch.int8), TARGETS[kind])


@cache
def head_and_encoder(name: str, encoder_name: str) -> tuple[Head, Encoder]:
    """In evaluation mode, and with parameters moved off their initial values as training would."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        encoder: Encoder = Tiny() if encoder_name == "tiny" else Frozen(DIM)
        takes_dim = "dim" in signature(HEADS[name]).parameters
        head = build_head(name, dim=DIM) if takes_dim else build_head(name)
        head.start_from(torch.randn(5, DIM), history())
        with torch.no_grad():
            for parameter in head.parameters():
                parameter += 0.05 * torch.randn(parameter.shape)
        head.remember(library())
        if head.rule_is_learned:
            train(head, encoder)
    return head.eval(), encoder.eval()


def train(head: Head, encoder: Encoder) -> None:
    """A short training on the easy assay and on the same with its labels turned round."""
    rng = np.random.default_rng(0)
    optim = torch.optim.Adam([p for p in head.parameters() if p.requires_grad], lr=3e-3)
    for step in range(TRAINING):
        kinds = sorted(head.kinds)
        data = assay(kinds[step % len(kinds)])
        if rng.random() < 0.5:
            data = replace(data, y=data.y.flip(0))
        order = torch.as_tensor(rng.permutation(N // 2))
        # Rows come in pairs of either series.
        rows = torch.stack([2 * order, 2 * order + 1], dim=1).ravel()
        k = 2 * int(rng.integers(1, 11))
        optim.zero_grad()
        head.loss(encoder, Episode("easy", data.select(rows[:k]), data.select(rows[k:]))).backward()
        nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optim.step()


def rows(*numbers: int) -> Tensor:
    return torch.tensor(numbers, dtype=torch.long)


SUPPORT = torch.arange(16)
QUERY = torch.arange(16, N)

every_head = pytest.mark.parametrize(
    ("name", "encoder", "kind"),
    [
        (name, encoder, kind)
        for (name, head), encoder in product(HEADS.items(), ("tiny", "frozen"))
        for kind in sorted(head.kinds)
    ],
)
every_classifier = pytest.mark.parametrize(
    ("name", "encoder"),
    [
        (name, encoder)
        for (name, head), encoder in product(HEADS.items(), ("tiny", "frozen"))
        if "classification" in head.kinds
    ],
)
# A seed does not shrink to anything simpler.
few = settings(max_examples=3, deadline=None, derandomize=True, phases=[Phase.generate])


def conditioned(name: str, encoder: str, support: Labelled) -> Callable[[MolBatch], Prediction]:
    head, trunk = head_and_encoder(name, encoder)
    with torch.no_grad():
        predict = head.condition(trunk, support)

    def quietly(mols: MolBatch) -> Prediction:
        with torch.no_grad():
            return predict(mols)

    return quietly


def numbers(prediction: Prediction) -> Tensor:
    """float64[n, 2 or 3]: everything that a prediction says."""
    parts = [prediction.mean, prediction.std]
    if isinstance(prediction, Bernoulli):
        parts.append(prediction.logit)
    return torch.stack([part.double() for part in parts], dim=1)


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def sound(prediction: Prediction, y: Tensor) -> None:
    assert len(prediction) == len(y)
    assert torch.isfinite(numbers(prediction)).all()
    assert (prediction.std > 0).all()
    assert torch.isfinite(prediction.log_prob(y)).all()
    low, high = prediction.interval(0.9)
    assert (low <= high).all()
    if isinstance(prediction, Bernoulli):
        assert ((prediction.probability > 0) & (prediction.probability < 1)).all()


@every_head
@few
@given(seed=st.integers(0, 10_000))
def test_order_of_the_support_set_does_not_matter(name: str, encoder: str, kind: str, seed: int) -> None:
    data = assay(kind)
    order = torch.as_tensor(np.random.default_rng(seed).permutation(16))
    query = data.mols.select(QUERY)
    first = conditioned(name, encoder, data.select(SUPPORT))(query)
    second = conditioned(name, encoder, data.select(SUPPORT[order]))(query)
    close(numbers(first), numbers(second))


@every_head
@few
@given(seed=st.integers(0, 10_000))
def test_a_batch_of_one_equals_a_batch_of_many(name: str, encoder: str, kind: str, seed: int) -> None:
    data = assay(kind)
    predict = conditioned(name, encoder, data.select(SUPPORT))
    many = numbers(predict(data.mols))
    picked = np.random.default_rng(seed).choice(N, 3, replace=False).tolist()
    for row in picked:
        close(numbers(predict(data.mols.select(rows(row)))), many[row : row + 1])
    close(numbers(predict(data.mols.select(rows(*picked)))), many[picked])
    assert numbers(predict(data.mols.select(rows()))).shape[0] == 0


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name, head in HEADS.items()
        if head.held_out is not Head.held_out
        for kind in sorted(head.kinds)
    ],
)
@few
@given(seed=st.integers(0, 10_000))
def test_a_faster_way_to_held_out_parts_leads_to_the_same(name: str, kind: str, seed: int) -> None:
    data, (head, encoder) = assay(kind), head_and_encoder(name, "frozen")
    order = torch.as_tensor(np.random.default_rng(seed).permutation(N))
    parts = [order[:1], order[1:2], order[2:9], order[5:15]]
    with torch.no_grad():
        found = head.held_out(encoder, data, parts)
    assert found is not None
    for part, got in zip(parts, found, strict=True):
        rest = torch.ones(N, dtype=torch.bool).index_fill(0, part, False).nonzero().flatten()
        want = conditioned(name, "frozen", data.select(rest))(data.mols.select(part))
        torch.testing.assert_close(numbers(got), numbers(want), rtol=1e-9, atol=1e-9)


@every_head
def test_conditioning_changes_no_parameter_and_no_buffer(name: str, encoder: str, kind: str) -> None:
    modules = head_and_encoder(name, encoder)
    before = [{key: value.clone() for key, value in m.state_dict().items()} for m in modules]
    data = assay(kind)
    modules[0].condition(modules[1], data.select(SUPPORT))(data.mols)
    for module, state in zip(modules, before, strict=True):
        now = module.state_dict()
        assert now.keys() == state.keys()
        assert all(torch.equal(now[key], value) for key, value in state.items())
        assert all(parameter.grad is None for parameter in module.parameters())


@every_head
def test_predictions_are_sound_and_repeat(name: str, encoder: str, kind: str) -> None:
    data = assay(kind)
    first, second = (conditioned(name, encoder, data.select(SUPPORT))(data.mols) for _ in range(2))
    sound(first, data.y)
    assert torch.equal(numbers(first), numbers(second))


@every_head
def test_one_compound_per_class_is_enough(name: str, encoder: str, kind: str) -> None:
    data = assay(kind)
    sound(conditioned(name, encoder, data.select(rows(0, 1)))(data.mols), data.y)
    sound(conditioned(name, encoder, data.select(rows(0, 1, 3, 5, 7)))(data.mols), data.y)


@every_head
def test_duplicates_in_the_support_set_are_no_trouble(name: str, encoder: str, kind: str) -> None:
    data = assay(kind)
    twice = data.select(torch.cat([SUPPORT, SUPPORT, SUPPORT[:4]]))
    sound(conditioned(name, encoder, twice)(data.mols), data.y)
    # The same compound with contradicting labels.
    torn = data.select(rows(0, 0, 0, 0))
    sound(conditioned(name, encoder, replace(torn, y=data.y[:4]))(data.mols), data.y)


@every_head
def test_an_easy_assay_is_ranked(name: str, encoder: str, kind: str) -> None:
    data = assay(kind)
    score = conditioned(name, encoder, data.select(SUPPORT))(data.mols.select(QUERY)).mean
    auroc = roc_auc_score((QUERY % 2).numpy(), score.numpy())
    assert auroc == 0.5 if name == "mean" else auroc > 0.9


@pytest.mark.parametrize("encoder", ["tiny", "frozen"])
@pytest.mark.parametrize("name", [name for name, head in HEADS.items() if "regression" in head.kinds])
def test_values_of_which_low_ones_are_good_are_the_others_turned_round(name: str, encoder: str) -> None:
    data = assay("regression")
    data = replace(data, relation=(torch.arange(N) % 3 == 0).to(torch.int8))
    turned = replace(data, y=-data.y, relation=-data.relation)
    turned = replace(turned, target=replace(data.target, higher_is_better=False))
    up, down = (conditioned(name, encoder, one.select(SUPPORT))(data.mols) for one in (data, turned))
    close(up.mean, -down.mean)
    close(up.std, down.std)


@every_head
def test_two_assays_do_not_disturb_each_other(name: str, encoder: str, kind: str) -> None:
    data = assay(kind)
    other = replace(data, y=data.y.flip(0))
    first = conditioned(name, encoder, data.select(SUPPORT))
    alone = numbers(first(data.mols))
    second = conditioned(name, encoder, other.select(SUPPORT[:6]))
    second(data.mols)
    assert torch.equal(numbers(first(data.mols)), alone)


@every_head
@pytest.mark.parametrize("autocast", [False, True])
def test_loss_is_a_scalar_with_finite_gradients(name: str, encoder: str, kind: str, autocast: bool) -> None:
    head, trunk = head_and_encoder(name, encoder)
    data = assay(kind)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        loss = head.loss(trunk, Episode("easy", data.select(SUPPORT), data.select(QUERY)))
    assert loss.shape == ()
    assert torch.isfinite(loss)
    learned = [p for p in head.parameters() if p.requires_grad]
    if not learned:
        return
    slopes = torch.autograd.grad(loss, learned + list(trunk.parameters()), allow_unused=True)
    found = [slope for slope in slopes if slope is not None]
    assert all(torch.isfinite(slope).all() for slope in found)
    assert any(slope.abs().max() > 0 for slope in slopes[: len(learned)] if slope is not None)


@every_classifier
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_refused(name: str, encoder: str, label: int) -> None:
    data = assay("classification").select(torch.arange(label, N, 2))
    missing = "inactive" if label else "active"
    with pytest.raises(NotEnoughData, match=f"one class; add at least one {missing}"):
        conditioned(name, encoder, data)


@pytest.mark.parametrize("name", HEADS)
def test_one_compound_is_refused(name: str) -> None:
    for kind in HEADS[name].kinds:
        with pytest.raises(NotEnoughData, match="needs at least 2"):
            conditioned(name, "frozen", assay(kind).select(rows(0)))


@pytest.mark.parametrize("name", HEADS)
def test_the_other_kind_of_target_is_refused(name: str) -> None:
    for kind in TARGETS.keys() - HEADS[name].kinds:
        with pytest.raises(NotEnoughData, match=f"given a {kind} assay; it handles"):
            conditioned(name, "frozen", assay(kind).select(SUPPORT))


@pytest.mark.parametrize("name", HEADS)
def test_what_a_head_needs_is_said(name: str) -> None:
    assert HEADS[name].kinds <= TARGETS.keys()
    head, _ = head_and_encoder(name, "frozen")
    assert head.needs <= FIELDS.keys()
    # What it does not name, it can do without.
    data = assay(min(head.kinds))
    kept = {field: getattr(data.mols, field) for field in head.needs}
    bare = replace(data, mols=MolBatch(n=N, embedding=data.mols.embedding, **kept))
    sound(conditioned(name, "frozen", bare.select(SUPPORT))(bare.mols), bare.y)


@pytest.mark.parametrize("name", HEADS)
def test_only_a_head_that_adapts_the_encoder_needs_more_than_its_embeddings(name: str) -> None:
    head, trunk = head_and_encoder(name, "tiny")
    data = assay(min(head.kinds))
    with torch.no_grad():
        embedded = replace(data, mols=replace(data.mols, embedding=trunk(data.mols)))
        through = head.condition(trunk, data.select(SUPPORT))(data.mols)
        kept = head.condition(Frozen(DIM), embedded.select(SUPPORT))(embedded.mols)
    same = torch.allclose(numbers(through), numbers(kept), rtol=1e-5, atol=1e-5)
    assert same is not head.adapts_encoder


@pytest.mark.parametrize("name", HEADS)
def test_without_a_label_a_head_says_its_prior_or_that_it_has_none(name: str) -> None:
    head, trunk = head_and_encoder(name, "frozen")
    if name != "evidence":
        with pytest.raises(NotEnoughData, match="says nothing without labelled compounds"):
            head.unconditioned(trunk)
        return
    with torch.no_grad():
        prediction = head.unconditioned(trunk)(library())
    sound(prediction, assay("classification").y)
    assert prediction.mean.std() > 0


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ConfigError, match=r"unknown head 'forest'; known are .*rf"):
        build_head("forest")


@pytest.mark.parametrize("name", HEADS)
def test_an_unknown_argument_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=f"head '{name}': .*'colour'"):
        build_head(name, colour="blue")


@pytest.mark.parametrize("name", HEADS)
def test_a_head_starts_from_what_stage_a_found(name: str):
    takes_dim = "dim" in signature(HEADS[name]).parameters
    head = (build_head(name, dim=DIM) if takes_dim else build_head(name)).eval()
    shapes = {key: value.shape for key, value in head.state_dict().items()}
    head.start_from(torch.randn(5, DIM, generator=torch.Generator().manual_seed(0)), history())
    now = {key: value.shape for key, value in head.state_dict().items()}
    assert now.keys() == shapes.keys()
    # A table has a row for each compound that was measured.
    assert all(now[key] == shape or shape[0] == 0 for key, shape in shapes.items())
    support = assay(next(kind for kind in TARGETS if kind in head.kinds))
    encoder: Encoder = Tiny() if head.adapts_encoder else Frozen(DIM)
    assert numbers(head.condition(encoder, support)(library())).isfinite().all()
