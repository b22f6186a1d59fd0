"""The fingerprint trunk: what it does without gradients is what it does with them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from molmeta.chem.batch import MolBatch
from molmeta.chem.fingerprint import DESCRIPTORS
from molmeta.encoders.fingerprint import FingerprintMLP


def batch(n: int = 40) -> MolBatch:
    generator = torch.Generator().manual_seed(0)
    counts = torch.poisson(torch.full((2, n, 2048), 0.05), generator).byte()
    descriptors = 300 * torch.rand(n, len(DESCRIPTORS), generator=generator)
    return MolBatch(n=n, counts=counts[0], pairs=counts[1], descriptors=descriptors)


@pytest.fixture(params=[("counts",), ("counts", "pairs")], ids=len)
def encoder(request: pytest.FixtureRequest) -> FingerprintMLP:
    torch.manual_seed(1)
    return FingerprintMLP(request.param, width=300, dim=8).eval()


def without_gradients(encoder: FingerprintMLP, mols: MolBatch) -> Tensor:
    with torch.no_grad():
        return encoder(mols)


def close(encoder: FingerprintMLP, mols: MolBatch) -> None:
    torch.testing.assert_close(
        without_gradients(encoder, mols), encoder(mols).detach(), rtol=0, atol=3e-6, check_stride=False
    )


def test_the_zeros_that_are_left_out_change_nothing(encoder: FingerprintMLP) -> None:
    mols = batch()
    close(encoder, mols)
    none = MolBatch(**{**vars(mols), "counts": mols.need("counts") * 0, "pairs": mols.need("pairs") * 0})
    close(encoder, none)


@pytest.mark.parametrize("n", [0, 1, 2500])
def test_batches_of_any_size(encoder: FingerprintMLP, n: int) -> None:
    mols = batch(n)
    got = without_gradients(encoder, mols)
    assert got.shape == (n, 8)
    last = mols.select(torch.arange(n)[-1:])
    torch.testing.assert_close(without_gradients(encoder, last), got[-1:], rtol=0, atol=3e-6)


def _load(encoder: FingerprintMLP) -> None:
    encoder.load_state_dict({name: value + 0.01 for name, value in encoder.state_dict().items()})


@torch.no_grad()
def _in_place(encoder: FingerprintMLP) -> None:
    encoder.hidden[0].get_parameter("weight").mul_(1.5)


def _step(optimizer: Callable[..., torch.optim.Optimizer], **options: object) -> Callable[[nn.Module], None]:
    def step(encoder: nn.Module) -> None:
        encoder(batch()).square().sum().backward()
        optimizer(encoder.parameters(), lr=0.1, **options).step()

    return step


CHANGES = {
    "load": _load,
    "in place": _in_place,
    "half": lambda encoder: encoder.half().float(),
    "adam": _step(torch.optim.AdamW),
    "fused adam": _step(torch.optim.AdamW, fused=True),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_new_weights_are_noticed(encoder: FingerprintMLP, change: Callable[[nn.Module], None]) -> None:
    mols = batch()
    before = without_gradients(encoder, mols)
    change(encoder)
    assert not torch.equal(without_gradients(encoder, mols), before)
    # Gradients take the other way; after them nothing is known of the old weights anyway.
    fresh = FingerprintMLP(encoder.fingerprints, width=300, dim=8).eval()
    fresh.load_state_dict(encoder.state_dict())
    assert torch.equal(without_gradients(encoder, mols), without_gradients(fresh, mols))


def test_lower_precision_and_double_are_left_to_torch(encoder: FingerprintMLP) -> None:
    mols = batch()
    exact = without_gradients(encoder, mols)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = without_gradients(encoder, mols)
    assert 1e-4 < (rough - exact).abs().max() < 0.1
