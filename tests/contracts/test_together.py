"""Every head learns through every encoder: the loss of an episode reaches all parameters of both."""

from __future__ import annotations

from inspect import signature
from typing import Any

import pytest
import torch

import molmeta.assays
from molmeta.chem.features import featurize
from molmeta.chem.molecule import Molecule
from molmeta.chem.smiles import read_smiles
from molmeta.data.episode import Episode, Labelled
from molmeta.encoders import ENCODERS, build_encoder
from molmeta.heads import HEADS, build_head
from molmeta.units import Target

SMALL: dict[str, dict[str, Any]] = {
    "gin": {"width": 16, "depth": 2},
    "fingerprint": {"width": 16, "depth": 1},
    "fusion": {"graph": {"width": 16, "depth": 2, "dim": 8}, "fingerprint": {"width": 16, "depth": 1}},
}
TRAINED = [name for name, head in HEADS.items() if "dim" in signature(head).parameters]


def test_every_encoder_is_here() -> None:
    assert SMALL.keys() == ENCODERS.keys()


@pytest.mark.parametrize("encoder_name", ENCODERS)
@pytest.mark.parametrize("head_name", TRAINED)
def test_a_loss_reaches_the_encoder_through_the_head(encoder_name: str, head_name: str) -> None:
    torch.manual_seed(0)
    encoder = build_encoder(encoder_name, dim=8, **SMALL[encoder_name]).eval()
    head = build_head(head_name, dim=8)
    lines = molmeta.assays.path("drugs").read_text(encoding="utf-8").splitlines()[:24]
    found = [read_smiles(i, line.split("\t")[0]) for i, line in enumerate(lines)]
    mols = featurize([m for m in found if isinstance(m, Molecule)], encoder.needs | head.needs)
    y = (torch.arange(len(mols)) % 2).float()
    data = Labelled(mols, y, torch.zeros(len(mols), dtype=torch.int8), Target("y", "classification"))
    episode = Episode("a", data.select(torch.arange(12)), data.select(torch.arange(12, len(mols))))
    head.loss(encoder, episode).backward()  # type: ignore[no-untyped-call]
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
