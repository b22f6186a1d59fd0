# ruff: noqa: E501 (one shape a line)
"""Shapes of assay files met in the wild, each written here and read back."""

import gzip
import io
from dataclasses import dataclass

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import AllChem
from safetensors.torch import save

from molmeta.data.library import read_library
from molmeta.data.table import read_assay
from molmeta.errors import ConfigError, InputError, NotEnoughData, ResourceError

SMILES = [
    "CCO", "CCCCN", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C)C(=O)N2C", "OC(=O)c1ccccc1",
    "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "CC(=O)Nc1ccc(O)cc1", "NCCc1ccc(O)c(O)c1", "C1CCNCC1",
]  # fmt: skip
NM = [10, 25, 100, 250, 1000, 2500, 10000, 40, 400, 4000]
P = [9 - float(np.log10(v)) for v in NM]
CLASS = [1, 0, 1, 0, 1, 0, 0, 1, 0, 1]


@dataclass(frozen=True)
class Shape:
    """A file and how it is to be read; values on the model's scale, in the order of SMILES."""

    file: str
    data: bytes
    values: list[float]
    unit: str | None = None
    kind: str = "regression"
    ids: list[str] | None = None
    note: str = ""


def table(*columns, header, sep=",", end="\n", quote=False):
    rows = [header, *zip(*columns, strict=True)]
    cells = [[f'"{c}"' if quote else str(c) for c in row] for row in rows]
    return end.join(sep.join(row) for row in cells) + end


def german(values):
    return [str(v).replace(".", ",") for v in values]


def molblocks(v3000=False, end="\n", fields=("IC50_nM", NM)):
    blocks = []
    for smiles, value in zip(SMILES, fields[1], strict=True):
        mol = Chem.MolFromSmiles(smiles)
        AllChem.Compute2DCoords(mol)
        mol.SetProp("_Name", f"mol {smiles[:3]}")
        blocks.append(f"{Chem.MolToMolBlock(mol, forceV3000=v3000)}> <{fields[0]}>\n{value}\n\n$$$$\n")
    return "".join(blocks).replace("\n", end).encode()


def parquet(**columns):
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer)
    return buffer.getvalue()


def packed(text, members=1):
    data = text if isinstance(text, bytes) else text.encode()
    size = len(data) // members + 1
    return b"".join(gzip.compress(data[i : i + size]) for i in range(0, len(data), size))


NUMBERS = [f"{i:05d}" for i in range(1, 11)]
BASIC = table(SMILES, CLASS, header=["smiles", "label"])
POTENCY = table(SMILES, NM, header=["smiles", "IC50_nM"])
DECIMALS = [7.1, 6.25, 5.5, 8.0, 4.75, 6.5, 7.9, 5.05, 6.0, 7.35]
WORDS = ["Active" if c else "Inactive" for c in CLASS]
CHEMBL = ["Molecule ChEMBL ID", "Smiles", "Standard Type", "Standard Relation", "Standard Value", "Standard Units",
          "pChEMBL Value", "Molecular Weight"]  # fmt: skip
BINDINGDB = [
    "BindingDB Reactant_set_id",
    "Ligand SMILES",
    "Ligand InChI Key",
    "Ki (nM)",
    "IC50 (nM)",
    "pH",
    "Temp (C)",
]
PUBCHEM = (
    "PUBCHEM_RESULT_TAG,PUBCHEM_SID,PUBCHEM_CID,PUBCHEM_EXT_DATASOURCE_SMILES,PUBCHEM_ACTIVITY_OUTCOME,"
    "PUBCHEM_ACTIVITY_SCORE,Potency\n"
    "RESULT_TYPE,,,,,,FLOAT\nRESULT_DESCR,,,,,,Concentration at which half is inhibited\nRESULT_UNIT,,,,,,MICROMOLAR\n"
    + "".join(f"{i},{i + 900},{i + 70},{s},{w},{40 * c},{i}.5\n" for i, (s, w, c) in enumerate(zip(SMILES, WORDS, CLASS, strict=True), 1))
)  # fmt: skip

