"""The compounds that are to be explained: structures, or the first rows of libraries."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from molmeta.chem.molecule import Rejection
from molmeta.data.library import read_library

_ENDINGS = (".csv", ".tsv", ".txt", ".smi", ".smiles", ".sdf", ".sd", ".parquet", ".gz")


@dataclass(frozen=True)
class Compound:
    """One that is asked for.

    Attributes
    ----------
    name : str
        Its identifier in the library; where there is none, its structure as it was given.
    text : str
        The structure.
    rejection : Rejection or None
        Where the row of a library could not be cut into cells.
    """

    name: str
    text: str
    rejection: Rejection | None = None


@dataclass(frozen=True)
class Asked:
    """Compounds, and the libraries that hold more of them than were taken."""

    compounds: tuple[Compound, ...]
    cut: tuple[str, ...]


def is_library(given: str) -> bool:
    """Whether it names a file and is not a structure, which may be too long to be a name.

    >>> is_library("CC(=O)Oc1ccccc1"), is_library("drugs.smi"), is_library("-")
    (False, True, True)
    >>> is_library("C" * 5000), is_library("C\\0")
    (False, False)
    """
    return given == "-" or given.lower().endswith(_ENDINGS) or os.path.isfile(given)


def compounds_of(given: Sequence[str], limit: int) -> Asked:
    """Structures as they are; of each library its first rows.

    Parameters
    ----------
    given : sequence of str
        SMILES, and libraries as `molmeta.data.library.read_library` takes them.
    limit : int
        Rows to take of a library.

    Raises
    ------
    InputError
        A library cannot be read.
    """
    compounds: list[Compound] = []
    cut = []
    for one in given:
        if not is_library(one):
            compounds.append(Compound(one, one))
            continue
        rows = list(islice(_rows(one, limit + 1), limit + 1))
        compounds += rows[:limit]
        cut += [one] if len(rows) > limit else []
    return Asked(tuple(compounds), tuple(cut))


def _rows(source: str, chunk: int) -> Iterator[Compound]:
    library = read_library(source, chunk=chunk)
    for part in library:
        bad = {one.row: one for one in part.rejected}
        for row, (cells, smiles) in enumerate(zip(part.cells, part.smiles, strict=True), part.first_row):
            name = "" if library.id_column is None or row in bad else cells[library.id_column].strip()
            yield Compound(name or smiles or f"row {row}", smiles, bad.get(row))
