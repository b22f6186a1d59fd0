"""A ChEMBL release becomes the measurements, thresholds and folds that one finds by hand."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molmeta.corpora.build import build
from molmeta.corpora.config import CorpusConfig
from molmeta.corpora.manifest import Manifest
from molmeta.corpora.reading import StoredCorpus, open_corpus
from molmeta.errors import InputError
from tests.corpora.chembl_release import Release, alkanols

CONFIG = CorpusConfig.model_validate(
    {
        "filters": {"min_compounds": 8},
        "folds": {"assays": {"test": 0.3}, "compounds": {"test": 0.2}},
        "features": {"fields": ["counts"]},
    }
)
NM = [10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0, 30000.0]  # pIC50 8 to 4.52
P = [8.0, 7.5229, 7.0, 6.5229, 6.0, 5.5229, 5.0, 4.5229]


def fill(release: Release) -> None:
    """Assays by number, each with a trap."""
    eight = alkanols(8)
    clean = release.assay(1, target=1)
    for smiles, value in zip(eight, NM, strict=True):
        release.activity(clean, smiles, value)

    units = release.assay(2, target=2)  # the complex that CDK2 is part of; M, mM, uM and nM, and logarithms
    said = [("M", 1e-8), ("mM", 3e-5), ("uM", 0.1), ("nM", 300.0), ("uM", 1.0), ("uM", 3.0)]
    for smiles, (unit, value) in zip(eight, said, strict=False):
        release.activity(units, smiles, value, units=unit)
    release.activity(units, eight[6], 5.0, units=None, endpoint="pIC50")
    release.activity(units, eight[7], 4.5229, units="-", endpoint="-Log IC50")
    release.activity(units, "CCCN", 12.0, units="ug.mL-1")  # from which no concentration follows
    release.activity(units, "CCCCN", 12.0, units="ug.mL-1", pchembl=6.2)  # ChEMBL knows the mass
    release.activity(units, "CCCCCN", 1e-16, units="nM")  # pIC50 25
    release.activity(units, "CCCCCCN", -5.0)

    bounds = release.assay(3, target=3)
    for smiles, value in zip(eight, NM, strict=True):
        release.activity(bounds, smiles, value, endpoint="Ki")
    release.activity(bounds, "CCCN", 100000.0, relation=">", endpoint="Ki")  # surely inactive
    release.activity(bounds, "CCCCN", 1.0, relation="<", endpoint="Ki")  # surely active
    release.activity(bounds, "CCCCCN", 10.0, relation=">", endpoint="Ki")  # may be either
    release.activity(bounds, "CCCCCCN", 1.0, relation="?", endpoint="Ki")
    for smiles, value in zip(alkanols(8, 20), NM, strict=True):
        release.activity(bounds, smiles, value, endpoint="IC50")  # another endpoint of the same assay

    doubts = release.assay(4, target=3, kind="F")
    for smiles, value in zip(eight, NM, strict=True):
        release.activity(doubts, smiles, value, relation="'='")  # as ChEMBL once wrote it
    release.activity(doubts, "CCCN", 50.0, validity="Potential author error")
    release.activity(doubts, "CCCCN", 50.0, validity="Manually validated")
    release.activity(doubts, "CCCCCN", 50.0, copy=1)
    release.activity(doubts, "CCCCCCN", None)
    release.activity(doubts, None, 50.0)
    release.activity(doubts, "C1CC", 50.0)  # no structure that can be read

    salts = release.assay(5, target=None, confidence=4)
    for smiles, value in zip([f"{'C' * n}N" for n in range(1, 9)], NM, strict=True):
        release.activity(salts, smiles, value)
    release.activity(salts, "CN.Cl", 40.0)  # of CN, which has 10 nM
    release.activity(salts, "CCN", 30.0 * 100)  # two logarithmic units from the other one
    release.activity(salts, "C[NH3+]", 20.0)

    percent = release.assay(6, target=4, kind="F")
    for smiles, value in zip(eight, [5, 15, 25, 35, 45, 55, 65, 75], strict=True):
        release.activity(percent, smiles, value, units="%", endpoint="Inhibition")
    release.activity(percent, "CCCN", 4000.0, units="%", endpoint="Inhibition")

    copy = release.assay(7, target=1)
    for smiles, value in zip(reversed(eight), reversed(NM), strict=True):
        release.activity(copy, smiles, value)
    tiny = release.assay(8, target=1)
    release.activity(tiny, "CCO", 10.0)
    weak = release.assay(9, target=1)
    for smiles in eight:
        release.activity(weak, smiles, 50000.0)  # all of them inactive
    release.assay(10, target=1, kind="P")
    release.assay(11, target=1, confidence=0)
    for assay in (10, 11):
        for smiles, value in zip(eight, NM, strict=True):
            release.activity(assay, smiles, value / 2)
    other = release.assay(12, target=1)
    for smiles in eight:
        release.activity(other, smiles, 3.0, units="hr", endpoint="T1/2")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Release(tmp_path_factory.mktemp("chembl") / "chembl_34.db")
    fill(made)
    return made.close()


@pytest.fixture(scope="module")
def corpus(release: Path) -> StoredCorpus:
    build(release, release.parent / "corpus", CONFIG)
    return open_corpus(release.parent / "corpus")


@pytest.fixture(scope="module")
def manifest(corpus: StoredCorpus) -> Manifest:
    return corpus.manifest


def measured(corpus: StoredCorpus, name: str) -> pd.DataFrame:
    rows = corpus.assay == corpus.assays.index.get_loc(name)
    smiles = np.array(corpus.compounds["smiles"].to_pylist())[corpus.compound[rows]]
    columns = {"value": corpus.value, "relation": corpus.relation, "label": corpus.label}
    return pd.DataFrame({name: column[rows] for name, column in columns.items()}, index=smiles)


def test_assays_are_those_that_pass_the_filters(corpus: StoredCorpus) -> None:
    assays = corpus.assays
    assert assays[["kind", "compounds", "active"]].to_dict("index") == {
        "CHEMBL10001 IC50": {"kind": "pXC50", "compounds": 8, "active": 4},
        "CHEMBL10002 IC50": {"kind": "pXC50", "compounds": 9, "active": 4},
        "CHEMBL10003 Ki": {"kind": "pXC50", "compounds": 10, "active": 4},
        "CHEMBL10003 IC50": {"kind": "pXC50", "compounds": 8, "active": 4},
        "CHEMBL10004 IC50": {"kind": "pXC50", "compounds": 9, "active": 4},
        "CHEMBL10005 IC50": {"kind": "pXC50", "compounds": 8, "active": 4},
        "CHEMBL10006 Inhibition": {"kind": "percent", "compounds": 8, "active": 4},
    }
    assert list(assays["threshold"].round(4)) == [6.2614, 6.2, 6.5229, 6.2614, 6.5229, 6.2614, 40.0]


def test_counts(manifest: Manifest) -> None:
    assert manifest.counts == {
        "rows": 107,
        "measurements": 60,
        "assays": 7,
        "compounds": 24,
        "targets": 3,
        "folds": {"test": 2, "train": 5},
    }
    assert manifest.source["release"] == "ChEMBL_34"
    assert manifest.source["kind"] == "a ChEMBL release"


def test_all_that_is_left_out_is_counted(manifest: Manifest) -> None:
    assert {reason: one["count"] for reason, one in manifest.left_out.items()} == {
        "units": 1,
        "scale": 3,
        "duplicates": 1,
        "value": 1,
        "relation": 1,
        "structure": 2,
        "validity": 1,
        "copy": 1,
        "bound": 1,
        "small": 1,
        "balance": 1,
    }
    assert manifest.left_out["scale"]["in"] == {"CHEMBL10002 IC50": 2, "CHEMBL10006 Inhibition": 1}


def test_values_are_on_one_scale_whatever_their_unit(corpus: StoredCorpus) -> None:
    mixed = measured(corpus, "CHEMBL10002 IC50")
    np.testing.assert_allclose(mixed["value"].iloc[:8], P, atol=1e-3)
    assert mixed.loc["CCCCN", "value"] == 6.2
    assert list(mixed.index[:8]) == alkanols(8)


def test_bounds_turn_round_and_count_where_they_settle_the_class(corpus: StoredCorpus) -> None:
    found = measured(corpus, "CHEMBL10003 Ki")
    assert tuple(found.loc["CCCN"]) == (4.0, -1, 0)
    assert tuple(found.loc["CCCCN"]) == (9.0, 1, 1)
    assert "CCCCCN" not in found.index


def test_salts_and_charges_are_one_compound_with_the_median_of_their_rows(corpus: StoredCorpus) -> None:
    found = measured(corpus, "CHEMBL10005 IC50")
    assert found.loc["CN", "value"] == pytest.approx(9 - np.log10(20.0))
    assert found.loc["CCN", "value"] == pytest.approx(9 - np.log10(300.0))  # the middle of two


def test_targets_are_known_by_their_proteins_and_classes(corpus: StoredCorpus) -> None:
    assays = corpus.assays
    assert (
        assays.loc["CHEMBL10001 IC50", "target_id"] == assays.loc["CHEMBL10002 IC50", "target_id"] == "P24941"
    )
    assert assays.loc["CHEMBL10002 IC50", "target_name"] == "CDK2/Cyclin A"
    assert assays.loc["CHEMBL10001 IC50", "family"] == "Enzyme / Kinase"
    assert list(assays["kinase"].iloc[[0, 2]]) == [True, False]
    assert pd.isna(assays.loc["CHEMBL10005 IC50", "target_id"])
    assert assays.loc["CHEMBL10006 Inhibition", "target_id"] == "CHEMBL399"  # which has no sequence


def test_no_target_is_in_two_folds_and_no_cluster_either(corpus: StoredCorpus) -> None:
    assays = corpus.assays.dropna(subset="target_id")
    assert (assays.groupby("target_id")["role"].nunique() == 1).all()
    compounds = corpus.compounds.to_pandas()
    assert (compounds.groupby("cluster")["fold"].nunique() == 1).all()
    assert set(compounds["fold"]) == {"train", "test"}


def test_types_and_limits_are_those_of_the_configuration(release: Path, tmp_path: Path) -> None:
    wanted = CORPUS | {
        "chembl": {"potencies": ["Ki"], "percentages": []},
        "threshold": {"lowest": 7.0},
        "filters": {"min_compounds": 8, "min_active": 0.2},
    }
    build(release, tmp_path / "c", CorpusConfig.model_validate(wanted))
    assays = open_corpus(tmp_path / "c").assays
    assert assays[["compounds", "active", "threshold"]].to_dict("index") == {
        "CHEMBL10003 Ki": {"compounds": 10, "active": 3, "threshold": 7.0}
    }


CORPUS = CONFIG.model_dump(exclude_none=True)


def test_faults_that_must_not_be_dropped_stop_all(release: Path, tmp_path: Path) -> None:
    strict = CorpusConfig.model_validate(CORPUS | {"faults": {"drop": []}})
    with pytest.raises(InputError) as told:
        build(release, tmp_path / "c", strict)
    assert "1 row in a unit that does not go with the others" in str(told.value)
    assert "3 labels outside of the scale (CHEMBL10002 IC50 (2), CHEMBL10006 Inhibition" in str(told.value)
    assert "--drop units --drop scale" in str(told.value)
    assert not list(tmp_path.iterdir())


def test_a_release_without_sequences_goes_by_target(release: Path, tmp_path: Path) -> None:
    other = tmp_path / "old.db"
    other.write_bytes(release.read_bytes())
    with sqlite3.connect(other) as base:
        for table in (
            "component_class",
            "component_sequences",
            "target_components",
            "protein_classification",
        ):
            base.execute(f"DROP TABLE {table}")
    base.close()
    build(other, tmp_path / "c", CONFIG)
    assays = open_corpus(tmp_path / "c").assays
    assert assays.loc["CHEMBL10001 IC50", "target_id"] == "CHEMBL301"
    assert assays["family"].isna().all()


def test_a_release_that_is_cut_off_is_told(release: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.db"
    cut.write_bytes(release.read_bytes()[:-5000])
    with pytest.raises(
        InputError, match=r"cut.db is cut off: it has [\d,]+ bytes of [\d,]+; unpack it again"
    ):
        build(cut, tmp_path / "c", CONFIG)
    damaged = bytearray(release.read_bytes())
    damaged[len(damaged) // 2 :] = b"x" * (len(damaged) - len(damaged) // 2)
    cut.write_bytes(damaged)
    with pytest.raises(InputError, match=r"cut.db is cut off or damaged"):
        build(cut, tmp_path / "c", CONFIG)


def test_another_database_is_told(tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "other.db")
    base.execute("CREATE TABLE assays (a)")
    base.close()
    with pytest.raises(
        InputError, match=r"no table activities, compound_structures, target_dictionary; give the"
    ):
        build(tmp_path / "other.db", tmp_path / "c", CONFIG)
