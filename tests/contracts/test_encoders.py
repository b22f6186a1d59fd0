"""Laws that every entry of `ENCODERS` obeys."""

from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from safetensors.torch import load, save
from torch import Tensor

from molmeta.chem.batch import MolBatch
from molmeta.chem.features import featurize
from molmeta.chem.molecule import Molecule
from molmeta.encoders import ENCODERS, build_encoder
from molmeta.encoders.base import Encoder

# Small versions, so that the laws are quick; a new encoder needs its line here.
GRAPH = {"width": 16, "depth": 3, "dim": 12}
FINGERPRINT = {"width": 16, "depth": 2, "dim": 12}
SMALL: dict[str, dict[str, Any]] = {
    "gin": GRAPH,
    "fingerprint": FINGERPRINT,
    "fusion": {"graph": GRAPH, "fingerprint": FINGERPRINT, "dim": 12},
}
NAMES = sorted(ENCODERS)

COMPOUNDS = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1CCC[C@H]1c1cccnc1",
    "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "CC(C)Cc1ccc([C@@H](C)C(=O)O)cc1",
    "CN1[C@H]2CC[C@@H]1[C@@H](C(=O)OC)[C@@H](OC(=O)c1ccccc1)C2",
    "Oc1ccc(/C=C/c2cc(O)cc(O)c2)cc1",
    "C[C@H]1CC[C@@H](C(=O)O)CC1",
    "C[N+](C)(C)CC([O-])=O",
    "CCCCCCCCCCCCCCCCCCCC(=O)O",
    "C",
    "[Na+]",
    "C[Se]C[C@H](N)C(=O)O",
    "Cl[Pt](Cl)(N)N",
    "[2H]C([2H])([2H])S(C)=O",
)
TOLERANCE = {"rtol": 0.0, "atol": 1e-5}

every_encoder = pytest.mark.parametrize("name", NAMES)
every_mode = pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])


@cache
def encoder(name: str) -> Encoder:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return build_encoder(name, **SMALL[name]).eval()


def without_dropout(name: str) -> Encoder:
    """In training mode, where normalization would look at the batch if it ever did."""
    built = build_encoder(name, **SMALL[name])
    built.load_state_dict(encoder(name).state_dict())
    for module in built.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return built.train()


def read(name: str, *smiles: str) -> MolBatch:
    molecules = [Molecule(row, text, Chem.MolFromSmiles(text)) for row, text in enumerate(smiles, 1)]
    return featurize(molecules, encoder(name).needs)


@cache
def library(name: str) -> MolBatch:
    return read(name, *COMPOUNDS)


@torch.no_grad()
def embed(name: str, mols: MolBatch) -> Tensor:
    return encoder(name)(mols)


def test_every_encoder_has_small_arguments():
    assert set(SMALL) == set(ENCODERS)


@every_encoder
def test_one_float32_vector_of_length_dim_a_compound(name):
    out = embed(name, library(name))
    assert (out.shape, out.dtype) == ((len(COMPOUNDS), encoder(name).dim), torch.float32)
    assert out.isfinite().all()
    assert encoder(name).dim == SMALL[name]["dim"]


@every_encoder
def test_another_spelling_gives_the_same_vector(name):
    respelled = [
        Chem.MolToSmiles(Chem.MolFromSmiles(text), canonical=False, doRandom=True)
        for text in COMPOUNDS
        for _ in range(4)
    ]
    expected = embed(name, library(name)).repeat_interleave(4, dim=0)
    torch.testing.assert_close(embed(name, read(name, *respelled)), expected, **TOLERANCE)


@every_encoder
@every_mode
def test_a_batch_of_one_equals_a_batch_of_many(name, training):
    model = without_dropout(name) if training else encoder(name)
    with torch.no_grad():
        alone = torch.cat([model(read(name, text)) for text in COMPOUNDS])
        torch.testing.assert_close(model(library(name)), alone, **TOLERANCE)


@every_encoder
@given(picks=st.lists(st.integers(0, len(COMPOUNDS) - 1), min_size=1, max_size=20))
@settings(max_examples=15, deadline=None)
def test_the_order_of_the_batch_is_the_order_of_the_vectors(name, picks):
    index = torch.tensor(picks)
    expected = embed(name, library(name))[index]
    torch.testing.assert_close(embed(name, library(name).select(index)), expected, **TOLERANCE)


@every_encoder
@every_mode
def test_forward_changes_neither_parameters_nor_buffers_nor_input(name, training):
    model = without_dropout(name) if training else encoder(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    mols = read(name, *COMPOUNDS)
    model(mols)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    with torch.no_grad():
        torch.testing.assert_close(encoder(name)(mols), embed(name, library(name)), **TOLERANCE)


@every_encoder
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"),
        ("CN1CCC[C@H]1c1cccnc1", "CN1CCC[C@@H]1c1cccnc1"),
        ("CC(C)Cc1ccc([C@@H](C)C(=O)O)cc1", "CC(C)Cc1ccc([C@H](C)C(=O)O)cc1"),
        ("C[C@H](F)Cl", "C[C@@H](F)Cl"),
        ("OC(=O)/C=C/C(=O)O", "OC(=O)/C=C\\C(=O)O"),
    ],
)
def test_stereoisomers_differ(name, one, other):
    first, second = embed(name, read(name, one, other))
    assert (first - second).abs().max() > 1e-3


@every_encoder
def test_an_empty_batch_gives_no_vectors(name):
    for mols in (read(name), library(name).select(torch.tensor([], dtype=torch.long))):
        out = embed(name, mols)
        assert (out.shape, out.dtype) == ((0, encoder(name).dim), torch.float32)


@every_encoder
def test_a_gradient_reaches_every_parameter(name):
    model = without_dropout(name)
    model(library(name)).square().sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().sum() > 0, key


@every_encoder
def test_weights_survive_safetensors(name):
    fresh = build_encoder(name, **SMALL[name]).eval()
    assert not torch.allclose(fresh(library(name)), embed(name, library(name)))
    fresh.load_state_dict(load(save(encoder(name).state_dict())))
    with torch.no_grad():
        torch.testing.assert_close(fresh(library(name)), embed(name, library(name)), rtol=0.0, atol=0.0)
