"""One grammar for label cells: classes, numbers, censoring signs, ranges, errors and units."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from molmeta.data.headers import canonical_unit
from molmeta.errors import ConfigError, InputError

_UNDECIDED = (
    "inconclusive unspecified undetermined equivocal indeterminate ambiguous "
    "- -- . ? nan na n/a <na> #n/a none null nil nat missing nd n.d. n.d nt n.t. n.b. unklar"
)
# English first; what other languages say in Latin script is close enough to leave no doubt.
_ACTIVE = (
    "active actives act true t yes y positive pos hit + toxic blocker binder inhibitor "
    "aktiv wirksam positiv ja toxisch actif activo"
)
_INACTIVE = (
    "inactive inactives inact false f no n negative neg decoy nontoxic nonblocker nonbinder noninhibitor "
    "inaktiv unwirksam negativ nein inactif inactivo"
)
_NOT = "not active,non-active,non-toxic,non-hit,non-blocker,non-binder,non-inhibitor,nicht aktiv"
_MISSING = "not determined,not tested,not measured,nicht bestimmt,nicht getestet,nicht gemessen"
BLANK = frozenset(["", *_MISSING.split(","), *_UNDECIDED.split()])
CLASSES = {
    **dict.fromkeys(_ACTIVE.split(), 1.0),
    **dict.fromkeys(
        [*_INACTIVE.split(), *_NOT.split(",")],
        0.0,
    ),
}
RELATIONS = {
    **dict.fromkeys([">", ">=", "=>", "≥", ">>"], 1),
    **dict.fromkeys(["<", "<=", "=<", "≤", "<<"], -1),
    **dict.fromkeys(["", "=", "==", "~", "≈", "ca", "ca.", "about"], 0),
}

_BLANKS = " '’\u00a0\u2009\u202f"
_SIGN = r">>|>=|=>|≥|>|<<|<=|=<|≤|<|==|=|~|≈|ca\.?|about"
_DIGITS = rf"[+-]?(?:\d(?:[\d.,]|[{_BLANKS}](?=\d\d\d(?!\d)))*|[.,]\d+)(?:[eE][+-]?\d+)?"
_CELL = re.compile(
    rf"(?P<sign>{_SIGN})?\s*(?P<number>{_DIGITS})"
    rf"(?:\s*(?:±|\+/-|\+-)\s*(?P<error>{_DIGITS})|\s*(?:-|–|—|to|\.\.\.?)\s*(?P<upper>{_DIGITS}))?"
    r"\s*(?P<unit>[^\d\s(].*?|10\^?-6 cm/s)?\s*(?:\(n\s*=\s*\d+\))?",
    re.IGNORECASE | re.ASCII,
)
# The grammar takes time that grows with the square of the length.
_LONGEST = 200
_TOKEN = re.compile(_DIGITS, re.ASCII)
_MANTISSA = re.compile(r"[eE].*$")
_ROUND_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")


@dataclass(frozen=True, slots=True)
class Label:
    """What a cell says.

    Attributes
    ----------
    value : float
        1 or 0 for a class word, else the number; the middle of a range.
    relation : int
        -1 the true value is below, 0 exact, +1 above.
    unit : str or None
        Unit in the cell.
    form : str
        "number", "class", "range", "with error" or "about".
    """

    value: float
    relation: int = 0
    unit: str | None = None
    form: str = "number"


@dataclass(frozen=True, slots=True)
class Blank:
    """A cell without a label: empty, NA, or a word such as "inconclusive"."""

    text: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A cell that cannot be used, and why."""

    text: str
    why: str


Reading = Label | Blank | Unreadable


def read_label(text: str, decimal: str = ".") -> Reading:
    """Read a label cell.

    Parameters
    ----------
    text : str
    decimal : "." or ","
        Decimal sign; the other one groups thousands.

    Examples
    --------
    >>> read_label(">10000")
    Label(value=10000.0, relation=1, unit=None, form='number')
    >>> read_label("1,5 µM", ",")
    Label(value=1.5, relation=0, unit='uM', form='number')
    >>> read_label("Active").value, read_label("5-10").value, read_label("3±0.2").value
    (1.0, 7.5, 3.0)
    >>> read_label("1e400").why
    'it is not a finite number'
    """
    cell = text.strip(" \t\r\n\u00a0\ufeff").replace("−", "-")
    cell = cell.removeprefix("'")  # by which spreadsheets mark a number as text
    if len(cell) > _LONGEST:
        return Unreadable(cell[:_LONGEST], "it is too long for a label")
    word = cell.lower()
    if word in BLANK:
        return Blank(cell)
    if word in CLASSES:
        return Label(CLASSES[word], form="class")
    if word.lstrip("+-") in ("inf", "infinity", "∞"):
        return Unreadable(cell, "it is not a finite number")
    match = _CELL.fullmatch(cell)
    if match is None:
        return Unreadable(cell, "it is neither a number nor a class such as active/inactive")
    return _from_match(cell, match, decimal)


