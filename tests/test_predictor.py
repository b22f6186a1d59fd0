from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rdkit import Chem

import molmeta
from molmeta import assays
from molmeta.adaptation import adapt
from molmeta.checkpoint import save_checkpoint
from molmeta.errors import CheckpointError, ConfigError, RefusedError
from molmeta.heads.evidence.head import Evidence
from molmeta.learner import Learner
from molmeta.loading import load
from molmeta.predictor import Predictor

COMMON = ["mm_status", "mm_smiles", "mm_score"]
REST = [
    "mm_std",
    "mm_low",
    "mm_high",
    "mm_call",
    "mm_in_domain",
    "mm_nearest",
    "mm_nearest_similarity",
    "mm_nearest_label",
    "mm_set",
]
QUERIES = ["CCO", "c1ccccc1O", "C1CC", "", "CC(=O)Oc1ccccc1C(=O)O", "OC(=O)c1ccccc1OC(C)=O.[Na+].[Cl-]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    heads = {"evidence": {"dim": 16}, "mahalanobis": {"dim": 16, "project": 8}}
    learner = Learner({"name": "fingerprint", "width": 32, "depth": 1, "dim": 16}, heads)
    path = tmp_path_factory.mktemp("models") / "small"
    save_checkpoint(path, learner)
    return path


@pytest.fixture(scope="module")
def bbb(folder: Path) -> Predictor:
    return adapt(assays.path("bbb"), folder, verdict=False)


@pytest.fixture(scope="module")
def logp(folder: Path) -> Predictor:
    return adapt(assays.path("logp"), folder, verdict=False)


def numbers(frame: pd.DataFrame) -> np.ndarray:
    return frame.select_dtypes("float64").to_numpy()


def test_columns_and_types_of_classes(bbb: Predictor):
    found = bbb.predict(QUERIES)
    assert list(found) == [*COMMON, "mm_probability", *REST]
    good = found[found.mm_status == "ok"]
    assert found.mm_status.tolist() == ["ok", "ok", "invalid_smiles", "empty", "ok", "ok"]
    assert good.mm_probability.between(good.mm_low, good.mm_high).all()
    assert good.mm_call.isin([0, 1]).all()
    assert (good.mm_call == (good.mm_probability >= bbb.calibration.threshold)).all()
    assert good.mm_nearest_similarity.between(0, 1).all()
    assert good.mm_nearest_label.isin([0.0, 1.0]).all()
    assert found.drop(columns="mm_status")[found.mm_status != "ok"].isna().all(axis=None)


def test_columns_and_types_of_values(logp: Predictor):
    found = logp.predict(QUERIES)
    assert list(found) == [*COMMON, "mm_value", *REST]
    good = found[found.mm_status == "ok"]
    assert (good.mm_score == good.mm_value).all()
    assert good.mm_value.between(good.mm_low, good.mm_high).all()
    assert good.mm_call.isna().all()


def test_the_index_of_a_series_is_kept(bbb: Predictor):
    series = pd.Series(["CCO", "nonsense", None], index=["a", "b", "a"])
    found = bbb.predict(series)
    assert found.index.tolist() == ["a", "b", "a"]
    assert found.mm_status.tolist() == ["ok", "invalid_smiles", "empty"]


def test_one_text_is_one_row_and_none_is_no_row(bbb: Predictor):
    assert len(bbb.predict("CCO")) == 1
    empty = bbb.predict([])
    assert len(empty) == 0
    assert list(empty) == list(bbb.predict("CCO"))
    assert len(bbb.predict(["xx", "yy"])) == 2


def test_another_spelling_and_other_company_change_nothing(bbb: Predictor):
    mol = Chem.MolFromSmiles("CC(C)NCC(O)COc1cccc2ccccc12")
    spellings = [Chem.MolToSmiles(mol, doRandom=True) for _ in range(5)]
    together = bbb.predict(["CCO", *spellings, "c1ccccc1"])
    alone = bbb.predict(spellings[0])
    assert together.mm_smiles[1:6].nunique() == 1
    np.testing.assert_allclose(numbers(together)[1:6], np.repeat(numbers(alone), 5, 0), rtol=1e-5)


@pytest.mark.parametrize("prevalence", [0.01, 0.9])
def test_another_prevalence_moves_probabilities_alone(bbb: Predictor, prevalence: float):
    own, moved = bbb.predict(QUERIES), bbb.expecting(prevalence).predict(QUERIES)
    same = ["mm_status", "mm_smiles", "mm_call", "mm_in_domain", "mm_nearest", "mm_set"]
    pd.testing.assert_frame_equal(own[same], moved[same])
    (by,) = set((moved["mm_score"] - own["mm_score"]).dropna().round(9))
    shares = np.array(bbb.support.values)
    n_active = shares.sum()
    odds = np.log((n_active + 0.5) / (len(shares) - n_active + 0.5))
    assert by == pytest.approx(np.log(prevalence / (1 - prevalence)) - odds)
    for column in ("mm_probability", "mm_low", "mm_high"):
        before, after = (np.log(p / (1 - p)) for p in (own[column].dropna(), moved[column].dropna()))
        np.testing.assert_allclose(after - before, by, atol=1e-6)


def test_a_prevalence_is_told_once(bbb: Predictor, tmp_path: Path):
    once = bbb.expecting(0.05)
    pd.testing.assert_frame_equal(bbb.expecting(0.5).expecting(0.05).predict(QUERIES), once.predict(QUERIES))
    once.save(tmp_path / "rare.molmeta")
    pd.testing.assert_frame_equal(load(tmp_path / "rare.molmeta").predict(QUERIES), once.predict(QUERIES))


def test_a_prevalence_that_is_none_is_told(bbb: Predictor, logp: Predictor):
    with pytest.raises(ConfigError, match=r"prevalence=1\.5 is no share"):
        bbb.expecting(1.5)
    with pytest.raises(ConfigError, match="predicts values"):
        logp.expecting(0.1)


def test_a_salt_is_its_parent(bbb: Predictor):
    salt, parent = bbb.predict("CCN.Cl"), bbb.predict("CCN")
    pd.testing.assert_frame_equal(salt, parent)


def test_a_support_compound_is_predicted_from_the_others(bbb: Predictor, folder: Path):
    support = bbb.support
    i = support.names().index("alprazolam")
    own = bbb.predict(support.smiles[i]).iloc[0]
    assert (own.mm_nearest, own.mm_nearest_similarity, own.mm_nearest_label) == ("alprazolam", 1.0, 1.0)
    assert bool(own.mm_in_domain)
    rest = torch.tensor([j for j in range(len(support)) if j != i])
    labelled = bbb.labelled
    conditioned = bbb.ensemble.condition(labelled.select(rest))
    expected = bbb.calibration.apply(conditioned(labelled.mols.select(torch.tensor([i]))))
    assert own.mm_probability == pytest.approx(expected.value[0], rel=1e-12)
    memorised = bbb.calibration.apply(bbb.conditioned(labelled.mols.select(torch.tensor([i]))))
    assert own.mm_probability != memorised.value[0]


def test_many_support_compounds_are_predicted_at_once(bbb: Predictor, monkeypatch: pytest.MonkeyPatch):
    """Scoring the compounds of an assay again is one more fit, and not one for each of them."""
    fits = []
    condition = Evidence.condition
    monkeypatch.setattr(Evidence, "condition", lambda *given: fits.append(1) or condition(*given))
    fresh = replace(bbb)
    found = fresh.predict(fresh.support.smiles)
    assert found.mm_in_domain.all()
    assert len(found) == len(bbb.support) > 60
    assert len(fits) == 1


def test_the_only_compound_of_a_class_is_predicted_all_the_same(folder: Path):
    table = pd.DataFrame({"smiles": ["CCO", "CCN", "c1ccccc1"], "active": [1, 0, 0]})
    predictor = adapt(table, folder, verdict=False)
    assert predictor.predict("CCO").mm_status.tolist() == ["ok"]


def test_lower_is_better_turns_the_score(folder: Path):
    up = adapt(assays.path("logp"), folder, verdict=False)
    down = adapt(assays.path("logp"), folder, verdict=False, lower_is_better=True)
    queries = ["CCCCCC", "OCC(O)CO"]
    assert down.predict(queries).mm_score.tolist() == [-x for x in up.predict(queries).mm_score]
    assert down.predict(queries).mm_value.tolist() == up.predict(queries).mm_value.tolist()


@pytest.mark.parametrize("name", ["bbb", "logp"])
@pytest.mark.parametrize("reference_only", [False, True])
def test_a_round_trip_changes_no_bit(
    name: str, reference_only: bool, request: pytest.FixtureRequest, tmp_path: Path
):
    predictor: Predictor = request.getfixturevalue(name)
    path = tmp_path / "x.molmeta"
    predictor.save(path, reference_only=reference_only)
    again = load(path)
    assert again.report == predictor.report
    assert (again.support, again.calibration, again.domain) == (
        predictor.support,
        predictor.calibration,
        predictor.domain,
    )
    queries = [*QUERIES, predictor.support.smiles[3]]
    pd.testing.assert_frame_equal(again.predict(queries), predictor.predict(queries), check_exact=True)
    twice = tmp_path / "y.molmeta"
    again.save(twice, reference_only=reference_only)
    assert twice.read_bytes() == path.read_bytes()


def test_saving_refuses_to_overwrite(bbb: Predictor, tmp_path: Path):
    bbb.save(tmp_path / "x.molmeta")
    with pytest.raises(RefusedError):
        bbb.save(tmp_path / "x.molmeta")
    bbb.save(tmp_path / "x.molmeta", force=True)


def test_a_model_without_a_checkpoint_has_nothing_to_refer_to(bbb: Predictor, tmp_path: Path):
    bare = Predictor(bbb.ensemble, bbb.support, bbb.calibration, bbb.domain, bbb.report)
    with pytest.raises(RefusedError, match="reference-only"):
        bare.save(tmp_path / "x.molmeta", reference_only=True)
    bare.save(tmp_path / "x.molmeta")
    assert load(tmp_path / "x.molmeta").origin is None


def test_damage_is_told(bbb: Predictor, tmp_path: Path):
    bbb.save(tmp_path / "x.molmeta")
    data = (tmp_path / "x.molmeta").read_bytes()
    (tmp_path / "x.molmeta").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="damaged"):
        load(tmp_path / "x.molmeta")


