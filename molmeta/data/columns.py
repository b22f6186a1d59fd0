"""Which column holds structures, units, signs and identifiers: by content first, then by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from molmeta.chem.molecule import Molecule
from molmeta.chem.smiles import read_smiles
from molmeta.data.headers import (
    canonical_unit,
    is_p_scale,
    label_rank,
    plain,
    says_condition,
    says_identifier,
    says_relation,
    says_smiles,
    says_unit,
    unit_in,
)
from molmeta.data.labels import Blank, Unreadable, read_label
from molmeta.data.labelwords import relation_of
from molmeta.data.sniff import is_structure
from molmeta.errors import InputError
from molmeta.units import MOLAR

Cells = Sequence[Sequence[str]]
PROBED = 60
_LONG_WORD = 8
# Two columns whose scores differ by less than this share are told apart by the user, not by chance.
MARGIN = 0.9


@dataclass(frozen=True)
class Header:
    """Column names of a file and the cells by which columns are recognised.

    Attributes
    ----------
    file : str
    names : tuple of str
    sample : sequence of rows of cells
    """

    file: str
    names: tuple[str, ...]
    sample: Cells

    def column(self, index: int) -> list[str]:
        """Cells of a column that are not blank."""
        return [row[index].strip() for row in self.sample if row[index].strip()]

    def find(self, name: str, option: str) -> int:
        """The column called `name`, exactly or but for case and blanks; InputError where there is none."""
        exact = [i for i, have in enumerate(self.names) if have == name]
        found = exact or [
            i for i, have in enumerate(self.names) if have.strip().lower() == name.strip().lower()
        ]
        found = self.distinct(found)
        if len(found) == 1:
            return found[0]
        what = "no column" if not found else f"{len(found)} columns"
        raise InputError(
            f"{self.file} has {what} '{name}' ({option}); it has {self.listed(range(len(self.names)))}"
        )

    def distinct(self, indices: Sequence[int]) -> list[int]:
        """The first of columns that have the same name and the same cells, as a join leaves them."""
        found: dict[tuple[str, ...], int] = {}
        for i in indices:
            found.setdefault((self.names[i].strip(), *(row[i].strip() for row in self.sample)), i)
        return list(found.values())

    def listed(self, indices: Sequence[int]) -> str:
        """Names of columns for a message."""
        shown = [f"'{shortened(self.names[i])}'" for i in list(indices)[:12]]
        return ", ".join(shown) + (f" and {len(indices) - 12} more" if len(indices) > 12 else "")


def shortened(name: str) -> str:
    """A name as it can stand in a message."""
    return name if len(name) <= 60 else f"{name[:57]}..."


def find_smiles(header: Header, wanted: str | None = None, structure: int | None = None) -> int:
    """The column of structures, by share parsed, length and uniqueness of its cells.

    Parameters
    ----------
    header : Header
    wanted : str or None
        Name given by the user; then nothing is guessed.
    structure : int or None
        Column that the file format itself says holds structures.

    Raises
    ------
    InputError
        No such column, or several that are equally good and hold different compounds.
    """
    if wanted is not None:
        return header.find(wanted, "--smiles-column")
    if structure is not None:
        return structure
    scores = {i: _smiles_score(header.column(i), header.names[i]) for i in range(len(header.names))}
    best = max(scores, key=lambda i: scores[i], default=0)
    if not scores or scores[best] == 0:
        return _smiles_by_name(header)
    tied = [i for i in scores if scores[i] >= MARGIN * scores[best]]
    if len({_compounds(header, i) for i in tied}) > 1:
        raise InputError(
            f"{header.file} has {len(tied)} columns that may hold the structures: {header.listed(tied)}; "
            "give --smiles-column"
        )
    return tied[0]


def _smiles_score(cells: Sequence[str], name: str) -> float:
    cells = cells[:PROBED]
    if not cells:
        return 0.0
    share = sum(map(is_structure, cells)) / len(cells)
    length = sum(map(len, cells)) / len(cells)
    unique = len(set(cells)) / len(cells)
    named = says_smiles(name)
    # Words such as NO, ON, CO and IN are SMILES too: a few short words are no column of structures.
    words = length < 2.5 or (len(set(cells)) < 3 and length < _LONG_WORD)
    if share < 0.5 or (not named and len(cells) > 2 and words):
        return 0.0
    return share * unique * length / (length + 5)


def _smiles_by_name(header: Header) -> int:
    """Where too little parses, a column that is called SMILES: then each row says what is wrong with it."""
    named = [i for i, name in enumerate(header.names) if says_smiles(name) and "smi" in name.lower()]
    if len(named) == 1:
        return named[0]
    inchi = any(cell.startswith("InChI=") for row in header.sample for cell in row)
    advice = "it holds InChI, which is not read: convert it to SMILES" if inchi else "give --smiles-column"
    raise InputError(
        f"{header.file} has no column of SMILES among {header.listed(range(len(header.names)))}; "
        f"wanted one in which at least half of the cells are structures; {advice}"
    )


def _compounds(header: Header, index: int) -> tuple[str | None, ...]:
    found = (read_smiles(0, row[index]) for row in header.sample[:PROBED])
    return tuple(item.smiles if isinstance(item, Molecule) else None for item in found)


def find_companion(header: Header, label: int, kind: str) -> int | None:
    """The column of "unit" or "relation" that goes with the labels, or None."""
    says, holds = COMPANIONS[kind]
    own, stated = plain(header.names[label]), unit_in(header.names[label])
    stem = own.removesuffix("_value")
    bare = own.removesuffix(f"_{plain(stated or '')}") if kind == "relation" else own  # IC50 of IC50_nM
    its = {f"{name}_{kind}{plural}" for name in (own, stem, bare) for plural in ("", "s")}
    others = [i for i in range(len(header.names)) if i != label]
    # A column of units beside pIC50 or % is that of another measurement.
    general = kind == "relation" or stated is None or stated in MOLAR
    named = [i for i in others if plain(header.names[i]) in its or (general and says(header.names[i]))]
    # ChEMBL has units and signs of what was published beside those of its standard values.
    standard = own.startswith("standard_")
    named = [i for i in named if plain(header.names[i]).startswith("standard_") == standard] or named
    if kind == "unit" and not named and stated is None:
        named = [i for i in others if _holds_units(header.column(i)) and not says_condition(header.names[i])]
    if kind == "relation" and not named:
        named = [i for i in signs_beside(header, label) if _is_next_to(header, i, label)]
    fitting = [i for i in named if _mostly(holds, header.column(i))]
    exact = [i for i in fitting if plain(header.names[i]).startswith(stem)]
    return next(iter(exact or fitting), None)


def _holds_units(cells: Sequence[str]) -> bool:
    """Whether a column holds units, whatever it is called; one letter alone may be anything."""
    found = set(cells)
    known = all(canonical_unit(cell) is not None or _is_p_unit(cell) for cell in found)
    return known and any(len(cell) > 1 for cell in found)


def _is_p_unit(cell: str) -> bool:
    """Whether a cell says pIC50 or the like, and is no negative number and no class."""
    return is_p_scale(cell) and isinstance(read_label(cell), Unreadable)


def _mostly(holds: Callable[[str], bool], cells: Sequence[str]) -> bool:
    """Whether a column is what its name says; a cell that is not makes its row unreadable, not the column."""
    return sum(map(holds, cells)) * 2 > len(cells) or not cells


def signs_beside(header: Header, label: int) -> list[int]:
    """Columns that hold signs such as ">" and nothing else, whatever they are called."""
    found = {i: {relation_of(c) for c in header.column(i)} for i in range(len(header.names)) if i != label}
    return [i for i, signs in found.items() if None not in signs and signs & {-1, 1}]


def _is_next_to(header: Header, signs: int, label: int) -> bool:
    """Whether signs stand before the labels, or after them and before no other measurement."""
    after = header.names[signs + 1 : signs + 2]
    return signs == label - 1 or (signs == label + 1 and not any(label_rank(name) < 2 for name in after))


COMPANIONS: dict[str, tuple[Callable[[str], bool], Callable[[str], bool]]] = {
    "unit": (says_unit, lambda cell: isinstance(read_label(cell), Blank) or not cell[:1].isdigit()),
    "relation": (says_relation, lambda cell: relation_of(cell) is not None),
}


def find_identifier(header: Header, taken: Sequence[int], wanted: str | None = None) -> int | None:
    """The column that names compounds: called so and rarely repeated; None where there is none."""
    if wanted is not None:
        return header.find(wanted, "--id-column")
    for index, name in enumerate(header.names):
        cells = header.column(index)
        if index not in taken and says_identifier(name) and len(set(cells)) > 0.5 * len(cells):
            return index
    return None
