"""Assay files as instruments, databases and people write them, and what each must be read as.

The files are in tests/data/shapes; expected.toml there says what is in them. Nothing may be read wrongly: a
file that leaves open what is meant stops with the option that settles it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from molmeta.adaptation import adapt
from molmeta.checkpoint import load_checkpoint
from molmeta.data.assay import Assay
from molmeta.data.table import read_assay
from molmeta.errors import MolmetaError
from molmeta.learner import Learner

FOLDER = Path(__file__).parent / "shapes"


@dataclass(frozen=True)
class Shape:
    """A file and what it holds; `says` are words of the error without the options `give`."""

    file: str
    shape: str
    smiles: str
    label: str
    kind: str
    compounds: int
    values: dict[str, float]
    id: str | None = None
    unit: str | None = None
    decimal: str | None = None
    relations: dict[str, int] = field(default_factory=dict)
    unlabelled: list[int] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    says: list[str] = field(default_factory=list)
    says_note: str = ""
    give: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.file


SHAPES = [Shape(**shape) for shape in tomllib.loads((FOLDER / "expected.toml").read_text("utf-8"))["shape"]]
STOPPED = [shape for shape in SHAPES if shape.says]


@pytest.fixture(scope="module")
def learner() -> Learner:
    return load_checkpoint("fast")


def by_row(assay: Assay, row: int) -> tuple[float, int]:
    """Value and relation of the compound that a row became."""
    (at,) = [i for i, rows in enumerate(assay.replicates) if row in rows]
    return float(assay.values[at]), int(assay.relations[at])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_is_read_as_what_it_is(shape: Shape):
    assay = read_assay(FOLDER / shape.file, **shape.give)
    assert assay.ledger is not None
    columns = assay.ledger.convention.columns
    assert (columns.smiles, columns.label, columns.identifier) == (shape.smiles, shape.label, shape.id)
    assert (assay.target.kind, assay.target.unit) == (shape.kind, shape.unit)
    assert len(assay) == shape.compounds
    assert list(assay.unlabelled) == shape.unlabelled
    assert {str(one.row): one.reason for one in assay.rejected} == shape.rejected
    for row, value in shape.values.items():
        assert by_row(assay, int(row))[0] == pytest.approx(value, abs=1e-3), f"row {row}"
    censored = {str(rows[0]): int(r) for rows, r in zip(assay.replicates, assay.relations, strict=True) if r}
    assert censored == shape.relations
    if shape.decimal:
        assert assay.ledger.convention.decimal == shape.decimal
    assert shape.says_note in " ".join(assay.notes)


@pytest.mark.parametrize("shape", STOPPED, ids=str)
def test_what_is_open_is_asked(shape: Shape):
    with pytest.raises(MolmetaError) as caught:
        read_assay(FOLDER / shape.file)
    assert [word for word in shape.says if word not in str(caught.value)] == []
    assert any(f"--{option.replace('_', '-')}" in str(caught.value) for option in shape.give)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_model_of_it(shape: Shape, learner: Learner):
    predictor = adapt(read_assay(FOLDER / shape.file, **shape.give), learner, verdict=False, device="cpu")
    column = "mm_probability" if shape.kind == "classification" else "mm_value"
    found = predictor.predict(["CC(=O)Oc1ccccc1C(=O)O", "Nc1ccc(cc1)S(N)(=O)=O"])[column]
    assert found.notna().all()


def test_four_of_five_shapes_need_no_option():
    """Those that need one hold several measurements, or numbers that two people would read in two ways."""
    assert len(SHAPES) >= 65
    assert len(STOPPED) * 5 <= len(SHAPES)
    assert {path.name for path in FOLDER.iterdir()} == {"expected.toml", *(shape.file for shape in SHAPES)}
