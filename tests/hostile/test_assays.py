# ruff: noqa: E501 (one file a line)
"""Items 21 to 35 of docs/reliability.md: labels and assays that cannot be, or cannot be meant so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from molmeta.adaptation import adapt
from molmeta.cli.app import app
from molmeta.data.assay import Assay
from molmeta.data.table import read_assay
from molmeta.errors import InputError, NotEnoughData
from molmeta.estimators import FewShotClassifier, FewShotRegressor
from molmeta.heads.linalg import cholesky
from molmeta.learner import Learner
from molmeta.updating import update

SMILES = ["CCO", "CCCCN", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C)C(=O)N2C", "OC(=O)c1ccccc1",
          "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "CC(=O)Nc1ccc(O)cc1", "NCCc1ccc(O)c(O)c1", "C1CCNCC1"]  # fmt: skip
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def learner() -> Learner:
    torch.manual_seed(0)
    return Learner(
        {"name": "fingerprint", "width": 32, "depth": 1, "dim": 16}, {"evidence": {"dim": 16}}
    ).eval()


@pytest.fixture
def molmeta(capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            app([str(argument) for argument in arguments])
        return int(end.value.code or 0), *capfd.readouterr()

    return call


def written(folder: Path, header: str, cells: list[str], name: str = "a.csv") -> Path:
    path = folder / name
    rows = [f"{smiles},{cell}" for smiles, cell in zip(SMILES, cells, strict=False)]
    path.write_text("\n".join([f"smiles,{header}", *rows]) + "\n", encoding="utf-8")
    return path


def read(folder: Path, header: str, cells: list[str], **options: Any) -> Assay:
    return read_assay(written(folder, header, cells), **options)


def refused(assay: Assay) -> dict[int, str]:
    """Why rows are rejected; each reason names the line."""
    assert all(f"(line {one.row + 1})" in one.detail for one in assay.rejected)
    return {one.row: one.detail.partition("is refused: ")[2] for one in assay.rejected}


STOPS = [
    pytest.param("pIC50", ["5.1"], "1 labelled compound of 1 row; wanted at least 2", id="21-one"),
    pytest.param("pIC50", [], "no rows", id="21-none"),
    pytest.param("active", ["1", "1", "1"], "3 actives and 0 inactives", id="21-actives"),
    pytest.param("active", ["no", "no", "no"], "3 inactives and 0 actives", id="21-inactives"),
    pytest.param("active,pIC50", ["0,4.1", "0,5.5", "0,6"], "labels might also be 'pIC50'; --label-column", id="21-values"),
    pytest.param("pIC50", ["5", "5", "5"], "the same value 5 for all 3", id="21-equal"),
    pytest.param("score", ["10004", "10005", "10007"], "less than a thousandth", id="21-alike"),
    pytest.param("score", ["1e-12", "2e-12", "3e-12"], "another unit", id="21-tiny"),
    pytest.param("logD", ["inf", "inf", "5"], "2 of its 3 cells are none, such as 'inf'", id="24-most"),
    pytest.param("pIC50", ["", "NA", "n.d."], "all its cells say 'NA'", id="23-all"),
    pytest.param("logD", ['"1,5"', "1.5", "2.5"], "--decimal", id="25-both"),
    pytest.param("EC50 (nM)", ['"1,250"', '"2,500"', "12"], "--decimal", id="25-comma"),
    pytest.param("EC50 (nM)", ["1.250", "875", "12"], "--decimal", id="25-dot"),
    pytest.param("IC50 (nM)", ["5 nM", "6 uM", "7"], "mixes units", id="26-cells"),
    pytest.param("pIC50", ["5.1", "6.6", "350"], "looks like a concentration", id="26-p"),
    pytest.param("value,unit", ["5,nM", "6,uM", "7.1,pIC50"], "1 row in pIC50", id="26-column"),
    pytest.param("value,unit", ["5,nM", "6,uM", "7,"], "1 row in no unit", id="26-blank"),
    pytest.param("IC50", ["5", "60", "700"], "without a unit; give --unit", id="26-none"),
    pytest.param("IC50 (nM)", ["0", "1", "1"], "only 0 and 1", id="28-potency"),
    pytest.param("probability", ["0", "1", "1"], "--active-if '>= 1'", id="28-share"),
    pytest.param("fu", ["0", "1", "0"], "called a share", id="28-fu"),
    pytest.param("outcome", ["active", "inactive", "partial"], "'partial'", id="28-third"),
    pytest.param("outcome", ["active", "inactive", "active", "7"], "'7'", id="28-number"),
    pytest.param("class", ["0", "1", "2"], "only the numbers 0, 1, 2", id="28-three"),
    pytest.param("class", ["1", "2", "1"], "--active-if", id="28-two"),
    pytest.param("activity", ["+", "++", "-"], "--active-if '>= 2'", id="28-grades"),
    pytest.param("IC50 (nM)", [">10000", ">10000", ">30000"], "only bounds", id="34-bounds"),
    pytest.param("IC50 (nM),relation", ["10000,>", "10000,>", "30000,>"], "only bounds", id="34-column"),
]  # fmt: skip


@pytest.mark.parametrize(("header", "cells", "said"), STOPS)
def test_adapt_stops_with_a_sentence(header: str, cells: list[str], said: str, molmeta: Run, tmp_path: Path):
    path = written(tmp_path, header, cells)
    code, out, err = molmeta("adapt", path, "-o", tmp_path / "a.molmeta")
    assert (code, out) == (3, "")
    assert said in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError) as caught:
        read_assay(path)
    assert str(caught.value) in err


@pytest.mark.parametrize("command", ["adapt", "check"])
def test_refused_rows_are_named_with_their_line(
    command: str, molmeta: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, "pIC50", ["5.1", "inf", "6", "7.5"])
    code, out, _ = molmeta(command, path, *(["--no-model"] if command == "check" else ["--model", "fast"]))
    assert code == 0
    assert "row 2 (line 3): value 'inf' in column 'pIC50' is refused: it is not a finite number" in out


@pytest.mark.parametrize("n", [2, 3])
def test_two_compounds_work_and_say_how_little_that_is(n: int, learner: Learner):
    frame = pd.DataFrame({"smiles": SMILES[:n], "pIC50": [5.0, 7.0, 6.2][:n]})
    found = adapt(frame, learner, device="cpu")
    assert any(warning.startswith("low_evidence") for warning in found.report.warnings)
    assert found.report.verdict is not None
    assert "cross-validation" in found.report.verdict.sentence
    predicted = found.predict(SMILES[5:])
    assert np.isfinite(predicted[["mm_value", "mm_std"]].to_numpy(float)).all()


@pytest.mark.parametrize(
    "blank", ["", "NaN", "N/A", "n.d.", "not tested", ".a", "–", "(null)", "#N/A", "pending"]
)
def test_blank_labels_are_counted(blank: str, tmp_path: Path):
    assay = read(tmp_path, "pIC50", ["5.1", blank, "6.3", blank])
    assert assay.unlabelled == (2, 4)
    assert len(assay) == 2
    assert "2 rows have a structure and no label" in assay.notes


@pytest.mark.parametrize(
    ("cell", "why"),
    [("inf", "finite"), ("-Infinity", "finite"), ("1e400", "finite"), ("1e-400", "too small"), ("abc", "neither"),
     ("Jan-05", "date"), ("05.01", "date"), ("1/2", "date"), ("0x1F", "unit"), ("1_000", "unit"), ("5*", "unit"),
     ("active", "class"), ("++", "grade"), ("9" * 400, "too long"), ("-999", "missing value"), ("1e30", "missing value")],
)  # fmt: skip
def test_what_is_no_number_is_refused_by_row(cell: str, why: str, tmp_path: Path):
    assay = read(tmp_path, "logD", ["1.2", cell, "2.5", "3.1"])
    assert list(refused(assay)) == [2]
    assert why in refused(assay)[2]
    assert assay.values.tolist() == [1.2, 2.5, 3.1]


def test_codes_of_missing_values_are_told_from_values(tmp_path: Path):
    assert not read(tmp_path, "score", ["-999", "-700", "-850"]).rejected
    assert not read(tmp_path, "score", ["999", "25", "90"]).rejected
    assert refused(read(tmp_path, "score", ["9999", "2.5", "9"])).keys() == {1}
    assert not read(tmp_path, "IC50 (nM)", ["9999", "2.5", "9"]).rejected
    assert (
        refused(read(tmp_path, "IC50 (nM)", ["-999", "2.5", "9"]))[1]
        == "it looks like a code for a missing value: no other is near it"
    )


@pytest.mark.parametrize("cell", ["0", "-5", "0.0", "<0", "-0"])
def test_no_concentration_is_zero_or_less(cell: str, tmp_path: Path):
    assay = read(tmp_path, "IC50 (nM)", ["10", cell, "200"])
    assert refused(assay) == {2: "a concentration must be above zero"}
    assert np.isfinite(assay.values).all()


def test_each_row_with_its_own_concentration_is_converted(tmp_path: Path, learner: Learner):
    assay = read(tmp_path, "IC50,unit", ["5,nM", "6,uM", "0.7,mM", "80,nM"])
    np.testing.assert_allclose(assay.values, [8.301, 5.222, 3.155, 7.097], atol=1e-3)
    assert sum("converted to nM" in note for note in assay.notes) == 2
    # Rows that state none, where the earlier ones each stated theirs, are not taken for the commonest.
    model = adapt(assay, learner, verdict=False)
    bare = pd.DataFrame({"smiles": ["CCBr"], "IC50": ["5"]})
    with pytest.raises(InputError, match="give --unit"):
        update(model, bare)
    assert update(model, bare, unit="nM").support.values[-1] == pytest.approx(8.301, abs=1e-3)


@pytest.mark.parametrize(
    ("cells", "values"),
    [(["0", "1", "1"], [0, 1, 1]), (["-1", "1", "1"], [0, 1, 1]), (["1.0", "0.0", "1.0"], [1, 0, 1]),
     (["True", "False", "TRUE"], [1, 0, 1]), (["yes", "NO", "Y"], [1, 0, 1]), (["active", "Inactive", "Inconclusive"], [1, 0]),
     (["+", "-", "+"], [1, 0, 1]), (["+", "–", "nt"], [1, 0]), (["active", "inactive", "1", "0"], [1, 0, 1, 0]),
     (["Active", "Not Active", "Unspecified"], [1, 0]), (["aktiv", "inaktiv", "n.b."], [1, 0])],
)  # fmt: skip
def test_classes_are_mapped_and_printed(cells: list[str], values: list[int], tmp_path: Path):
    assay = read(tmp_path, "result", cells)
    assert (assay.target.kind, assay.values.tolist()) == ("classification", values)
    assert any(f"read as classes: {sum(values)} active" in note for note in assay.notes)


def test_shares_and_grades_become_classes_by_a_rule(tmp_path: Path):
    assert read(tmp_path, "probability", ["0", "1", "1"], active_if=">= 1").values.tolist() == [0, 1, 1]
    graded = read(tmp_path, "activity", ["+++", "-", "+", "++"], active_if=">= 2")
    assert graded.values.tolist() == [1, 0, 0, 1]


def test_a_bound_is_no_class(tmp_path: Path):
    assert refused(read(tmp_path, "activity", ["0", ">1", "1", "0"])) == {2: "a class is no bound"}


@pytest.mark.parametrize(
    ("cells", "relations", "lost"),
    [
        (["10,>", "20,=", "30,"], [-1, 0, 0], {}),
        (["10,gt", "20,NaN", "30,less than"], [-1, 0, 1], {}),
        (["10,>", "20,foo", "30,="], [-1, 0], {2: "its sign 'foo' is not known"}),
        ([">10,<", "20,=", "30,="], [0, 0], {1: "its sign is >, but the column of signs says <"}),
        (["5-10,>", "20,=", "30,="], [0, 0], {1: "the column of signs says > of it"}),
    ],
)  # fmt: skip
def test_signs_are_never_dropped(
    cells: list[str], relations: list[int], lost: dict[int, str], tmp_path: Path
):
    assay = read(tmp_path, "IC50 (nM),relation", cells)
    assert assay.relations.tolist() == relations
    assert refused(assay) == lost


def test_a_unit_in_the_cell_and_another_beside_it_are_refused(tmp_path: Path):
    assay = read(tmp_path, "Ki,unit", ["5 uM,nM", "6 nM,nM", "7,nM", "8,nM"])
    assert refused(assay) == {1: "its unit is uM, but the column of units says nM"}


def test_a_rule_that_leaves_one_class_says_so(tmp_path: Path):
    with pytest.raises(NotEnoughData, match="give another --active-if, or leave it out"):
        read(tmp_path, "pIC50", ["5", "6", "7"], active_if=">= 4")


def test_signs_in_a_column_of_any_name(tmp_path: Path):
    assert read(tmp_path, "op,IC50 (nM)", [">,10", "=,20", "<,30"]).relations.tolist() == [-1, 0, 1]
    assert read(tmp_path, "IC50 (nM),X1", ["10,>", "20,", "30,<"]).relations.tolist() == [-1, 0, 1]
    apart = read(
        tmp_path,
        "IC50 (nM),year,op,Ki (nM)",
        ["10,2020,>,1", "20,2020,,2", "30,2020,<,5"],
        label_column="IC50 (nM)",
    )
    assert not apart.relations.any()
    assert any("'op' holds signs such as '>' that are not used" in note for note in apart.notes)


def merged(folder: Path, *rows: tuple[str, str]) -> Assay:
    path = folder / "m.csv"
    path.write_text(
        "smiles,pIC50\nCCCCC,4\nCCCCCC,9\n" + "".join(f"{smiles},{cell}\n" for smiles, cell in rows)
    )
    return read_assay(path)


@pytest.mark.parametrize(
    ("cells", "value", "relation", "note"),
    [
        (["6.0", "6.4"], 6.2, 0, "2 rows are replicates"),
        (["6.0", ">6.4"], 6.2, 0, "1 bound beside exact values that contradict it"),
        (["6.0", ">5.0"], 6.0, 0, "1 bound beside exact values that agree"),
        (["6.0", "<5.8"], 5.9, 0, "contradict it"),
        (["6.0", "6.2", ">7.0", "<8"], 6.2, 0, "1 bound beside exact values that agree"),
        ([">6.0", ">7.0"], 7.0, 1, "2 rows are replicates"),
        ([">6.0", "<7.0"], 6.5, 0, "2 rows are replicates"),
    ],
)  # fmt: skip
def test_a_bound_beside_an_exact_value_counts_where_it_contradicts(
    cells: list[str], value: float, relation: int, note: str, tmp_path: Path
):
    assay = merged(tmp_path, *zip(["CCO", "OCC", "C(C)O", "[H]OCC"], cells, strict=False))
    assert assay.values[2] == pytest.approx(value)
    assert assay.relations[2] == relation
    assert any(note in one for one in assay.notes)


def test_salts_and_spellings_are_one_compound(tmp_path: Path):
    rows = [("CC(=O)[O-].[Na+]", "5.0"), ("CC(O)=O", "5.2"), ("OC(C)=O", "5.4"), ("[Na+].[O-]C(=O)C", "5.6")]
    assay = merged(tmp_path, *rows)
    assert assay.replicates[2] == (3, 4, 5, 6)
    assert assay.values[2] == pytest.approx(5.3)


def test_a_list_that_is_sorted_by_class_has_labels(tmp_path: Path):
    path = tmp_path / "sorted.smi"
    lines = [f"{'C' * (i % 60 + 1)}{'N' * (i // 60)}O x{i} {int(i >= 250)}" for i in range(300)]
    path.write_text("\n".join(lines) + "\n")
    assay = read_assay(path)
    assert (int(assay.values.sum()), len(assay)) == (50, 300)
    path.write_text("\n".join(line[:-1] + "0" for line in lines) + "\n")
    with pytest.raises(InputError, match="no column of labels"):
        read_assay(path)


def test_singular_kernels_get_jitter_and_then_a_sentence(learner: Learner):
    factor = cholesky(torch.ones(4, 4, dtype=torch.float64))
    np.testing.assert_allclose((factor @ factor.T).numpy(), 1.0, atol=1e-3)
    with pytest.raises(NotEnoughData, match="not positive definite"):
        cholesky(torch.full((3, 3), float("nan"), dtype=torch.float64))
    # Compounds that fingerprints cannot tell apart, with other labels.
    chains = pd.DataFrame({"smiles": ["C" * n for n in range(30, 38)], "pIC50": np.arange(8.0)})
    assert np.isfinite(adapt(chains, learner, verdict=False).predict(["C" * 33, "CCO"])["mm_value"]).all()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([5.0, np.inf, 6.0], r"y\[1\] is inf"), ([5.0, np.nan, 6.0], "no label"), (["5", ">6", "7"], r"y\[1\] is '>6'"),
        (["5", "1_000", "7"], r"y\[1\] is '1_000'"), (["5", "٣", "7"], "no number"), ([1e300, 2.0, 3.0], "another unit"),
        (pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"]), "dates"), ([5.0, 5.0, 5.0], "same value"),
        ([5.0], "at least 2"), ([10004.0, 10005.0, 10007.0], "thousandth"),
    ],
)  # fmt: skip
def test_the_regressor_says_the_same(labels: Any, said: str, learner: Learner):
    with pytest.raises(InputError, match=said):
        FewShotRegressor(model=learner).fit(SMILES[: len(labels)], labels)


@pytest.mark.parametrize(
    ("labels", "said"),
    [([1, 1, 1], "one class"), ([0, 1, 2], "3 classes"), ([0.1, 0.7, 0.3], "FewShotRegressor"), ([0, 1, np.nan], "no label"),
     ([0, 1, np.inf], "inf"), (["active", "inactive", "partial"], "3 classes")],
)  # fmt: skip
def test_the_classifier_says_the_same(labels: Any, said: str, learner: Learner):
    with pytest.raises(InputError, match=said):
        FewShotClassifier(model=learner).fit(SMILES[: len(labels)], labels)
