"""What a machine lacks is one line and exit code 6, also where the line has to go somewhere else."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from .test_app import molmeta


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/m.molmeta"), "/data/m.molmeta cannot be"),
        (OSError(errno.EMFILE, "Too many open files"), "the output cannot be written (Too many open files)"),
        (MemoryError(), "the memory is full"),
        (MemoryError("Unable to allocate 9 GiB"), "the memory is full (Unable to allocate 9 GiB)"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "the memory is full"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "the memory is full"),
        (
            torch.OutOfMemoryError("CUDA out of memory.\nmore"),
            "device has no memory left (CUDA out of memory.)",
        ),
        (
            torch.AcceleratorError("CUDA error: device lost\nmore"),
            "the device failed (CUDA error: device lost)",
        ),
    ],
    ids=str,
)
def test_what_is_exhausted_is_said(run, monkeypatch, raised: Exception, says: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr("molmeta.data.table.read_assay", fail)
    done = run("check", "x.csv")
    assert done.code == 6
    assert done.err.startswith("molmeta: ")
    assert says in done.err
    assert done.err.count("\n") == 1


def test_an_error_is_said_without_rich_where_there_is_no_room_for_it(run, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("molmeta.cli.render._console", full)
    monkeypatch.setattr("molmeta.data.table.read_assay", full)
    done = run("check", "x.csv")
    assert (done.code, done.err) == (
        6,
        "molmeta: the memory is full (no more); free some, or use fewer --workers\n",
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_a_full_disk_behind_stdout_is_said(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            molmeta(*arguments), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 6
    assert done.stderr == (
        "molmeta: the output cannot be written (No space left on device); make room and try again\n"
    )


def test_streams_that_a_daemon_closed_are_not_missed(tmp_path: Path) -> None:
    """Nothing that is printed lands in a file that got the number of a closed stream."""
    text = (
        "import os, sys\nfrom molmeta.cli.__main__ import open_streams\nopen_streams()\n"
        "out = open('out.csv', 'w')\nprint('lost')\nprint('lost', file=sys.stderr)\n"
        "os.write(1, b'lost')\nos.write(2, b'lost')\n"
        "out.write(repr((out.fileno() > 2, sys.stdin.read())))\n"
    )
    command = f'exec "{sys.executable}" -c "$0" <&- >&- 2>&-'
    done = subprocess.run(["/bin/sh", "-c", command, text], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert (tmp_path / "out.csv").read_text() == "(True, '')"


def test_letters_that_a_locale_lacks_are_shown_as_escapes(tmp_path: Path) -> None:
    text = (
        "from molmeta.cli.__main__ import open_streams\nfrom molmeta.cli import render\nopen_streams()\n"
        "render.line('IC50 \\xb5M \\udcff')\nrender.json_object({'unit': '\\xb5M'})\n"
    )
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    done = subprocess.run([sys.executable, "-c", text], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ('IC50 \\xb5M \\udcff\n{\n "unit": "\\u00b5M"\n}\n', "")


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = 'cd "$0" && rmdir "$0" && exec "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", command, gone, *molmeta("check", "x.csv")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.startswith("molmeta: the current folder is gone")
