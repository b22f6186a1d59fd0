"""Scored rows as records of an SD file."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd
from rdkit import Chem, rdBase
from rdkit.Chem import rdDepictor

from molmeta.data.headers import says_identifier, says_smiles
from molmeta.scoring.cells import as_text, clean, distinct
from molmeta.scoring.format import Cells, Text, lines

MAX_DRAWN = 200  # heavy atoms; beyond that, coordinates take up to a second a molecule

_LINE_ENDS = re.compile(r"\r\n|\r|\n")
# What a line of a value must not start with, because some reader takes it for a part of the record.
_MARKS = ("$$$$", "M  END", ">")


class Sdf(Text):
    """One record a row: the standardized structure in 2D, the title, and all columns as data fields.

    A rejected row is a molecule without atoms; one of more than 200 heavy atoms has no coordinates, and so
    no stereochemistry but that of mm_smiles. The title is the first input column that is called an
    identifier, blank where there is none. A value of several lines keeps them, with LF; its blank lines,
    which would end it, are left out, and a line that starts like a part of the record ("$$$$", "M  END", ">
    ... <") gets a blank in front. In names, line ends become blanks, and "_" at the start, by which RDKit
    hides a field, is left out; then blank and repeated ones get numbers. Lone surrogates become "?".
    """

    draws = True

    def __init__(self, header: Sequence[str], empty: pd.DataFrame) -> None:
        super().__init__(header, empty)
        called = [says_identifier(name) and not says_smiles(name) for name in self.header]
        self._title = called.index(True) if True in called else None
        labels = [*distinct(list(map(_label, self.header)), list(self.added)), *self.added]
        fields = (f">  <{label}>\n".replace("%", "%%") + "%s\n\n" for label in labels)
        self._record = "%s" + "".join(fields) + "$$$$\n"

    def encode(self, cells: Cells, scored: pd.DataFrame, smiles: Sequence[str | None]) -> bytes:
        own = self.columns(cells)
        titles = [""] * len(cells) if self._title is None else own[self._title]
        found = (as_text(scored[name], kind) for name, kind in self.added.items())
        with rdBase.BlockLogs():
            blocks = [_titled(title, _mol_block(one)) for title, one in zip(titles, smiles, strict=True)]
        values = (map(_value, column) for column in (*own, *found))
        return lines(self._record, zip(blocks, *values, strict=True))


def _mol_block(smiles: str | None) -> str:
    """The structure; without atoms where there is none, or RDKit cannot write it."""
    try:
        mol = Chem.Mol() if smiles is None else Chem.MolFromSmiles(smiles) or Chem.Mol()
        drawn = mol.GetNumHeavyAtoms() <= MAX_DRAWN
        if drawn:
            # With templates because overlapping atoms of bridged rings lose their stereo centres.
            rdDepictor.Compute2DCoords(mol, useRingTemplates=True)
        # RDKit computes coordinates itself where it is to write stereochemistry.
        return str(Chem.MolToMolBlock(mol, includeStereo=drawn))
    except (RuntimeError, ValueError):
        return str(Chem.MolToMolBlock(Chem.Mol()))


def _titled(title: str, block: str) -> str:
    return _value(" ".join(title.split())) + block[block.index("\n") :]


def _label(name: str) -> str:
    return _LINE_ENDS.sub(" ", clean(name)).lstrip("_")


def _value(text: str) -> str:
    """A value as it can stand in a record.

    >>> _value("a\\r\\n\\n$$$$\\n> <b>"), _value(">30")
    ('a\\n $$$$\\n > <b>', '>30')
    """
    if "\n" in text or "\r" in text:
        return "\n".join(_line(line) for line in _LINE_ENDS.split(text) if line.strip())
    return _line(text)


def _line(text: str) -> str:
    marked = text.startswith(_MARKS) and (text[0] != ">" or "<" in text)
    return f" {text}" if marked else text
