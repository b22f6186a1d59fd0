"""How numbers of things are said."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number with its noun, which takes an s.

    >>> counted(1, "row"), counted(0, "row"), counted(8484, "row")
    ('1 row', '0 rows', '8484 rows')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
