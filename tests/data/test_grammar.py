# ruff: noqa: E501 (several cells a line)
"""One grammar for numbers: each form comes back as it was written, and none is read in two ways."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from molmeta.data.decimals import find_decimal, stated_decimal
from molmeta.data.labels import Blank, Label, Unreadable, read_label
from molmeta.data.labelwords import relation_of
from molmeta.errors import InputError

FAST = settings(max_examples=60, deadline=None)
OTHER = {".": ",", ",": "."}
GROUPING = {".": [",", "'", "’", " ", "\u00a0", "\u2009", "\u202f"], ",": [".", "'", " ", "\u202f"]}
SIGNS = {
    "": 0,
    ">": 1,
    ">=": 1,
    "≥": 1,
    "⩾": 1,
    "<": -1,
    "≤": -1,
    "≦": -1,
    "=": 0,
    "~": 0,
    "ca. ": 0,
    "≈ ": 0,
}
MINUS = ["-", "\u2212", "\u2013"]

decimals = st.sampled_from([".", ","])
whole = st.integers(0, 10**9)
digits = st.text("0123456789", max_size=6)


def grouped(number: int, by: str) -> str:
    return f"{number:,}".replace(",", by)


@FAST
@given(decimals, whole, digits, st.data())
def test_forms_come_back(decimal: str, number: int, fraction: str, data: st.DataObject) -> None:
    """Qualifier, minus, thousands, decimal sign, exponent, unit: the value, whatever the dress."""
    value = float(f"{number}.{fraction or 0}")
    by = data.draw(st.sampled_from(["", *GROUPING[decimal]]))
    text = (grouped(number, by) if by else str(number)) + (decimal + fraction if fraction else "")
    sign = data.draw(st.sampled_from(list(SIGNS)))
    minus = data.draw(st.sampled_from(["", *MINUS]))
    power = data.draw(st.integers(-9, 9))
    exponent = data.draw(st.sampled_from(["", "e{}", "E{:+03d}", "×10^{}", " x 10^{}", " · 10^{}"])).format(
        power
    )
    unit, stands = data.draw(st.sampled_from([("", None), (" nM", "nM"), ("µM", "uM"), (" %", "%")]))
    found = read_label(f"{sign}{minus}{text}{exponent}{unit}", decimal)
    assert isinstance(found, Label)
    wanted = value * 10.0**power if exponent else value
    assert found.value == pytest.approx(-wanted if minus else wanted, rel=1e-12)
    assert (found.relation, found.unit) == (SIGNS[sign], stands)


@FAST
@given(whole, digits, whole, st.sampled_from(["-", " - ", " – ", " to ", " … "]))
def test_ranges_are_their_middle(low: int, fraction: str, more: int, between: str) -> None:
    first, last = f"{low}.{fraction or 0}", f"{low + more + 1}.{fraction or 0}"
    found = read_label(f"{first}{between}{last} nM")
    assert isinstance(found, Label)
    assert (found.form, found.relation, found.unit) == ("range", 0, "nM")
    assert found.value == pytest.approx((float(first) + float(last)) / 2)
    assert isinstance(read_label(f"{last}{between}{first}"), Unreadable)
    assert isinstance(read_label(f">{first}{between}{last}"), Unreadable)


@FAST
@given(whole, digits, st.sampled_from(["±", " ± ", " +/- "]), digits)
def test_errors_are_left_out(number: int, fraction: str, between: str, error: str) -> None:
    found = read_label(f"{number}.{fraction or 0}{between}{error or 0} uM")
    assert found == Label(float(f"{number}.{fraction or 0}"), 0, "uM", "with error")


@FAST
@given(st.text("0123456789.,' ", min_size=1, max_size=12))
def test_two_readings_of_one_number_are_never_both_taken(text: str) -> None:
    """Where both decimal signs give a number, and not the same one, a column of it alone must not decide
    for thousands, and a comma must be asked for."""
    both = {decimal: read_label(text, decimal) for decimal in OTHER}
    values = {decimal: one.value for decimal, one in both.items() if isinstance(one, Label)}
    open_ = len(set(values.values())) == 2
    if open_ and "," in text:
        with pytest.raises(InputError, match="--decimal"):
            find_decimal([text], "a.csv column 'y'")
    elif values:
        assert find_decimal([text], "a.csv column 'y'") in values
    assert not (open_ and stated_decimal([text]))


@FAST
@given(st.lists(st.tuples(whole, digits), min_size=1, max_size=8), decimals, st.data())
def test_a_column_keeps_its_decimal_sign_whatever_stands_beside_it(
    numbers: list[tuple[int, str]], decimal: str, data: st.DataObject
) -> None:
    """Dates, comments and codes among the numbers say nothing about decimal signs."""
    cells = [f"{number}{decimal}{fraction}" if fraction else str(number) for number, fraction in numbers]
    junk = data.draw(
        st.lists(st.sampled_from(["05.01.2020", "see 1,2", "v1.2.3", "1,2,3", "5..1", "n.d.", "1/2"]))
    )
    mixed = data.draw(st.permutations([*cells, *junk]))
    assume(stated_decimal(cells) is not None)
    assert stated_decimal(mixed) == stated_decimal(cells) == decimal


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5×10^3", 1500), ("1.5 x 10^3", 1500), ("1.5*10^3", 1500), ("1.5·10⁻⁶", 1.5e-6), ("2x10-6 M", 2e-6),
        ("10^-6 M", 1e-6), ("10⁻⁹", 1e-9), (">10⁻⁵ M", 1e-5), ("1.5E+3", 1500), ("3 × 10^2 nM", 300), ("–2.5", -2.5),
        ("−2.5", -2.5), ("１２．５", 12.5), ("＞１０ ｎＭ", 10), ("1’250", 1250), ("1\u202f250.5", 1250.5),
        ("1\u2007000", 1000), (" 5 ", 5), ("'5", 5), ("5.", 5), (".5", 0.5), ("+6", 6), ("less than 3", 3),
        ("circa 7", 7), ("approx. 7", 7),
    ],
)  # fmt: skip
def test_spellings_of_people(text: str, value: float) -> None:
    found = read_label(text)
    assert isinstance(found, Label)
    assert found.value == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    ["05.01", "05.01.2020", "1/2", "1/2/2020", "2020-01-05", "2020-01-05 00:00:00", "Jan-05", "05-Jan", "5. Jan",
     "05. Mai", "12-Dez", "Mär 05", "12:30", "5 okt 2020"],
)  # fmt: skip
def test_dates_are_called_dates(text: str) -> None:
    for decimal in OTHER:
        found = read_label(text, decimal)
        assert isinstance(found, Unreadable)
        assert "date" in found.why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1e400", "finite"), ("-1e400", "finite"), (">inf", "finite"), ("∞", "finite"), ("1e-400", "too small"),
        ("9" * 400, "too long"), ("1." + "3" * 400, "too long"), ("0x1F", "'x1F'"), ("1_000", "'_000'"),
        ("5*", "'*'"), ("5†", "'†'"), ("5 fold", "'fold'"), ("12 % @ 10 uM", "'% @ 10 uM'"), ("3.0 (0.2)", "neither"),
        ("٣", "neither"), ("১২", "neither"), ("1٫5", "'٫5'"), ("½", "neither"), ("5½", "'½'"), ("1\u200b0", "'"),
        ("1.000.00", "decimal sign"), ("12,34,567", "decimal sign"), ("1,000'000", "decimal sign"),
        ("0 500", "decimal sign"), ("0,500", "decimal sign"), ("1 5", "neither"), ("1  000", "neither"),
        ("5-", "'-'"), ("10-5", "low to high"), ("1:2", "':2'"), ("5..10", "decimal sign"), ("=A1", "neither"),
        ("=1+2", "'+2'"), ("$5", "neither"), ("5 MM", "'MM'"), ("10 mm", "'mm'"), ("+/-", "neither"), ("(+)", "neither"),
        ("5\x07", "'\x07'"), ("5\n6", "neither"), ("weakly active", "neither"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused_with_the_reason(text: str, why: str) -> None:
    found = read_label(text)
    assert isinstance(found, Unreadable)
    assert why in found.why
    assert len(found.text) <= 200


@pytest.mark.parametrize(
    "text",
    ["n.a.", "N/A", "-nan", "---", "…", "(null)", "\\N", ".", ".a", "#N/A N/A", "No data", "pending", "–"],
)
def test_blanks_of_many_systems(text: str) -> None:
    assert isinstance(read_label(text), Blank)


@pytest.mark.parametrize(
    ("text", "sign"),
    [(">", 1), ("'>='", 1), ("GT", 1), ("greater than", 1), ("＞", 1), ("≧", 1), ("<<", -1), ("LE", -1), ("=", 0),
     ("", 0), ("NaN", 0), ("None", 0), ("~", 0), ("foo", None), ("5", None)],
)  # fmt: skip
def test_columns_of_signs(text: str, sign: int | None) -> None:
    assert relation_of(text) == sign


def test_powers_of_ten_do_not_take_thousands_for_exponents() -> None:
    assert read_label("2 x 103") == Unreadable("2 x 103", "'x 103' after the number is not a known unit")
    assert isinstance(read_label("10-6 cm/s"), Unreadable)
    found = read_label("5 10^-6 cm/s")
    assert found == Label(5.0, 0, "1e-6 cm/s")


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        (["1.250", "875"], None), (["1.250", "2.000", "12"], None), (["1,250", "875"], None),
        (["1.250", "875", "0.5"], "."), (["1.250", "1875"], "."), (["1.250", "12.500"], "."), (["1.250", "active"], "."),
        (["1.250", "875", "2,5"], ","), (["1.250", "875", "1'000.5"], "."),
    ],
)  # fmt: skip
def test_dots_beside_small_whole_numbers_are_asked_for(cells: list[str], sign: str | None) -> None:
    if sign is not None:
        assert find_decimal(cells, "a.csv column 'y'") == sign
        return
    with pytest.raises(InputError, match="--decimal"):
        find_decimal(cells, "a.csv column 'y'")


def test_dots_are_decimals_where_no_value_can_be_a_thousand() -> None:
    assert find_decimal(["6.523", "7"], "a.csv column 'pIC50'", large=False) == "."
    assert find_decimal(["1.250", "875"], "a.csv column 'y'", ".") == "."


@FAST
@given(st.text(max_size=40))
def test_nothing_is_read_without_an_end(text: str) -> None:
    for decimal in OTHER:
        found = read_label(text, decimal)
        if isinstance(found, Label):
            assert math.isfinite(found.value)
