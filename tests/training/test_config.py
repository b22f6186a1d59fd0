"""Configurations are checked before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from molmeta.errors import ConfigError
from molmeta.training import read_config


@pytest.fixture
def config(corpus_folder: Path, tmp_path: Path):
    def write(old: str, new: str) -> Path:
        path = tmp_path / "c.toml"
        path.write_text((corpus_folder / "tiny.toml").read_text().replace(old, new), encoding="utf-8")
        return path

    return write


def test_a_good_configuration_is_read(corpus_folder: Path) -> None:
    config = read_config(corpus_folder / "tiny.toml")
    assert config.pretrain.epochs == 2
    assert list(config.heads) == ["evidence", "mahalanobis", "anil"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 2", "epoch = 2", "unknown key 'pretrain.epoch'; did you mean 'epochs'"),
        ("seed = 3", "sed = 3", "unknown key 'sed'; did you mean 'seed'"),
        ("epochs = 2", "epochs = -1", "pretrain.epochs: .*greater than or equal to 0 .found -1"),
        ("epochs = 2", "epochs = 'many'", "pretrain.epochs"),
        ('name = "tiny"', "name = ", "is not TOML"),
    ],
)
def test_a_mistake_is_named(config, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_config(config(old, new))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_config(tmp_path / "none.toml")
