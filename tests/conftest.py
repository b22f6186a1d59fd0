"""Fixtures and rules of the whole suite."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Where tests run beside each other, each has one thread: together they would be slower with more.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same cases in each run, so that a change that is tested is what a failure is about; the benchmarks look
# for new ones (rows.py, fuzz.py), and so does `pytest --hypothesis-profile=default`.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")

# A shell has what it starts in the background ignore Ctrl-C, nohup has it ignore a hang-up, and children
# inherit that; some tests send these.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Skips that are to be expected somewhere; with MOLMETA_FAIL_ON_SKIP=1 any other one fails the run.
EXPECTED_SKIPS = ("FS-Mol tables are not beside the checkout", "needs Chromium")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or os.environ.get("MOLMETA_FAIL_ON_SKIP") != "1":
        return
    reporter.ensure_newline()
    for report in reporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(expected in reason for expected in EXPECTED_SKIPS):
            reporter.write_line(f"unexpected skip: {report.nodeid}: {reason}", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def run_block() -> Callable[[str, str, Path], str]:
    """Runs a block of a page in a folder, and gives all that it printed; a failure is that of the test."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

    def run(language: str, block: str, folder: Path) -> str:
        start = [sys.executable, "-c"] if language == "python" else ["bash", "-euo", "pipefail", "-c"]
        done = subprocess.run(
            [*start, block],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    return run
