"""Fixtures and rules of the whole suite."""

from __future__ import annotations

import os
from typing import Any

import pytest

# Skips that are to be expected somewhere; with MOLMETA_FAIL_ON_SKIP=1 any other one fails the run.
EXPECTED_SKIPS = ("FS-Mol tables are not beside the checkout",)


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