C = "classification"
SHAPES = [
    Shape("plain.csv", BASIC.encode(), CLASS, kind=C, note="0/1"),
    Shape("potency.csv", POTENCY.encode(), P, "nM", note="modelled as p(IC50_nM)"),
    Shape("bom.csv", b"\xef\xbb\xbf" + BASIC.encode(), CLASS, kind=C),
    Shape("utf16.csv", BASIC.encode("utf-16"), CLASS, kind=C, note="UTF-16"),
    Shape("utf16be.txt", b"\xfe\xff" + POTENCY.replace(",", "\t").encode("utf-16-be"), P, "nM"),
    Shape("latin.csv", table(SMILES, [v / 1000 for v in NM], header=["smiles", "IC50 (µM)"]).encode("cp1252"), P, "uM", note="Windows-1252"),
    Shape("micro.csv", table(SMILES, [v / 1000 for v in NM], header=["smiles", "IC50 [μM]"]).encode(), P, "uM"),
    Shape("crlf.csv", BASIC.replace("\n", "\r\n").encode(), CLASS, kind=C),
    Shape("cr.csv", BASIC.replace("\n", "\r").encode(), CLASS, kind=C),
    Shape("tab.tsv", POTENCY.replace(",", "\t").encode(), P, "nM", note="tab-separated"),
    Shape("bar.txt", POTENCY.replace(",", "|").encode(), P, "nM"),
    Shape("german.csv", table(SMILES, german(DECIMALS), header=["Smiles", "pIC50"], sep=";").encode(), DECIMALS, "pIC50", note="decimal sign ','"),
    Shape("excel_de.csv", ("sep=;\r\n" + table(NUMBERS, SMILES, german(DECIMALS), header=["ID", "Smiles", "pKi"], sep=";", end="\r\n")).encode("cp1252"), DECIMALS, "pKi", ids=NUMBERS),
    Shape("comment.csv", ("# plate 7\n# reader A\n" + BASIC).encode(), CLASS, kind=C),
    Shape("no_header.csv", table(SMILES[1:], CLASS[1:], header=[SMILES[0], CLASS[0]]).encode(), CLASS, kind=C, note="without a header"),
    Shape("no_header_de.csv", table(SMILES[1:], german(DECIMALS)[1:], header=[SMILES[0], german(DECIMALS)[0]], sep=";").encode(), DECIMALS, note="column_2"),
    Shape("ids.csv", table(NUMBERS, SMILES, DECIMALS, header=["Compound ID", "structure", "pEC50"]).encode(), DECIMALS, "pEC50", ids=NUMBERS),
    Shape("words.csv", table(SMILES, WORDS, header=["SMILES", "Activity"]).encode(), CLASS, kind=C, note="5 active, 5 inactive"),
    Shape("bool.csv", table(SMILES, [bool(c) for c in CLASS], header=["SMILES", "is_active"]).encode(), CLASS, kind=C),
    Shape("yes.csv", table(SMILES, ["yes" if c else "no" for c in CLASS], header=["SMILES", "hit"]).encode(), CLASS, kind=C),
    Shape("signed.csv", table(SMILES, [2 * c - 1 for c in CLASS], header=["SMILES", "y"]).encode(), CLASS, kind=C, note="-1/1"),
    Shape("noon.csv", table(["NO" if i % 2 else "ON" for i in range(10)], SMILES, CLASS, header=["flag", "cmpd", "active"]).encode(), CLASS, kind=C, note="'cmpd'"),
    Shape("co.csv", table(["CO" if i % 2 else "CN" for i in range(10)], SMILES, CLASS, header=["vendor", "cmpd", "active"]).encode(), CLASS, kind=C, note="'cmpd'"),
    Shape("same_twice.csv", table(SMILES, [Chem.CanonSmiles(s) for s in SMILES], CLASS, header=["smiles", "canonical_smiles", "y"]).encode(), CLASS, kind=C),
    Shape("chembl.csv", table(NUMBERS, SMILES, ["IC50"] * 10, ["'='"] * 10, NM, ["nM"] * 10, [round(p, 2) for p in P], [300.5] * 10, header=CHEMBL, sep=";", quote=True).encode(), P, "nM", ids=NUMBERS),
    Shape("chembl_snake.csv", table(SMILES, NM, ["nM"] * 10, ["="] * 10, header=["canonical_smiles", "standard_value", "standard_units", "standard_relation"]).encode(), P, "nM"),
    Shape("bindingdb.tsv", table(range(10), SMILES, [f"KEY{i}" for i in range(10)], ["", "", "5", *[""] * 7], [f" {v}" for v in NM], ["7.4"] * 10, ["25.0"] * 10, header=BINDINGDB, sep="\t").encode(), P, "nM", note="'IC50 (nM)'"),
    Shape("pubchem.csv", PUBCHEM.encode(), CLASS, kind=C, note="3 rows of PubChem"),
    Shape("cells.csv", table(SMILES, [f"{v} nM" for v in NM], header=["smiles", "IC50"]).encode(), P, "nM"),
    Shape("percent.csv", table(SMILES, [f"{v * 10}%" for v in DECIMALS], header=["smiles", "inhibition"]).encode(), [v * 10 for v in DECIMALS], "%"),
    Shape("pct.csv", table(SMILES, DECIMALS, header=["smiles", "% inhibition @ 10"]).encode(), DECIMALS, "%"),
    Shape("logd.csv", table(SMILES, DECIMALS, header=["smiles", "logD"]).encode(), DECIMALS, "logD"),
    Shape("unitcol.csv", table(SMILES, NM, ["nmol/L"] * 10, header=["smiles", "value", "unit"]).encode(), P, "nM"),
    Shape("twins.csv", table(SMILES, NM, P, header=["smiles", "IC50_nM", "pIC50"]).encode(), P, "nM", note="'IC50_nM'"),
    Shape("exponent.csv", table(SMILES, [f"{v:.2E}" for v in NM], header=["smiles", "Ki_nM"]).encode(), P, "nM"),
    Shape("thousands.csv", table(SMILES, [f'"{v:,}.0"' for v in NM], header=["smiles", "Ki_nM"]).encode(), P, "nM"),
    Shape("blanks.txt", table(SMILES, DECIMALS, NUMBERS, header=["smiles", "pIC50", "id"], sep="   ").encode(), DECIMALS, "pIC50", ids=NUMBERS),
    Shape("labelled.smi", table(SMILES, DECIMALS, header=["smiles", "pIC50"], sep=" ").encode(), DECIMALS, "pIC50"),
    Shape("index.csv", table(range(10), SMILES, CLASS, header=["", "smiles", "label"]).encode(), CLASS, kind=C),
    Shape("quoted.csv", table([f'"{s} |o1:0,r|"' if i == 3 else s for i, s in enumerate(SMILES)], [f'"a ""b"",\n{i}"' for i in range(10)], CLASS, header=["smiles", "comment", "y"]).encode(), CLASS, kind=C),
    Shape("blank_lines.csv", BASIC.replace("\n", "\n\n").encode(), CLASS, kind=C),
    Shape("no_end.csv", BASIC.rstrip("\n").encode(), CLASS, kind=C),
    Shape("packed.csv.gz", packed(BASIC), CLASS, kind=C, note="gzip"),
    Shape("packed_named.csv", packed(POTENCY), P, "nM"),
    Shape("members.csv.gz", packed(BASIC, members=3), CLASS, kind=C),
    Shape("v2000.sdf", molblocks(), P, "nM", note="SD file"),
    Shape("v3000.sdf", molblocks(v3000=True, end="\r\n"), P, "nM"),
    Shape("sdf_named.txt", molblocks(), P, "nM"),
    Shape("packed.sdf.gz", packed(molblocks()), P, "nM"),
    Shape("table.parquet", parquet(smiles=SMILES, IC50_nM=NM, name=NUMBERS), P, "nM", ids=NUMBERS),
    Shape("parquet_named.csv", parquet(smiles=SMILES, active=[bool(c) for c in CLASS]), CLASS, kind=C, note="Parquet"),
    Shape("packed.parquet.gz", packed(parquet(smiles=SMILES, y=CLASS)), CLASS, kind=C),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.file)
