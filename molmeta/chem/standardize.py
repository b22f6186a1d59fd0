"""The parent of a compound: one neutral organic part in RDKit's normal form, stereochemistry kept.

A salt, a solvate, a charge state, an isotopic label and another spelling of a compound give the same
parent, so that replicates merge and a library row finds its support compound. Tautomers stay apart.
Isotopes are removed: no feature of the models knows them, and of the 207,223 structures of FS-Mol
that the shipped models learned from 27 hold one.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

from molmeta.chem.fragments import separated
from molmeta.chem.funnel import Refusal, examine

SEEN_ELEMENTS = frozenset(
    ["H", "B", "C", "N", "O", "F", "Na", "Si", "P", "S", "Cl", "Zn", "As", "Se", "Br", "Te", "I"]
)
"""Elements of the compounds that the shipped models were meta-trained on (FS-Mol train)."""

# Metals that are there to balance a charge say nothing about the compound.
_SALT_METALS = frozenset(["Li", "Na", "K", "Rb", "Cs", "Mg", "Ca", "Sr", "Ba"])

# Canonical SMILES that every step below leaves as it is: one part, no isotope, no metal, no atom map, no
# charge but in nitro groups. With _PAIRED, also N-oxides and charge-separated sulfoxides, if every
# charge in it is one of such a pair; with _CATION, quaternary nitrogen, if nothing else is charged.
# Neutral sulfoxides, which RDKit's normal form splits, are sought apart.
_NEUTRAL = r"[NOPSFIbcnops0-9()=#/\\%:-]++|Cl?|Br?|\[(?:nH|C@{0,2}H?|[NSP]@{1,2}|Si@{0,2}H?\d?|Se|se)\]"
_NITRO = r"\[N\+\]\(=O\)\[O-\]|(?<=O=)\[N\+\]\(\[O-\]\)"
_CLEAN = re.compile(rf"(?:{_NEUTRAL}|{_NITRO})++")
_PAIRED = re.compile(rf"(?:{_NEUTRAL}|\[O-\]|\[[Nn]\+\]|\[S@{{0,2}}\+\])++")
_CATION = re.compile(rf"(?:{_NEUTRAL}|\[[Nn]\+\])++")
_OTHER_CENTRE = re.compile("@[ASTO]")
_TETRAHEDRAL = frozenset(
    getattr(Chem.ChiralType, f"CHI_{name}") for name in ("UNSPECIFIED", "TETRAHEDRAL_CW", "TETRAHEDRAL_CCW")
)
_ROUNDS = 4
_THREE_BONDED_SULFUR = Chem.MolFromSmarts("[#16X3+0]")

_NORMALIZER = rdMolStandardize.Normalizer()
_REIONIZER = rdMolStandardize.Reionizer()
_DISCONNECTOR = rdMolStandardize.MetalDisconnector()


class Parent(NamedTuple):
    """A standardized compound, its canonical SMILES and what was done to it."""

    mol: Chem.Mol
    smiles: str
    flags: tuple[str, ...]


def standardize(mol: Chem.Mol) -> tuple[Chem.Mol, tuple[str, ...]]:
    """The parent of a sanitized molecule, and flags for what was done; see `find_parent`."""
    parent = find_parent(mol)
    return parent.mol, parent.flags


def find_parent(mol: Chem.Mol) -> Parent:
    """Standardize a sanitized molecule; already clean ones come back as they are.

    The steps are those of RDKit's MolStandardize (metals disconnected, functional groups normalized,
    strongest acids ionized first, charges neutralized). Where one fails, the molecule stays as it was read.

    Parameters
    ----------
    mol : Chem.Mol
        As read from SMILES: sanitized, hydrogens implicit. It is not changed.

    Returns
    -------
    Parent
        Reading `smiles` again gives the same text. Flags: "isotope_removed", "salt_stripped" (a smaller
        part or a known counterion or solvent was left out), "mixture" (so was a different organic part
        of the same size), "neutralized", "stereo_dropped" (marks of a centre that is no tetrahedron),
        "unseen_element", "standardize_failed".

    Examples
    --------
    >>> find_parent(Chem.MolFromSmiles("CC(=O)[O-].[Na+]"))[1:]
    ('CC(=O)O', ('salt_stripped', 'neutralized'))
    """
    smiles = Chem.MolToSmiles(mol)
    if _is_clean(mol, smiles):
        return Parent(mol, smiles, ())
    unseen = {atom.GetSymbol() for atom in mol.GetAtoms()} - SEEN_ELEMENTS - _SALT_METALS
    flags: tuple[str, ...] = ("unseen_element",) if unseen else ()
    if _OTHER_CENTRE.search(smiles):
        mol, flags = _tetrahedral(mol), (*flags, "stereo_dropped")
        smiles = Chem.MolToSmiles(mol)
    try:
        # From the canonical SMILES on, so that the steps take the same course for every spelling.
        mol, smiles = _settled(smiles)
        return _parent(mol, smiles, flags)
    except Exception:  # RDKit raises RuntimeError, ValueError and subclasses of both
        return Parent(mol, smiles, (*flags, "standardize_failed"))


def _parent(mol: Chem.Mol, smiles: str, flags: tuple[str, ...]) -> Parent:
    """Takes the steps until they change nothing; the second time they usually need not be taken."""
    noted: tuple[str, ...] = ()
    for _ in range(_ROUNDS):
        if _is_quaternary(mol, smiles):
            break
        before, done = smiles, mol
        for step in (_unlabelled, _cleaned, separated):
            done, flag = step(done)
            noted += flag
        smiles = Chem.MolToSmiles(done)
        if smiles == before:
            break
        mol, smiles = _settled(smiles)
        if _is_clean(mol, smiles):
            break
    else:
        raise ValueError(f"the standardized form {smiles} does not settle")
    if isinstance(examine(smiles), Refusal):  # a metal that got a dozen hydrogens for its charges
        raise ValueError(f"the standardized form {smiles} cannot be read")
    return Parent(mol, smiles, flags + tuple(dict.fromkeys(noted)))


def _is_clean(mol: Chem.Mol, smiles: str) -> bool:
    """Whether no step would change the molecule of this canonical SMILES; usually one regex."""
    if "S" in smiles and mol.HasSubstructMatch(_THREE_BONDED_SULFUR):
        return False
    if _CLEAN.fullmatch(smiles):
        return True
    return _PAIRED.fullmatch(smiles) is not None and all(
        any(other.GetFormalCharge() == -atom.GetFormalCharge() for other in atom.GetNeighbors())
        for atom in mol.GetAtoms()
        if atom.GetFormalCharge()
    )


def _is_quaternary(mol: Chem.Mol, smiles: str) -> bool:
    """Whether all its charges are of nitrogen that has none to give away, as in choline."""
    return (
        _CATION.fullmatch(smiles) is not None
        and not mol.HasSubstructMatch(_THREE_BONDED_SULFUR)
        and all(
            atom.GetDegree() == 4 or atom.GetIsAromatic() for atom in mol.GetAtoms() if atom.GetFormalCharge()
        )
    )


def _tetrahedral(mol: Chem.Mol) -> Chem.Mol:
    """Without marks of square planes, bipyramids and octahedra, whose SMILES do not settle in RDKit."""
    mol = Chem.Mol(mol)
    for atom in mol.GetAtoms():
        if atom.GetChiralTag() not in _TETRAHEDRAL:
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    return mol


def _settled(smiles: str) -> tuple[Chem.Mol, str]:
    """The molecule as its canonical SMILES reads, and that SMILES, once it repeats itself."""
    for _ in range(4):
        mol = Chem.MolFromSmiles(smiles)
        if mol is None:
            raise ValueError(f"the standardized form {smiles} cannot be read")
        again = Chem.MolToSmiles(mol)
        if again == smiles:
            return mol, smiles
        smiles = again
    raise ValueError(f"the canonical SMILES {smiles} does not settle")


def _unlabelled(mol: Chem.Mol) -> tuple[Chem.Mol, tuple[str, ...]]:
    """Without isotopes and atom map numbers."""
    if not any(atom.GetIsotope() or atom.GetAtomMapNum() for atom in mol.GetAtoms()):
        return mol, ()
    mol = Chem.Mol(mol)
    noted: tuple[str, ...] = ()
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(0)
        if atom.GetIsotope():
            atom.SetIsotope(0)
            noted = ("isotope_removed",)
    return mol, noted


def _cleaned(mol: Chem.Mol) -> tuple[Chem.Mol, tuple[str, ...]]:
    """`rdMolStandardize.Cleanup` in its parts, which need not be built for every molecule.

    In place, because `Normalizer.normalize` takes minutes on chains of a hundred sulfoxides.
    """
    mol = Chem.Mol(mol)
    _DISCONNECTOR.DisconnectInPlace(mol)
    _NORMALIZER.normalizeInPlace(mol)
    _REIONIZER.reionizeInPlace(mol)
    return mol, ()
