"""A long table in any format becomes the same corpus; columns are found, signs and units understood."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molmeta.corpora.build import build
from molmeta.corpora.config import Columns, CorpusConfig
from molmeta.corpora.longtable import find_columns
from molmeta.corpora.manifest import Manifest
from molmeta.corpora.reading import StoredCorpus, open_corpus
from molmeta.errors import ConfigError, InputError, NotEnoughData
from tests.corpora.chembl_release import alkanols

CONFIG = CorpusConfig.model_validate(
    {
        "filters": {"min_compounds": 6},
        "folds": {"assays": {"test": 0.4}, "compounds": {}},
        "features": {"fields": ["counts"]},
    }
)
NM = [10.0, 100.0, 1000.0, 10000.0, 100000.0, 1e6]


def long_table() -> pd.DataFrame:
    """Three assays on two targets, whose rows are mixed."""
    rows = []
    for i, smiles in enumerate(alkanols(6)):
        rows += [
            ("A", "T1", smiles, "=", f"{NM[i] / 1000:g}", "uM", "IC50"),
            ("B", "T2", smiles, "", f"{9 - np.log10(NM[i]):g}", "", "pIC50"),
            ("C", "T1", smiles, "", f"{10 * i}", "%", "Inhibition"),
        ]
    rows.append(("A", "T1", "CCCN", "", ">1000", "uM", "IC50"))
    rows.append(("A", "T1", "CCCCN", ">", "0.01", "uM", "IC50"))
    columns = ["assay", "target", "smiles", "relation", "value", "unit", "type"]
    return pd.DataFrame(rows, columns=columns)


def build_table(folder: Path, table: pd.DataFrame, config: CorpusConfig = CONFIG) -> StoredCorpus:
    table.to_csv(folder / "long.csv", index=False)
    build(folder / "long.csv", folder / "corpus", config, force=True)
    return open_corpus(folder / "corpus")


def test_rows_become_assays(tmp_path: Path) -> None:
    corpus = build_table(tmp_path, long_table())
    columns = ["kind", "endpoint", "target", "source_assay", "compounds", "active", "threshold"]
    assert corpus.assays.index.tolist() == ["A IC50", "B IC50", "C Inhibition"]
    assert corpus.assays["kind"].tolist() == ["pXC50", "pXC50", "percent"]
    assert corpus.assays["compounds"].tolist() == [7, 6, 6]
    assert corpus.assays["active"].tolist() == [3, 3, 3]
    assert corpus.assays["threshold"].tolist() == [5.5, 5.5, 25.0]
    assert corpus.assays["target"].tolist() == ["T1", "T2", "T1"]
    assert set(columns) <= set(corpus.assays.columns)
    rows = corpus.assay == 0
    assert corpus.value[rows].round(6).tolist() == [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 3.0]
    assert corpus.relation[rows].tolist() == [0, 0, 0, 0, 0, 0, -1]
    assert corpus.manifest.left_out["bound"]["count"] == 1  # > 0.01 uM may be on either side


def test_targets_are_dealt_out_whole(tmp_path: Path) -> None:
    assays = build_table(tmp_path, long_table()).assays
    assert assays["role"].nunique() == 2
    assert assays["role"].iloc[0] == assays["role"].iloc[2] != assays["role"].iloc[1]


def test_every_format_gives_the_same_bytes(tmp_path: Path) -> None:
    table = long_table()
    table.to_csv(tmp_path / "long.csv", index=False)
    table.to_csv(tmp_path / "long.tsv", index=False, sep="\t")
    table.to_parquet(tmp_path / "long.parquet")
    (tmp_path / "long.csv.gz").write_bytes(gzip.compress((tmp_path / "long.csv").read_bytes()))
    found = {}
    for name in ("long.csv", "long.tsv", "long.parquet", "long.csv.gz"):
        out = tmp_path / f"{name}-corpus"
        build(tmp_path / name, out, CONFIG)
        files = sorted(file for file in out.rglob("*") if file.is_file() and file.name != "manifest.json")
        assays = open_corpus(out).assays.drop(columns="source")
        found[name] = (
            {f.relative_to(out): f.read_bytes() for f in files if f.name != "assays.parquet"},
            assays.to_csv(),
        )
    assert all(content == found["long.csv"] for content in found.values())


def test_a_table_whose_numbers_are_numbers_is_read_as_text(tmp_path: Path) -> None:
    table = long_table()[lambda t: t["assay"] == "C"].astype({"value": float})
    table.to_parquet(tmp_path / "t.parquet")
    assert build(tmp_path / "t.parquet", tmp_path / "c", CONFIG).counts["measurements"] == 6


def test_classes_need_no_threshold(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"task": "X", "SMILES": alkanols(6), "active": [1, 0, "inactive", "True", "yes", ""]}
    )
    corpus = build_table(tmp_path, table, CONFIG.model_copy(update={"filters": loose()}))
    assert corpus.assays.loc["X", "kind"] == "class"
    assert corpus.label.tolist() == [1, 0, 0, 1, 1]
    assert np.isnan(corpus.assays.loc["X", "threshold"])
    assert corpus.manifest.left_out["value"]["count"] == 1


def loose() -> object:
    return CorpusConfig.model_validate(
        {"filters": {"min_compounds": 2, "min_active": 0, "max_active": 1}}
    ).filters


def test_given_folds_are_kept(tmp_path: Path) -> None:
    table = long_table()
    table["fold"] = np.where(table["target"] == "T2", "valid", "")
    assays = build_table(tmp_path, table).assays
    assert assays["role"].tolist() == ["train", "valid", "train"]


def test_columns_are_those_of_an_export_of_chembl() -> None:
    header = [
        "Molecule ChEMBL ID", "Smiles", "Standard Type", "Standard Relation", "Standard Value",
        "Standard Units", "pChEMBL Value", "Assay ChEMBL ID", "Target ChEMBL ID", "Target Organism",
    ]  # fmt: skip
    assert find_columns("e.csv", header, Columns()) == {
        "assay": "Assay ChEMBL ID",
        "smiles": "Smiles",
        "value": "Standard Value",
        "unit": "Standard Units",
        "relation": "Standard Relation",
        "endpoint": "Standard Type",
        "target": "Target ChEMBL ID",
        "organism": "Target Organism",
    }


def test_a_column_that_says_its_unit_needs_no_other(tmp_path: Path) -> None:
    table = pd.DataFrame({"assay": "X", "smiles": alkanols(6), "IC50_nM": NM})
    corpus = build_table(tmp_path, table)
    assert corpus.value.round(6).tolist() == [8.0, 7.0, 6.0, 5.0, 4.0, 3.0]
    assert corpus.assays.index.tolist() == ["X"]


def test_columns_can_be_named_and_must_be_there(tmp_path: Path) -> None:
    named = Columns(assay="weird", smiles="s", value="v", unit="u")
    assert find_columns("t.csv", ["weird", "s", "v", "u"], named) == {
        "assay": "weird", "smiles": "s", "value": "v", "unit": "u",
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"t.csv has no column 'weird'; it has a, b"):
        find_columns("t.csv", ["a", "b"], named)
    for header, what in ((["smiles", "value"], "assays"), (["assay", "value"], "structures")):
        with pytest.raises(InputError, match=f"t.csv has no column of {what} among"):
            find_columns("t.csv", header, Columns())
    with pytest.raises(InputError, match=r"t.csv has no column of labels among assay, smiles; name it in"):
        find_columns("t.csv", ["assay", "smiles"], Columns())


def test_a_column_without_a_number_is_told(tmp_path: Path) -> None:
    table = pd.DataFrame({"assay": "X", "smiles": alkanols(6), "value": "n.d.", "unit": "nM"})
    with pytest.raises(InputError, match=r"no label in 6 rows of column 'value'"):
        build_table(tmp_path, table)


def test_nothing_left_says_why(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughData, match=r"no assay out of 3: .*3 assays of too few compounds; look at"):
        build_table(tmp_path, long_table(), CorpusConfig())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["long.csv"]


def test_a_table_beside_it_says_what_it_does_not(tmp_path: Path) -> None:
    long_table().drop(columns="target").to_csv(tmp_path / "long.csv", index=False)
    facts = {"assay": ["A", "B", "C Inhibition"], "Target": ["T1", "T2", "T1"], "family": ["", "Kinase", ""]}
    pd.DataFrame(facts).to_csv(tmp_path / "facts.csv", index=False)
    build(tmp_path / "long.csv", tmp_path / "c", CONFIG, description=tmp_path / "facts.csv")
    assays = open_corpus(tmp_path / "c").assays
    assert assays["target_id"].tolist() == ["T1", "T2", "T1"]
    assert assays["kinase"].tolist() == [None, True, None]
    facts["assay"] = ["x", "y", "z"]
    pd.DataFrame(facts).to_csv(tmp_path / "facts.csv", index=False)
    with pytest.raises(InputError, match=r"facts.csv says nothing of the assays here \(A IC50, ...\)"):
        build(tmp_path / "long.csv", tmp_path / "d", CONFIG, description=tmp_path / "facts.csv")


def test_equal_inputs_give_equal_bytes_whoever_does_the_work(tmp_path: Path) -> None:
    long_table().to_csv(tmp_path / "long.csv", index=False)
    for name, workers in (("a", 0), ("b", 1)):
        build(tmp_path / "long.csv", tmp_path / name, CONFIG, workers=workers)
    files = [file for file in (tmp_path / "a").rglob("*") if file.is_file()]
    assert len(files) == 8
    for file in files:
        assert file.read_bytes() == (tmp_path / "b" / file.relative_to(tmp_path / "a")).read_bytes(), (
            file.name
        )


def test_the_manifest_says_what_and_by_what(tmp_path: Path) -> None:
    manifest: Manifest = build_table(tmp_path, long_table()).manifest
    assert manifest.source["name"] == "long.csv"
    assert manifest.source["kind"] == "a long table"
    assert len(manifest.source["sha256"]) == 64
    assert set(manifest.versions) == {"molmeta", "rdkit"}
    assert CorpusConfig.model_validate(manifest.config) == CONFIG
    assert str(tmp_path) not in manifest.to_json().decode()