def test_shape(shape, tmp_path):
    path = tmp_path / shape.file
    path.write_bytes(shape.data)
    assay = read_assay(path)
    assert [m.smiles for m in assay.molecules] == [Chem.CanonSmiles(s) for s in SMILES]
    np.testing.assert_allclose(assay.values, shape.values, rtol=1e-6)
    assert (assay.target.kind, assay.target.unit) == (shape.kind, shape.unit)
    assert assay.target.higher_is_better
    assert not assay.rejected
    assert not assay.unlabelled
    assert assay.n_rows == 10
    if shape.ids is not None:
        assert list(assay.ids) == shape.ids
    assert shape.note in "\n".join(assay.notes)


def read(tmp_path, text, name="a.csv", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_assay(path, **options)


def accounted(assay):
    """Every row once in replicates, rejected or unlabelled."""
    rows = [row for group in assay.replicates for row in group]
    rows += [rejection.row for rejection in assay.rejected] + list(assay.unlabelled)
    return sorted(rows) == list(range(1, assay.n_rows + 1))


def test_messy_rows_are_all_accounted_for(tmp_path):
    text = (
        "id,smiles,IC50 (nM)\n1,CCO,100\n2,OCC,120\n3,CCN,>10000\n4,CCC,\n5,C1CC,5\n6,CCCl,abc\n7,CCBr,0\n"
        "8,CCF,1e400\n9,,7\n10,CCS,3,extra\n11,CCP,n.d.\n12,CCI,5-15\n13,[Na+].CC(=O)[O-],7 uM\n14,CC(=O)O,-3\n"
    )
    assay = read(tmp_path, text, unit="nM")
    assert accounted(assay)
    reasons = {r.row: r.reason for r in assay.rejected}
    assert reasons == {5: "invalid_smiles", 6: "bad_label", 7: "bad_label", 8: "bad_label", 9: "empty",
                       10: "ragged_row", 13: "bad_label", 14: "bad_label"}  # fmt: skip
    assert assay.unlabelled == (4, 11)
    assert assay.replicates == ((1, 2), (3,), (12,))
    np.testing.assert_allclose(assay.values, [9 - np.mean(np.log10([100, 120])), 5.0, 8.0])
    assert assay.relations.tolist() == [0, -1, 0]
    assert "line 7" in next(r.detail for r in assay.rejected if r.row == 6)


def test_censored_can_be_dropped(tmp_path):
    assay = read(tmp_path, "smiles,Ki_nM\nCCO,10\nCCN,20\nCCC,>500\n", censored="drop")
    assert len(assay) == 2
    assert assay.rejected[0].reason == "bad_label"


def test_relation_column_turns_on_the_p_scale(tmp_path):
    text = "smiles;Standard Relation;Standard Value;Standard Units\nCCO;'>';10000;nM\nCCN;'<';1;nM\nCCC;'=';5;nM\n"
    assay = read(tmp_path, text)
    assert assay.relations.tolist() == [-1, 1, 0]
    np.testing.assert_allclose(assay.values, [5, 9, 9 - np.log10(5)])


@pytest.mark.parametrize(
    ("text", "options", "error", "words"),
    [
        ("smiles,IC50_nM\nCCO,10 nM\nCCN,10 uM\n", {}, InputError, ["mixes units", "nM", "uM", "--unit"]),
        (
            "smiles,value,unit\nCCO,1,nM\nCCN,2,uM\nCCC,3,ug/mL\n",
            {},
            InputError,
            ["1 row in nM", "1 row in ug/mL", "--unit"],
        ),
        ("smiles,value,unit\nCCO,1,nM\nCCN,2,\nCCC,3,uM\n", {}, InputError, ["1 row in no unit", "--unit"]),
        ("smiles,pIC50\nCCO,6.5\nCCN,250\nCCC,7.5\n", {}, InputError, ["p-scale", "250"]),
        ("smiles,IC50\nCCO,6.5\nCCN,250\nCCC,7.5\n", {}, InputError, ["without a unit", "--unit"]),
        ('smiles,pKi\nCCO,"1,234"\nCCN,"2,345"\nCCC,5\n', {}, InputError, ["'1,234'", "--decimal"]),
        ('smiles,pKi\nCCO,"1,5"\nCCN,2.5\nCCC,5\n', {}, InputError, ["both", "--decimal"]),
        ("name,pKi\nx,1.5\ny,2.5\n", {}, InputError, ["no column of SMILES", "'name'", "--smiles-column"]),
        ("smiles,name\nCCO,ethanol\nCCN,amine\n", {}, InputError, ["no column of labels", "--label-column"]),
        ("smiles,y\nCCO,\nCCN,\n", {}, InputError, ["labels"]),
        ("smiles,y\nCCO,1\nCCN,1\nCCC,1\n", {}, NotEnoughData, ["3 actives and 0 inactives"]),
        ("smiles,y\nCCO,0\nCCN,0\n", {}, NotEnoughData, ["2 inactives and 0 actives"]),
        ("smiles,pKi\nCCO,6.5\nCCN,6.5\nCCC,6.5\n", {}, NotEnoughData, ["same value 6.5"]),
        ("smiles,pKi\nCCO,6.5\n", {}, NotEnoughData, ["1 labelled", "at least 2"]),
        ("smiles,pKi\nCCO,6.5\nOCC,6.7\n", {}, NotEnoughData, ["1 labelled", "at least 2"]),
        ("smiles,pKi\n", {}, NotEnoughData, ["no rows"]),
        ("", {}, InputError, ["empty"]),
        ("smiles,pKi\nCCO,>5\nCCN,>6\nCCC,<4\n", {}, NotEnoughData, ["bounds"]),
        ("smiles,y\nCCO,active\nCCN,inactive\nCCC,partial\n", {}, InputError, ["'partial'", "two classes"]),
        ("smiles,y\nCCO,0\nCCN,1\nCCC,2\n", {}, InputError, ["0, 1, 2"]),
        ("smiles,IC50_nM\nCCO,0\nCCN,1\n", {}, InputError, ["only 0 and 1"]),
        ("a,b,y\nCCO,CCCN,0\nCCN,CCCO,1\nCCCC,CCCF,0\n", {}, InputError, ["'a', 'b'", "--smiles-column"]),
        ("smiles,A,B\nCCO,1.5,2\nCCN,2.5,4\nCCC,3,5\n", {}, InputError, ["'A', 'B'", "--label-column"]),
        ("smiles,pKi\nCCO,6,5\nCCN,7,5\nCCC,8,1\n", {}, InputError, ["3 of 3 rows", "decimal comma"]),
        (BASIC, {"label_column": "potency"}, InputError, ["no column 'potency'", "'label'"]),
        (BASIC, {"censored": "ignore"}, ConfigError, ["keep-bound", "drop"]),
        (BASIC, {"conflicts": "mean"}, ConfigError, ["median", "drop", "stop"]),
        (BASIC, {"decimal": ";"}, ConfigError, ["decimal"]),
        (POTENCY, {"active_if": "around 6"}, ConfigError, [">= 6.5"]),
        (table(SMILES, WORDS, header=["s", "y"]), {"active_if": ">= 6"}, ConfigError, ["classes already"]),
    ],
)
def test_stops_with_a_sentence(text, options, error, words, tmp_path):
    with pytest.raises(error) as caught:
        read(tmp_path, text, **options)
    for word in words:
        assert word in str(caught.value)


def test_decimal_option_settles_the_comma(tmp_path):
    text = 'smiles,clearance\nCCO,"1,234"\nCCN,"2,345"\nCCC,5\n'
    assert read(tmp_path, text, decimal=",").values.tolist() == [1.234, 2.345, 5]
    assert read(tmp_path, text, decimal=".").values.tolist() == [1234, 2345, 5]


def test_unit_option(tmp_path):
    text = "smiles,Ki\nCCO,10\nCCN,100\n"
    np.testing.assert_allclose(read(tmp_path, text, unit="µM").values, [5, 4])
    assert read(tmp_path, "smiles,Ki\nCCO,6.5\nCCN,7\n", unit="pKi").values.tolist() == [6.5, 7]


def test_rows_that_state_their_own_concentrations_are_converted(tmp_path):
    text = "smiles,value,unit\nCCO,1,nM\nCCN,2,uM\nCCC,>3,nM\nCCF,,uM\n"
    assay = read(tmp_path, text)
    assert assay.target.unit == "nM"
    np.testing.assert_allclose(assay.values, [9, 6 - np.log10(2), 9 - np.log10(3)])
    assert any("1 row in uM" in note and "converted" in note for note in assay.notes)
    assert [one.reason for one in read(tmp_path, text, unit="nM").rejected] == ["bad_label"]


def test_active_if_is_on_the_models_scale(tmp_path):
    assay = read(
        tmp_path, "smiles,IC50_nM\nCCO,100\nCCN,5000\nCCC,>10000\nCCCC,>10\nCCF,<1\n", active_if=">= 6.5"
    )
    assert assay.target.kind == "classification"
    assert assay.values.tolist() == [1, 0, 0, 1]
    assert [r.row for r in assay.rejected] == [4]
    assert any("p(IC50_nM) >= 6.5" in note for note in assay.notes)


def test_lower_is_better(tmp_path):
    assert not read(tmp_path, "smiles,logD\nCCO,1.5\nCCN,2.5\n", lower_is_better=True).target.higher_is_better
    assert not read(tmp_path, "smiles,MIC (ug/mL)\nCCO,1.5\nCCN,2.5\n").target.higher_is_better


@pytest.mark.parametrize(
    ("column", "unit", "higher"),
    [
        ("-logIC50", "-logIC50", True),
        ("log(1/IC50)", "log(1/IC50)", True),
        ("logIC50", "logIC50", False),
        ("log10 Ki (nM)", "log10", False),
        ("IC50 (log nM)", "log nM", False),
        ("Ki_pM", "pM", True),
        ("logP", "logP", True),
        ("pic50", "pic50", True),
    ],
)
def test_which_way_is_better(column, unit, higher, tmp_path):
    target = read(tmp_path, f"smiles,{column}\nCCO,1.5\nCCN,2.5\nCCC,3.5\n").target
    assert (target.unit, target.higher_is_better) == (unit, higher)


def test_the_endpoint_of_an_export_tells_which_way_is_better(tmp_path):
    text = "smiles;Standard Type;Standard Value;Standard Units\nCCO;MIC;8;ug.mL-1\nCCN;MIC;16;ug.mL-1\n"
    assert not read(tmp_path, text).target.higher_is_better
    text = "smiles;Standard Type;Standard Value;Standard Units\nCCO;IC50;8;nM\nCCN;Ki;16;nM\nCCC;Ki;9;nM\n"
    assert any("mix endpoints: Ki (2), IC50 (1)" in note for note in read(tmp_path, text).notes)


def test_picomolar_is_no_p_scale(tmp_path):
    np.testing.assert_allclose(read(tmp_path, "smiles,Ki_pM\nCCO,100\nCCN,1000\n").values, [10, 9])


def test_few_labels_among_many_rows(tmp_path):
    rows = "".join(
        f"{'C' * (i % 60 + 1)}{'N' * (i // 60)}O,{i % 7 if i % 100 == 0 else ''}\n" for i in range(1500)
    )
    assay = read(tmp_path, "smiles,score\n" + rows)
    assert len(assay) == 15
    assert len(assay.unlabelled) == 1485


def test_conflicts(tmp_path):
    text = "smiles,pIC50\nCCO,5\nOCC,7.5\nC(C)O,8\nCCN,6\nNCC,6.5\nCCC,5.5\n"
    assert read(tmp_path, text).values.tolist() == [7.5, 6.25, 5.5]
    dropped = read(tmp_path, text, conflicts="drop")
    assert dropped.values.tolist() == [6.25, 5.5]
    assert [r.row for r in dropped.rejected] == [1, 2, 3]
    assert accounted(dropped)
    assert any("rows 1, 2, 3" in note for note in dropped.notes)
    with pytest.raises(InputError, match="rows 1, 2, 3"):
        read(tmp_path, text, conflicts="stop")


def test_long_lists_of_conflicts_are_cut_and_several_assays_noted(tmp_path):
    rows = "".join(f"{'C' * (i + 1)}O,4,a{i % 2}\n{'C' * (i + 1)}O,8,b\n" for i in range(30)) + "CCN,5,a\n"
    notes = read(tmp_path, "smiles,pKi,assay\n" + rows).notes
    assert sum("replicates disagree" in note for note in notes) == 10
    assert any("20 more compounds" in note for note in notes)
    assert any("'assay' names 4 different assays" in note for note in notes)


def test_conflicting_classes(tmp_path):
    assay = read(tmp_path, "smiles,active\nCCO,1\nOCC,1\nC(C)O,0\nCCN,0\nCCC,1\nCCCC,1\nC(CC)C,0\n")
    assert assay.values.tolist() == [1, 0, 1]
    assert [r.row for r in assay.rejected] == [6, 7]
    assert accounted(assay)


def test_inconclusive_is_unlabelled(tmp_path):
    assay = read(tmp_path, "smiles,outcome\nCCO,Active\nCCN,Inactive\nCCC,Inconclusive\n")
    assert assay.unlabelled == (3,)
    assert any("Inconclusive" in note for note in assay.notes)


def test_two_lists(tmp_path):
    (tmp_path / "a.smi").write_text("CCO ethanol\nCCN\nnot_one\n")
    (tmp_path / "b.csv").write_text("id,smiles\n7,CCCC\n8,CCCCC\n")
    assay = read_assay(actives=tmp_path / "a.smi", inactives=tmp_path / "b.csv")
    assert assay.values.tolist() == [1, 1, 0, 0]
    assert assay.ids == ("ethanol", "", "7", "8")
    assert assay.replicates == ((1,), (2,), (4,), (5,))
    assert accounted(assay)
    with pytest.raises(ConfigError, match="both"):
        read_assay(actives=tmp_path / "a.smi")


def test_data_frame_and_stream():
    frame = pd.DataFrame(
        {"smiles": [*SMILES, None], "IC50_nM": [*map(float, NM), 3.0], "id": [*NUMBERS, "NA"]}
    )
    assay = read_assay(frame, name="mine")
    assert assay.name == "mine"
    np.testing.assert_allclose(assay.values, P)
    assert [r.reason for r in assay.rejected] == ["empty"]
    np.testing.assert_allclose(read_assay(io.BytesIO(POTENCY.encode())).values, P)


def test_stdin(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(packed(POTENCY))))
    np.testing.assert_allclose(read_assay("-").values, P)


