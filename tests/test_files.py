from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from molmeta.files import replacing


def test_two_writers_of_one_number_do_not_meet(tmp_path: Path) -> None:
    """Threads here: processes of two containers may have the same number, and share a disk."""
    out, both = tmp_path / "out", threading.Barrier(2)

    def write(letter: bytes) -> None:
        with replacing(out) as stream:
            both.wait()
            stream.write(letter * 10)
            stream.flush()
            both.wait()
            stream.write(letter * 10)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert out.read_bytes() in (b"a" * 20, b"b" * 20)
    assert os.listdir(tmp_path) == ["out"]


def test_what_breaks_off_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("old")

    def stop() -> None:
        with replacing(tmp_path / "out") as stream:
            stream.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert (tmp_path / "out").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]