def test_an_unknown_device_is_told(bbb: Predictor, tmp_path: Path):
    bbb.save(tmp_path / "x.molmeta")
    with pytest.raises(ConfigError, match="device"):
        load(tmp_path / "x.molmeta", device="abacus")


def test_predictions_are_close_to_the_labels_of_simple_values(logp: Predictor):
    frame = logp.predict(["CCCCCCC", "CO"])
    assert frame.mm_value[0] > frame.mm_value[1] + 1


def loaded_by(code: str) -> set[str]:
    """Names of the modules that a fresh Python has loaded after `code`."""
    command = [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_imports_cost_only_what_is_used(bbb: Predictor, tmp_path: Path):
    assert not loaded_by("import molmeta") & {"torch", "rdkit", "pandas", "sklearn"}
    bbb.save(tmp_path / "x.molmeta")
    code = f"import molmeta\nmolmeta.load({str(tmp_path / 'x.molmeta')!r}).predict('CCO')"
    assert not loaded_by(code) & {"torch_geometric", "sklearn", "scipy.optimize", "scipy.stats"}


def test_public_names():
    assert molmeta.load is load
    assert molmeta.adapt is adapt
    assert set(molmeta.__all__) <= set(dir(molmeta))
    assert molmeta.__version__
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = molmeta.nonsense