def test_bad_sdf_records_keep_their_number(tmp_path):
    good = molblocks().decode().split("$$$$\n")
    broken = good[1].replace("M  END\n", "")
    merged = good[3] + good[4]
    text = "$$$$\n".join([good[0], broken, good[2], merged, good[5]])
    assay = read(tmp_path, text, "a.sdf")
    assert [(r.row, r.reason) for r in assay.rejected] == [(2, "ragged_row"), (4, "ragged_row")]
    assert accounted(assay)
    assert assay.replicates == ((1,), (3,), (5,))


def test_sdf_keeps_stereo(tmp_path):
    mol = Chem.MolFromSmiles("C[C@H](N)C(=O)O")
    AllChem.Compute2DCoords(mol)
    block = Chem.MolToMolBlock(mol)
    text = f"{block}> <pKi>\n5.5\n\n$$$$\n{block.replace('   1.2990', '   1.3990')}> <pKi>\n5.6\n\n$$$$\n"
    text += molblocks(fields=("pKi", DECIMALS)).decode()
    assay = read(tmp_path, text, "a.sdf")
    assert assay.molecules[0].smiles == "C[C@H](N)C(=O)O"


def test_gzip_bomb_and_cut(tmp_path):
    bomb = gzip.compress(b"smiles,y\n" + b"C" * 20_000_000)
    with pytest.raises(ResourceError, match="trust"):
        read(tmp_path, bomb, "bomb.csv.gz")
    with pytest.raises(InputError, match="cut off"):
        read(tmp_path, packed(BASIC)[:-12], "cut.csv.gz")


