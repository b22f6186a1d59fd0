"""The commands of docs/benchmark.md: scripts that are there, with options that they have."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmark.md"
_COMMAND = re.compile(r"^    (python (?:.*\\\n)*.*)$", re.M)
COMMANDS = [m[1].replace("\\\n", " ") for m in _COMMAND.finditer(PAGE.read_text(encoding="utf-8"))]


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split()[1])
def test_a_command_names_a_script_and_its_options(command: str) -> None:
    words = shlex.split(command)
    script = ROOT / words[1]
    source = "".join(path.read_text(encoding="utf-8") for path in (script, script.with_name("harness.py")))
    flags = [word for word in words if word.startswith("--") or word == "-k"]
    assert [flag for flag in flags if f'"{flag}"' not in source] == []


def test_the_page_is_made_of_the_prose_that_is_there() -> None:
    """Regenerate with benchmarks/document.py where the prose has changed."""
    prose = (ROOT / "benchmarks" / "benchmark.md.in").read_text(encoding="utf-8")
    lines = [line for line in prose.splitlines() if line and not line.startswith("{{")]
    written = set(PAGE.read_text(encoding="utf-8").splitlines())
    assert [line for line in lines if line not in written] == []
