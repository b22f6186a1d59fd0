"""The decimal sign of a column, from the cells that can be read in one way only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from molmeta.data.labels import Label, looks_numeric, read_label
from molmeta.data.labelwords import TYPED
from molmeta.errors import ConfigError, InputError

# A column that holds numbers of this size without a separator does not group thousands.
_THOUSAND = 1000.0


def check_decimal(decimal: str) -> str:
    """`decimal` itself; raises ConfigError where it is neither "." nor ","."""
    if decimal not in (".", ","):
        raise ConfigError(f"decimal sign {decimal!r} is not known; wanted '.' or ','")
    return decimal


def find_decimal(cells: Iterable[str], where: str, usual: str | None = None, *, large: bool = True) -> str:
    """The decimal sign of a column, from the cells that leave no doubt.

    Parameters
    ----------
    cells : iterable of str
    where : str
        File and column, for the message.
    usual : str or None
        The sign to take where the cells do not say.
    large : bool
        Whether values of a thousand and more are to be expected; there are none on p-scales and in %.

    Raises
    ------
    InputError
        Both signs are in use; or every comma may as well group thousands ("1,000"), or every dot, beside
        whole numbers below a thousand ("1.250", "875").
    """
    signs = _Signs.of(cells)
    if len(signs.sure) == 2:
        raise InputError(
            f"{where} holds both '{signs.sure['.']}' and '{signs.sure[',']}'; wanted one decimal sign: "
            "give --decimal '.' or --decimal ',' (cells that do not fit it are then refused)"
        )
    if signs.sure or usual is not None:
        return next(iter(signs.sure), usual or ".")
    if "," in signs.open:
        raise InputError(
            f"{where} holds '{signs.open[',']}', which may be a decimal or a thousands comma; "
            "give --decimal ',' or --decimal '.'"
        )
    if large and "." in signs.open and 0 < signs.largest < _THOUSAND:
        raise InputError(
            f"{where} holds '{signs.open['.']}' beside whole numbers below a thousand, so its dot may be a "
            "decimal or a thousands sign; give --decimal '.' or --decimal ','"
        )
    return "."


def stated_decimal(cells: Iterable[str]) -> str | None:
    """The decimal sign that cells show beyond doubt, or None where they leave it open.

    >>> stated_decimal(["7", "0,5"]), stated_decimal(["7", "1,000"])
    (',', None)
    """
    sure = _Signs.of(cells).sure
    return next(iter(sure)) if len(sure) == 1 else None


@dataclass
class _Signs:
    """What cells say of the decimal sign.

    Attributes
    ----------
    sure, open : dict of str to str
        Decimal signs beyond doubt, and signs that may be one or group thousands, each with its first cell.
    largest : float
        Of the whole numbers without any sign; 0 without such.
    """

    sure: dict[str, str] = field(default_factory=dict)
    open: dict[str, str] = field(default_factory=dict)
    largest: float = 0.0

    @classmethod
    def of(cls, cells: Iterable[str]) -> _Signs:
        found = cls()
        for cell in cells:
            found._add(cell)
        return found

    def _add(self, cell: str) -> None:
        readings = {decimal: read_label(cell, decimal) for decimal in (".", ",")}
        values = {sign: one.value for sign, one in readings.items() if isinstance(one, Label)}
        if len(values) == 1:
            self.sure.setdefault(next(iter(values)), cell)
        elif len(set(values.values())) == 2:
            self.open.setdefault("," if "," in cell.translate(TYPED) else ".", cell)
        elif values and looks_numeric(cell):
            self.largest = max(self.largest, abs(values["."]))
