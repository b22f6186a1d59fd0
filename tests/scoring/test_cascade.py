"""A cascade gives what its second model says of the rows that the first one likes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from molmeta import assays
from molmeta.adaptation import adapt
from molmeta.errors import ConfigError, RefusedError
from molmeta.predictor import Predictor
from molmeta.scoring import first_pass, score_cascade, score_library
from molmeta.scoring.cascade import check_assay
from molmeta.scoring.report import Progress

from .conftest import spellings, write_smi


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_smi(tmp_path_factory.mktemp("library") / "lib.csv", spellings(700))


@pytest.fixture(scope="module")
def fast() -> Predictor:
    return adapt(assays.path("bbb"), "fast", verdict=False)


def test_the_best_share_by_the_first_is_ranked_by_the_second(
    fast: Predictor, models: list[Predictor], library: Path, tmp_path: Path
) -> None:
    for one, name in ((fast, "first"), (models[0], "second")):
        score_library(one, library, tmp_path / f"{name}.csv")
    first, second = (pd.read_csv(tmp_path / f"{name}.csv").set_index("id") for name in ("first", "second"))
    report = score_cascade(fast, models[0], library, tmp_path / "out.csv", share=0.1, chunk=64)
    found = pd.read_csv(tmp_path / "out.csv").set_index("id")
    liked = first["mm_score"].dropna().sort_values(ascending=False, kind="stable").index[:69]
    assert report.picked == len(found) == 69
    assert (report.read, report.scored, sum(report.rejected.values())) == (700, 693, 7)
    # Scores are written with six digits, so that the last ones may tie.
    assert len(set(found.index) & set(liked)) >= 68
    expected = second.loc[found.index]
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5, check_dtype=False)
    assert (found["mm_score"].diff().dropna() <= 0).all()
    assert sorted(os.listdir(tmp_path)) == ["first.csv", "out.csv", "second.csv"]


@pytest.mark.parametrize("rows", [100, 710])
def test_it_goes_on_in_either_pass(
    fast: Predictor, models: list[Predictor], library: Path, tmp_path: Path, rows: int
) -> None:
    seen = []

    def stop(now: Progress) -> None:
        seen.append(now.rows)
        if len(seen) * 64 > rows:
            raise KeyboardInterrupt

    score_cascade(fast, models[0], library, tmp_path / "whole.csv", share=0.2, chunk=64)
    out = tmp_path / "out.csv"
    with pytest.raises(KeyboardInterrupt):
        score_cascade(fast, models[0], library, out, share=0.2, chunk=64, progress=stop)
    with pytest.raises(RefusedError, match="--resume"):
        score_cascade(fast, models[0], library, out, share=0.2, chunk=64)
    report = score_cascade(fast, models[0], library, out, share=0.2, chunk=64, resume=True)
    assert (report.read, report.scored, report.picked) == (700, 693, 139)
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["out.csv", "out.csv.done", "whole.csv"]
    again = score_cascade(fast, models[0], library, out, share=0.2, chunk=64, resume=True)
    assert replace(again, complete=False, seconds=report.seconds) == report
    with pytest.raises(RefusedError, match=r"another --cascade \(0\.2 by bbb \w{8}, now 0\.3 "):
        score_cascade(fast, models[0], library, out, share=0.3, chunk=64, resume=True)


def test_the_first_model_is_made_of_the_rows_of_the_second(fast: Predictor, models: list[Predictor]) -> None:
    made = first_pass(models[0])
    assert made.support.smiles == models[0].support.smiles
    smiles = ["CCO", "c1ccccc1O"]
    pd.testing.assert_frame_equal(made.predict(smiles), fast.predict(smiles))


def test_a_first_model_of_other_labels_is_refused(models: list[Predictor], tmp_path: Path) -> None:
    support = models[0].support
    turned = replace(support, values=tuple(1.0 - value for value in support.values))
    with pytest.raises(ConfigError, match="other labels of the same compounds"):
        check_assay(replace(models[0], support=turned), models[0])
    # Values are no classes, and yet of the same assay.
    of_values = replace(turned, target=models[1].support.target)
    check_assay(replace(models[0], support=of_values), models[0])


def test_what_cannot_be_done_is_told(models: list[Predictor], library: Path, tmp_path: Path) -> None:
    for share in (0.0, 1.5):
        with pytest.raises(ConfigError, match="no share"):
            score_cascade(models[0], models[0], library, tmp_path / "out.csv", share=share)
    with pytest.raises(ConfigError, match=r"not of the assay of bbb: it has .* of them among the 66"):
        score_cascade(models[1], models[0], library, tmp_path / "out.csv", share=0.1)
    with pytest.raises(ConfigError, match="twice"):
        score_cascade(models[0], models[0], "-", tmp_path / "out.csv", share=0.1)
