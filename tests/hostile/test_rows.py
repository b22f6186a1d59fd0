"""Rows out = rows in, cells verbatim, order kept, for odd tables that Hypothesis draws and shrinks.

`benchmarks/rows.py` does the same for ten thousand files.
"""

from __future__ import annotations

import gc
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from molmeta.predictor import Predictor

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import rows

        return rows.small_model(tmp_path_factory.mktemp("rows"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(random=st.randoms(use_true_random=False), number=st.integers(0, 999))
def test_rows_out_are_rows_in(
    random: Random,
    number: int,
    model: Predictor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    # Each run looks for garbage first, which takes most of the time of so small a table.
    monkeypatch.setattr(gc, "collect", lambda generation=2: 0)
    import rows

    table = rows.odd_table(random)
    assert rows.difference(model, table, tmp_path, Random(number)) == ""


@pytest.mark.parametrize(
    "number", [3, 590, 840, 1047, 1514, 4461, 5831, 6807, 7043, 7284, 7337, 7696, 8556, 16227]
)
def test_tables_that_were_read_otherwise_once(
    number: int, model: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import rows

    assert rows.difference(model, rows.odd_table(Random(number)), tmp_path, Random(number)) == ""
