"""How long updates are that leave a lab, how much noise is in their sum, and what that says of privacy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molmeta.federated.guard import epsilon, guarded, length
from molmeta.federated.plan import Federated, FederatedConfig, Phase

CONFIG = FederatedConfig.model_validate(
    {
        "name": "together",
        "data": {"train": "train.csv.gz", "valid": "valid.csv.gz"},
        "encoder": {"name": "fingerprint", "dim": 16},
        "heads": {"evidence": {"dim": 16}},
        "federated": {"labs": 3, "least": 2, "rounds": 2, "prior_rounds": 2},
    }
)


def planned(config: FederatedConfig, **plan: object) -> FederatedConfig:
    fields = config.federated.model_dump() | plan
    return config.model_copy(update={"federated": Federated(**fields)})


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=30), st.floats(1e-3, 1e3))
def test_an_update_is_shortened_and_keeps_its_direction(numbers: list[float], clip: float) -> None:
    config = planned(CONFIG, clip=clip)
    update = [np.array(numbers, dtype=np.float32), np.ones((2, 3), dtype=np.float32)]
    (first, second) = guarded(update, Phase.TRUNK, config, np.random.default_rng(0))
    assert length([first, second]) <= clip * (1 + 1e-5)
    share = min(1.0, clip / length(update))
    assert first == pytest.approx(share * update[0], rel=1e-4, abs=1e-6)
    assert second == pytest.approx(share * update[1], rel=1e-4)


def test_phases_have_norms_of_their_own() -> None:
    config = planned(CONFIG, prior_clip=0.5)
    update = [np.full(4, 1.0, dtype=np.float32)]
    rng = np.random.default_rng(0)
    assert length(guarded(update, Phase.TRUNK, config, rng)) == 2
    assert length(guarded(update, Phase.PRIOR, config, rng)) == pytest.approx(0.5)
    assert length(guarded(update, Phase.START, config, rng)) == pytest.approx(0.5)


def test_the_sum_of_all_labs_has_the_noise_that_was_asked_for() -> None:
    config = planned(CONFIG, labs=3, least=3, clip=2.0, prior_clip=1.0, noise=0.7)
    nothing = [np.zeros(100_000, dtype=np.float32)]
    labs = [guarded(nothing, Phase.TRUNK, config, np.random.default_rng(i))[0] for i in range(3)]
    total = np.sum(labs, axis=0)
    assert total.std() == pytest.approx(0.7 * 2.0, rel=0.02)
    assert abs(total.mean()) < 5 * 1.4 / math.sqrt(100_000)


def test_epsilon_is_that_of_composed_gaussian_mechanisms() -> None:
    config = planned(CONFIG, labs=3, least=3, clip=1.0, prior_clip=1.0, noise=2.0)
    # Five rounds of 1 / (2 * 4)-zCDP; Bun and Steinke 2016, Proposition 1.3.
    rho = 5 / 8
    assert epsilon(config, 1e-6) == pytest.approx(rho + 2 * math.sqrt(rho * math.log(1e6)))
    assert epsilon(planned(config, noise=4.0)) < epsilon(config)
    assert epsilon(planned(config, noise=0.0)) == math.inf
    # No less than what is exact for the sum of all rounds, a Gaussian mechanism of sensitivity sqrt(5) / 2
    # (Balle and Wang 2018, Theorem 8).
    assert _delta(epsilon(config, 1e-6), math.sqrt(5) / 2) <= 1e-6


def _delta(eps: float, mu: float) -> float:
    def normal(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    return normal(mu / 2 - eps / mu) - math.exp(eps) * normal(-mu / 2 - eps / mu)