@pytest.mark.parametrize(
    ("magic", "word"),
    [
        (b"PK\x03\x04", "Excel"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh9", "bzip2"),
        (save({"weights": torch.zeros(2)}, {"kind": "molmeta"}), "a model"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_foreign_kinds_are_named(magic, word, tmp_path):
    with pytest.raises(InputError, match=word):
        read(tmp_path, magic + b"rest of the file", "a.csv")


# Longer than a block of what is read at once, so that the file is still open when the error is raised.
_LONG = b"smiles,y\n" + b"CCO,1\n" * 400_000


@pytest.mark.parametrize(
    "content",
    [
        b"\0" * 40 + _LONG,
        b"smiles,y\0\n" + _LONG,
        b"words,numbers\n" + b"no structure,1\n" * 100_000,
        b"PAR1" + b"\0" * 2_000_000,
    ],
    ids=["NUL bytes", "NUL in the first row", "no SMILES", "broken Parquet"],
)
def test_an_error_that_is_kept_keeps_no_file_open(content, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    for reader in (read_assay, lambda source: list(read_library(source))):
        with pytest.raises(InputError) as kept:
            reader(path)
        assert kept.value.__traceback__
        assert not [one for one in psutil.Process().open_files() if one.path == str(path)], reader


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_assay(tmp_path / "nothing.csv")
    with pytest.raises(InputError, match="folder"):
        read_assay(tmp_path)
