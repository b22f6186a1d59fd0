"""A label column as a whole: classes or a measured quantity, its unit, and each row on the model's scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from molmeta.data.cells import Cell, form_notes, forms, not_a_number, read_cells
from molmeta.data.classes import Measured, all_classes, as_classes, lower_class, numbers_as_classes
from molmeta.data.codes import without_codes
from molmeta.data.decimals import check_decimal, find_decimal
from molmeta.data.headers import is_p_scale, says_potency, unit_in
from molmeta.data.labels import Label, Reading
from molmeta.data.ledger import Options
from molmeta.data.rule import Rule
from molmeta.data.scale import CENSORED, conversion_notes, one_unit, to_model, weak_is_high
from molmeta.errors import ConfigError, InputError
from molmeta.units import MOLAR, Target


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
    texts = [cell.text for cell in cells]
    named = options.unit or unit_in(endpoint)
    decimal = (
        check_decimal(options.decimal)
        if options.decimal
        else find_decimal(texts, where, large=may_be_large(named))
    )
    readings, own = read_cells(cells, decimal), read_cells([Cell(text) for text in texts], decimal)
    notes = [f"{where} read with the decimal sign ','"] if decimal == "," else []
    notes += form_notes(readings, where)
    if are_words(readings):
        if options.active_if:
            raise ConfigError(f"{where} holds classes already; --active-if is for numbers")
        return as_classes(name, where, all_classes(own, where), notes, options)
    readings, own = (as_numbers(some, where, options.active_if) for some in (readings, own))
    if not options.active_if and (zero := lower_class(own, endpoint, where, options)) is not None:
        notes.append(f"{where} holds {zero:g}/1, read as inactive/active")
        return as_classes(name, where, numbers_as_classes(own), notes, options)
    stated = readings
    unit, readings = one_unit(endpoint, where, stated, options.unit)
    notes += conversion_notes(stated, readings, where)
    target = Target(
        name,
        "regression",
        unit,
        higher_is_better=not options.lower_is_better and not weak_is_high(endpoint, unit),
    )
    readings = without_codes(readings, concentrations=unit in MOLAR or says_potency(endpoint))
    readings = [treat(to_model(r, target)) for r in readings]
    notes.append(_scale_note(target, where))
    if options.active_if:
        return _cut(target, where, readings, options, notes)
    return Measured(target, tuple(readings), tuple(notes), target)


def may_be_large(unit: str | None) -> bool:
    """Whether values in a unit may be a thousand and more: not on p-scales, as logarithms and in %."""
    return unit is None or not (is_p_scale(unit) or unit == "%" or unit.lower().startswith("log"))


def are_words(readings: Sequence[Reading]) -> bool:
    """Whether a column holds class words: more of them than of numbers, or beside 0 and 1 alone."""
    found = forms(readings)
    words = found.pop("class", 0)
    numbers = {r.value for r in readings if isinstance(r, Label) and r.form != "class"}
    return words > found.total() or (words > 0 and numbers <= {0.0, 1.0})


def as_numbers(readings: Sequence[Reading], where: str, rule: str | None) -> list[Reading]:
    """Readings without class words, and with grades (+, ++) only where a rule makes classes of them.

    Raises
    ------
    InputError
        The column holds grades and there is no rule.
    """
    found = forms(readings)
    graded = found["grade"] > found["number"]
    if graded and not rule:
        raise InputError(
            f"{where} holds grades such as ++; wanted two classes or measured values: give --active-if "
            "'>= 2' to make classes of them by the number of plus signs (- is 0)"
        )
    return [r if graded and isinstance(r, Label) and r.form == "grade" else not_a_number(r) for r in readings]


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
