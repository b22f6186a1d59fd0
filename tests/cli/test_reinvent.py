"""What REINVENT 4 asks of a program that scores (its component ExternalProcess), pinned.

The contract, from REINVENT's own code of 2025: it starts `executable args`, writes SMILES joined by line
breaks to stdin, parses all of stdout as JSON, takes `payload[property]` of each endpoint through
`numpy.array` for the scores, and all other names of the payload as notes, one a compound; a failure is nan.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import molmeta

SMILES = ["CC(C)CO", "C1CC", "CC(C)CN", "CC(C)CO", "c1cc[nH]c1CCO", "C1CC.C"]


@pytest.fixture
def ask(run: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    def ask(*arguments: object, smiles: str = "\n".join(SMILES)) -> Any:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(smiles.encode())))
        return run("score", *arguments, "--reinvent")

    return ask


@pytest.fixture(scope="module")
def values(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of values."""
    folder = tmp_path_factory.mktemp("values")
    rows = [f"{'C' * n}{end},{n * 0.7 - 2 * (end == 'O'):.2f}" for n in range(1, 9) for end in "OC"]
    (folder / "sizes.csv").write_text("\n".join(["smiles,logP", *rows]) + "\n")
    molmeta.adapt(folder / "sizes.csv", checkpoint, verdict=False).save(folder / "sizes.molmeta")
    return folder / "sizes.molmeta"


def scored(payload: dict[str, Any], name: str) -> np.ndarray:
    """What REINVENT makes of an endpoint."""
    return np.array(payload[name])


def test_one_line_with_one_score_a_line(ask: Any, model: Path):
    done = ask(model)
    assert done.code == 0
    assert done.err == ""
    assert done.out.count("\n") == 1
    assert done.out.endswith("\n")
    assert list(done.json) == ["version", "payload"]
    assert done.json["version"] == 1
    assert list(done.json["payload"]) == ["predictions"]
    scores = scored(done.json["payload"], "predictions")
    assert scores.dtype == np.float64  # null would make it an array of objects, which no transform takes
    assert np.isnan(scores).tolist() == [False, True, False, False, False, True]
    expected = molmeta.load(model).predict(SMILES)["mm_probability"]
    np.testing.assert_allclose(scores, expected.to_numpy(), rtol=1e-6)
    assert scores[0] == scores[3]


def test_nan_is_written_as_python_reads_it(ask: Any, model: Path):
    assert '"predictions": [0.' in (line := ask(model, smiles="CCO\nC1CC\n").out)
    assert line.rstrip().endswith(", NaN]}}")


def test_values(ask: Any, values: Path):
    scores = scored(ask(values).json["payload"], "predictions")
    expected = molmeta.load(values).predict(SMILES)["mm_value"]
    np.testing.assert_allclose(scores, expected.to_numpy(), rtol=1e-5)


def test_several_models_are_several_endpoints(ask: Any, model: Path, values: Path):
    payload = ask(model, values, "-").json["payload"]
    assert list(payload) == ["alcohols", "sizes"]
    np.testing.assert_allclose(
        payload["sizes"], molmeta.load(values).predict(SMILES)["mm_value"].to_numpy(), rtol=1e-5
    )


def test_columns_that_are_asked_for(ask: Any, model: Path):
    names = ["mm_status", "mm_probability", "mm_std", "mm_call", "mm_in_domain", "mm_nearest"]
    payload = ask(model, "--columns", ",".join(names)).json["payload"]
    assert list(payload) == names
    assert {len(entries) for entries in payload.values()} == {len(SMILES)}
    assert payload["mm_status"][:2] == ["ok", "invalid_smiles"]
    assert payload["mm_nearest"][1] == ""
    for name in names[1:-1]:
        assert np.isnan(scored(payload, name)).tolist() == [False, True, False, False, False, True]
    assert set(payload["mm_in_domain"]) - {payload["mm_in_domain"][1]} <= {
        0.0,
        1.0,
        payload["mm_in_domain"][5],
    }


def test_columns_of_several_models_are_prefixed(ask: Any, model: Path, values: Path):
    payload = ask(model, values, "--columns", "mm_score,mm_std").json["payload"]
    assert list(payload) == ["alcohols_mm_score", "alcohols_mm_std", "sizes_mm_score", "sizes_mm_std"]


@pytest.mark.parametrize(
    ("smiles", "n"), [("", 0), ("\n", 1), ("CCO", 1), ("CCO\r\n\r\nCCN\r\n", 3), ("CCO\n\n", 2)]
)
def test_an_entry_for_each_line(ask: Any, model: Path, smiles: str, n: int):
    assert len(ask(model, smiles=smiles).json["payload"]["predictions"]) == n


def test_a_line_is_a_structure_and_no_header(ask: Any, model: Path):
    found = scored(ask(model, smiles="smiles\nCCO name\nCC\u0421O\nCCO").json["payload"], "predictions")
    assert np.isnan(found).tolist() == [True, True, True, False]


def test_a_prevalence_moves_them(ask: Any, model: Path):
    own, rare = (
        ask(model, *more, smiles="CCO").json["payload"]["predictions"][0]
        for more in ((), ("--prevalence", "0.01"))
    )
    assert rare < own


@pytest.mark.parametrize(
    "more", [("-o", "x.csv"), ("--top", "3"), ("--json",), ("library.smi",), ("--resume",)]
)
def test_what_does_not_go_with_it_is_refused(ask: Any, model: Path, more: tuple[str, ...]):
    done = ask(model, *more)
    assert done.code == 2
    assert done.out == ""
    assert "wanted --reinvent alone" in done.err
    assert more[0].replace("-o", "--out") in done.err


def test_no_model_and_no_column(ask: Any, model: Path):
    assert ask().code == 2
    done = ask(model, "--columns", "mm_value")
    assert done.code == 2
    assert "no column mm_value" in done.err


def test_as_reinvent_starts_it(model: Path):
    """A process with an absolute path and no shell, whose stdout is read whole."""
    executable = shutil.which("molmeta", path=os.path.dirname(sys.executable))
    assert executable is not None
    done = subprocess.run(
        [os.path.abspath(executable), "score", str(model), "--reinvent"],
        input="\n".join(SMILES),
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(json.loads(done.stdout)["payload"]["predictions"]) == len(SMILES)
    assert done.stderr == ""
