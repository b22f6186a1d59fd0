"""The two outcomes of reading a structure: a `Molecule`, or a `Rejection` that says why not."""

from __future__ import annotations

from dataclasses import dataclass

from rdkit import Chem


@dataclass(frozen=True, slots=True)
class Molecule:
    """A compound that can be scored.

    Attributes
    ----------
    row : int
        Row of the source, counted from 1 over data rows (a header is not a row).
    smiles : str
        Canonical SMILES of the standardized parent.
    mol : Chem.Mol
        The standardized parent.
    flags : tuple of str
        What was done or noticed: "salt_stripped", "mixture", "cxsmiles_dropped", "unseen_element", ...
    """

    row: int
    smiles: str
    mol: Chem.Mol
    flags: tuple[str, ...] = ()


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
