"""The rules of the source tree: which way imports point, how long modules are, what is never called."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# A module imports only from its own package and from what stands before it. The shipped assays and models
# are folders of files, which need nothing but the errors.
ORDER = (
    "errors", "lazy", "wording", "files", "toml", "configuration", "stored", "tensorfile", "assays", "models",
    "units", "prediction", "threads", "plotting", "chem", "data", "encoders", "heads", "atlas",
    "conformity", "learner", "blueprint", "checkpoint", "bundle", "unbundle", "metrics", "crossvalidation",
    "calibration", "doctor", "domain", "resampling", "learningcurve", "verdict", "doubts", "ensemble",
    "adaptreport", "private", "recipe", "saving", "sheet", "drawing", "notebook", "predictor", "explain",
    "loading", "fitting", "adaptation", "updating", "zeroshot", "estimators", "scores", "evaluation",
    "summary", "scoring", "corpora", "training", "federated", "suggest", "pages", "report", "serve",
)  # fmt: skip
LIBRARY = sorted((ROOT / "molmeta").rglob("*.py"))
SHIPPED = sorted(
    file for top in ("molmeta", "cli", "assays", "models") for file in (ROOT / top).rglob("*.py")
)
UNSAFE_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "cloudpickle",
    "dill",
    "joblib",
    "shelve",
    "marshal",
    "yaml",
}
UNSAFE_BUILTINS = {"eval", "exec", "__import__"}
UNSAFE_CALLS = {"torch.load", "yaml.load", "os.system", "os.popen", "pandas.read_pickle", "pd.read_pickle"}


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of every absolute import, at any depth; `from a import b` gives a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def misdirected(tree: ast.AST, own: str) -> list[str]:
    """Imports of molmeta that do not point up the order, from a module of the part `own`."""
    allowed = {own, *ORDER[: ORDER.index(own)]}
    parts = [name.split(".") for name in imported(tree)]
    return [".".join(p) for p in parts if p[0] == "molmeta" and len(p) > 1 and p[1] not in allowed]


def relative(tree: ast.AST) -> list[int]:
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]


def unsafe(tree: ast.AST) -> list[str]:
    """Imports and calls that can run code found in a file or in a string."""
    found = [name for name in imported(tree) if name.split(".")[0] in UNSAFE_MODULES or name in UNSAFE_CALLS]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in UNSAFE_CALLS or called.removeprefix("builtins.") in UNSAFE_BUILTINS:
            found.append(called)
        for keyword in node.keywords:
            if (
                keyword.arg in {"shell", "allow_pickle"}
                and getattr(keyword.value, "value", True) is not False
            ):
                found.append(f"{called}({keyword.arg}=...)")
    return found


def too_long(text: str) -> bool:
    """Whether a module is over 250 lines and gives no reason ("long:" in a comment among its first 15)."""
    lines = text.splitlines()
    return len(lines) > 250 and not any("#" in line and "long:" in line for line in lines[:15])


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def part(file: Path) -> str:
    """Entry of the order that a module of the library belongs to: its top-level file or folder."""
    return file.relative_to(ROOT / "molmeta").with_suffix("").parts[0]


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("file", LIBRARY, ids=name)
def test_library_imports_point_up_the_list(file: Path):
    if part(file) == "__init__":
        assert not [p for p in imported(parse(file)) if p.startswith("molmeta.cli")]
    else:
        assert part(file) in ORDER, f"{name(file)} has no place in the order of imports"
        assert not misdirected(parse(file), part(file))


@pytest.mark.parametrize("file", LIBRARY, ids=name)
def test_library_imports_are_absolute(file: Path):
    assert not relative(parse(file))


@pytest.mark.parametrize("top", ["assays", "models"])
def test_shipped_folders_need_only_the_errors(top: str):
    for file in (ROOT / top).rglob("*.py"):
        assert not misdirected(parse(file), top), name(file)


def test_only_the_graph_encoder_imports_torch_geometric():
    users = {
        name(f) for f in SHIPPED if any(p.split(".")[0] == "torch_geometric" for p in imported(parse(f)))
    }
    assert users <= {"molmeta/encoders/gin.py"}


@pytest.mark.parametrize("file", SHIPPED, ids=name)
def test_nothing_runs_code_from_files(file: Path):
    assert not unsafe(parse(file))


@pytest.mark.parametrize("file", SHIPPED, ids=name)
def test_modules_are_short_or_say_why(file: Path):
    assert not too_long(file.read_text(encoding="utf-8"))


def test_nothing_is_called_utils():
    parts = {p.removesuffix(".py") for file in SHIPPED for p in file.relative_to(ROOT).parts}
    assert not parts & {"utils", "util", "helpers", "misc", "common"}


@pytest.mark.parametrize(
    ("own", "code"),
    [
        ("chem", "from molmeta.data.assay import Assay"),
        ("chem", "import molmeta.heads"),
        ("chem", "from molmeta import predictor"),
        ("chem", "def f():\n    from molmeta.cli import app"),
        ("report", "import molmeta.cli.app"),
    ],
)
def test_rule_sees_an_import_that_points_down(own: str, code: str):
    assert misdirected(ast.parse(code), own)


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "import yaml as y",
        "from torch import load",
        "torch.load('x')",
        "eval('1')",
        "builtins.exec('1')",
        "subprocess.run('ls', shell=True)",
        "np.load('x', allow_pickle=flag)",
    ],
)
def test_rule_sees_unsafe_code(code: str):
    assert unsafe(ast.parse(code))


@pytest.mark.parametrize("code", ["model.eval()", "run(shell=False)", "safetensors.torch.load(b)"])
def test_rule_lets_safe_code_pass(code: str):
    assert not unsafe(ast.parse(code))


def test_rule_wants_a_reason_for_length():
    assert too_long("x = 1\n" * 251)
    assert not too_long("x = 1\n" * 250)
    assert not too_long("# long: one table, read as a whole\n" + "x = 1\n" * 251)
