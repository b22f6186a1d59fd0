"""What molmeta is made of, and what it asks of the world: nothing that runs code of files, no network."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch

from molmeta.checkpoint import save_checkpoint
from molmeta.learner import Learner
from tests.test_architecture import ROOT, SHIPPED, imported, name, parse, unsafe

BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))
CLIENTS = frozenset(
    {"aiohttp", "boto3", "botocore", "ftplib", "grpc", "http", "httpx", "huggingface_hub", "imaplib"}
    | {"mlflow", "nntplib", "opentelemetry", "paramiko", "poplib", "posthog", "requests", "segment"}
    | {"sentry_sdk", "smtplib", "socket", "socketserver", "ssl", "statsd", "telnetlib", "urllib", "urllib3"}
    | {"wandb", "webbrowser", "websocket", "websockets", "xmlrpc"}
)
# The service listens, `--engine ray` asks whether the cluster that was named is there, and a lab of a
# federation asks the server that its command names; nothing else knows of sockets. `urllib.parse` takes
# addresses apart.
MAY = {
    "molmeta/federated/flower/connection.py": {"httpx", "socket"},
    "molmeta/scoring/cluster.py": {"socket"},
    "molmeta/scoring/lock.py": {"socket"},  # the name of this machine
    "molmeta/serve/hosts.py": {"socket"},
    "molmeta/serve/listening.py": {"socket"},
}
_HARMLESS = re.compile(r"urllib\.parse\b|http\.HTTPStatus\b")
_ADDRESS = re.compile(r"\b(?:https?|ftp|wss?)://([\w.-]+)")
# Names of XML namespaces, which nobody asks.
_NAMESPACES = {"www.w3.org"}


def clients(tree: ast.AST) -> set[str]:
    """Modules of the network that a module imports."""
    found = {one for one in imported(tree) if not _HARMLESS.match(one)}
    return {one.split(".")[0] for one in found} & CLIENTS


def addresses(tree: ast.AST) -> Iterator[str]:
    """Hosts in the strings of a module, but for those of its docstrings."""
    said = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield from set(_ADDRESS.findall(node.value)) - _NAMESPACES


@pytest.mark.parametrize("file", SHIPPED, ids=name)
def test_nothing_imports_a_client_or_knows_an_address(file: Path) -> None:
    tree = parse(file)
    assert clients(tree) <= MAY.get(name(file), set())
    assert not list(addresses(tree))


@pytest.mark.parametrize("file", BENCHMARKS, ids=name)
def test_benchmarks_run_no_code_of_files_either(file: Path) -> None:
    assert not unsafe(parse(file))


@pytest.mark.parametrize("code", ["import urllib.request", "from http.client import x", "import requests"])
def test_the_rule_sees_clients(code: str) -> None:
    assert clients(ast.parse(code))


def test_the_rule_sees_addresses_and_lets_docstrings_pass() -> None:
    code = 'def f():\n    "See https://a.org"\n    return "https://b.org/x", "http://www.w3.org/2000/svg"'
    assert list(addresses(ast.parse(code))) == ["b.org"]
    assert not clients(ast.parse("from urllib.parse import quote"))


def test_exceptions_of_bandit_are_few_and_named() -> None:
    found = {
        (name(file), line.split("# nosec ")[1])
        for file in SHIPPED
        for line in file.read_text(encoding="utf-8").splitlines()
        if "# nosec" in line
    }
    assert found == {
        ("molmeta/corpora/staging.py", "B608"),  # names of tables are those of the module
        ("molmeta/drawing.py", "B405"),
        ("molmeta/drawing.py", "B314"),
        ("molmeta/pages/__init__.py", "B704"),
        ("molmeta/serve/hosts.py", "B104"),
        ("molmeta/serve/shown.py", "B704"),
    }


# Refuses the internet in every process that Python starts with it, and notes who asked. Sockets with a file
# for an address are those between processes.
_GUARD = """
import os, sys

def guard(event, given):
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"):
        asked = isinstance(given[1], tuple)
    else:
        asked = event.startswith(("socket.get", "urllib.", "ftplib.", "smtplib.", "webbrowser."))
        asked = asked and event != "socket.gethostname"
    if asked:
        with open(os.environ["ASKED"], "a") as stream:
            stream.write(f"{event} {given!r}\\n")
        raise OSError("no network here")

sys.addaudithook(guard)
"""
_COMMANDS = """
import json, sys
from molmeta.cli.app import app

for command in json.loads(sys.argv[1]):
    try:
        app(command)
    except SystemExit as end:
        if end.code not in (0, None):
            raise SystemExit(f"{command} ended with {end.code}")
"""


@pytest.fixture
def guarded(tmp_path: Path) -> dict[str, str]:
    """An environment in which Python refuses the internet."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(_GUARD)
    path = os.pathsep.join([str(tmp_path / "guard"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "ASKED": str(tmp_path / "asked")}


def test_the_guard_refuses(guarded: dict[str, str], tmp_path: Path) -> None:
    code = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/')"
    done = subprocess.run(
        [sys.executable, "-c", code], env=guarded, capture_output=True, text=True, check=False
    )
    assert "no network here" in done.stderr
    assert "urllib.Request" in (tmp_path / "asked").read_text()


def test_the_core_asks_for_no_network(guarded: dict[str, str], tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = {"name": "fingerprint", "width": 16, "depth": 1, "dim": 8}
    save_checkpoint(tmp_path / "model", Learner(encoder, {"evidence": {"dim": 8}}))
    table = pd.read_csv(ROOT / "assays" / "bbb.csv")
    table.iloc[:20].to_csv(tmp_path / "assay.csv", index=False)
    table.iloc[20:24].to_csv(tmp_path / "more.csv", index=False)
    (tmp_path / "library.smi").write_text("CCO a\nc1ccccc1O b\nnonsense c\n")
    model = ["--model", str(tmp_path / "model")]
    commands = [
        ["check", "assay.csv", *model],
        ["adapt", "assay.csv", *model, "-o", "a.molmeta", "--no-verdict"],
        ["score", "a.molmeta", "library.smi", "-o", "scores.csv", "--workers", "1"],
        ["suggest", "a.molmeta", "library.smi", "-n", "1", "-o", "next.csv", "--workers", "0"],
        ["explain", "a.molmeta", "CCO"],
        ["report", "a.molmeta", "library.smi", "-o", "a.html", "--workers", "0"],
        ["update", "a.molmeta", "more.csv"],
        ["models"],
    ]
    # Where the system has them, name spaces hold what a guard in Python cannot see.
    alone = ["unshare", "--map-root-user", "--net"]
    tried = subprocess.run([*alone, "true"], check=False) if shutil.which("unshare") else None
    able = tried is not None and tried.returncode == 0
    done = subprocess.run(
        [*(alone if able else []), sys.executable, "-c", _COMMANDS, json.dumps(commands)],
        env=guarded,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    asked = tmp_path / "asked"
    assert not asked.exists(), asked.read_text()
    assert {"a.molmeta", "scores.csv", "next.csv", "a.html"} <= {path.name for path in tmp_path.iterdir()}
