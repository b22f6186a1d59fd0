from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import molmeta
from molmeta.calibration import Outcome
from molmeta.data.support import Support
from molmeta.doubts import MOST, RARE, doubt
from molmeta.units import Kind, Target

ROOT = Path(__file__).parents[1]


def support(values: list[float], kind: Kind, relations: list[int] | None = None) -> Support:
    n = len(values)
    names = tuple(f"m{i}" for i in range(n))
    rows = tuple((i + 1,) for i in range(n))
    smiles = tuple("C" * (i + 1) for i in range(n))
    return Support(Target("y", kind), smiles, tuple(values), tuple(relations or [0] * n), names, rows)


def outcome(value: list[float], std: float = 1.0) -> Outcome:
    x = np.array(value)
    every = np.ones(len(x), dtype=bool)
    return Outcome(x, x, np.full(len(x), std), x, x, x, every, every)


def test_an_unlikely_class_is_doubted_and_a_likely_one_is_not():
    found = doubt(outcome([0.96, 0.05, 0.9, 0.4]), support([0.0, 1.0, 1.0, 1.0], "classification"))
    assert [one.name for one in found.named] == ["m0", "m1"]
    assert [one.chance for one in found.named] == pytest.approx([0.04, 0.05])
    assert found.expected == pytest.approx(0.04 + 0.05 + 0.1)
    assert found.named[0].rows == (1,)


def test_a_value_is_doubted_by_its_distance_and_a_bound_by_its_side():
    relations = [0, 0, -1, -1, 1, 1]
    data = support([9.0, 5.5, 3.0, 9.0, 3.0, 9.0], "regression", relations)
    found = doubt(outcome([5.0] * 6, std=1.0), data)
    # "< 3" and "> 9" contradict a 5; "< 9" and "> 3" do not.
    assert {one.name for one in found.named} == {"m0", "m2", "m5"}
    assert found.found == 3
    assert found.expected == pytest.approx(6 * RARE["regression"])


def test_of_many_only_the_least_likely_are_named():
    n = 3 * MOST
    found = doubt(outcome([0.0] * n), support([3.0 + 0.01 * i for i in range(n)], "regression"))
    assert found.found == n
    assert [one.name for one in found.named] == [f"m{i}" for i in range(n - 1, n - 1 - MOST, -1)]


def test_a_label_that_was_exchanged_is_found_by_adapting():
    assay = molmeta.read_assay(ROOT / "assays" / "logp.csv")
    least = int(np.argmin(assay.values))
    values = assay.values.copy()
    values[least] = assay.values.max()
    predictor = molmeta.adapt(replace(assay, values=values, ledger=None), "fast", verdict=False, device="cpu")
    assert predictor.report.doubts is not None
    assert assay.molecules[least].smiles in {one.smiles for one in predictor.report.doubts.named}
