from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from molmeta.cli import app as application
from molmeta.errors import ConfigError, InputError, RefusedError, ResourceError

HEAVY = ("torch", "torch_geometric", "rdkit", "pandas", "numpy", "sklearn", "pyarrow", "optuna")


def molmeta(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "molmeta.cli", *arguments]


@pytest.mark.parametrize(
    "command",
    [
        [],
        *(
            [name]
            for name in (
                "check",
                "adapt",
                "update",
                "score",
                "explain",
                "evaluate",
                "train",
                "tune",
                "models",
            )
        ),
    ],
)
def test_help_is_printed(run, command):
    done = run(*command, "--help")
    assert done.code == 0
    assert "Usage: " in done.out
    assert done.err == ""


def test_help_is_quick_and_loads_nothing_heavy():
    program = (
        "import sys, json\nfrom molmeta.cli.app import app\n"
        "try: app(['--help'])\n"
        f"except SystemExit: print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    )
    # Processor time, which does not depend on what else the machine does; idle, it is the time on the clock.
    before = os.times()
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    after = os.times()
    spent = after.children_user - before.children_user + after.children_system - before.children_system
    assert json.loads(done.stdout.splitlines()[-1]) == []
    assert spent < 0.5


def test_version(run):
    done = run("--version")
    assert done.code == 0
    assert done.out.startswith("molmeta ")


@pytest.mark.parametrize("arguments", [["--nonsense"], ["check", "--nonsense"], ["nonsense"], ["score"]])
def test_usage_ends_with_2(run, arguments):
    done = run(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert done.err != ""


@pytest.mark.parametrize("kind", [InputError, ConfigError, RefusedError, ResourceError])
def test_own_errors_are_one_line_and_their_exit_code(run, monkeypatch, kind):
    def fail(*_: object, **__: object) -> None:
        raise kind("row 3 holds\n'c1cc[nH]c1 [bold]'\x1b[31m")

    monkeypatch.setattr("molmeta.data.table.read_assay", fail)
    done = run("check", "x.csv")
    assert done.code == kind.exit_code
    assert done.err == "molmeta: row 3 holds 'c1cc[nH]c1 [bold]'\\x1b[31m\n"
    assert done.out == ""


def test_other_errors_are_bugs_with_a_traceback(tmp_path):
    program = (
        "import molmeta.data.table as t\nfrom molmeta.cli.app import app\n"
        "def fail(*_, **__): raise ZeroDivisionError('a bug')\n"
        "t.read_assay = fail\napp(['check', 'x.csv'])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "a bug" in done.stderr


def test_interrupt_ends_with_130(run, monkeypatch):
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("molmeta.data.table.read_assay", stop)
    assert run("check", "x.csv").code == 130


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of POSIX")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_unwinds_and_the_handlers_come_back(run, monkeypatch, name, code):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    unwound = []

    def work(*_: object, **__: object) -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(10)
        finally:
            unwound.append(True)

    monkeypatch.setattr("molmeta.data.table.read_assay", work)
    assert run("check", "x.csv").code == code
    assert unwound == [True]
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("arguments", [["check", "--json"], ["check"], ["--help"]])
def test_a_closed_pipe_is_silence(assay: Path, arguments: list[str]):
    read, write = os.pipe()
    os.close(read)
    command = molmeta(*arguments, *([str(assay)] if "check" in arguments else []))
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_has_json():
    commands = [command.callback for command in application.app.registered_commands]
    assert len(commands) == 13
    assert all("json" in command.__annotations__ for command in commands)
