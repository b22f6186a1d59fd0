"""A label column as a whole: classes or a measured quantity, its unit, and each row on the model's scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from molmeta.data.columns import relation_of
from molmeta.data.headers import canonical_unit, says_potency, unit_in
from molmeta.data.labels import Blank, Label, Reading, Unreadable, check_decimal, find_decimal, read_label
from molmeta.data.ledger import Options
from molmeta.data.rule import Rule
from molmeta.data.scale import CENSORED, conversion_notes, one_unit, to_model, weak_is_high
from molmeta.errors import ConfigError, InputError
from molmeta.units import Target
from molmeta.wording import counted


@dataclass(frozen=True)
class Cell:
    """Label of a row as the file has it, with its companions.

    `unit` and `relation` are cells of the columns of units and signs; "" where there are none.
    """

    text: str
    unit: str = ""
    relation: str = ""


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


def measure(name: str, endpoint: str, where: str, cells: Sequence[Cell], options: Options) -> Measured:
    """Read a label column.

    Parameters
    ----------
    name, endpoint : str
        Name of the column, and what is measured where another column tells (else the name again).
    where : str
        File and column, for messages.
    cells : sequence of Cell
    options : Options

    Raises
    ------
    InputError
        Mixed units, a concentration without a unit, a third class, an undecidable decimal sign.
    ConfigError
        An option that is not known.
    """
    treat = choice(CENSORED, options.censored, "censored")
    decimal = (
        check_decimal(options.decimal) if options.decimal else find_decimal((c.text for c in cells), where)
    )
    readings = [read_cell(cell, decimal) for cell in cells]
    notes = [f"{where} read with the decimal sign ','"] if decimal == "," else []
    notes += form_notes(readings, where)
    words = sum(isinstance(r, Label) and r.form == "class" for r in readings)
    numbers = [r.value for r in readings if isinstance(r, Label) and r.form != "class"]
    if words > len(numbers):
        if options.active_if:
            raise ConfigError(f"{where} holds classes already; --active-if is for numbers")
        return as_classes(name, where, all_classes(readings, where), notes, options)
    readings = [not_a_number(r) for r in readings]
    if not options.active_if and (zero := _lower_class(numbers, endpoint, where, options)) is not None:
        mapped = [
            replace(r, value=float(r.value > zero), relation=0) if isinstance(r, Label) else r
            for r in readings
        ]
        return as_classes(
            name, where, mapped, [*notes, f"{where} holds {zero:g}/1, read as inactive/active"], options
        )
    stated = readings
    unit, readings = one_unit(endpoint, where, stated, options.unit)
    notes += conversion_notes(stated, readings, where)
    target = Target(
        name,
        "regression",
        unit,
        higher_is_better=not options.lower_is_better and not weak_is_high(endpoint, unit),
    )
    readings = [treat(to_model(r, target)) for r in readings]
    notes.append(_scale_note(target, where))
    if options.active_if:
        return _cut(target, where, readings, options, notes)
    return Measured(target, tuple(readings), tuple(notes), target)


def read_cell(cell: Cell, decimal: str) -> Reading:
    """What a cell says on the file's scale, with the sign and the unit of its companions."""
    found = read_label(cell.text, decimal)
    if not isinstance(found, Label):
        return found
    relation = found.relation or relation_of(cell.relation) or 0
    stated = (
        None if isinstance(read_label(cell.unit), Blank) else canonical_unit(cell.unit) or cell.unit.strip()
    )
    if found.unit and stated and found.unit != stated:
        return Unreadable(cell.text, f"its unit is {found.unit}, but the column of units says {stated}")
    return replace(found, relation=relation, unit=found.unit or stated)


def form_notes(readings: Iterable[Reading], where: str) -> list[str]:
    """How cells that are no plain numbers were read."""
    forms = Counter(r.form for r in readings if isinstance(r, Label))
    said = {
        "range": "ranges, read as their middle",
        "with error": "values with an error, which is left out",
        "about": "values marked as approximate, read as exact",
    }
    return [f"{where} holds {forms[form]} {what}" for form, what in said.items() if forms[form]]


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
    return list(readings)


def not_a_number(reading: Reading) -> Reading:
    """A class word becomes Unreadable."""
    if isinstance(reading, Label) and reading.form == "class":
        return Unreadable("active" if reading.value else "inactive", "it is a class in a column of numbers")
    return reading


def _lower_class(numbers: Sequence[float], endpoint: str, where: str, options: Options) -> float | None:
    """The number that stands for inactive, or None where the numbers are measured values."""
    values = set(numbers)
    whole = all(value.is_integer() for value in values)
    unit = options.unit or unit_in(endpoint)
    if not values or not whole or len(values) > 3:
        return None
    if unit or says_potency(endpoint):
        if values == {0.0, 1.0}:
            raise InputError(
                f"{where} is called a measured value but holds only 0 and 1; wanted classes or values: "
                "rename the column if these are classes"
            )
        return None
    if values <= {0.0, 1.0} or values == {-1.0, 1.0}:
        return min(values | {0.0})
    if len(values) == 2 or values in ({0.0, 1.0, 2.0}, {-1.0, 0.0, 1.0}):
        shown = ", ".join(f"{value:g}" for value in sorted(values))
        raise InputError(
            f"{where} holds only the numbers {shown}; wanted two classes 0/1 or measured values: "
            "recode them, give --active-if, or name the --unit of the values"
        )
    return None


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


def _scale_note(target: Target, where: str) -> str:
    unit = target.unit or "no unit named"
    scale = f"modelled as {target.model_unit}" if target.is_concentration else "modelled as it is"
    better = "higher" if target.higher_is_better else "lower"
    return f"{where} read as values, {unit}, {scale}; {better} ranks first"


def choice(
    choices: dict[str, Callable[[Reading], Reading]], name: str, option: str
) -> Callable[[Reading], Reading]:
    """The one called `name`; raises ConfigError where there is none."""
    if name not in choices:
        raise ConfigError(f"{option}={name!r} is not known; wanted one of {', '.join(choices)}")
    return choices[name]


def _cut(
    target: Target, where: str, readings: Sequence[Reading], options: Options, notes: list[str]
) -> Measured:
    """Values to classes by --active-if; a bound that does not settle the class is refused."""
    rule = Rule.parse(options.active_if or "")
    scale = target.model_unit or "the file's scale"
    notes = [*notes, f"active where {scale} {(options.active_if or '').strip()} (the model's scale)"]
    found = as_classes(target.name, where, [rule.classify(r) for r in readings], notes, options)
    return replace(found, scale=target)
