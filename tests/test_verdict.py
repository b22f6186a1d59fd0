from __future__ import annotations

import numpy as np
import pytest
import torch

from molmeta.chem.batch import MolBatch
from molmeta.crossvalidation import draw_folds, predict_held_out
from molmeta.data.episode import Labelled
from molmeta.heads.base import Conditioned
from molmeta.heads.baselines.untrained import RandomForest
from molmeta.prediction import Bernoulli, Gaussian, Prediction
from molmeta.units import Target
from molmeta.verdict import _conclude, judge


@pytest.fixture(autouse=True)
def small_forests(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(RandomForest, "trees", 5)


def assay(n: int, kind: str, seed: int = 0, signal: bool = False) -> Labelled:
    """Random fingerprints; the label is in the last count, which an oracle reads."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 3, (n, 64)).astype(np.uint8)
    if kind == "classification":
        y = (np.arange(n) % 3 == 0).astype(np.float32)
        counts[:, -1] = 10 + y
    else:
        y = rng.normal(size=n).astype(np.float32)
        counts[:, -1] = np.clip(100 + 20 * y, 0, 255).astype(np.uint8)
    if signal:
        counts[:, :20] = counts[:, -1:]
    relation = torch.zeros(n, dtype=torch.int8)
    return Labelled(
        MolBatch(n=n, counts=torch.from_numpy(counts)),
        torch.from_numpy(y),
        relation,
        Target("y", kind),  # type: ignore[arg-type]
    )


def answer(data: Labelled, score: torch.Tensor) -> Prediction:
    one = torch.ones_like(score)
    return Gaussian(score, one) if data.target.kind == "regression" else Bernoulli(score, one, score)


def oracle(support: Labelled) -> Conditioned:
    scale = 1.0 if support.target.kind == "classification" else 0.05
    shift = 10.5 if support.target.kind == "classification" else 100.0
    return lambda mols: answer(support, scale * (mols.need("counts")[:, -1].double() - shift))


def noise(support: Labelled) -> Conditioned:
    def predict(mols: MolBatch) -> Prediction:
        x = mols.need("counts")[:, :-1].double()
        return answer(support, torch.sin(x @ torch.arange(1.0, 64.0, dtype=torch.float64)))

    return predict


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_perfect_model_on_noise_is_useful(kind: str):
    found = judge(oracle, assay(45, kind), seed=0)
    assert found.level == "useful"
    assert found.sentence.startswith("better than ")
    assert "kNN by" in found.sentence
    assert "a random forest by" in found.sentence
    assert "3 x 5-fold cross-validation" in found.sentence
    assert set(found.scores) == {"molmeta", "knn", "rf", "guessing"}
    assert found.fits == 15


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_noise_is_no_better_than_guessing(kind: str):
    found = judge(noise, assay(45, kind, seed=1), seed=0)
    assert found.level == "useless"
    assert found.sentence.startswith("no better than guessing on these 45 compounds")


def test_noise_seldom_passes_for_knowledge():
    levels = [judge(noise, assay(24, "classification", seed), seed).level for seed in range(8)]
    assert levels.count("useless") >= 7


def test_a_model_like_its_baselines_is_called_so():
    found = judge(oracle, assay(45, "classification", signal=True), seed=0)
    assert found.level == "like_baseline"
    assert "no better than" in found.sentence


def test_a_baseline_that_is_beaten_is_not_called_equal():
    differences = {"rf": (0.04, 0.015), "knn": (0.05, 0.03), "guessing": (0.4, 0.05)}
    scores = {"molmeta": (0.49, 0.02), "rf": (0.45, 0.02), "knn": (0.44, 0.03), "guessing": (0.03, 0.05)}
    level, sentence = _conclude(differences, scores, "ΔAUPRC", 60, 15)
    assert level == "like_baseline"
    assert sentence.startswith("no better than kNN: 0.49 against 0.44, difference +0.05 ± 0.03")
    assert sentence.endswith("better than guessing and than a random forest by 0.04 ± 0.01")


@pytest.mark.parametrize(("n", "kind"), [(3, "classification"), (3, "regression")])
def test_without_cross_validation_nothing_is_claimed(n: int, kind: str):
    found = judge(oracle, assay(n, kind), seed=0)
    assert found.level == "unknown"
    assert "cross-validation is impossible" in found.sentence
    assert not found.scores


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_folds_that_are_known_are_not_predicted_again(kind: str):
    data, fits = assay(45, kind), []

    def counted(support: Labelled) -> Conditioned:
        fits.append(len(support))
        return noise(support)

    known = predict_held_out(noise, data, draw_folds(data, 7))
    assert judge(counted, data, 7, known) == judge(noise, data, 7)
    whole_folds = [n for n in fits if n == 36]
    assert len(whole_folds) == 10


def test_the_verdict_is_the_same_every_time():
    assert judge(noise, assay(20, "classification"), 3) == judge(noise, assay(20, "classification"), 3)
