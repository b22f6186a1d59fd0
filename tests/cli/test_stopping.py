"""A command that is told to end: within seconds, quietly, and with its last words, whatever it is doing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A step that no signal of Python's reaches before it is over: minutes in C, without the interpreter's lock.
DEAF = "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)"
SWALLOWED = """
class Swallows:
    def __del__(self):
        print('here', flush=True)
        time.sleep(30)
Swallows()
time.sleep(30)
"""
PROGRAM = """
import hashlib, os, signal, sys, time
from molmeta.cli import stopping

signal.signal(signal.SIGINT, signal.default_int_handler)
{before}
stopping.unheard()
stopping._PATIENCE, stopping._AT_ONCE = 1.0, 0.1
stopping.within_seconds()
with stopping.unwinding(), stopping.last_words(lambda: print('to go on: --resume', flush=True)):
    try:
        {work}
    except KeyboardInterrupt:
        raise SystemExit(130)
"""


def begun(work: str, before: str = "") -> subprocess.Popen[str]:
    """A command that has begun its work."""
    text = PROGRAM.format(work=work.strip().replace("\n", "\n        "), before=before)
    process = subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


@pytest.mark.parametrize(
    ("work", "sent", "code"),
    [
        ("print('here', flush=True); time.sleep(60)", "SIGINT", 130),
        ("print('here', flush=True); time.sleep(60)", "SIGHUP", 129),
        (f"print('here', flush=True); {DEAF}", "SIGTERM", 143),
        (SWALLOWED, "SIGINT", 130),
    ],
    ids=["asleep", "hang-up", "deaf", "swallowed"],
)
def test_a_command_ends_in_time_and_says_how_it_goes_on(work: str, sent: str, code: int) -> None:
    process = begun(work)
    told = time.monotonic()
    process.send_signal(getattr(signal, sent))
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - told < 5
    assert (process.returncode, out, err) == (code, "to go on: --resume\n", "")


def test_a_second_ctrl_c_ends_it_at_once() -> None:
    process = begun(f"stopping._PATIENCE = 60; print('here', flush=True); {DEAF}")
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    told = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - told < 5
    assert (process.returncode, out, err) == (130, "to go on: --resume\n", "")


def test_what_is_put_away_is_not_broken_off_by_a_second_signal() -> None:
    work = """
try:
    print('here', flush=True)
    time.sleep(60)
finally:
    os.kill(os.getpid(), signal.SIGINT)
    print('put away', flush=True)
"""
    process = begun(work)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "put away\nto go on: --resume\n")


def test_signals_that_are_ignored_stay_so() -> None:
    """Under nohup, a run outlives its terminal."""
    before = "signal.signal(signal.SIGHUP, signal.SIG_IGN); signal.signal(signal.SIGINT, signal.SIG_IGN)"
    process = begun("print('here', flush=True); time.sleep(1)", before)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_signal_to_a_child_is_none_to_the_command() -> None:
    work = """
child = os.fork()
if child == 0:
    time.sleep(60)
print('here', flush=True)
time.sleep(0.2)
os.kill(child, signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
time.sleep(1.5)
"""
    process = begun(work)
    out, err = process.communicate(timeout=30)
    # The child speaks its last words too.
    assert (process.returncode, set(out.split("\n")), err) == (0, {"to go on: --resume", "143", ""}, "")


def test_an_interrupt_before_anything_is_done_is_quiet() -> None:
    text = (
        "import os, signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from molmeta.cli import stopping\nstopping.unheard()\nos.kill(os.getpid(), signal.SIGINT)"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_the_script_is_the_process() -> None:
    with (ROOT / "pyproject.toml").open("rb") as stream:
        scripts = tomllib.load(stream)["project"]["scripts"]
    assert scripts == {"molmeta": "molmeta.cli.__main__:main"}
