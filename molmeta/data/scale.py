"""The scale of a column of values: its one unit, which way is better, and the way to the model's scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from molmeta.data.headers import canonical_unit, is_p_scale, says_log_potency, says_potency, unit_in
from molmeta.data.labels import Label, Reading, Unreadable
from molmeta.errors import InputError
from molmeta.units import MOLAR, Target
from molmeta.wording import counted

# Nothing is as potent as 1e-15 mol/L or as weak as 10 mol/L: such a "pIC50" is a concentration.
P_RANGE = (-1.0, 15.0)


def one_unit(
    endpoint: str, where: str, readings: list[Reading], given: str | None
) -> tuple[str | None, list[Reading]]:
    """The unit of all values, and the readings in it.

    Rows that each state their own unit, all of them concentrations, are converted to the commonest.

    Parameters
    ----------
    endpoint, where : str
        What is measured; file and column for messages.
    readings : list of Label, Blank or Unreadable
        On the file's scale.
    given : str or None
        Unit named by the user: rows that state another one become Unreadable.

    Raises
    ------
    InputError
        Mixed units, a concentration without a unit, concentrations in a column of p-values.
    """
    if given is not None:
        wanted = canonical_unit(given) or given.strip()
        return wanted, [_in_unit(r, wanted) for r in readings]
    default = unit_in(endpoint)
    groups = Counter(r.unit or default for r in readings if isinstance(r, Label))
    if len(groups) > 1 and _converts(readings, default):
        unit = groups.most_common(1)[0][0]
        return unit, [_converted(r, unit or "") for r in readings]
    if len(groups) > 1:
        shown = ", ".join(
            f"{counted(count, 'row')} in {have or 'no unit'}" for have, count in groups.most_common(5)
        )
        raise InputError(
            f"{where} mixes units ({shown}); wanted one: convert them, "
            "or give --unit to use only the rows in that unit"
        )
    unit = next(iter(groups)) if groups else default
    values = [r.value for r in readings if isinstance(r, Label)]
    if unit is None and says_potency(endpoint):
        raise InputError(
            f"{where} is a concentration without a unit; give --unit nM (or uM, M, ...), "
            "or --unit pIC50 where the values are -log10 of mol/L already"
        )
    if unit and is_p_scale(unit) and values and not P_RANGE[0] <= min(values) <= max(values) <= P_RANGE[1]:
        odd = next(v for v in values if not P_RANGE[0] <= v <= P_RANGE[1])
        raise InputError(
            f"{where} is on a p-scale but holds {odd:g}, which looks like a concentration; "
            "wanted one scale: convert those rows, or give --unit"
        )
    return unit, readings


def _converts(readings: list[Reading], default: str | None) -> bool:
    """Whether each row states its own unit of concentration, and nothing says that they have one unit."""
    return default is None and all(r.unit in MOLAR for r in readings if isinstance(r, Label))


def _converted(reading: Reading, unit: str) -> Reading:
    if not isinstance(reading, Label) or reading.unit == unit:
        return reading
    return replace(reading, value=reading.value * MOLAR[reading.unit or unit] / MOLAR[unit], unit=unit)


def conversion_notes(before: Sequence[Reading], after: Sequence[Reading], where: str) -> list[str]:
    """How many rows were converted from which unit."""
    pairs = (
        (r, s) for r, s in zip(before, after, strict=True) if isinstance(r, Label) and isinstance(s, Label)
    )
    changed = Counter((r.unit, s.unit) for r, s in pairs if r.unit != s.unit)
    return [
        f"{where} holds {counted(count, 'row')} in {own}, converted to {unit}"
        for (own, unit), count in changed.most_common()
    ]


def _in_unit(reading: Reading, unit: str) -> Reading:
    if isinstance(reading, Label) and reading.unit not in (None, unit):
        return Unreadable(f"{reading.value:g}", f"its unit is {reading.unit}, wanted {unit}")
    return reading


def weak_is_high(endpoint: str, unit: str | None) -> bool:
    """Whether large values are weak ones: a potency that is not on the p-scale (ug/mL, logIC50)."""
    raw = says_potency(endpoint) and unit not in MOLAR and not is_p_scale(unit)
    return raw or says_log_potency(endpoint)


def to_model(reading: Reading, target: Target) -> Reading:
    """A reading on the model's scale; a concentration of zero or less becomes Unreadable."""
    if not isinstance(reading, Label):
        return reading
    if target.is_concentration and reading.value <= 0:
        return Unreadable(f"{reading.value:g}", "a concentration must be above zero")
    value = float(target.to_model(np.array([reading.value]))[0])
    relation = int(target.relation_to_model(np.array([reading.relation], dtype=np.int8))[0])
    return replace(reading, value=value, relation=relation)


def _keep_bound(reading: Reading) -> Reading:
    return reading


def _drop(reading: Reading) -> Reading:
    if isinstance(reading, Label) and reading.relation:
        return Unreadable(f"{reading.value:g}", "it is censored, and censored values are dropped")
    return reading


CENSORED: dict[str, Callable[[Reading], Reading]] = {"keep-bound": _keep_bound, "drop": _drop}
