"""What a run that does not fit is told."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from molmeta.data.library import read_library
from molmeta.predictor import Predictor
from molmeta.scoring.changes import changes
from molmeta.scoring.manifest import Manifest
from molmeta.scoring.models import Models


@pytest.fixture
def manifest(models: list[Predictor], tmp_path: Path) -> dict[str, Any]:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("id,smiles\n1,CCO\n")
    library = read_library([tmp_path / "a.csv", tmp_path / "b.csv"])
    return Manifest.of(library, Models([models[0]]), None, 1).identified(library)


def test_the_device_and_the_versions_are_in_it(manifest: dict[str, Any]) -> None:
    assert manifest["device"] == "cpu"
    assert {"molmeta", "torch", "rdkit"} <= set(manifest["versions"])


def test_nothing_is_said_where_nothing_differs(manifest: dict[str, Any]) -> None:
    assert changes(manifest, dict(manifest)) == ""


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("device", "cuda", "another --device (cpu, now cuda)"),
        ("chunk", 32, "another number of rows in a chunk (4096, now 32)"),
        ("top", 5, "another --top (all, now 5)"),
        ("smiles_column", 0, "another column of structures (smiles, now id)"),
        ("header", ["id", "smiles", "mw"], "other columns in the library (now with mw)"),
        ("screened", "0.1 by bbb " + "a" * 64, "another --cascade (none, now 0.1 by bbb aaaaaaaa)"),
        ("models", ["bbb", "logp"], "1 model, now 2"),
    ],
)
def test_each_change_is_said(manifest: dict[str, Any], name: str, value: object, said: str) -> None:
    assert changes(manifest, {**manifest, name: value}) == said


def test_versions_are_named(manifest: dict[str, Any]) -> None:
    old = {**manifest["versions"], "torch": "1.0"}
    found = changes({**manifest, "versions": old}, manifest)
    assert found == f"other versions (torch 1.0, now {manifest['versions']['torch']})"


def test_files_are_named(manifest: dict[str, Any]) -> None:
    first, second = manifest["input"]
    in_turn = {**manifest, "input": [second, first]}
    assert changes(manifest, in_turn) == "the files of the library in another order"
    assert changes({**manifest, "input": [first]}, manifest) == "other files of the library (now with b.csv)"
    longer = {**manifest, "input": [first, {**second, "bytes": 18, "sha256": "0" * 64}]}
    assert changes(manifest, longer) == "another library (b.csv had 16 bytes, now 18)"


def test_a_manifest_of_another_form_differs(manifest: dict[str, Any]) -> None:
    fields = asdict(Manifest.from_json(manifest))
    assert "another input" in changes(fields, manifest)
    assert "other files" in changes({**manifest, "input": ["a.csv 16 bytes 1 ab"]}, manifest)
