"""A label column that is read like an earlier one, whatever its own rows would suggest.

A few new rows say little about their column: the values 0 and 1 alone look like classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from molmeta.data.cells import Cell, form_notes, read_cells
from molmeta.data.classes import Measured, all_classes, as_classes, numbers_as_classes
from molmeta.data.codes import without_codes
from molmeta.data.decimals import check_decimal, find_decimal
from molmeta.data.entries import Entries
from molmeta.data.headers import is_p_scale, plain, unit_in
from molmeta.data.labels import Label, Reading
from molmeta.data.ledger import Convention, Options
from molmeta.data.measure import are_words, as_numbers, choice, may_be_large
from molmeta.data.rule import Rule
from molmeta.data.scale import CENSORED, one_unit, to_model
from molmeta.errors import InputError
from molmeta.units import MOLAR, Target


def measure_like(entries: Entries, cells: Sequence[Cell], options: Options, like: Convention) -> Measured:
    """Labels of later rows on the scale of the earlier ones.

    Raises
    ------
    InputError
        Values in place of classes or classes in place of values, a unit that cannot be converted, an
        undecidable decimal sign.
    ConfigError
        An option that is not known.
    """
    where = f"{entries.file} column '{entries.label_column}'"
    treat = choice(CENSORED, options.censored, "censored")
    texts = [cell.text for cell in cells]
    decimal = (
        check_decimal(options.decimal)
        if options.decimal
        else find_decimal(
            texts, where, like.decimal, large=may_be_large(like.scale.unit if like.scale else None)
        )
    )
    readings, own = read_cells(cells, decimal), read_cells([Cell(text) for text in texts], decimal)
    notes = [f"{where} read with the decimal sign ','"] if decimal == "," else []
    notes += form_notes(readings, where)
    words = are_words(readings)
    numbers = [r.value for r in readings if isinstance(r, Label) and r.form != "class"]
    if like.target.kind == "classification" and options.active_if is None:
        found = all_classes(own, where) if words else _from_numbers(own, numbers, where)
        return replace(as_classes(entries.label_column, where, found, notes, options), target=like.target)
    if words:
        made = f", of which '{options.active_if}' makes classes" if options.active_if else ""
        raise InputError(
            f"{where} holds classes; wanted values like those of '{like.target.name}'{made}: "
            "name the column of values with --label-column"
        )
    same = plain(entries.label_column) == plain(like.target.name)
    if not same and numbers and set(numbers) <= {0.0, 1.0}:
        raise InputError(
            f"{where} holds only 0 and 1, which are classes; wanted values like those of "
            f"'{like.target.name}': name their column with --label-column"
        )
    unit, readings = _one_unit(entries, where, as_numbers(readings, where, options.active_if), options, like)
    target = Target(like.target.name, "regression", unit)
    readings = without_codes(readings, concentrations=target.is_concentration)
    readings = [treat(to_model(r, target)) for r in readings]
    notes.append(f"{where} read as values, {unit or 'no unit named'}, on the scale of the earlier ones")
    if not same:
        notes.append(f"column '{entries.label_column}' is taken for '{like.target.name}'")
    if options.active_if is None:
        return Measured(like.target, tuple(readings), tuple(notes), like.scale)
    rule = Rule.parse(options.active_if)
    notes.append(f"active where {target.model_unit or 'the value'} is {options.active_if.strip()}")
    classes = [rule.classify(r) for r in readings]
    return replace(
        as_classes(entries.label_column, where, classes, notes, options), target=like.target, scale=like.scale
    )


def _from_numbers(readings: list[Reading], numbers: list[float], where: str) -> list[Reading]:
    """Classes written as 0 or -1, and 1."""
    if not (set(numbers) <= {0.0, 1.0} or set(numbers) <= {-1.0, 1.0}):
        odd = next(value for value in numbers if value not in (0.0, 1.0))
        raise InputError(
            f"{where} holds values, such as {odd:g}; wanted classes (0/1, active/inactive), like the earlier "
            "rows: name their column with --label-column, or give --active-if, such as '>= 6.5', to make "
            "classes of the values"
        )
    return numbers_as_classes(as_numbers(readings, where, None))


def _one_unit(
    entries: Entries, where: str, readings: list[Reading], options: Options, like: Convention
) -> tuple[str | None, list[Reading]]:
    """The unit of the values, which can be converted to that of the earlier ones, and the readings in it.

    A column that is called as before and states no unit has that of before, if it was told, and not stated
    by each row for itself.
    """
    scale, same = like.scale, plain(entries.label_column) == plain(like.target.name)
    if scale is not None and same and unit_in(entries.endpoint) is None and like.options.unit:
        readings = [replace(r, unit=r.unit or scale.unit) if isinstance(r, Label) else r for r in readings]
    units = {r.unit or unit_in(entries.endpoint) for r in readings if isinstance(r, Label)}
    # Where the earlier rows were told a unit, those in others were refused; so they are here.
    told = like.options.unit and scale and scale.unit in units and len(units) > 1
    given = options.unit or (scale.unit if scale and told else None)
    unit, readings = one_unit(entries.endpoint, where, readings, given)
    if scale is not None and units:
        check_scale(unit, scale, where)
    return unit, readings


def check_scale(unit: str | None, scale: Target, where: str) -> None:
    """Raises InputError where values in a unit are not on a scale, nor can be converted to it."""
    if unit == scale.unit or (_on_p_scale(unit) and _on_p_scale(scale.unit)):
        return
    advice = (
        f"give --unit {scale.unit} if that is what they are"
        if unit is None
        else f"convert them, or call the column '{scale.name}' if it is the same measurement"
    )
    raise InputError(
        f"{where} has values in {unit or 'no unit'}; wanted {scale.unit or 'none'}, that of "
        f"'{scale.name}': {advice}"
    )


def _on_p_scale(unit: str | None) -> bool:
    """Whether values in this unit are modelled as -log10(mol/L)."""
    return unit in MOLAR or is_p_scale(unit)
