from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from molmeta.data import identity
from molmeta.data.identity import fingerprint, identify


def test_the_bytes_of_a_file_count_and_nothing_else(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "lib.smi", tmp_path / "b" / "lib.smi"
    first.parent.mkdir()
    second.parent.mkdir()
    first.write_text("CCO\nCCC\nCCN\n")
    shutil.copyfile(first, second)
    os.utime(second, (1, 1))
    assert identify([first]) == identify([str(second)])
    second.write_text("CCO\nCCF\nCCN\n")
    assert identify([first]) != identify([second])
    assert identify([first]) != identify([first, first])


@pytest.mark.parametrize(("at", "seen"), [(0, True), (99, True), (-100, True), (-1, True), (500, False)])
def test_of_a_large_file_both_ends_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, seen: bool
) -> None:
    monkeypatch.setattr(identity, "WHOLE", 999)
    monkeypatch.setattr(identity, "END", 100)
    content = bytearray(range(250)) * 4
    path = tmp_path / "lib.smi"
    path.write_bytes(content)
    before = fingerprint(path)
    content[at] ^= 1
    path.write_bytes(content)
    assert (fingerprint(path) != before) is seen
    path.write_bytes(content[:500] + b"x" + content[500:])
    assert fingerprint(path) != before


def test_frames_count_by_their_cells() -> None:
    frame = pd.DataFrame({"smiles": ["CCO", "CCC"]})
    assert identify([frame]) == identify([frame.copy()])
    assert identify([frame]) != identify([frame[::-1]])
