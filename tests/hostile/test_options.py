"""Whatever is asked of a command, it answers with a documented exit code, and no traceback.

Options are those that the commands declare, so that a new one is asked hostile things from its first day.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import molmeta
from molmeta.cli.app import app

# 1 is a bug; 130 and 143 are signals, and none is sent.
DOCUMENTED = (0, 2, 3, 4, 5, 6)
# What `serve` and the long trainings do does not end here; --help of all is in tests/cli.
LEFT_OUT = {"serve", "train", "tune"}
ASSAY = "smiles,active\nCCO,1\nCCCO,1\nCCCCO,1\nOCc1ccccc1,1\nCCC,0\nCCCC,0\nCCCCC,0\nCc1ccccc1,0\n"
LIBRARY = "CCCCCO a\nCCN b\nC(C c\nCCCCCC d\n"

NUMBERS = ["0", "1", "2", "-1", "0.5", "1e400", "nan", "inf", "-0", "9" * 40, "1,5", "0x10", "", "\u0661"]
TEXTS = [
    "",
    " ",
    "-",
    "--",
    "smiles",
    "active",
    "µ",
    "\u202e",
    "a\nb",
    "[bold]",
    "=1+1",
    "x" * 300,
    "CCO",
    "1/2",
]
PATHS = [
    "assay.csv",
    "library.smi",
    "fast.molmeta",
    "missing.csv",
    "folder",
    "empty.csv",
    "noise.molmeta",
    "new.csv",
    "new.parquet",
    "new.molmeta",
    "no/such/folder/new.csv",
    "..",
    "",
    "*.smi",
    "\x7f.csv",
]
# Of what an option takes by its type; text is read as a word of a list by many of them.
WORDS = [
    *TEXTS,
    "base",
    "fast",
    "cpu",
    "cuda",
    "greedy",
    "ucb",
    "mm_score",
    "evidence",
    "nM",
    "kinase",
    "0/2",
]


def commands() -> dict[str, Any]:
    """By name; what Typer makes of them has no public type."""
    group: Any = typer.main.get_command(app)
    return {name: one for name, one in group.commands.items() if name not in LEFT_OUT}


COMMANDS = commands()


def values(parameter: Any) -> list[str]:
    kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if kind in (int, float):
        return NUMBERS
    return PATHS if kind is Path or not parameter.opts[0].startswith("-") else [*WORDS, *PATHS, *NUMBERS]


@st.composite
def command_lines(draw: st.DrawFn, name: str) -> list[str]:
    """A command with up to five of its options, and some of its arguments."""
    parameters = [one for one in COMMANDS[name].params if one.name != "help"]
    arguments = [one for one in parameters if not one.opts[0].startswith("-")]
    options = [one for one in parameters if one.opts[0].startswith("-")]
    line = [name]
    for option in draw(st.lists(st.sampled_from(options), max_size=5)) if options else ():
        line.append(draw(st.sampled_from([*option.opts, *option.secondary_opts])))
        if not option.is_flag:
            line.append(draw(st.sampled_from(values(option))))
    for argument in arguments:
        # Mostly what makes sense, since nothing else is looked at where that is missing.
        fitting = {"assay": "assay.csv", "library": "library.smi", "model": "fast.molmeta"}.get(
            argument.name or ""
        )
        chosen = st.sampled_from(values(argument))
        if draw(st.integers(0, 3)):
            line.append(fitting or draw(chosen))
        elif draw(st.booleans()):
            line.append(draw(chosen))
    return line


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an assay, a library, a model, and things that look like them."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "assay.csv").write_text(ASSAY)
    (folder / "library.smi").write_text(LIBRARY)
    (folder / "empty.csv").write_text("")
    (folder / "noise.molmeta").write_bytes(bytes(range(256)) * 8)
    (folder / "folder").mkdir()
    molmeta.adapt(folder / "assay.csv", "fast", verdict=False, name="fast").save(folder / "fast.molmeta")
    return folder


@pytest.fixture
def copy(desk: Path, tmp_path: Path) -> Iterator[Path]:
    with chdir(tmp_path):
        yield desk


@pytest.mark.parametrize("name", COMMANDS)
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_an_answer_is_documented(
    name: str, copy: Path, capfd: pytest.CaptureFixture[str], data: st.DataObject
) -> None:
    line = data.draw(command_lines(name))
    fresh = Path("desk")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(copy, fresh)
    capfd.readouterr()
    with chdir(fresh), open(os.devnull) as nothing, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", nothing)
        with pytest.raises(SystemExit) as end:
            app(line)
    code: Any = end.value.code
    out, err = capfd.readouterr()
    assert (code or 0) in DOCUMENTED, (line, out[-500:], err[-2000:])
    assert "Traceback" not in out + err, (line, err[-2000:])
    # Whoever is refused is told why.
    assert code in (0, None) or err.strip(), line
