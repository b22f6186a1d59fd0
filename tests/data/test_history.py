"""Panels and profiles of compounds, against the definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from molmeta.data.history import FEWEST_ASSAYS, History, Panel

A, B = np.arange(12), np.arange(12, 20)  # compounds of two panels


def history(parts: list[tuple[np.ndarray, list[int]]]) -> History:
    """Assays, each with its compounds and their labels; compound c has the identity 100 + c."""
    return History(
        identity=np.arange(30) + 100,
        compound=np.concatenate([compounds for compounds, _ in parts]),
        assay=np.concatenate([np.full(len(c), i) for i, (c, _) in enumerate(parts)]),
        label=np.concatenate([np.array(labels) for _, labels in parts]).astype(np.float32),
        value=np.full(sum(len(compounds) for compounds, _ in parts), np.nan, dtype=np.float32),
    )


def half(n: int) -> list[int]:
    return [1] * (n // 2) + [0] * (n - n // 2)


@pytest.fixture
def two() -> History:
    """A panel of twelve compounds in ten assays, one of eight in eight, and two assays of their own."""
    parts = [(A, half(12))] * 9 + [(A[:9], half(9))] + [(B, half(8))] * FEWEST_ASSAYS
    return history([*parts, (np.array([25, 0, 1, 27]), [1, 1, 0, 0]), (np.array([25, 26]), [1, 0])])


def test_assays_of_the_same_compounds_make_a_panel(two: History) -> None:
    first, second = two.panels()
    assert first.identity.tolist() == (A + 100).tolist()
    assert second.identity.tolist() == (B + 100).tolist()
    assert first.label.shape == (10, 12)
    assert np.isnan(first.label[9, 9:]).all()
    assert np.isnan(first.label).sum() == 3


def test_labels_of_a_panel_are_minus_one_and_plus_one_less_the_mean_of_the_assay(two: History) -> None:
    first, _ = two.panels()
    np.testing.assert_allclose(first.label[0], [1.0] * 6 + [-1.0] * 6)
    np.testing.assert_allclose(np.nanmean(first.label, axis=1), 0, atol=1e-12)


def test_one_assay_less_is_no_panel() -> None:
    assert not list(history([(B, half(8))] * (FEWEST_ASSAYS - 1)).panels())


def test_a_compound_measured_twice_in_an_assay_counts_with_the_mean() -> None:
    twice = (np.append(B, 12), [*half(8), 0])
    (panel,) = history([twice] * FEWEST_ASSAYS).panels()
    centre = 2 * 4 / 9 - 1
    np.testing.assert_allclose(panel.label[:, 0], (1 - 1) / 2 - centre)


def test_profiles_hold_what_assays_of_no_panel_measured(two: History) -> None:
    profiles = two.profiles()
    assert profiles.shape == (30, 20)
    assert profiles[25].toarray()[0].nonzero()[0].tolist() == [18, 19]
    assert profiles[25, 18] == profiles[25, 19] == 1.0  # each of these assays is half active
    assert profiles[26, 19] == profiles[27, 18] == profiles[1, 18] == -1.0
    assert profiles[0, 18] == 1.0  # and nothing of its panel
    assert profiles.nnz == 6


def test_profiles_take_values_where_there_are_some_and_average_repeats() -> None:
    plain = history([(np.array([0, 1, 2, 3, 3]), [1, 1, 0, 0, 1])])
    value = np.array([0.5, 7.0, np.nan, -0.5, 0.1], dtype=np.float32)
    profiles = replace(plain, value=value).profiles()
    np.testing.assert_allclose(profiles[:4, 0].toarray()[:, 0], [0.5, 2.0, -1.2, -0.2], atol=1e-7)


def test_a_measurement_of_nothing_is_one_all_the_same() -> None:
    plain = history([(np.array([0, 1]), [1, 0])])
    profiles = replace(plain, value=np.zeros(2, dtype=np.float32)).profiles()
    assert np.diff(profiles.indptr)[:3].tolist() == [1, 1, 0]


def test_nothing_measured_is_no_trouble() -> None:
    none = np.zeros(0, dtype=np.int64)
    empty = History(none, none, none, *[none.astype(np.float32)] * 2)
    assert not list(empty.panels())
    assert empty.profiles().shape == (0, 0)


def test_a_panel_is_frozen() -> None:
    panel = Panel(np.arange(2), np.zeros((1, 2)))
    with pytest.raises(AttributeError):
        panel.identity = np.arange(3)  # type: ignore[misc]
