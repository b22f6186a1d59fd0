"""Columns are recognised by what they hold before what they are called."""

import pytest

from molmeta.data.columns import Header, find_companion, find_identifier, find_smiles
from molmeta.data.headers import is_logarithmic, label_rank, plain, unit_in
from molmeta.data.labelcolumn import find_label
from molmeta.errors import InputError

SMILES = ["CCO", "CCCN", "c1ccccc1", "CC(=O)O", "CCCl", "OCCO"]


def header(**columns):
    return Header("a.csv", tuple(columns), list(zip(*columns.values(), strict=True)))


def test_yes_no_words_are_no_structures():
    found = header(flag=["NO", "IN", "CO", "CO", "CN", "CO"], stuff=SMILES)
    assert find_smiles(found) == 1
    with pytest.raises(InputError, match="no column of SMILES"):
        find_smiles(header(flag=["CO", "CN", "CO", "CO", "CN", "CO"], n=["1"] * 6))


def test_length_and_uniqueness_beat_a_repeated_scaffold():
    found = header(scaffold=["c1ccccc1"] * 6, name=["a"] * 6, compound=[f"{s}c1ccccc1" for s in "CNOFSP"])
    assert find_smiles(found) == 2


def test_a_tie_lists_the_candidates():
    with pytest.raises(InputError, match=r"'smiles_a', 'smiles_b'.*--smiles-column"):
        find_smiles(header(smiles_a=SMILES, y=["1"] * 6, smiles_b=SMILES[::-1]))
    assert find_smiles(header(smiles_a=SMILES, smiles_b=SMILES[::-1]), "smiles_b") == 1
    assert find_smiles(header(a=SMILES, b=["OCC", "NCCC", *SMILES[2:]])) == 0


def test_bad_structures_under_the_name_smiles_are_still_its():
    assert find_smiles(header(smiles=["C1CC", "xx", "C(", "CCO", "", "["], y=["1"] * 6)) == 0


def test_inchi_gets_advice():
    with pytest.raises(InputError, match="InChI"):
        find_smiles(header(inchi=["InChI=1S/CH4/h1H4"] * 3))


def test_labels_by_name_then_by_content():
    numbers = ["1.5", "2.5", "3", "4", "5", "6"]
    assert find_label(header(s=SMILES, mw=numbers, pIC50=numbers), 0) == 2
    assert find_label(header(s=SMILES, what=numbers, name=["x"] * 6), 0) == 1
    assert find_label(header(s=SMILES, target=["EGFR"] * 6, value=numbers), 0) == 2
    with pytest.raises(InputError, match="'A', 'B'"):
        find_label(header(s=SMILES, A=numbers, B=numbers), 0)
    with pytest.raises(InputError, match="no column of labels"):
        find_label(header(s=SMILES, cid=numbers), 0)


def test_companions_and_identifiers():
    found = header(
        s=SMILES,
        ID=list("abcdef"),
        IC50=["1"] * 6,
        IC50_units=["nM"] * 6,
        qualifier=[">", "", "=", "<", "'='", "~"],
    )
    assert find_companion(found, 2, "unit") == 3
    assert find_companion(found, 2, "relation") == 4
    assert find_identifier(found, [0, 2]) == 1
    assert find_identifier(header(s=SMILES, name=["same"] * 6), [0]) is None


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("IC50_nM", "nM"), ("IC50 nM", "nM"), ("IC50(nM)", "nM"), ("EC50 [µM]", "uM"), ("Ki (mM)", "mM"),
        ("Kd (M)", "M"), ("pChEMBL Value", "pChEMBL"), ("hERG_pIC50", "pIC50"), ("-logIC50", "-logIC50"),
        ("% inhibition", "%"),
        ("inhibition_percent", "%"), ("LogS", "LogS"), ("MIC (µg/mL)", "ug/mL"), ("IC50", None),
        ("activity", None), ("M", None), ("potency_uM", "uM"), ("name_m", None), ("logIC50 (nM)", "logIC50"),
        ("pic50", "pic50"), ("pIC50 (M)", "pIC50"), ("Ki_pM", "pM"),
    ],
)  # fmt: skip
def test_units_in_names(name, unit):
    assert unit_in(name) == unit


def test_names():
    assert plain(" IC50 (µM) ") == "ic50_um"
    assert [label_rank(n) for n in ("Label", "hERG", "CYP3A4_Ki", "whatever", "InChIKey", "MolWt")] == [
        0,
        1,
        1,
        2,
        3,
        3,
    ]
    assert [is_logarithmic(u) for u in ("nM", "pIC50", "logD", "%", None)] == [True, True, True, False, False]
