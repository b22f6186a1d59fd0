"""Structures that molmeta wrote into a file, read again."""

from __future__ import annotations

from rdkit import Chem, rdBase

from molmeta.chem.funnel import Refusal, examine
from molmeta.chem.limits import MAX_HEAVY_ATOMS


def reread(smiles: str) -> Chem.Mol | None:
    """The molecule of a canonical SMILES; None for a text that molmeta would not have written.

    Files may come from others: what the funnel refuses, RDKit could take hours over.

    >>> reread("CCO").GetNumAtoms()
    3
    >>> reread("C" * 2001)
    """
    if isinstance(examine(smiles), Refusal):
        return None
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
    return None if mol is None or mol.GetNumHeavyAtoms() > MAX_HEAVY_ATOMS else mol
