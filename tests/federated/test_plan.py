"""Which federations are refused, what must be agreed upon, and which round is for what."""

from __future__ import annotations

from pathlib import Path

import pytest

from molmeta.errors import ConfigError
from molmeta.federated.plan import Phase, digest, last_round, phase_of, read_federated


def changed(plan_file: Path, folder: Path, *changes: tuple[str, str]) -> Path:
    text = plan_file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "changed.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[heads.evidence]", "[heads.proto]", "heads are proto"),
        (
            "dim = 16\n\n[pretrain]",
            "dim = 16\n[heads.anil]\ndim = 16\n[pretrain]",
            "heads are evidence, anil",
        ),
        ("epochs = 4", "epochs = 0", "pretrain.epochs is 0"),
        (
            "prior_rounds = 2",
            "prior_rounds = 3",
            "episodic.steps is 4; give both, and of steps a multiple of the 3",
        ),
        ("steps = 4", "steps = 4\nfreeze_encoder = false", "freezes it for stage B"),
        ("least = 2", "least = 4", "federated.least is 4, of 3 labs"),
        ("labs = 3", "labs = 4", "least is 2 of 4 labs, so that a server could unmask"),
        ("least = 2", "least = 3\nnoise = 1.0", "give clip and prior_clip too"),
        ("least = 2", "noise = 1.0\nclip = 1.0\nprior_clip = 1.0", "and least = 3"),
        ("rounds = 2", "round = 2", "did you mean 'rounds'"),
        ("labs = 3", "labs = 1", "federated.labs"),
    ],
)
def test_what_cannot_be_is_refused(plan_file: Path, tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_federated(changed(plan_file, tmp_path, (old, new)))


def test_agreed_is_all_but_the_data(plan_file: Path, tmp_path: Path) -> None:
    ours = digest(read_federated(plan_file))
    elsewhere = changed(plan_file, tmp_path, ('train = "train.csv.gz"', 'train = "ours.csv"'))
    assert digest(read_federated(elsewhere)) == ours
    for change in (("secure", ""), ("width = 32", "width = 48"), ("least = 2", "least = 3")):
        if change[0] == "secure":
            change = ("least = 2", "least = 2\nsecure = false")
        assert digest(read_federated(changed(plan_file, tmp_path, change))) != ours


def test_rounds_are_of_the_trunk_then_of_the_prior(plan_file: Path) -> None:
    config = read_federated(plan_file)
    phases = [phase_of(config, number) for number in range(1, last_round(config) + 1)]
    assert phases == [Phase.TRUNK, Phase.TRUNK, Phase.START, Phase.PRIOR, Phase.PRIOR]
