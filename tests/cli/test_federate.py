"""What `molmeta federate` says where Flower is not installed; with it, tests/federated/test_network.py."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(find_spec("flwr") is not None, reason="Flower is installed")


@pytest.mark.parametrize(
    "command",
    [
        ("server", "plan.toml", "--insecure"),
        ("client", "plan.toml", "127.0.0.1:1", "--insecure"),
    ],
)
def test_without_flower_it_says_what_to_install(run: Any, command: tuple[str, ...]) -> None:
    done = run("federate", *command)
    assert done.code == 2
    assert "pip install -c constraints-federated.txt 'molmeta[federated]'" in " ".join(done.err.split())


@pytest.mark.parametrize("command", [(), ("server",), ("client",)])
def test_help_needs_no_flower(run: Any, command: tuple[str, ...]) -> None:
    done = run("federate", *command, "--help")
    assert done.code == 0
    assert "labs" in done.out
