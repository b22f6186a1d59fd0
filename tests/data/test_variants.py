"""Variants of the files in tests/data/shapes: what a small change of the columns must do, or must not do."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from molmeta.data.assay import Assay
from molmeta.data.labels import Unreadable, read_label
from molmeta.data.raw import open_table
from molmeta.data.table import read_assay
from molmeta.errors import InputError

SMILES = ["NS(=O)(=O)c1ccccc1", "Nc1ccc(cc1)S(N)(=O)=O", "Cc1ccc(cc1)S(N)(=O)=O", "NS(=O)(=O)c1ccc(Cl)cc1",
          "COc1ccc(cc1)S(N)(=O)=O", "CC(=O)Nc1nnc(s1)S(N)(=O)=O"]  # fmt: skip
NM = [12, 1400, 330, 25000, 7, 95]
P = [round(9 - math.log10(value), 2) for value in NM]


def written(folder: Path, header: str, *columns: list[object], before: str = "", sep: str = ",") -> Path:
    path = folder / "a.csv"
    rows = [sep.join(map(str, row)) for row in zip(SMILES, *columns, strict=True)]
    path.write_text(before + "\n".join([f"smiles{sep}{header}", *rows]) + "\n", encoding="utf-8")
    return path


def label(assay: Assay) -> str | None:
    assert assay.ledger is not None
    return assay.ledger.convention.columns.label


def test_a_column_of_units_may_have_any_name(tmp_path):
    path = written(tmp_path, "value,what", NM, ["nM", "uM", "nM", "nM", "nM", "nM"])
    assert read_assay(path).values[1] == pytest.approx(6 - math.log10(1400))
    path = written(tmp_path, "value,what", P, ["pIC50", "nM", *["pIC50"] * 4])
    with pytest.raises(InputError, match="5 rows in pIC50, 1 row in nM"):
        read_assay(path)


def test_letters_that_could_be_units_are_none(tmp_path):
    assert read_assay(written(tmp_path, "value,sex", NM, ["M"] * 6)).target.unit is None


@pytest.mark.parametrize("beside", ["dose_unit", "Test concentration units", "incubation time"])
def test_units_of_conditions_are_not_those_of_labels(beside: str, tmp_path):
    found = read_assay(written(tmp_path, f"response,{beside}", NM, ["uM"] * 6))
    assert (found.target.unit, found.values[0]) == (None, 12)


@pytest.mark.parametrize("cells", [[-7.1, -8, -6.5, -9, -7, -7.7], [-7.1] * 6, ["negative"] * 6])
def test_negative_numbers_and_classes_are_no_units(cells: list[object], tmp_path):
    assert read_assay(written(tmp_path, "y,docking_score", P, cells)).target.unit is None


@pytest.mark.parametrize(("header", "unit"), [("pChEMBL Value", "pChEMBL"), ("% inhibition", "%")])
def test_units_of_another_column_are_not_those_of_a_label_that_states_its_own(
    header: str, unit: str, tmp_path
):
    path = written(
        tmp_path, f"Standard Type,Standard Value,Standard Units,{header}", ["IC50"] * 6, NM, ["nM"] * 6, P
    )
    found = read_assay(path, label_column=header)
    assert (found.target.unit, found.values.tolist()) == (unit, P)


def test_what_was_published_has_its_own_units_and_signs(tmp_path):
    path = written(
        tmp_path,
        "standard_relation,standard_units,standard_value,relation,units,value",
        ["="] * 6,
        ["nM"] * 6,
        NM,
        [">", *["="] * 5],
        ["uM"] * 6,
        [v / 1000 for v in NM],
    )
    found = read_assay(path, label_column="value")
    assert found.values == pytest.approx(read_assay(path, label_column="standard_value").values)
    assert found.relations.tolist() == [-1, 0, 0, 0, 0, 0]


def test_signs_of_a_column_that_is_called_with_its_unit(tmp_path):
    path = written(tmp_path, "IC50_nM,IC50_relation", NM, ["=", "=", "=", ">", "=", "="])
    assert read_assay(path).relations.tolist() == [0, 0, 0, -1, 0, 0]


def test_a_class_that_is_called_a_flag(tmp_path):
    assert label(read_assay(written(tmp_path, "hERG_flag,other", [0, 1] * 3, NM))) == "hERG_flag"


def test_signs_beside_a_logarithm_with_a_decimal_comma_are_asked_for(tmp_path):
    p = [str(value).replace(".", ",") for value in P]
    path = written(tmp_path, "IC50;pIC50;Relation", NM, p, ["=", "=", "=", ">", "=", "="], sep=";")
    with pytest.raises(InputError, match="whose logarithm it is"):
        read_assay(path, label_column="pIC50")


def test_small_numbers_are_no_logarithm_of_a_constant(tmp_path):
    small = [f"{value * 1e-9:.3e}" for value in NM]
    path = written(tmp_path, "Papp (cm/s),relation,year", small, ["=", "=", "=", "<", "=", "="], [2020] * 6)
    assert read_assay(path).relations.tolist() == [0, 0, 0, -1, 0, 0]


def test_a_long_cell_takes_no_time():
    cell = "1a" + " " * 30_000 + "("
    assert read_label(cell) == Unreadable(cell[:200], "it is too long for a label")


def test_signs_beside_a_value_and_its_logarithm_are_asked_for(tmp_path):
    path = written(tmp_path, "IC50,pIC50,relation", NM, P, ["=", "=", "=", ">", "=", "="])
    with pytest.raises(InputError, match=r"'pIC50' or of 'IC50'.*--label-column 'IC50'"):
        read_assay(path, label_column="pIC50")
    assert read_assay(path, label_column="IC50", unit="nM").relations.tolist() == [0, 0, 0, -1, 0, 0]
    path = written(tmp_path, "IC50,pIC50,relation", NM, P, ["="] * 6)
    assert not read_assay(path, label_column="pIC50").relations.any()


def test_signs_beside_one_column_are_its_own(tmp_path):
    path = written(tmp_path, "pIC50,relation", P, ["=", "=", "=", "<", "=", "="])
    assert read_assay(path).relations.tolist() == [0, 0, 0, -1, 0, 0]


def test_a_sparse_potency_beside_single_points_is_asked_for(tmp_path):
    path = written(
        tmp_path, "% inhibition at 10 uM,IC50 (nM)", [90, 50, 70, 5, 99, 80], [12, "", "", "", 7, ""]
    )
    with pytest.raises(InputError, match="--label-column"):
        read_assay(path)
    assert len(read_assay(path, label_column="IC50 (nM)")) == 2


@pytest.mark.parametrize("header", ["JAK1 IC50 (nM),JAK2 IC50 (nM)", "pIC50_1,pIC50_2", "Ki (nM),IC50 (nM)"])
def test_two_measurements_are_asked_for(header: str, tmp_path):
    with pytest.raises(InputError, match="2 columns that may hold the labels"):
        read_assay(written(tmp_path, header, NM, NM[::-1]))


@pytest.mark.parametrize(
    "beside", ["Ki_sd_nM", "Ki_nM SEM", "Ki 95% CI lower (nM)", "Ki Hill slope", "Ki R²"]
)
def test_errors_and_fits_are_no_measurements(beside: str, tmp_path):
    assert label(read_assay(written(tmp_path, f"{beside},Ki_mean_nM", NM[::-1], NM))) == "Ki_mean_nM"


def test_the_one_unit_of_chembl_goes_before_the_published_one(tmp_path):
    path = written(
        tmp_path,
        "value,units,standard_value,standard_units",
        [v / 1000 for v in NM],
        ["uM"] * 6,
        NM,
        ["nM"] * 6,
    )
    found = read_assay(path)
    assert (label(found), found.target.unit) == ("standard_value", "nM")


def test_same_name_and_other_cells_are_asked_for(tmp_path):
    with pytest.raises(InputError, match="2 columns"):
        read_assay(written(tmp_path, "IC50_nM,IC50_nM", NM, NM[::-1]))


def test_a_title_above_the_table(tmp_path):
    found = read_assay(written(tmp_path, "IC50_nM", NM, before="EGFR second run\n\n"))
    assert len(found) == 6
    assert any("'EGFR second run'" in note for note in found.notes)


def test_a_column_of_units_that_overrules_the_name_is_told(tmp_path):
    path = tmp_path / "assay.csv"
    path.write_text("smiles,IC50_uM,units\n" + "".join(f"{'C' * i}O,{i},nM\n" for i in range(1, 7)))
    found = read_assay(path)
    assert found.target.unit == "nM"
    assert any("'IC50_uM' names uM, but 'units' says nM in 6 rows" in note for note in found.notes)


def test_a_title_may_hold_a_delimiter(tmp_path):
    found = read_assay(written(tmp_path, "IC50_nM", NM, before="EGFR, second run\n\n"))
    assert (label(found), found.target.unit, len(found)) == ("IC50_nM", "nM", 6)
    path = written(tmp_path, "IC50_nM", NM)
    path.write_text(path.read_text().replace("\n", "\n\n", 1))
    assert label(read_assay(path)) == "IC50_nM"


@pytest.mark.parametrize(
    "before", ["HLM, second run;;\n", "HLM; run 2;\n;;\n", "sep=;\nHLM;;\nDate;12.03.2024;\n;;\n;;\n"]
)
def test_titles_that_excel_filled_up(tmp_path, before):
    path = tmp_path / "padded.csv"
    rows = "".join(f"A{i};{'C' * i}O;{i},5\n" for i in range(1, 7))
    path.write_text(before + "Compound ID;Structure;CLint\n" + rows)
    found = read_assay(path)
    assert (label(found), found.ids[0], len(found)) == ("CLint", "A1", 6)
    assert any(note.startswith("passed over before the table: 'HLM") for note in found.notes)


def test_a_column_of_structures_beside_empty_ones_has_no_title(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("Compound,,\nCCO,,\nCCN,,\n")
    table = open_table(path)
    assert table.header == ("Compound", "", "")


def test_a_structure_above_a_blank_line_is_no_title(tmp_path):
    path = tmp_path / "list.smi"
    path.write_text("CCO\n\nCCN amine, pure\n")
    (tmp_path / "no.smi").write_text("CCCC\nCCCCC\n")
    assert len(read_assay(actives=path, inactives=tmp_path / "no.smi")) == 4


@pytest.mark.parametrize(
    ("cells", "active"),
    [
        (["aktiv", "inaktiv"] * 3, 3),
        (["wirksam", "unwirksam", "wirksam"] * 2, 4),
        (["activo", "inactivo"] * 3, 3),
        (["positiv", "negativ", "n.b."] * 2, 2),
    ],
)
def test_classes_in_other_languages(cells: list[object], active: int, tmp_path):
    assert read_assay(written(tmp_path, "Ergebnis", cells, sep=";")).values.sum() == active


def test_numbers_that_a_spreadsheet_marked_as_text(tmp_path):
    assert read_assay(written(tmp_path, "IC50_nM", [f"'{value}" for value in NM])).values[0] == pytest.approx(
        P[0], abs=0.01
    )


def test_running_numbers_are_no_labels_of_a_list(tmp_path):
    path = tmp_path / "a.smi"
    path.write_text("".join(f"{smiles} cmpd {i}\n" for i, smiles in enumerate(SMILES, 1)))
    with pytest.raises(InputError, match="--label-column"):
        read_assay(path)
    path.write_text("".join(f"{smiles} cmpd {i} {i % 2}\n" for i, smiles in enumerate(SMILES, 1)))
    found = read_assay(path)
    assert found.ids[1] == "cmpd 2"
    assert found.values.tolist() == [1, 0, 1, 0, 1, 0]


def test_lines_of_json_that_are_none(tmp_path):
    path = tmp_path / "a.jsonl"
    good = [
        f'{{"smiles": "{smiles}", "pKi": {p}, "bits": [1, 2]}}' for smiles, p in zip(SMILES, P, strict=True)
    ]
    path.write_text("\n".join([*good, "{broken", '["CCO", 1]', '{"smiles": "CCO", "late": 1}']) + "\n")
    found = read_assay(path)
    assert {one.row: one.reason for one in found.rejected} == {7: "ragged_row", 8: "ragged_row"}
    assert found.unlabelled == (9,)
    assert "bits" in " ".join(found.notes)
    path.write_text('[{"smiles": "CCO"}]')
    with pytest.raises(InputError, match="JSON array"):
        read_assay(path)


def test_empty_rows_at_the_end_are_no_rows(tmp_path):
    path = written(tmp_path, "IC50_nM", NM)
    path.write_text(path.read_text() + ",\n,\n")
    found = read_assay(path)
    assert (found.n_rows, found.rejected) == (6, ())
    assert any("2 empty rows" in note for note in found.notes)


def test_a_field_that_once_holds_a_list_is_still_a_column(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [f'{{"smiles": "{smiles}", "pKi": {p}}}' for smiles, p in zip(SMILES, P, strict=True)]
    path.write_text("\n".join([*rows, '{"smiles": "CCO", "pKi": [5, 6]}', '{"smiles": "CCN", "pKi": null}']))
    found = read_assay(path)
    assert (len(found), found.unlabelled) == (6, (7, 8))
