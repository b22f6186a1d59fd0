"""`AdaptReport`: what adapting to an assay found, as plain values for the screen, JSON and disk."""

from __future__ import annotations

from dataclasses import dataclass

from molmeta.units import Target
from molmeta.verdict import Verdict


@dataclass(frozen=True)
class AdaptReport:
    """What adapting to an assay found.

    Attributes
    ----------
    assay, model : str
    target : Target
    n : int
        Compounds adapted to.
    n_rows, rejected, unlabelled : int
        Data rows of the file; those with no usable compound or label; those with an empty label.
    n_active : int or None
        Classes: active compounds.
    span : (float, float) or None
        Values: the least and the largest, on the model's scale.
    heads : dict of str to float
        Heads that are averaged, with their weights.
    fine_tuned : bool
        Whether the encoder was fine-tuned on the assay, and kept so.
    seen : int
        Compounds of the support set that were in meta-training.
    verdict : Verdict or None
    notes, warnings : tuple of str
        Decisions taken, and reasons for caution; a warning starts with its code.
    seconds : float
    """

    assay: str
    model: str
    target: Target
    n: int
    n_rows: int
    rejected: int
    unlabelled: int
    n_active: int | None
    span: tuple[float, float] | None
    heads: dict[str, float]
    fine_tuned: bool
    seen: int
    verdict: Verdict | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float

    @property
    def prevalence(self) -> float | None:
        """Share of actives (classes)."""
        return None if self.n_active is None else self.n_active / self.n
