"""How held-out compounds of earlier assays conformed to what a model said of them, by support size.

A new assay with 16 labels cannot tell by itself how wide a 90 % interval is: its own held-out compounds
are too few. Earlier assays, of which the model saw as few labels, say it for the next one.

Source: Fisch et al. 2021, Few-shot conformal prediction with auxiliary tasks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

POINTS = 101  # quantiles that are kept of each distribution, from 0 to 100 %


@dataclass(frozen=True, eq=False)
class Scores:
    """Held-out compounds of one draw of an assay with `size` labels.

    Attributes
    ----------
    size : int
    active, inactive : float64[a], float64[i]
        Logits of the compounds of each class, less the log-odds of the support set; empty for values.
    value : float64[v]
        Absolute residuals, in standard deviations of the prediction; empty for classes.
    """

    size: int
    active: Array
    inactive: Array
    value: Array


@dataclass(frozen=True, eq=False)
class Conformity:
    """Quantiles of `Scores` over earlier assays, float32[S, POINTS] each; size float32[S], ascending."""

    size: NDArray[np.float32]
    active: NDArray[np.float32]
    inactive: NDArray[np.float32]
    value: NDArray[np.float32]

    @classmethod
    def learn(cls, drawn: Iterable[Scores]) -> Conformity:
        """From draws of any assays, which count alike however many compounds they have.

        Sizes at which a kind of score is missing are left out of all.
        """
        by_size: dict[int, list[Scores]] = {}
        for one in drawn:
            by_size.setdefault(one.size, []).append(one)
        levels = np.linspace(0, 1, POINTS)
        tables: dict[str, list[Array]] = {"active": [], "inactive": [], "value": []}
        sizes = []
        for size, ones in sorted(by_size.items()):
            parts = {name: [x for one in ones if len(x := getattr(one, name))] for name in tables}
            if all(parts.values()):
                sizes.append(size)
                for name, part in parts.items():
                    alike = np.concatenate([np.quantile(x, levels) for x in part])
                    tables[name].append(np.quantile(alike, levels))
        return cls(
            size=np.asarray(sizes, dtype=np.float32),
            **{name: np.asarray(rows, dtype=np.float32).reshape(-1, POINTS) for name, rows in tables.items()},
        )

    @classmethod
    def unknown(cls) -> Conformity:
        """Of a model that has seen no earlier assay."""
        return cls.learn([])

    def at(self, table: NDArray[np.float32], n: float) -> Array:
        """Quantiles float64[POINTS] of one of the tables at n labels, between its sizes; none if unknown.

        Interpolated in log n; the first and the last size stand for all beyond them.
        """
        if not len(self.size):
            return np.zeros(0)
        place = float(np.interp(math.log(n), np.log(self.size), np.arange(len(self.size))))
        low = int(place)
        high = min(low + 1, len(self.size) - 1)
        return np.asarray((1 - (place - low)) * table[low] + (place - low) * table[high], dtype=np.float64)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def log_odds(y: NDArray[np.floating]) -> float:
    """Of the actives among labels 0/1, half a compound added to each class.

    >>> log_odds(np.array([0.0, 1.0]))
    0.0
    """
    n_active = float((y > 0.5).sum())
    return math.log((n_active + 0.5) / (len(y) - n_active + 0.5))


def threshold(own: Array, earlier: Array, level: float, weight: float) -> float:
    """Value that a share `level` of new scores does not exceed.

    Parameters
    ----------
    own : float64[n]
        Scores of held-out compounds of this assay.
    earlier : float64[m]
        Quantiles of earlier assays, which together count as `weight` compounds; may be empty.

    Returns
    -------
    float
        The smallest score s for which the scores up to s weigh at least `level` of all. The new score
        counts as one more that is larger than any, in the share that this assay has in the weights:
        with no earlier assays it is the split conformal quantile, and the many compounds of earlier
        ones need no such correction. inf where that is beyond the largest.

    >>> threshold(np.arange(1.0, 20.0), np.zeros(0), 0.9, 0.0)
    18.0
    """
    scores = np.concatenate([own, earlier])
    weights = np.concatenate([np.ones(len(own)), np.full(len(earlier), weight / max(len(earlier), 1))])
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order])
    total = float(weights.sum())
    one_more = len(own) / total if total else 1.0
    at = int(np.searchsorted(reached, level * (total + one_more) - 1e-9))
    return float(scores[order[at]]) if at < len(scores) else math.inf
