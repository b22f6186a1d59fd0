from __future__ import annotations

import socket
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from molmeta import assays
from molmeta.adaptation import MOST_COMPOUNDS, adapt
from molmeta.checkpoint import save_checkpoint
from molmeta.data.table import read_assay
from molmeta.errors import CheckpointError, ConfigError, InputError, NotEnoughData
from molmeta.fitting import FineTuning, fine_tune
from molmeta.heads.baselines.untrained import RandomForest
from molmeta.learner import Learner

ENCODER = {"name": "fingerprint", "width": 32, "depth": 1, "dim": 16}
HEADS: dict[str, dict[str, Any]] = {
    "evidence": {"dim": 16},
    "mahalanobis": {"dim": 16, "project": 8},
    "anil": {"dim": 16},
    "maml": {"dim": 16, "eval_steps": 2},
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(RandomForest, "trees", 5)
    monkeypatch.setattr("molmeta.fitting.STEPS", 5)


def learner(*heads: str) -> Learner:
    torch.manual_seed(0)
    return Learner(ENCODER, {name: HEADS[name] for name in heads}).eval()


def table(n_active: int, n: int) -> pd.DataFrame:
    """Alcohols, which are active, and amines."""
    smiles = ["C" * (i + 1) + ("O" if i < n_active else "N") for i in range(n)]
    return pd.DataFrame({"smiles": smiles, "active": [int(i < n_active) for i in range(n)]})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "small"
    save_checkpoint(path, learner("evidence", "mahalanobis"))
    return path


def test_everything_works_without_a_network(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    predictor = adapt(assays.path("bbb"), folder)
    assert predictor.report.verdict is not None
    assert predictor.report.verdict.level in ("useful", "like_baseline")
    assert predictor.report.n == len(read_assay(assays.path("bbb")))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_is_none_is_refused(seed: int, folder: Path):
    with pytest.raises(ConfigError, match=r"found seed = .*; wanted a whole number from 0 to 4294967295"):
        adapt(assays.path("cox"), folder, seed=seed)


def test_the_report_accounts_for_every_row(folder: Path):
    report = adapt(assays.path("cox"), folder, verdict=False).report
    assay = read_assay(assays.path("cox"))
    assert (report.n_rows, report.rejected, report.unlabelled) == (
        assay.n_rows,
        len(assay.rejected),
        len(assay.unlabelled),
    )
    assert report.verdict is None
    assert report.n_active is None
    assert report.span == (assay.values.min(), assay.values.max())
    assert report.target.model_unit == assay.target.model_unit
    assert set(assay.notes) <= set(report.notes)
    assert sum(report.heads.values()) == pytest.approx(1)
    assert asdict(report)["heads"] == report.heads


def test_the_same_seed_gives_the_same_model(folder: Path):
    a, b = (adapt(assays.path("bbb"), folder, verdict=False, seed=5) for _ in range(2))
    assert a.calibration == b.calibration
    assert a.report.heads == b.report.heads
    pd.testing.assert_frame_equal(a.predict(["CCO"]), b.predict(["CCO"]), check_exact=True)


def test_the_first_head_is_the_default_and_others_can_be_chosen():
    model = learner("evidence", "anil", "mahalanobis", "maml")
    assert adapt(table(10, 20), model, verdict=False).report.heads == {"evidence": 1.0}
    mixed = adapt(table(10, 20), model, verdict=False, head="average")
    assert set(mixed.report.heads) <= {"evidence", "anil", "mahalanobis"}
    assert sum(mixed.report.heads.values()) == pytest.approx(1)
    for head in ("anil", "maml", "mahalanobis"):
        chosen = adapt(table(10, 20), model, verdict=False, head=head)
        assert chosen.report.heads == {head: 1.0}
        assert chosen.predict("CCCCO").mm_status.tolist() == ["ok"]


def test_a_default_head_that_cannot_do_it_gives_way():
    predictor = adapt(assays.path("logp"), learner("mahalanobis", "anil"), verdict=False)
    assert predictor.report.heads == {"anil": 1.0}


def test_a_head_that_cannot_do_it_is_told():
    with pytest.raises(ConfigError, match="does not do regression"):
        adapt(assays.path("logp"), learner("evidence", "mahalanobis"), verdict=False, head="mahalanobis")
    with pytest.raises(ConfigError, match="has no head 'nonsense'"):
        adapt(assays.path("logp"), learner("evidence"), verdict=False, head="nonsense")
    with pytest.raises(ConfigError, match="does regression"):
        adapt(assays.path("logp"), learner("mahalanobis"), verdict=False)


@pytest.mark.parametrize(("n_active", "n"), [(1, 2), (1, 4), (3, 4), (2, 4), (2, 9)])
def test_tiny_assays_work_and_say_so(n_active: int, n: int, folder: Path):
    predictor = adapt(table(n_active, n), folder)
    assert predictor.predict(["CCCCCCCCCCO"]).mm_probability.between(0, 1).all()
    assert any(warning.startswith("low_evidence") for warning in predictor.report.warnings)
    verdict = predictor.report.verdict
    assert verdict is not None
    assert (verdict.level == "unknown") == (min(n_active, n - n_active) < 2)


def test_three_values_are_enough_to_start(folder: Path):
    frame = pd.DataFrame({"smiles": ["CCO", "CCCCO", "CCCCCCO"], "logP": [-0.3, 0.9, 2.0]})
    predictor = adapt(frame, folder)
    assert predictor.predict("CCCCCO").mm_value.notna().all()
    assert predictor.report.verdict is not None
    assert predictor.report.verdict.level == "unknown"


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"smiles": ["CCO", "CCN", "CCC"], "active": [1, 1, 1]}),
        pd.DataFrame({"smiles": ["CCO"], "active": [1]}),
        pd.DataFrame({"smiles": ["CCO", "CCN", "CCCC"], "logP": [1.5, 1.5, 1.5]}),
    ],
)
def test_assays_without_contrast_are_refused(frame: pd.DataFrame, folder: Path):
    with pytest.raises(NotEnoughData):
        adapt(frame, folder)


