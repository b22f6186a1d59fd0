"""The two outcomes of reading a structure: a `Molecule`, or a `Rejection` that says why not."""

from __future__ import annotations

from dataclasses import dataclass

from rdkit import Chem


class Molecule:
    """A compound that can be scored.

    Parameters
    ----------
    row : int
        Row of the source, counted from 1 over data rows (a header is not a row).
    smiles : str or None
        Canonical SMILES of the standardized parent; None to write it when it is asked for, which takes a
        third of the time of reading a structure.
    mol : Chem.Mol
        The standardized parent.
    flags : tuple of str
        What was done or noticed: "salt_stripped", "mixture", "cxsmiles_dropped", "unseen_element", ...
    flat : bool
        Whether it is known to have no stereochemistry and no isotopes, which then are not written either.
    """

    __slots__ = ("_flat", "_smiles", "flags", "mol", "row")

    def __init__(
        self,
        row: int,
        smiles: str | None,
        mol: Chem.Mol,
        flags: tuple[str, ...] = (),
        *,
        flat: bool = False,
    ) -> None:
        self.row, self._smiles, self.mol, self.flags, self._flat = row, smiles, mol, flags, flat

    def __repr__(self) -> str:
        return f"Molecule(row={self.row}, smiles={self.smiles!r}, flags={self.flags})"

    @property
    def smiles(self) -> str:
        if self._smiles is None:
            self._smiles = Chem.MolToSmiles(self.mol, isomericSmiles=not self._flat)
        return self._smiles


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that cannot be scored: a value, not an exception.

    Attributes
    ----------
    row : int
    text : str
        What the row holds, cut to 200 characters.
    reason : str
        Reason code, one of `molmeta.chem.smiles.REASONS`.
    detail : str
        One sentence for people.
    """

    row: int
    text: str
    reason: str
    detail: str = ""
