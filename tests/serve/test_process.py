"""`molmeta serve` as a process: it listens, answers, and ends as it is told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

COMMAND = [sys.executable, "-m", "molmeta.cli", "serve", "--model", "fast", "--port", "0", "--workers", "1"]


@contextmanager
def running(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A service, and what it says when it listens."""
    process = subprocess.Popen(
        [*COMMAND, "--json", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_it_answers_until_it_is_told_to_end(model_files: list[Path], sent: signal.Signals, code: int):
    with running(*model_files) as (process, said):
        assert set(said) == {"address", "api", "models"}
        assert said["models"] == [file.stem for file in model_files]
        found = httpx.post(
            f"{said['api']}/models/logp/rank", json={"candidates": ["CCCCO", "C1CC"]}, timeout=30
        )
        assert [one["text"] for one in found.json()["ranked"]] == ["CCCCO"]
        assert httpx.get(f"{said['address']}/", headers={"host": "evil.example"}).status_code == 421
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(sent)
        out, err = process.communicate(timeout=20)
        assert process.returncode == code
        assert out == ""
        assert "CCCCO" not in err
        assert "Traceback" not in err
        assert "POST /api/v1/models/{name}/rank 200" in err
    time.sleep(0.5)
    assert not [one for one in children if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
