"""The section [search]: what it may say, and what it makes of a configuration."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from molmeta.errors import ConfigError
from molmeta.toml import to_toml
from molmeta.training.config import parse_config
from molmeta.training.space import Choices, Range, read_space

Write = Callable[[str], Path]


@pytest.fixture
def write(corpus_folder: Path, tmp_path: Path) -> Write:
    def write(section: str) -> Path:
        path = tmp_path / "c.toml"
        path.write_text((corpus_folder / "tiny.toml").read_text() + section, encoding="utf-8")
        return path

    return write


def test_ranges_and_choices_are_read_with_and_without_quotation_marks(write: Write) -> None:
    space = read_space(
        write(
            """
            [search]
            "encoder.width" = [16, 32]
            encoder.depth = { low = 1, high = 3 }
            "episodic.rate" = { low = 1e-4, high = 1e-1, log = true }
            "encoder.fingerprints" = [["counts"], ["counts", "pairs"]]
            head = ["evidence", "anil"]
            heads.anil.steps = [1, 2]
            """
        )
    )
    assert space.dimensions == {
        "head": Choices(values=("evidence", "anil")),
        "encoder.width": Choices(values=(16, 32)),
        "encoder.depth": Range(low=1, high=3),
        "episodic.rate": Range(low=1e-4, high=1e-1, log=True),
        "encoder.fingerprints": Choices(values=(["counts"], ["counts", "pairs"])),
        "heads.anil.steps": Choices(values=(1, 2)),
    }
    assert next(iter(space.dimensions)) == "head"
    assert isinstance(space.dimensions["encoder.depth"].low, int)


def test_values_become_a_plain_configuration(write: Write) -> None:
    space = read_space(write('[search]\nhead = ["evidence", "anil"]\nencoder.dim = [8, 16]\n'))
    content = space.apply({"head": "anil", "encoder.dim": 8, "episodic.rate": 0.25})
    config = parse_config(tomllib.loads(to_toml(content)), "the test")
    assert config.heads == {"anil": {"dim": 8, "steps": 2}}
    assert config.encoder["dim"] == 8
    assert config.episodic.rate == 0.25
    assert space.content["encoder"]["dim"] == 16


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("", r"no section \[search\]"),
        ("[search]\n", r"no section \[search\]"),
        (
            '[search]\n"encoder.widht" = [1, 2]',
            "search.encoder.widht: unknown key 'widht'; did you mean 'width'",
        ),
        ('[search]\n"encodr.width" = [1, 2]', "unknown key 'encodr'; did you mean 'encoder'"),
        ('[search]\n"episodic.rat" = [1, 2]', "unknown key 'rat'; did you mean 'rate'"),
        ('[search]\n"heads.anil.step" = [1, 2]', "unknown key 'step'; did you mean 'steps'"),
        (
            '[search]\n"heads.proto.dim" = [1, 2]',
            "unknown key 'proto'; known are evidence, mahalanobis, anil",
        ),
        ('[search]\nhead = ["evidnce"]', "unknown key 'evidnce'; did you mean 'evidence'"),
        ('[search]\n"encoder.width" = [16, "wide"]', "search.encoder.width = 'wide'"),
        (
            '[search]\n"episodic.rate" = [-1.0, 1.0]',
            "search.episodic.rate = -1.0: episodic.rate.*greater than 0",
        ),
        ('[search]\n"episodic.rate" = { low = 1, high = 1 }', "low must be below high"),
        ('[search]\n"episodic.rate" = { low = 0, high = 1, log = true }', "must be above 0"),
        ('[search]\n"episodic.rate" = { low = 0, hihg = 1 }', "high Field required.*hihg Extra inputs"),
        ('[search]\n"episodic.rate" = 3', "wanted a list of values or"),
        ('[search]\n"episodic.rate" = []', "at least 1 item"),
        ('[search]\n"validation.draws" = [1, 2]', "trials are compared by it"),
        ('[search]\n"data.valid_roles" = [["a"], ["b"]]', "trials are compared by it"),
        ('[search]\nhead = ["anil"]\n"episodic.freeze_encoder" = [true, false]', None),
        (
            '[search]\n"episodic.freeze_encoder" = [true, false]',
            "freeze_encoder = false needs exactly one head",
        ),
    ],
)
def test_a_mistake_is_named_before_anything_is_trained(
    write: Write, section: str, message: str | None
) -> None:
    path = write(section)
    if message is None:
        read_space(path)
        return
    with pytest.raises(ConfigError, match=message):
        read_space(path)


def test_reported_assays_choose_nothing(write: Write) -> None:
    path = write("[search]\nencoder.width = [16, 32]\n")
    path.write_text(
        path.read_text().replace('roles = ["train"]', 'roles = ["train"]\nvalid_roles = ["valid_report"]')
    )
    with pytest.raises(ConfigError, match="what is reported must choose nothing"):
        read_space(path)


def test_what_is_written_is_what_is_read() -> None:
    content = {
        "name": 'a "b"\\ \n\x7f é',
        "rate": 1e-05,
        "large": 1e16,
        "yes": True,
        "list": [1, [2.5, "x"], {"a b": False}],
        "tables": {"gp-tanimoto": {}, "a b": {"x": 1, "deep": {"y": 2}}},
        "after": 3,
    }
    assert tomllib.loads(to_toml(content)) == content
    assert "start" not in to_toml({"start": None, "x": 1})