def _from_match(cell: str, match: re.Match[str], decimal: str) -> Reading:
    numbers = [_number(match[part], decimal) for part in ("number", "error", "upper") if match[part]]
    if any(value is None for value in numbers):
        return Unreadable(cell, f"it is not a number with the decimal sign '{decimal}'")
    values = [value for value in numbers if value is not None]
    if not all(map(math.isfinite, values)):
        return Unreadable(cell, "it is not a finite number")
    unit = match["unit"]
    if unit and (unit := canonical_unit(unit)) is None:
        return Unreadable(cell, f"its unit '{match['unit']}' is not known")
    sign = (match["sign"] or "").lower()
    relation = RELATIONS[sign]
    if match["upper"]:
        if relation or values[1] < values[0]:
            return Unreadable(cell, "it is not a range from low to high")
        return Label((values[0] + values[1]) / 2, 0, unit, "range")
    form = (
        "with error" if match["error"] else "about" if sign in ("~", "≈", "ca", "ca.", "about") else "number"
    )
    return Label(values[0], relation, unit, form)


def _number(text: str, decimal: str) -> float | None:
    thousands = re.escape({".": ",", ",": "."}[decimal])
    mantissa = _MANTISSA.sub("", text)
    grouped = rf"[+-]?\d{{1,3}}(?:[{thousands}{_BLANKS}]\d{{3}})+(?:{re.escape(decimal)}\d*)?"
    simple = rf"[+-]?(?:\d+(?:{re.escape(decimal)}\d*)?|{re.escape(decimal)}\d+)"
    if not re.fullmatch(f"{grouped}|{simple}", mantissa):
        return None
    digits = re.sub(rf"[{thousands}{_BLANKS}]", "", mantissa).replace(decimal, ".")
    return float(digits + text[len(mantissa) :])


def looks_numeric(text: str) -> bool:
    """Whether a cell reads as a number under either decimal sign."""
    readings = (read_label(text, decimal) for decimal in (".", ","))
    return any(isinstance(found, Label) and found.form != "class" for found in readings)


def check_decimal(decimal: str) -> str:
    """`decimal` itself; raises ConfigError where it is neither "." nor ","."""
    if decimal not in (".", ","):
        raise ConfigError(f"decimal sign {decimal!r} is not known; wanted '.' or ','")
    return decimal


def find_decimal(cells: Iterable[str], where: str, usual: str | None = None) -> str:
    """The decimal sign of a column, from the cells that leave no doubt.

    Parameters
    ----------
    cells : iterable of str
    where : str
        File and column, for the message.
    usual : str or None
        The sign to take where the cells do not say.

    Raises
    ------
    InputError
        Both signs are in use, or every comma may as well group thousands ("1,000").
    """
    sure, doubtful = _decimal_signs(cells)
    if len(sure) == 2:
        raise InputError(
            f"{where} holds both '{sure['.']}' and '{sure[',']}'; wanted one decimal sign: "
            "give --decimal '.' or --decimal ',' (cells that do not fit it are then refused)"
        )
    if not sure and "," in doubtful and usual is None:
        raise InputError(
            f"{where} holds '{doubtful[',']}', which may be a decimal or a thousands comma; "
            "give --decimal ',' or --decimal '.'"
        )
    return next(iter(sure), usual or ".")


def stated_decimal(cells: Iterable[str]) -> str | None:
    """The decimal sign that cells show beyond doubt, or None where they leave it open.

    >>> stated_decimal(["7", "0,5"]), stated_decimal(["7", "1,000"])
    (',', None)
    """
    sure, _ = _decimal_signs(cells)
    return next(iter(sure)) if len(sure) == 1 else None


def _decimal_signs(cells: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Decimal signs beyond doubt and possible ones, each with the first cell that has it."""
    sure: dict[str, str] = {}
    doubtful: dict[str, str] = {}
    for cell in cells:
        for token in _TOKEN.findall(cell):
            mantissa = _MANTISSA.sub("", token).rstrip(".,")
            sign = _decimal_sign(mantissa)
            if sign is not None:
                sure.setdefault(sign, cell)
            elif "," in mantissa or "." in mantissa:
                doubtful.setdefault("," if "," in mantissa else ".", cell)
    return sure, doubtful


def _decimal_sign(mantissa: str) -> str | None:
    """The decimal sign that a number shows beyond doubt, or None."""
    commas, dots = mantissa.count(","), mantissa.count(".")
    if commas and dots:
        return "," if mantissa.rfind(",") > mantissa.rfind(".") else "."
    if commas > 1 or dots > 1:
        return "." if commas else ","
    if commas + dots == 0 or _ROUND_THOUSANDS.fullmatch(mantissa):
        return None
    return "," if commas else "."
