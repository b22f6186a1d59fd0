"""Faults of a source stop a build before anything is written, all at once, by name and number."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molmeta.corpora.build import build
from molmeta.corpora.config import CorpusConfig, read_corpus_config, with_drops
from molmeta.corpora.reading import open_corpus, read_assays
from molmeta.errors import ConfigError, InputError, RefusedError
from tests.corpora.chembl_release import alkanols

CONFIG = CorpusConfig.model_validate(
    {"filters": {"min_compounds": 6}, "folds": {"assays": {}}, "features": {"fields": ["counts"]}}
)
NM = [10.0, 100.0, 1000.0, 10000.0, 100000.0, 1e6]


def rows(name: str, values: list[float] = NM, unit: str = "nM", **more: object) -> pd.DataFrame:
    table = {"assay": name, "smiles": alkanols(len(values)), "type": "IC50", "value": values, "unit": unit}
    return pd.DataFrame(table | more)


def stopped(folder: Path, *parts: pd.DataFrame) -> str:
    """What is said of a table; nothing must be left behind."""
    pd.concat(parts).to_csv(folder / "t.csv", index=False)
    with pytest.raises(InputError) as told:
        build(folder / "t.csv", folder / "out", CONFIG)
    assert [file.name for file in folder.iterdir()] == ["t.csv"]
    return str(told.value)


def dropping(folder: Path, *names: str) -> dict[str, int]:
    """What is left out where the faults may be dropped."""
    manifest = build(folder / "t.csv", folder / "out", with_drops(CONFIG, names))
    return {reason: one["count"] for reason, one in manifest.left_out.items()}


def test_units_that_do_not_go_together(tmp_path: Path) -> None:
    odd = pd.DataFrame(
        {"assay": "A", "smiles": ["CCN", "CCCN"], "type": "IC50", "value": 5, "unit": ["%", "ug/mL"]}
    )
    told = stopped(tmp_path, rows("A"), rows("B", [v * 2 for v in NM]), odd)
    assert "t.csv: 2 rows in a unit that does not go with the others or says no scale (A IC50 (2); " in told
    assert told.endswith("Or give --drop units, to leave out and count them")
    assert dropping(tmp_path, "units") == {"units": 2}
    assert open_corpus(tmp_path / "out").assays["compounds"].tolist() == [6, 6]


def test_other_units_do_not_mix_either(tmp_path: Path) -> None:
    told = stopped(
        tmp_path, rows("A", type="Papp", unit="1e-6 cm/s"), rows("A", [5.0], unit="nm/s", type="Papp")
    )
    assert "1 row in a unit" in told
    assert "6 in another unit, 1 in another unit" in told


def test_labels_that_cannot_be(tmp_path: Path) -> None:
    odd = pd.DataFrame(
        {
            "assay": ["P", "P", "N", "%"],
            "smiles": "CCN",
            "type": ["pIC50", "pIC50", "IC50", "Inhibition"],
            "value": [25, -3, -100, 1001],
            "unit": ["", "", "nM", "%"],
        }
    )
    told = stopped(tmp_path, rows("A"), odd)
    assert (
        "4 labels outside of the scale (P IC50 (2), N IC50, % Inhibition; row 7 of t.csv has pIC50 25.0)"
        in told
    )
    assert dropping(tmp_path, "scale") == {"scale": 4}


def test_an_assay_under_two_names(tmp_path: Path) -> None:
    again = rows("B").iloc[::-1]
    told = stopped(tmp_path, rows("A"), again)
    assert (
        "1 assay with the compounds and labels of another one (B IC50; B IC50 has the rows of A IC50)" in told
    )
    assert dropping(tmp_path, "duplicates") == {"duplicates": 1}
    assert open_corpus(tmp_path / "out").assays.index.tolist() == ["A IC50"]


def test_a_target_in_two_folds(tmp_path: Path) -> None:
    first, second = (
        rows("A", target="T", fold="train"),
        rows("B", [v * 2 for v in NM], target="T", fold="test"),
    )
    third = rows("C", [v * 3 for v in NM], target="U", fold="train")
    told = stopped(tmp_path, first, second, third)
    assert "2 assays on a target that is in another fold too (T (2); T has assays in several folds " in told
    assert "(1 in test, 1 in train)" in told
    assert dropping(tmp_path, "targets") == {"targets": 2}
    assays = open_corpus(tmp_path / "out").assays
    assert assays["role"].to_dict() == {"B IC50": "test", "C IC50": "train"}


def test_faults_are_told_together(tmp_path: Path) -> None:
    told = stopped(tmp_path, rows("A"), rows("A", [-1.0]), rows("A", [1.0], unit="%"))
    assert "--drop units --drop scale" in told


def test_a_table_that_is_cut_off(tmp_path: Path) -> None:
    text = rows("A").to_csv(index=False)
    (tmp_path / "t.csv").write_text(text[: text.rindex(",IC50")])
    with pytest.raises(
        InputError, match=r"1 part of the source that is cut off .*line 7 is not a row: it has 2"
    ):
        build(tmp_path / "t.csv", tmp_path / "out", CONFIG)
    rows("A").to_parquet(tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(whole[:-100])
    with pytest.raises(InputError, match=r"t.parquet is cut off or damaged"):
        build(tmp_path / "t.parquet", tmp_path / "out", CONFIG)
    (tmp_path / "t.csv").write_text(text)
    import gzip

    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode())[:-20])
    with pytest.raises(InputError, match=r"t.csv.gz is cut off"):
        build(tmp_path / "t.csv.gz", tmp_path / "out", CONFIG)


def test_files_of_a_folder_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    rows("A").drop(columns=["assay", "type"]).to_csv(folder / "good.csv", index=False)
    (folder / "mixed.csv").write_text("smiles,pIC50\nCCO,5\nCCCO,6\nCCCCO,25000\n")
    (folder / "empty.csv").write_text("")
    with pytest.raises(
        InputError, match=r"2 parts of the source .* \(empty.csv, mixed.csv; empty.csv is empty"
    ):
        build(folder, tmp_path / "out", CONFIG)
    manifest = build(folder, tmp_path / "out", with_drops(CONFIG, ["files"]))
    assert manifest.left_out["files"]["in"] == {"empty.csv": 1, "mixed.csv": 1}


def test_two_files_of_one_name(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    for name in ("a.csv", "a.tsv"):
        rows("A").drop(columns=["assay", "type"]).to_csv(
            folder / name, index=False, sep="\t" if "t" in name else ","
        )
    with pytest.raises(InputError, match=r"a.tsv.* another file is called 'a' too"):
        build(folder, tmp_path / "out", CONFIG)


def test_replicates_that_disagree_are_named(tmp_path: Path) -> None:
    strict = CorpusConfig.model_validate(
        CONFIG.model_dump(exclude_none=True) | {"replicates": {"conflicts": "stop"}}
    )
    pd.concat([rows("A"), rows("A", [1e6])]).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match=r"assay A IC50: replicates disagree: .*\(CO: 8, 3\)"):
        build(tmp_path / "t.csv", tmp_path / "out", strict)


def test_no_corpus_is_replaced_unasked_and_nothing_else_ever(tmp_path: Path) -> None:
    rows("A").to_csv(tmp_path / "t.csv", index=False)
    build(tmp_path / "t.csv", tmp_path / "out", CONFIG)
    before = (tmp_path / "out" / "manifest.json").read_bytes()
    with pytest.raises(RefusedError, match=r"out exists; give --force"):
        build(tmp_path / "t.csv", tmp_path / "out", CONFIG)
    (tmp_path / "t.csv").write_text("assay,smiles,value\n")
    with pytest.raises(InputError):
        build(tmp_path / "t.csv", tmp_path / "out", CONFIG, force=True)
    assert (tmp_path / "out" / "manifest.json").read_bytes() == before
    rows("B").to_csv(tmp_path / "t.csv", index=False)
    build(tmp_path / "t.csv", tmp_path / "out", CONFIG, force=True)
    assert open_corpus(tmp_path / "out").assays.index.tolist() == ["B IC50"]
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(RefusedError, match=r"thesis is no corpus, and is not replaced"):
        build(tmp_path / "t.csv", tmp_path / "thesis", CONFIG, force=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out", "t.csv", "thesis"]


@pytest.mark.parametrize("name", ["counts.value.npy", "counts.ptr.npy"])
def test_features_that_are_cut_off_are_told(tmp_path: Path, name: str) -> None:
    rows("A").to_csv(tmp_path / "t.csv", index=False)
    build(tmp_path / "t.csv", tmp_path / "out", CONFIG)
    file = tmp_path / "out" / "features" / name
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(InputError, match=f"{re.escape(name)} is cut off or damaged"):
        read_assays(tmp_path / "out", ["counts"])


@pytest.mark.parametrize("name", ["measurements.parquet", "assays.parquet", "compounds.parquet"])
def test_tables_that_are_cut_off_are_told(tmp_path: Path, name: str) -> None:
    rows("A").to_csv(tmp_path / "t.csv", index=False)
    build(tmp_path / "t.csv", tmp_path / "out", CONFIG)
    file = tmp_path / "out" / name
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(InputError, match=f"{name} is missing, cut off or damaged"):
        read_assays(tmp_path / "out", ["counts"])


def test_a_corpus_of_a_newer_format_is_told(tmp_path: Path) -> None:
    rows("A").to_csv(tmp_path / "t.csv", index=False)
    build(tmp_path / "t.csv", tmp_path / "out", CONFIG)
    file = tmp_path / "out" / "manifest.json"
    file.write_text(file.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(InputError, match=r"out has format 99, and this molmeta reads 1"):
        open_corpus(tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[filters]\nmin_compound = 3", "unknown key 'filters.min_compound'; did you mean 'min_compounds'?"),
        ("[filter]\nmin_compounds = 3", "unknown key 'filter'; did you mean 'filters'?"),
        ("[filters]\nmin_active = 2", "filters.min_active"),
        ("[filters]\nmin_active = 0.9", "a minimum must not be above its maximum"),
        ("[folds.assays]\ntest = 0.6\nvalid = 0.6", "must leave something to train on"),
        ("[folds.assays]\ntrain = 0.6", '"train" is what the others leave'),
        ('[features]\nfields = ["count"]', "did you mean 'counts'?"),
        ('[faults]\ndrop = ["scales"]', "did you mean 'scale'?"),
        ('[replicates]\nconflicts = "mean"', "replicates.conflicts"),
    ],
)
def test_a_configuration_says_what_is_wrong_with_it(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ConfigError, match=re.escape(told)):
        read_corpus_config(tmp_path / "c.toml")


def test_a_fault_that_is_not_known_is_told() -> None:
    with pytest.raises(ConfigError, match="no fault is called 'duplicate'; did you mean 'duplicates'"):
        with_drops(CONFIG, ["duplicate"])


def test_what_is_no_source_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file or folder"):
        build(tmp_path / "none", tmp_path / "out", CONFIG)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds neither tables"):
        build(tmp_path / "empty", tmp_path / "out", CONFIG)
    (tmp_path / "chembl_34_sqlite.tar.gz").write_bytes(np.zeros(1000, dtype=np.uint8).tobytes())
    with pytest.raises(InputError, match=r"is an archive; unpack it"):
        build(tmp_path / "chembl_34_sqlite.tar.gz", tmp_path / "out", CONFIG)
