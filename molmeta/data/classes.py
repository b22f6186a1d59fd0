"""A label column that holds two classes, as words or as numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from molmeta.data.headers import says_potency, says_share, unit_in
from molmeta.data.labels import Blank, Label, Reading, Unreadable
from molmeta.data.ledger import Options
from molmeta.errors import InputError
from molmeta.units import Target
from molmeta.wording import counted


@dataclass(frozen=True)
class Measured:
    """Labels on the model's scale.

    Attributes
    ----------
    target : Target
    readings : tuple of Label, Blank or Unreadable, one a row
        Values and relations on the model's scale.
    notes : tuple of str
    scale : Target or None
        Of the values before a rule made classes of them; None where the column holds classes.
    """

    target: Target
    readings: tuple[Reading, ...]
    notes: tuple[str, ...]
    scale: Target | None = None


def as_classes(
    name: str, where: str, readings: Sequence[Reading], notes: list[str], options: Options
) -> Measured:
    """Readings that are 0 and 1, with the numbers of either."""
    labels = [r.value for r in readings if isinstance(r, Label)]
    undecided = Counter(r.text for r in readings if isinstance(r, Blank) and r.text)
    notes = [
        *notes,
        f"{where} read as classes: {int(sum(labels))} active, {len(labels) - int(sum(labels))} inactive rows",
    ]
    notes += [
        f"{counted(count, 'row')} '{text}' {'is' if count == 1 else 'are'} taken as unlabelled"
        for text, count in undecided.items()
    ]
    target = Target(name, "classification", higher_is_better=not options.lower_is_better)
    return Measured(target, tuple(readings), tuple(notes))


def all_classes(readings: Sequence[Reading], where: str) -> list[Reading]:
    """The readings; raises InputError where one of them is no class."""
    third = {r.text for r in readings if isinstance(r, Unreadable)}
    third |= {f"{r.value:g}" for r in readings if isinstance(r, Label) and r.value not in (0.0, 1.0)}
    if third:
        shown = ", ".join(f"'{text[:40]}'" for text in sorted(third)[:5])
        raise InputError(
            f"{where} holds active/inactive and also {shown}; wanted two classes: "
            "blank out or recode the others"
        )
    return [without_bound(r) for r in readings]


def numbers_as_classes(readings: Sequence[Reading]) -> list[Reading]:
    """Readings of 1 and of 0 or -1, as classes."""
    classes = map(without_bound, readings)
    return [replace(r, value=float(r.value > 0)) if isinstance(r, Label) else r for r in classes]


def without_bound(reading: Reading) -> Reading:
    """A class with a sign such as ">1" becomes Unreadable."""
    if isinstance(reading, Label) and reading.relation:
        sign = "<" if reading.relation < 0 else ">"
        return Unreadable(f"{sign}{reading.value:g}", "a class is no bound")
    return reading


def lower_class(readings: Sequence[Reading], endpoint: str, where: str, options: Options) -> float | None:
    """The number that stands for inactive, or None where the numbers are measured values.

    Raises
    ------
    InputError
        The numbers are as few as those of classes, and leave open whether they are.
    """
    labels = [r for r in readings if isinstance(r, Label)]
    values = {label.value for label in labels}
    if not values or len(values) > 3 or not all(value.is_integer() for value in values):
        return None
    if options.unit or unit_in(endpoint) or says_potency(endpoint) or any(label.unit for label in labels):
        if values == {0.0, 1.0}:
            raise InputError(
                f"{where} is called a measured value but holds only 0 and 1; wanted classes or values: "
                "rename the column if these are classes"
            )
        return None
    if values == {0.0, 1.0} and says_share(endpoint):
        raise InputError(
            f"{where} is called a share but holds only 0 and 1; wanted classes or values: give "
            "--active-if '>= 1' if these are classes, or --unit and what they are measured in"
        )
    if values <= {0.0, 1.0} or values == {-1.0, 1.0}:
        return min(values | {0.0})
    if len(values) == 2 or values in ({0.0, 1.0, 2.0}, {-1.0, 0.0, 1.0}):
        shown = ", ".join(f"{value:g}" for value in sorted(values))
        raise InputError(
            f"{where} holds only the numbers {shown}; wanted two classes 0/1 or measured values: "
            "recode them, give --active-if, or name the --unit of the values"
        )
    return None
