"""On which terms rows of a library can be had: their cost, whether they are there, what is not wanted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from molmeta.chem.molecule import Molecule
from molmeta.chem.smiles import read_many
from molmeta.data.library import Library, read_library
from molmeta.data.sources import Sources
from molmeta.errors import ConfigError

# Cells of a column of availability that say no. Of a blank nobody knows, so it is no too.
_NO = frozenset(
    ["", "-", "n", "no", "none", "false", "nan", "out", "out of stock", "unavailable", "sold out"]
)

EXCLUDED, UNAVAILABLE, NO_PRICE = "excluded", "unavailable", "no_price"


@dataclass(frozen=True)
class Terms:
    """On which terms the rows of a library can be had.

    Attributes
    ----------
    cost : int or None
        Position of the column with the price of a measurement, a number above 0.
    available : int or None
        Position of the column that says whether a compound can be had: a number above 0, or a word that is
        not among those for no.
    excluded : set of str
        Canonical SMILES of compounds that are not wanted.
    """

    cost: int | None = None
    available: int | None = None
    excluded: frozenset[str] = frozenset()

    @classmethod
    def of(cls, library: Library, cost: str | None, available: str | None, excluded: frozenset[str]) -> Terms:
        """Raises ConfigError where the library lacks a column."""
        return cls(_column(library, cost), _column(library, available), excluded)

    def price(self, cells: Sequence[str]) -> float:
        """What a row costs: 1 where nothing is said of prices, nan where the row has none above 0.

        >>> Terms(cost=1).price(["CCO", "$ 12.50"]), Terms(cost=1).price(["CCO", "ask"])
        (12.5, nan)
        """
        if self.cost is None:
            return 1.0
        try:
            price = float(cells[self.cost].strip().strip("$€£").strip())
        except ValueError:
            return math.nan
        return price if 0 < price < math.inf else math.nan

    def refusal(self, smiles: str, cells: Sequence[str]) -> str | None:
        """Why a row is left out, or None.

        >>> Terms(available=1, excluded=frozenset(["CCC"])).refusal("CCC", ["CCC", "12"])
        'excluded'
        >>> Terms(available=1).refusal("CCO", ["CCO", "0"]), Terms(available=1).refusal("CCO", ["CCO", "yes"])
        ('unavailable', None)
        """
        if smiles in self.excluded:
            return EXCLUDED
        if self.available is not None and not _yes(cells[self.available]):
            return UNAVAILABLE
        return NO_PRICE if math.isnan(self.price(cells)) else None


def read_excluded(source: Sources) -> tuple[frozenset[str], list[str]]:
    """Canonical SMILES of the compounds of a table, and notes on what could not be read of it.

    Raises
    ------
    InputError
        No such file, or no column of structures in it.
    """
    found: set[str] = set()
    lost = 0
    for chunk in read_library(source):
        read = [one.smiles for one in read_many(chunk.first_row, chunk.smiles) if isinstance(one, Molecule)]
        found.update(read)
        lost += len(chunk) - len(read)
    rows = "1 row" if lost == 1 else f"{lost} rows"
    notes = (
        [f"Warning: {rows} of the compounds to exclude cannot be read, and exclude nothing"] if lost else []
    )
    return frozenset(found), notes


def _yes(cell: str) -> bool:
    text = cell.strip().lower()
    try:
        return float(text) > 0
    except ValueError:
        return text not in _NO


def _column(library: Library, name: str | None) -> int | None:
    if name is None:
        return None
    if name not in library.header:
        raise ConfigError(f"the library has no column '{name}'; it has {', '.join(library.header) or 'none'}")
    return library.header.index(name)
