"""Columns that first appear when the header is long settled: left out, and told, but not without end."""

from __future__ import annotations

from collections.abc import Iterable

_TOLD, _MOST = 5, 100_000


class Late:
    """The names that came too late.

    Parameters
    ----------
    notes : list of str
        Where they are told: the first ones each, the others as a number.
    known : iterable of str
        Names of the header.
    """

    def __init__(self, notes: list[str], known: Iterable[str]) -> None:
        self._notes, self._known = notes, set(known)
        self._more, self._last = 0, ""

    def see(self, names: Iterable[str], where: str) -> None:
        """Takes in the names of a row; `where` has a place for the name: "field '{}' appears in line 7"."""
        for name in names:
            # A file that has other names in each row must not fill the memory with them.
            if name not in self._known and len(self._known) < _MOST:
                self._known.add(name)
                self._tell(where.format(name[:60]))

    def _tell(self, where: str) -> None:
        self._more += 1
        if self._more <= _TOLD:
            self._notes.append(f"{where} and is left out")
            return
        if self._more > _TOLD + 1:
            self._notes.remove(self._last)
        self._last = f"so are {self._more - _TOLD:,} more that first appear later"
        self._notes.append(self._last)
