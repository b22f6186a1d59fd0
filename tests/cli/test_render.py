from __future__ import annotations

import doctest
import json
import math

import numpy as np
import pytest

from molmeta.cli import options, render

CHEMISTRY = [
    "c1cc[nH]c1",
    "C[n+]1ccccc1",
    "c1cc[se]c1",
    "c1cc[cH-]c1",
    "[/N]",
    "[bold]C[/bold]",
    "C[C@@H](N)C(=O)O",
    ":smile:",
    "https://example.org [link]",
]


@pytest.mark.parametrize("smiles", CHEMISTRY)
def test_chemistry_is_printed_unharmed(capsys, smiles):
    render.line(smiles)
    render.note(smiles)
    render.page(smiles)
    render.table([smiles], [[smiles]], title=smiles)
    out, err = capsys.readouterr()
    assert out.count(smiles) == 5
    assert err == smiles + "\n"


def test_long_lines_are_not_cut_where_nobody_watches(capsys):
    render.line("C" * 5000)
    render.table(["smiles", "n"], [["C" * 500, 1]])
    out = capsys.readouterr().out
    assert "C" * 5000 + "\n" in out
    assert "C" * 500 in out


def test_control_characters_do_not_reach_the_terminal(capsys):
    render.line("name\x1b[2J\x07")
    assert capsys.readouterr().out == "name\\x1b[2J\\x07\n"


def test_an_error_is_one_line(capsys):
    render.error("two\nlines")
    assert capsys.readouterr() == ("", "molmeta: two lines\n")


def test_json_holds_numbers_of_all_kinds(capsys):
    content = {
        "a": np.float64(0.5), "b": np.int64(3), "c": math.nan, "d": (np.float32(math.inf), True), "e": None,
        "f": "c1cc[nH]c1 µ",
    }  # fmt: skip
    render.json_object(content)
    read = json.loads(capsys.readouterr().out)
    assert read == {"a": 0.5, "b": 3, "c": None, "d": [None, True], "e": None, "f": "c1cc[nH]c1 µ"}


def test_progress_is_silent_without_a_terminal(capsys):
    with render.progress("work") as show:
        show(1, 10)
        show(2, label="more [nH]")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("module", [options, render])
def test_examples_of_the_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
