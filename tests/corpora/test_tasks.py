"""FS-Mol's original folders: the classes of the source, its folds, and the thresholds that explain them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molmeta.corpora.build import build
from molmeta.corpora.config import CorpusConfig
from molmeta.corpora.reading import open_corpus
from molmeta.errors import InputError
from tests.corpora.chembl_release import alkanols

SHARED = Path(__file__).parents[2] / "../shared/data/fsmol"
CONFIG = CorpusConfig.model_validate({"filters": {"min_compounds": 6}, "features": {"fields": ["counts"]}})


def write_task(file: Path, rows: list[tuple[str, int, float, float, str]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(file, "wt", encoding="utf-8") as stream:
        for smiles, label, value, log, relation in rows:
            record = {
                "SMILES": smiles,
                "Property": f"{label}.0",
                "Assay_ID": file.name.removesuffix(".jsonl.gz"),
                "RegressionProperty": str(value),
                "LogRegressionProperty": str(log),
                "Relation": relation,
                "AssayType": "B",
                "fingerprints": [0, 2],
            }
            stream.write(json.dumps(record) + "\n")


def write_folders(folder: Path) -> Path:
    """A potency in train, a percentage in valid."""
    nM = [1e3, 2e3, 4e3, 1e4, 2e4, 5e4]
    rows = [(s, int(v < 5e3), v, 9 - np.log10(v), "=") for s, v in zip(alkanols(6), nM, strict=True)]
    rows[5] = (*rows[5][:4], ">")
    again = (rows[0][0], 0, 6e3, 9 - np.log10(6e3), "=")  # of the other class
    write_task(folder / "train" / "CHEMBL1.jsonl.gz", [*rows, ("CCCN", 1, 1e3, 6.0, "="), again])
    percent = [5.0, 10.0, 20.0, 60.0, 70.0, 80.0]
    rows = [(s, int(v > 30), v, 9 - np.log10(v), "=") for s, v in zip(alkanols(6), percent, strict=True)]
    write_task(folder / "valid" / "CHEMBL2.jsonl.gz", rows)
    return folder


def test_classes_and_folds_are_those_of_the_source(tmp_path: Path) -> None:
    manifest = build(write_folders(tmp_path / "fs"), tmp_path / "c", CONFIG)
    corpus = open_corpus(tmp_path / "c")
    assert corpus.assays["role"].tolist() == ["train", "valid"]
    assert corpus.assays["kind"].tolist() == ["pXC50", "percent"]
    assert corpus.assays["compounds"].tolist() == [6, 6]
    assert corpus.assays["active"].tolist() == [3, 3]
    np.testing.assert_allclose(corpus.assays["threshold"], [9 - np.log10(4e3) / 2 - 2, 40.0], atol=1e-6)
    assert corpus.relation[corpus.assay == 0].tolist() == [0, 0, 0, 0, -1, 0]
    assert manifest.counts["rows"] == 14
    assert manifest.left_out["replicates"]["in"] == {"CHEMBL1": 1}
    (shared,) = manifest.overlap
    assert (shared["of"], shared["within"], shared["compounds"], shared["shared_compounds"]) == (
        "valid",
        "train",
        6,
        5,
    )


def test_classes_can_be_made_anew(tmp_path: Path) -> None:
    wanted = CorpusConfig.model_validate(
        CONFIG.model_dump(exclude_none=True) | {"threshold": {"relabel": True}}
    )
    build(write_folders(tmp_path / "fs"), tmp_path / "c", wanted)
    assert open_corpus(tmp_path / "c").assays["threshold"].tolist()[1] == 40.0


def test_a_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    folder = write_folders(tmp_path / "fs")
    file = folder / "valid" / "CHEMBL2.jsonl.gz"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(
        InputError, match=r"1 part of the source .* \(CHEMBL2.jsonl.gz; CHEMBL2.jsonl.gz is cut"
    ):
        build(folder, tmp_path / "c", CONFIG)
    with gzip.open(file, "wt") as stream:
        stream.write('{"Assay_ID": 3}\n')
    with pytest.raises(InputError, match=r"CHEMBL2.jsonl.gz is no task file of FS-Mol"):
        build(folder, tmp_path / "c", CONFIG)
    drop = CorpusConfig.model_validate(CONFIG.model_dump(exclude_none=True) | {"faults": {"drop": ["files"]}})
    manifest = build(folder, tmp_path / "c", drop)
    assert manifest.counts["assays"] == 1
    assert manifest.left_out["files"]["in"] == {"CHEMBL2.jsonl.gz": 1}


def test_a_table_in_fsmol_form_says_the_same(tmp_path: Path) -> None:
    folder = write_folders(tmp_path / "fs")
    build(folder, tmp_path / "c", CONFIG)
    records = []
    for file in sorted(folder.rglob("*.gz")):
        with gzip.open(file, "rt") as stream:
            records += [json.loads(line) for line in stream]
    keys = ["Assay_ID", "SMILES", "Property", "RegressionProperty", "LogRegressionProperty", "Relation"]
    table = pd.DataFrame(records)[keys]
    table.columns = ["assay", "smiles", "label", "value", "p_value", "relation"]
    table.astype({"label": float, "value": float, "p_value": float}).to_csv(
        tmp_path / "t.csv.gz", index=False
    )
    described = {"assay": ["CHEMBL1", "CHEMBL2"], "kind": ["pXC50", "percent"], "role": ["dev", "train"]}
    more = {
        "target_id": [7, 8],
        "protein_family": ["tk kinase", ""],
        "protein_super_family": "",
        "residual_panel": 0,
    }
    pd.DataFrame(described | more).to_csv(tmp_path / "assays.csv", index=False)
    manifest = build(tmp_path / "t.csv.gz", tmp_path / "d", CONFIG)
    assert manifest.source["kind"] == "an FS-Mol table"
    one, other = open_corpus(tmp_path / "c"), open_corpus(tmp_path / "d")
    assert one.compounds["smiles"] == other.compounds["smiles"]
    for name in ("assay", "compound", "label", "value", "relation"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert other.assays["role"].tolist() == ["dev", "train"]
    assert other.assays["target_id"].tolist() == ["7", "8"]


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the FS-Mol tables are not beside the checkout")
def test_the_original_files(tmp_path: Path) -> None:
    config = CorpusConfig.model_validate({"features": {"fields": ["counts"]}})
    manifest = build(SHARED / "raw", tmp_path / "c", config)
    assert manifest.counts == {
        "rows": 340,
        "measurements": 288,
        "assays": 5,
        "compounds": 288,
        "targets": 0,
        "folds": {"train": 4, "valid": 1},
    }
    assays = open_corpus(tmp_path / "c").assays
    names = ["CHEMBL1804237", "CHEMBL2060157", "CHEMBL4274901", "CHEMBL963312", "CHEMBL3705880"]
    assert assays["active"].to_dict() == dict(zip(names, [18, 17, 16, 19, 74], strict=True))
    described = pd.read_csv(SHARED / "assays.csv", low_memory=False).set_index("assay").loc[assays.index]
    assert assays["kind"].tolist() == described["kind"].tolist()
    potencies = described["kind"] == "pXC50"
    # The published thresholds are rounded, and lie on a value.
    np.testing.assert_allclose(assays["threshold"][potencies], described["p_threshold"][potencies], atol=0.06)
    assert {reason: one["count"] for reason, one in manifest.left_out.items()} == {
        "replicates": 1,
        "small": 1,
    }
