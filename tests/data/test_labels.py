"""The grammar of label cells."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molmeta.data.decimals import find_decimal
from molmeta.data.labels import Blank, Label, Unreadable, read_label
from molmeta.errors import InputError


@pytest.mark.parametrize(
    ("text", "value", "relation", "unit"),
    [
        ("0", 0, 0, None),
        ("-1", -1, 0, None),
        ("1.5E+3", 1500, 0, None),
        (".5", 0.5, 0, None),
        ("5.", 5, 0, None),
        ("+6.5", 6.5, 0, None),
        ("−2.5", -2.5, 0, None),
        ("1,000", 1000, 0, None),
        ("1,234,567.5", 1234567.5, 0, None),
        ("12 500", 12500, 0, None),
        ("1'000", 1000, 0, None),
        (">10000", 10000, 1, None),
        ("> 10000", 10000, 1, None),
        (">=5", 5, 1, None),
        ("≥5", 5, 1, None),
        (">>5", 5, 1, None),
        ("<0.1", 0.1, -1, None),
        ("≤ 0.1", 0.1, -1, None),
        ("=7", 7, 0, None),
        ("~3", 3, 0, None),
        ("ca. 3", 3, 0, None),
        ("5-10", 7.5, 0, None),
        ("5 – 10", 7.5, 0, None),
        ("-5--1", -3, 0, None),
        ("5 to 10 nM", 7.5, 0, "nM"),
        ("3±0.2", 3, 0, None),
        ("3 +/- 0.2 uM", 3, 0, "uM"),
        ("10 uM", 10, 0, "uM"),
        ("10µM", 10, 0, "uM"),
        ("10 μmol/L", 10, 0, "uM"),
        (">10mM", 10, 1, "mM"),
        ("45%", 45, 0, "%"),
        ("45 %", 45, 0, "%"),
        ("10 nM (n=3)", 10, 0, "nM"),
        ("1e-6 M", 1e-6, 0, "M"),
        ("active", 1, 0, None),
        ("Not Active", 0, 0, None),
        ("TRUE", 1, 0, None),
        ("no", 0, 0, None),
    ],
)
def test_labels(text, value, relation, unit):
    found = read_label(text)
    assert isinstance(found, Label)
    assert found.value == pytest.approx(value)
    assert (found.relation, found.unit) == (relation, unit)


@pytest.mark.parametrize(
    ("text", "value"), [("1,5", 1.5), ("1.234,5", 1234.5), ("1.234", 1234), (">0,25 nM", 0.25)]
)
def test_decimal_comma(text, value):
    assert read_label(text, ",").value == pytest.approx(value)


@pytest.mark.parametrize("text", ["", " ", "NA", "nan", "n.d.", "Inconclusive", "-", "#N/A", "None"])
def test_blanks(text):
    assert isinstance(read_label(text), Blank)


@pytest.mark.parametrize(
    "text",
    ["inf", "-inf", "1e400", "abc", "10 apples", "1,5", "1.2.3", "10-5", ">5-10", "5 mm", "C1CC", "12:30",
     "2020-01-02", "1,00", "1_000", "٣", "0x10", "=A1+1", "1e", "5 6"],
)  # fmt: skip
def test_refused(text):
    found = read_label(text)
    assert isinstance(found, Unreadable)
    assert found.why


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        (["1.5", "2"], "."),
        (["1,5", "2"], ","),
        (["0,125"], ","),
        (["1,000", "0.5"], "."),
        (["1.000", "0,5"], ","),
        (["1,234.5", "1,000"], "."),
        (["1,234,567"], "."),
        (["1.234"], "."),
        (["1,5E+3"], ","),
        (["1500", "active"], "."),
        ([], "."),
    ],
)
def test_decimal_sign_of_a_column(cells, sign):
    assert find_decimal(cells, "a.csv column 'y'") == sign


@pytest.mark.parametrize("cells", [["1,5", "1.5"], ["1,000", "2,000"], ["1,234"], ["1,234", "5.678"]])
def test_undecidable_decimal_sign_asks(cells):
    with pytest.raises(InputError, match="--decimal"):
        find_decimal(cells, "a.csv column 'y'")


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([".", ","]))
def test_every_number_comes_back(value, decimal):
    assert read_label(repr(value).replace(".", decimal), decimal) == Label(value)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30), st.sampled_from([".", ","]))
def test_any_text_is_read_or_refused(text, decimal):
    found = read_label(text, decimal)
    assert isinstance(found, Label | Blank | Unreadable)
    if isinstance(found, Label):
        assert math.isfinite(found.value)
