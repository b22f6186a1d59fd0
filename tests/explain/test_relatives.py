from __future__ import annotations

import numpy as np

from molmeta.explain.relatives import _best_of_shuffled, _correlations


def test_correlations_are_those_of_numpy():
    rng = np.random.default_rng(0)
    said, y = rng.normal(size=(20, 5)), rng.normal(size=(3, 20))
    said[:, 2] = 1.0  # an assay that says nothing
    found = _correlations(said, y)
    for i in range(3):
        for t in (0, 1, 3, 4):
            np.testing.assert_allclose(found[i, t], np.corrcoef(said[:, t], y[i])[0, 1])
    assert (found[:, 2] == -1).all()


def test_labels_of_no_assay_are_seldom_taken_for_those_of_one():
    """Of labels without any meaning, one in ten has a relative with a chance of one in ten."""
    rng = np.random.default_rng(1)
    chances = []
    for _ in range(60):
        said, y = rng.normal(size=(24, 300)), (rng.random(24) < 0.4).astype(float)
        best = _correlations(said, y[None]).max()
        chances.append((_best_of_shuffled(said, y) >= best).mean())
    assert 0.02 <= (np.array(chances) < 0.1).mean() <= 0.25
    assert 0.35 <= np.mean(chances) <= 0.65


def test_labels_of_an_assay_find_it():
    rng = np.random.default_rng(2)
    said = rng.normal(size=(24, 300))
    y = said[:, 7] + 0.3 * rng.normal(size=24)
    assert _correlations(said, y[None]).argmax() == 7
    assert (_best_of_shuffled(said, y) >= _correlations(said, y[None]).max()).mean() < 0.02
