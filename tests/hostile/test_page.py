"""docs/reliability.md: each of the fifty bad inputs has a row: what happens, and tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
_ROW = re.compile(r"^\| (\d+) \|(.*)\|$", re.M)
ROWS = {
    int(row[1]): [cell.strip() for cell in row[2].split(" | ")]
    for row in _ROW.finditer((ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"))
}
_TEST = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


def test_every_number_has_a_row() -> None:
    assert list(ROWS) == list(range(1, 51))


@pytest.mark.parametrize("number", ROWS)
def test_a_row_says_what_happens_and_names_tests_that_exist(number: int) -> None:
    comes, happens, tests = ROWS[number]
    assert comes
    assert happens
    named = _TEST.findall(tests)
    # What this hardware cannot have is said to be so, next to what of it is tested.
    assert named or "not here:" in tests
    for path, name in named:
        source = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = {node.name for node in ast.walk(source) if isinstance(node, ast.FunctionDef)}
        assert any(function.startswith("test_") for function in functions)
        assert not name or name in functions, f"{path} has no {name}"
