"""`molmeta serve`: what it cannot serve. What it can is in tests/serve."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest


def test_what_cannot_be_served_is_said(run, tmp_path: Path, model: Path):
    found = run("serve", tmp_path / "none.molmeta")
    assert (found.code, "none.molmeta" in found.err) == (3, True)
    found = run("serve", model, model)
    assert (found.code, "both called alcohols" in found.err) == (2, True)
    found = run("serve", "--model", "nothing", "--port", 0)
    assert (found.code, "no model 'nothing'" in found.err) == (3, True)
    assert len(found.err.splitlines()) == 1
    found = run("serve", "--seconds", 0)
    assert (found.code, "seconds = 0" in found.err) == (2, True)


def test_a_port_that_is_taken_is_said(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = run("serve", "--port", taken.getsockname()[1])
    assert (found.code, "--port" in found.err) == (6, True)
    found = run("serve", "--host", "203.0.113.1", "--port", 0)
    assert (found.code, "--host" in found.err) == (6, True)


@pytest.mark.parametrize("package", ["fastapi", "jinja2", "python_multipart", "uvicorn"])
def test_missing_packages_are_named(run, monkeypatch: pytest.MonkeyPatch, package: str):
    monkeypatch.setitem(sys.modules, package, None)
    found = run("serve")
    assert found.code == 2
    assert "pip install 'molmeta[serve]'" in found.err
