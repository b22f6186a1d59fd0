"""What is done to an update before it leaves a lab, and what that says of differential privacy.

Source: McMahan et al. 2018, "Learning differentially private recurrent language models" (clipped updates of
a member); Bun and Steinke 2016, "Concentrated differential privacy" (Propositions 1.3 and 1.6).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from molmeta.federated.plan import FederatedConfig, Phase, last_round
from molmeta.federated.shared import Array


def guarded(
    update: Sequence[Array], phase: Phase, config: FederatedConfig, rng: np.random.Generator
) -> list[Array]:
    """An update as it may leave: shortened to the clipping norm, and with this lab's part of the noise.

    Parameters
    ----------
    update : sequence of float32 arrays
    rng : numpy.random.Generator
        Of a seed that nobody else knows.
    """
    plan = config.federated
    clip = plan.clip if phase is Phase.TRUNK else plan.prior_clip
    if clip is None:
        return list(update)
    share = min(1.0, clip / max(length(update), 1e-30))
    spread = plan.noise * clip / math.sqrt(plan.labs)
    return [(share * part + spread * rng.standard_normal(part.shape)).astype(np.float32) for part in update]


def length(update: Sequence[Array]) -> float:
    """Euclidean norm over all arrays."""
    return math.sqrt(sum(float((part.astype(np.float64) ** 2).sum()) for part in update))


def epsilon(config: FederatedConfig, delta: float = 1e-5) -> float:
    """What (epsilon, delta)-differential privacy with respect to a whole lab the sums of all rounds have.

    Each is a Gaussian mechanism of the noise multiplier z, which is 1 / (2 z^2)-zCDP; rounds add up. It
    holds against who sees the sums, while all labs add their noise; infinite without noise.
    """
    if not config.federated.noise:
        return math.inf
    rho = last_round(config) / (2 * config.federated.noise**2)
    return rho + 2 * math.sqrt(rho * math.log(1 / delta))
