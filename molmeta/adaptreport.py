"""`AdaptReport`: what adapting to an assay found, as plain values for the screen, JSON and disk."""

from __future__ import annotations

from dataclasses import dataclass, field

from molmeta.calibration import Outcome
from molmeta.chem.molecule import Rejection
from molmeta.doubts import Doubts
from molmeta.units import Target
from molmeta.verdict import Verdict


@dataclass(frozen=True)
class Remeasured:
    """A compound of the model of which more rows came.

    Attributes
    ----------
    name, smiles : str
    before, after : float
        Its label on the model's scale.
    relations : (int, int)
        Before and after: -1 the true value is below, 0 exact, +1 above.
    """

    name: str
    smiles: str
    before: float
    after: float
    relations: tuple[int, int]


@dataclass(frozen=True)
class Change:
    """What more rows did to a model; read = added + merged + len(rejected) + unlabelled.

    Attributes
    ----------
    source : str
        File of the rows.
    read : int
        Data rows.
    added : int
        Rows that brought a compound that the model did not have.
    merged : int
        Rows of a compound that it had, or of one that an earlier new row brought.
    rejected : tuple of Rejection
        New rows without a usable compound or label, counted from 1 in their own file.
    unlabelled : int
        New rows with an empty label.
    before, after : int
        Compounds; after = before + added - len(left_out).
    remeasured : tuple of Remeasured
    left_out : tuple of str
        Compounds that the model had and has no more, since their rows now disagree.
    notes, warnings : tuple of str
        Decisions taken while reading the new rows, and reasons for caution.
    """

    source: str
    read: int
    added: int
    merged: int
    rejected: tuple[Rejection, ...]
    unlabelled: int
    before: int
    after: int
    remeasured: tuple[Remeasured, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class HeldOut:
    """Predictions of the labelled compounds by cross-validation: of each from compounds that are not it.

    Attributes
    ----------
    predicted, std, low, high : tuple of float, length n
        Calibrated probability of the active class, or value on the model's scale; its standard deviation
        and its interval of 90 %.
    """

    predicted: tuple[float, ...]
    std: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, outcome: Outcome) -> HeldOut:
        """The same numbers as plain values, with six digits."""
        columns = (outcome.value, outcome.std, outcome.low, outcome.high)
        return cls(*(tuple(float(f"{x:.6g}") for x in column) for column in columns))


@dataclass(frozen=True)
class Relative:
    """A training assay that orders the labelled compounds as this assay does.

    Attributes
    ----------
    assay, family : str
        Its name, and the widest family of its target that is known, or "".
    correlation : float
        Of the labels with what it says of the compounds.
    chance : float
        That shuffled labels agree as well with any training assay.
    """

    assay: str
    family: str
    correlation: float
    chance: float


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
        That adapting took; 0 in a model from a file, where the same assay has the same bytes.
    change : Change or None
        What the rows changed that came last; None where the model was not updated.
    doubts : Doubts or None
        Labels that the other compounds speak against; None where no compound could be left out.
    relatives : tuple of Relative
        Training assays like this one, as far as chance does not explain them.
    held_out : HeldOut or None
        None where no cross-validation was possible.
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
    seconds: float = field(compare=False)
    change: Change | None = None
    doubts: Doubts | None = None
    relatives: tuple[Relative, ...] = ()
    held_out: HeldOut | None = None

    @property
    def prevalence(self) -> float | None:
        """Share of actives (classes); None where nothing was measured."""
        return self.n_active / self.n if self.n and self.n_active is not None else None
