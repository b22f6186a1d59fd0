"""One grammar for label cells: classes, numbers, censoring signs, ranges, errors and units."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from molmeta.data.headers import canonical_unit
from molmeta.data.labelwords import ABOUT, BLANK, CLASSES, RELATIONS, TYPED

_SIGN = r">>|>=|=>|≥|>|<<|<=|=<|≤|<|==|=|~|≈|ca\.?|circa|about|approx\.?|(?:more|greater|less) than"
# Possessive (*+, ++), so that what does not fit is named as it stands and not cut in the middle of a number.
_DIGITS = r"[+-]?(?:\d(?:[\d.,]|[ '](?=\d\d\d(?!\d)))*+|[.,]\d++)(?:[eE][+-]?\d++)?+"
_CELL = re.compile(
    rf"(?P<sign>{_SIGN})?\s*(?P<number>{_DIGITS})"
    rf"(?:\s*(?:±|\+/-|\+-)\s*(?P<error>{_DIGITS})|\s*(?:-|to|\.\.\.?|…)\s*(?P<upper>{_DIGITS}))?"
    r"\s*(?P<unit>[^\d\s(].*?|10\^?-6 cm/s)?\s*(?:\(n\s*=\s*\d+\))?",
    re.IGNORECASE | re.ASCII,
)
# The grammar takes time that grows with the square of the length.
_LONGEST = 200
_MANTISSA = re.compile(r"[eE].*$")
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺", "0123456789+")
_TIMES_TEN = re.compile(r"(?<=[\d.,])\s*[x×*·⋅]\s*10\s*(?:\^\s*([+-]?\d+)|([-⁺]?[⁰¹²³⁴-⁹]+)|([+-]\d+))")
_POWER_OF_TEN = re.compile(r"^([^\w.,-]*)10(?:\^([+-]?\d+)|([-⁺]?[⁰¹²³⁴-⁹]+))(?!\d)")
_MONTH = r"(?:jan|feb|m[aäe]r|mrz|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zä]*\.?"
_DATE = re.compile(
    r"\d{1,4}([-/.])\d\d?\1\d{2,4}(?:[T ].*)?|\d\d?/\d\d?|\d\d?:\d\d(?::\d\d)?|0[1-9]\.(?:0[1-9]|1[0-2])|"
    rf"\d\d?[-. /]*{_MONTH}(?:[-. /]*\d+)?|{_MONTH}[-. /]*\d+",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Label:
    """What a cell says.

    Attributes
    ----------
    value : float
        1 or 0 for a class word, else the number; the middle of a range; of "+++" how many there are.
    relation : int
        -1 the true value is below, 0 exact, +1 above.
    unit : str or None
        Unit in the cell.
    form : str
        "number", "class", "range", "with error", "about" or "grade".
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
    >>> read_label("1.5 × 10⁻³").value, read_label("+++").value
    (0.0015, 3.0)
    >>> read_label("1e400").why, read_label("5. Jan").why
    ('it is not a finite number', 'it looks like a date or a time, which spreadsheets make of numbers')
    """
    cell = text.strip(" \t\r\n\u00a0\ufeff")
    if len(cell) > _LONGEST:
        return Unreadable(cell[:_LONGEST], "it is too long for a label")
    typed = cell.translate(TYPED).strip()
    typed = typed.removeprefix("'")  # by which spreadsheets mark a number as text
    word = typed.lower()
    if word in BLANK:
        return Blank(cell)
    if word in CLASSES:
        return Label(CLASSES[word], form="class")
    if re.fullmatch(r"\+{2,5}", word):
        return Label(float(len(word)), form="grade")
    if word.lstrip("+-<>=≥≤ ") in ("inf", "infinity", "∞"):
        return Unreadable(cell, "it is not a finite number")
    if _DATE.fullmatch(typed):
        return Unreadable(cell, "it looks like a date or a time, which spreadsheets make of numbers")
    match = _CELL.fullmatch(_powers(typed))
    if match is None:
        return Unreadable(cell, "it is neither a number nor a class such as active/inactive")
    return _from_match(cell, match, decimal)


def _powers(cell: str) -> str:
    """The cell with powers of ten as exponents: "1.5 × 10⁻³" is "1.5e-3"."""
    if "10" not in cell:
        return cell

    def exponent(match: re.Match[str]) -> str:
        return next(group for group in match.groups()[-3:] if group).translate(_RAISED)

    cell = _TIMES_TEN.sub(lambda match: f"e{exponent(match)}", cell)
    return _POWER_OF_TEN.sub(lambda match: f"{match[1]}1e{(match[2] or match[3]).translate(_RAISED)}", cell)


def _from_match(cell: str, match: re.Match[str], decimal: str) -> Reading:
    numbers = [_number(match[part], decimal) for part in ("number", "error", "upper") if match[part]]
    if any(value is None for value in numbers):
        return Unreadable(cell, f"it is not a number with the decimal sign '{decimal}'")
    values = [value for value in numbers if value is not None]
    if not all(map(math.isfinite, values)):
        return Unreadable(cell, "it is not a finite number")
    if values[0] == 0 and re.search("[1-9]", _MANTISSA.sub("", match["number"])):
        return Unreadable(cell, "it is too small a number")
    unit = match["unit"]
    if unit and (unit := canonical_unit(unit)) is None:
        return Unreadable(cell, f"'{match['unit']}' after the number is not a known unit")
    sign = (match["sign"] or "").lower()
    relation = RELATIONS[sign]
    if match["upper"]:
        if relation or values[1] < values[0]:
            return Unreadable(cell, "it is not a range from low to high")
        return Label((values[0] + values[1]) / 2, 0, unit, "range")
    form = "with error" if match["error"] else "about" if sign in ABOUT else "number"
    return Label(values[0], relation, unit, form)


def _number(text: str, decimal: str) -> float | None:
    """The number that digits make, or None; only the other sign, blanks and apostrophes group thousands."""
    thousands = {".": ",", ",": "."}[decimal]
    mantissa = _MANTISSA.sub("", text)
    sign = re.escape(decimal)
    grouped = rf"[+-]?[1-9]\d{{0,2}}([{thousands} '])\d{{3}}(?:\1\d{{3}})*(?:{sign}\d*)?"
    simple = rf"[+-]?(?:\d+(?:{sign}\d*)?|{sign}\d+)"
    if not re.fullmatch(f"{grouped}|{simple}", mantissa, re.ASCII):
        return None
    digits = re.sub(f"[{thousands} ']", "", mantissa).replace(decimal, ".")
    return float(digits + text[len(mantissa) :])


def looks_numeric(text: str) -> bool:
    """Whether a cell reads as a number under either decimal sign."""
    readings = (read_label(text, decimal) for decimal in (".", ","))
    return any(isinstance(found, Label) and found.form not in ("class", "grade") for found in readings)
