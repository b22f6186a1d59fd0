"""Cells that a spreadsheet would run: told and counted everywhere, and made text where that is asked for."""

from __future__ import annotations

# Also the wide forms, which spreadsheets in Chinese, Japanese and Korean take for the narrow ones.
_STARTS = tuple("=+-@\t\r\n＝＋－＠")


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would take a cell for a formula: it starts as one and is no number.

    >>> [is_formula(cell) for cell in ("=1+1", "-5", "@cmd", "CCO", "-", "+49 30 1")]
    [True, False, True, False, False, True]
    """
    if not cell.startswith(_STARTS):
        return False
    try:
        float(cell)
    except ValueError:
        return any(character.isalnum() for character in cell)
    return False


def as_text_cell(cell: str) -> str:
    """A cell that no spreadsheet runs, by a quote in front.

    >>> as_text_cell("=1+1"), as_text_cell("CCO")
    ("'=1+1", 'CCO')
    """
    return f"'{cell}" if is_formula(cell) else cell
