"""The commands of the pages of results: scripts that are there, with options that they have."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "docs" / name for name in ("benchmark.md", "families.md", "billions.md")]
TABLES = [ROOT / "docs" / name for name in ("scaling.md", "federated.md")]  # whose commands are blocks
_COMMAND = re.compile(r"^    (python (?:.*\\\n)*.*)$", re.M)
COMMANDS = [m[1].replace("\\\n", " ") for page in PAGES for m in _COMMAND.finditer(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_commands(page: Path) -> None:
    assert _COMMAND.search(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split()[1])
def test_a_command_names_a_script_and_its_options(command: str) -> None:
    words = shlex.split(command)
    script = ROOT / words[1]
    source = "".join(path.read_text(encoding="utf-8") for path in (script, script.with_name("harness.py")))
    flags = [word for word in words if word.startswith("--") or word == "-k"]
    assert [flag for flag in flags if f'"{flag}"' not in source] == []


@pytest.mark.parametrize("page", [*PAGES, *TABLES], ids=lambda page: page.stem)
def test_every_table_of_figures_names_where_it_comes_from(page: Path) -> None:
    """A comment names the results; `benchmarks/document.py` makes the table under it anew."""
    lines = page.read_text(encoding="utf-8").splitlines()
    marks = [line for line in lines if re.fullmatch(r"<!-- \{\{[^}]+\}\} -->", line)]
    named = [line for before, line in itertools.pairwise(lines) if line[:1] == "|" and before in marks]
    assert len(named) == len(marks) > 0


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").rglob("*.toml")), ids=lambda path: path.stem)
def test_a_recipe_is_a_configuration(path: Path) -> None:
    from molmeta.configuration import read_toml
    from molmeta.federated.plan import read_federated
    from molmeta.learner import Learner
    from molmeta.training.config import read_config
    from molmeta.training.run import check_heads

    config = read_federated(path) if "federated" in read_toml(path) else read_config(path)
    check_heads(config)
    Learner(config.encoder, config.heads, config.heads if config.episodic.last_layers else ())
