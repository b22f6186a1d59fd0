"""Molecules that are their own parents, as can be told without their canonical SMILES, which takes long."""

from __future__ import annotations

import re

from rdkit import Chem

# SMILES as written, in any order, whose canonical form is clean if no atom is charged (RDKit splits those of
# N(=O)=O) and no sulfur is odd: all hydrogens are implied but those of [nH] and of centres, and there is no
# iodine, which may have odd ones. One carbon is neither, so that the compound is organic.
_PLAIN = re.compile(r"(?=.*?(?:C(?![l@])|c))(?:[CNOFScnos0-9()=#/\\%-]++|(?<=C)l|Br|\[(?:nH|C@{1,2}H?)\])++")
_CHARGED = Chem.MolFromSmarts("[!+0]")
# Of three bonds, or of more than two with a hydrogen, which is written.
_ODD_SULFUR = Chem.MolFromSmarts("[#16;X3+0,!H0!v2]")


def is_plain(mol: Chem.Mol, text: str) -> bool:
    """Whether it is sure without the canonical SMILES that a molecule is its own parent, without a flag.

    Parameters
    ----------
    mol : Chem.Mol
        As `molmeta.chem.standardize.find_parent` takes it.
    text : str
        The SMILES that it was read from.

    Examples
    --------
    >>> [is_plain(Chem.MolFromSmiles(text), text) for text in ("OCC", "OCC[O-]", "OCCN(=O)=O")]
    [True, False, False]
    """
    if not _PLAIN.fullmatch(text) or mol.HasSubstructMatch(_CHARGED):
        return False
    return not (("S" in text or "s" in text) and mol.HasSubstructMatch(_ODD_SULFUR))