def test_a_missing_file_and_a_missing_model_are_told(folder: Path, tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        adapt(tmp_path / "nothing.csv", folder)
    with pytest.raises(CheckpointError, match="no model"):
        adapt(assays.path("bbb"), tmp_path)


def test_options_for_reading_go_to_the_reader(folder: Path):
    predictor = adapt(assays.path("logp"), folder, verdict=False, active_if=">= 2")
    assert predictor.support.target.kind == "classification"
    with pytest.raises(ConfigError, match="read already"):
        adapt(read_assay(assays.path("logp")), folder, verdict=False, unit="nM")


def test_compounds_of_meta_training_are_counted():
    from molmeta.chem.features import compound_hash

    model = learner("evidence")
    known = sorted(compound_hash(smiles) for smiles in ("CO", "CCN", "c1ccccc1"))
    model.seen = torch.tensor(known)
    frame = pd.DataFrame({"smiles": ["CO", "CCO", "CCN", "CCCN"], "active": [1, 1, 0, 0]})
    assert adapt(frame, model, verdict=False).report.seen == 2


def test_a_single_scaffold_is_noticed(folder: Path):
    smiles = [f"c1ccccc1{'C' * i}O" for i in range(12)]
    frame = pd.DataFrame({"smiles": smiles, "value": np.linspace(0, 3.3, 12)})
    warnings = adapt(frame, folder, verdict=False).report.warnings
    assert any(warning.startswith("single_scaffold") for warning in warnings)


def test_very_large_assays_are_cut_with_a_note(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("molmeta.adaptation.MOST_COMPOUNDS", 40)
    report = adapt(assays.path("bbb"), folder, verdict=False).report
    assert report.n == 40
    assert any(note.startswith("40 of 6") for note in report.notes)
    assert MOST_COMPOUNDS > 256


def test_random_labels_are_no_better_than_guessing(folder: Path):
    assay = read_assay(assays.path("bbb"))
    shuffled = np.random.default_rng(4).permutation(assay.values)
    frame = pd.DataFrame({"smiles": [m.smiles for m in assay.molecules], "active": shuffled.astype(int)})
    verdict = adapt(frame, folder).report.verdict
    assert verdict is not None
    assert verdict.level == "useless"
    assert "no better than guessing" in verdict.sentence


def test_fine_tuning_learns_and_leaves_the_model_alone():
    model = learner("evidence")
    start = adapt(table(16, 32), model, verdict=False)
    bare = start.support.labelled(start.needs)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    tuned = fine_tune(model, "evidence", bare, seed=0, steps=15, rate=1e-2)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    after = tuned.state_dict()
    assert any(not torch.equal(after[key], before[key]) for key in before if key.startswith("encoder."))


@pytest.mark.parametrize("n", [8, 24])
def test_fine_tuning_is_kept_only_where_it_pays(n: int, tmp_path: Path):
    predictor = adapt(table(n // 2, n), learner("evidence"), verdict=False, fine_tune=True)
    notes = [note for note in predictor.report.notes if "fine-tuned" in note]
    assert len(notes) == 1
    assert predictor.report.fine_tuned == ("kept" in notes[0])
    if n < 16:
        assert notes[0].startswith("not fine-tuned")
    predictor.save(tmp_path / "x.molmeta")


def test_fine_tuned_weights_are_the_ones_that_are_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from molmeta.loading import load

    monkeypatch.setattr("molmeta.fitting.RATE", 1e-2)
    monkeypatch.setattr("molmeta.adaptation._pays", lambda mean, error: True)
    predictor = adapt(table(12, 24), learner("evidence"), fine_tune=True, verdict=False)
    assert predictor.report.fine_tuned
    predictor.save(tmp_path / "x.molmeta")
    queries = ["CCCCCCO", "c1ccccc1N"]
    found = load(tmp_path / "x.molmeta").predict(queries)
    pd.testing.assert_frame_equal(found, predictor.predict(queries), check_exact=True)


def test_a_fine_tuned_method_predicts_bare_batches():
    model = learner("evidence")
    predictor = adapt(table(12, 24), model, verdict=False)
    bare = predictor.support.labelled(predictor.needs)
    method = FineTuning(predictor.ensemble, seed=0)
    found = method(bare)(bare.mols.select(torch.arange(3)))
    assert found.mean.isfinite().all()
