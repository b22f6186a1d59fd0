"""The mol block of a record of an SD file as SMILES, or why it is none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rdkit import Chem, rdBase

from molmeta.chem.funnel import MAX_RINGS
from molmeta.chem.molecule import Rejection

# Far above what can be scored, and far below where writing a SMILES gets slow.
MAX_ATOMS = 1500

_LAST = "M  END"
_VERSION = re.compile(r"V[23]000\s*$")
_COUNTS = re.compile(r"M  V30 COUNTS +(\d+) +(\d+)")
_BOND = re.compile(r"M  V30 \d+ \d+ (\d+) (\d+)(?: |$)")


def read_structure(number: int, block: list[str]) -> str | Rejection:
    """SMILES of a record's mol block.

    Parameters
    ----------
    number : int
        Of the record.
    block : list of str
        Its lines.

    Returns
    -------
    str or Rejection
        Not sanitized where RDKit cannot do that, so that reading the SMILES says why.
    """
    title = block[0].strip()[:200]
    ends = _ends(block)
    if not is_one(block):
        what = f"no '{_LAST}'" if not ends else f"{len(ends)} mol blocks; is a '$$$$' line missing?"
        return Rejection(number, title, "ragged_row", f"record {number} has {what}")
    lines = block[: ends[0] + 1]
    text = "\n".join(lines)
    if "\0" in text:
        return Rejection(number, title, "ragged_row", f"record {number} holds a NUL byte")
    if large := _too_large(lines):
        return Rejection(number, title, "too_large", f"record {number} has {large}")
    with rdBase.BlockLogs():
        raw = _parse(text, sanitize=False)
        if raw is None:
            return Rejection(number, title, "ragged_row", f"record {number}: RDKit cannot read its mol block")
        # Sanitized first: only then are stereo centres perceived from the coordinates and wedges.
        mol = _parse(text, sanitize=True)
        return str(Chem.MolToSmiles(raw if mol is None else mol))


def is_one(block: list[str]) -> bool:
    """Whether the lines of a record hold one mol block."""
    counts = sum(bool(_VERSION.search(text)) for text in block)
    return bool(_ends(block)) and (len(_ends(block)) == 1 or counts < 2)


def _ends(block: list[str]) -> list[int]:
    return [i for i, text in enumerate(block) if text.startswith(_LAST)]


def _too_large(lines: list[str]) -> str:
    """What is more of a structure than can be read, or "".

    RDKit looks for rings while it reads, which takes seconds from some hundred on, and for ever soon after.
    So they are counted before: a bond between atoms that are joined already closes one.
    """
    atoms, bonds = _stated(lines)
    if atoms > MAX_ATOMS:
        return f"{atoms} atoms"
    joined = list(range(atoms))

    def root(atom: int) -> int:
        while joined[atom] != atom:
            joined[atom] = atom = joined[joined[atom]]
        return atom

    rings = 0
    for a, b in _bonds(lines, atoms, bonds):
        if not (0 <= a < atoms and 0 <= b < atoms):
            return ""  # RDKit says what is wrong
        rings += root(a) == root(b)
        joined[root(a)] = root(b)
    return f"{rings} rings; at most {MAX_RINGS} are read" if rings > MAX_RINGS else ""


def _stated(lines: list[str]) -> tuple[int, int]:
    """How many atoms and bonds a block says that it has."""
    for text in lines:
        if (found := _COUNTS.match(text)) is not None:
            return int(found[1]), int(found[2])
    counts = "".join(lines[3:4])
    fields = counts[:3].strip(), counts[3:6].strip()
    return (int(fields[0]), int(fields[1])) if all(field.isdecimal() for field in fields) else (0, 0)


def _bonds(lines: list[str], atoms: int, bonds: int) -> Iterator[tuple[int, int]]:
    """Pairs of atoms, counted from 0."""
    if any("V3000" in text for text in lines[3:4]):
        inside = False
        for text in lines:
            if text.startswith(("M  V30 BEGIN BOND", "M  V30 END BOND")):
                inside = "BEGIN" in text
            if inside and (found := _BOND.match(text)) is not None:
                yield int(found[1]) - 1, int(found[2]) - 1
        return
    for text in lines[4 + atoms : 4 + atoms + bonds]:
        ends = text[:3].strip(), text[3:6].strip()
        if all(end.isdecimal() for end in ends):
            yield int(ends[0]) - 1, int(ends[1]) - 1


def _parse(text: str, *, sanitize: bool) -> Chem.Mol | None:
    try:
        return Chem.MolFromMolBlock(text, sanitize=sanitize, removeHs=sanitize)
    except (RuntimeError, ValueError):
        return None
