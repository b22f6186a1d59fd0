"""The reader of FS-Mol: table, folder of task files, and that both say the same."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molmeta.data.corpus import Corpus
from molmeta.data.fsmol import read_fsmol
from molmeta.data.protocol import fsmol, measured, sample_draws
from molmeta.errors import InputError
from molmeta.evaluation import baselines, evaluate

SHARED = Path(__file__).parents[2] / "../shared/data/fsmol"

# assay, smiles, label, value, p_value, relation: A1 holds potencies in nM, A2 percentages.
ROWS = [
    ("A1", "CCO", 0, 10_000.0, 5.0, ">"),
    ("A1", "CC(=O)Nc1ccc(O)cc1", 1, 10.0, 8.0, "="),
    ("A1", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", 1, 1.0, 9.0, "<="),
    ("A1", "CCN", 0, 1000.0, 6.0, ""),
    ("A2", "CCO", 0, 12.0, 7.9208, "="),
    ("A2", "CCN", 1, 87.0, 13.0, ">"),
]
FIELDS = ["assay", "smiles", "label", "value", "p_value", "relation"]
KEYS = dict(
    zip(
        ["Assay_ID", "SMILES", "Property", "RegressionProperty", "LogRegressionProperty", "Relation"],
        FIELDS,
        strict=True,
    )
)


def write_table(folder: Path, described: bool = True) -> Path:
    pd.DataFrame(ROWS, columns=FIELDS).to_csv(folder / "train.csv.gz", index=False)
    if described:
        pd.DataFrame(
            {
                "assay": ["A0", "A1", "A2"],
                "kind": ["pXC50", "pXC50", "percent"],
                "role": ["train", "train", "dev"],
                "protein_family": ["", "tyrosine kinase", None],
                "protein_super_family": [None, None, None],
                "residual_panel": [0, 0, 1],
            }
        ).to_csv(folder / "assays.csv", index=False)
    return folder / "train.csv.gz"


def write_folder(folder: Path) -> Path:
    folder.mkdir()
    table = pd.DataFrame(ROWS, columns=FIELDS)
    for name, rows in table.groupby("assay"):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as stream:
            for row in rows.to_dict("records"):
                record = {key: str(row[field]) for key, field in KEYS.items()}
                stream.write(json.dumps(record | {"fingerprints": [0, 1]}) + "\n")
    return folder


def same_measurements(a: Corpus, b: Corpus) -> None:
    """Same assays, and in each the same rows in the same order."""
    assert set(a.assays.index) == set(b.assays.index)
    for name in a.assays.index:
        one, other = a.rows(name), b.rows(name)
        assert _smiles(a, one) == _smiles(b, other)
        np.testing.assert_array_equal(a.label[one], b.label[other])
        np.testing.assert_allclose(a.value[one], b.value[other], atol=1e-3)
        np.testing.assert_array_equal(a.relation[one], b.relation[other])
        assert a.assays["kind"][name] == b.assays["kind"][name]


def _smiles(corpus: Corpus, rows: slice) -> list[str | None]:
    return [corpus.smiles[i] if i >= 0 else None for i in corpus.mol[rows]]


def test_a_table_with_its_description(tmp_path: Path):
    corpus = read_fsmol(write_table(tmp_path), {"counts"})
    assert list(corpus.assays.index) == ["A1", "A2"]
    assert corpus.assays["kinase"].tolist() == [True, False]
    assert corpus.assays["panel"].tolist() == [False, True]
    # "more than 10 uM" is less than 5 on the p-scale.
    assert corpus.relation[corpus.rows("A1")].tolist() == [-1, 0, 1, 0]
    assert corpus.value[corpus.rows("A1")].tolist() == [5, 8, 9, 6]


def test_percentages_have_no_value(tmp_path: Path):
    corpus = read_fsmol(write_table(tmp_path), {"counts"})
    assert np.isnan(corpus.value[corpus.rows("A2")]).all()
    assert len(corpus.labelled("A2", "regression")) == 0
    assert len(corpus.labelled("A2")) == 2


def test_roles_choose_assays(tmp_path: Path):
    table = write_table(tmp_path)
    assert list(read_fsmol(table, {"counts"}, roles=["dev"]).assays.index) == ["A2"]
    assert len(read_fsmol(table, {"counts"}, roles=["dev", "train"])) == 2
    with pytest.raises(InputError, match="no assay with the role valid_select"):
        read_fsmol(table, {"counts"}, roles=["valid_select"])


def test_a_table_alone_finds_its_potencies(tmp_path: Path):
    corpus = read_fsmol(write_table(tmp_path, described=False), {"counts"})
    assert corpus.assays["kind"].tolist() == ["pXC50", "percent"]
    assert corpus.assays["kinase"].isna().all()


def test_a_folder_of_task_files_is_the_same_corpus(tmp_path: Path):
    table = read_fsmol(write_table(tmp_path), {"counts"})
    folder = read_fsmol(write_folder(tmp_path / "tasks"), {"counts"})
    same_measurements(table, folder)


def test_what_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"no such file.*absent"):
        read_fsmol(tmp_path / "absent.csv", {"counts"})
    with pytest.raises(InputError, match=r"holds no \*\.jsonl\.gz"):
        read_fsmol(tmp_path, {"counts"})
    pd.DataFrame({"assay": ["A"], "smiles": ["CCO"]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match="lacks the columns label, p_value, relation, value"):
        read_fsmol(tmp_path / "t.csv", {"counts"})


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the FS-Mol tables are not beside the checkout")
@pytest.mark.parametrize("fold", ["train", "valid"])
def test_original_task_files_give_the_numbers_of_the_table(tmp_path: Path, fold: str):
    folder = read_fsmol(SHARED / "raw" / fold, {"counts"})
    rows = pd.read_csv(SHARED / f"{fold}.csv.gz")
    rows[rows["assay"].isin(folder.assays.index)].to_csv(tmp_path / "part.csv", index=False)
    (tmp_path / "assays.csv").write_bytes((SHARED / "assays.csv").read_bytes())
    table = read_fsmol(tmp_path / "part.csv", {"counts"})
    same_measurements(folder, table)
    for name in folder.assays.index:
        one, other = (fsmol(measured(corpus, name, "classification")) for corpus in (folder, table))
        np.testing.assert_array_equal(one.y, other.y)
        for a, b in zip(sample_draws(one, 16, 3), sample_draws(other, 16, 3), strict=True):
            np.testing.assert_array_equal(a.support, b.support)
            np.testing.assert_array_equal(a.query, b.query)
    numbers = [
        evaluate(corpus, baselines(["gp-tanimoto", "knn"]), [16], 2)
        .sort_values(["assay", "seed", "method"])
        .reset_index(drop=True)
        for corpus in (folder, table)
    ]
    assert len(numbers[0]) >= 2 * 2 * len(folder) - 8
    pd.testing.assert_frame_equal(*numbers)
