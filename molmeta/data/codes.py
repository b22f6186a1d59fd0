"""Numbers that stand for a missing value: -999 and 1e30 in a column of numbers that are nothing like them."""

from __future__ import annotations

from collections.abc import Sequence

from molmeta.data.labels import Label, Reading, Unreadable

# Of the largest other value; a code below it may as well be measured.
_FAR, _FARTHER = 5.0, 50.0
_ENDLESS = 1e20


def without_codes(readings: Sequence[Reading], *, concentrations: bool) -> list[Reading]:
    """The readings; a number that is written as missing values are, and far from all others, is Unreadable.

    Nines with a minus must be 5 times as large as any other value, nines without one 50 times, and of
    concentrations these are left alone: 9999 nM is what a weak compound may have.

    >>> [type(r).__name__ for r in without_codes([Label(2.1), Label(-999.0)], concentrations=False)]
    ['Label', 'Unreadable']
    """
    ordinary = [abs(r.value) for r in readings if isinstance(r, Label) and not _is_code(r)]
    largest = max(ordinary, default=0.0)

    def meant(reading: Reading) -> Reading:
        if not isinstance(reading, Label) or not _is_code(reading):
            return reading
        plain = 0 < reading.value < _ENDLESS
        if (plain and concentrations) or abs(reading.value) <= (_FARTHER if plain else _FAR) * largest:
            return reading
        return Unreadable(
            f"{reading.value:g}", "it looks like a code for a missing value: no other is near it"
        )

    return [meant(reading) for reading in readings]


def _is_code(label: Label) -> bool:
    if label.relation or label.form != "number":
        return False
    digits = f"{abs(label.value):.15g}".removesuffix(".99").removesuffix(".9")
    nines = len(digits) >= (2 if label.value < 0 else 3) and set(digits) == {"9"}
    return nines or abs(label.value) >= _ENDLESS
