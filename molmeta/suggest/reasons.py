"""Why a compound is suggested: one plain sentence, with numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from molmeta.domain import ALIKE
from molmeta.units import Target
from molmeta.wording import counted

# Of candidates: what is less sure than this share of them is called uncertain.
_UNSURE = 0.75


@dataclass(frozen=True, eq=False)
class Reasons:
    """What the reasons are made of, of m candidates.

    Attributes
    ----------
    target : Target
    predictions : DataFrame
        m rows: what `Predictor.predict` says.
    rank : int64[m]
        By prediction alone, from 1.
    cost : float64[m] or None
    """

    target: Target
    predictions: pd.DataFrame
    rank: NDArray[np.int64]
    cost: NDArray[np.float64] | None

    def sentence(self, at: int, before: NDArray[np.float64], passed: Sequence[int]) -> str:
        """Of a candidate.

        Parameters
        ----------
        at : int
            Which one.
        before : float64[p, m]
            Similarity of the p earlier picks to all candidates.
        passed : sequence of int
            Candidates that were worth more at the beginning, and were passed over.
        """
        parts = [self._belief(at), self._neighbour(at), f"{ordinal(int(self.rank[at]))} by prediction"]
        if len(passed) and len(before):
            parts.append(_passed(before[:, list(passed)]))
        elif len(before) and before[:, at].max() < ALIKE:
            parts.append(f"nothing like it is picked (similarity {before[:, at].max():.2f} at most)")
        if self.cost is not None:
            parts.append(f"costs {self.cost[at]:g}")
        return "; ".join(parts)

    def _belief(self, at: int) -> str:
        row = self.predictions.iloc[at]
        width = self.predictions["mm_high"] - self.predictions["mm_low"]
        between = f"{row['mm_low']:.3g} to {row['mm_high']:.3g}"
        if self.target.kind == "classification":
            said = f"probability {row['mm_probability']:.2f}"
            between = f"{row['mm_low']:.2f} to {row['mm_high']:.2f}"
        else:
            said = f"value {row['mm_value']:.3g}"
        unsure = width.iloc[at] > width.quantile(_UNSURE)
        return f"{said}, uncertain ({between})" if unsure else said

    def _neighbour(self, at: int) -> str:
        row = self.predictions.iloc[at]
        label, similarity = row["mm_nearest_label"], row["mm_nearest_similarity"]
        if self.target.kind == "classification":
            said = "active" if label > 0.5 else "inactive"
        else:
            said = f"{label:.3g}"
        known = f"{row['mm_nearest']} ({said}, similarity {similarity:.2f})"
        return (
            f"like labelled {known}" if similarity >= ALIKE else f"unlike what is labelled: nearest {known}"
        )


def _passed(similarity: NDArray[np.float64]) -> str:
    """Of float64[p, k], that of p picks to k candidates that were passed over."""
    k = similarity.shape[1]
    alike = (similarity.argmax(0) + 1)[similarity.max(0) >= ALIKE].tolist()
    said = f"before {counted(k, 'candidate')} of more worth"
    if not alike:
        # What is alike for the heads need not be so for the eye.
        return f"{said}, which {'goes' if k == 1 else 'go'} with earlier picks"
    number, most = Counter(alike).most_common(1)[0]
    return f"{said}, like pick {number}" if most == k else f"{said}, {most} of them like pick {number}"


def ordinal(number: int) -> str:
    """
    >>> [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 21, 113)]
    ['1st', '2nd', '3rd', '4th', '11th', '12th', '21st', '113th']
    """
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
