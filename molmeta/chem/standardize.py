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
from rdkit.Chem import rdMolDescriptors
from rdkit.Chem.MolStandardize import rdMolStandardize

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
_THREE_BONDED_SULFUR = Chem.MolFromSmarts("[#16X3+0]")

# Acids, bases and solvents that accompany a drug; one is the parent only where nothing else is organic.
_COMPANIONS = """
    O=CO CC(=O)O CCC(=O)O OC(=O)C(F)(F)F OC(=O)C(=O)O OC(=O)CC(=O)O OC(=O)CCC(=O)O OC(=O)C=CC(=O)O
    OC(=O)CCCCC(=O)O OC(=O)C(O)C(O)C(=O)O OC(=O)CC(O)C(=O)O OC(=O)CC(O)(CC(=O)O)C(=O)O CC(O)C(=O)O
    OCC(O)C(O)C(O)C(O)C(=O)O OCC(O)C(O)C(O)C(O)C(O)C(=O)O OC(=O)c1ccccc1 OC(=O)C(O)c1ccccc1
    OC(=O)c1cc2ccccc2c(Cc2c(O)c(cc3ccccc23)C(=O)O)c1O OC(=O)c1ccc2ccccc2c1O CCCCCCCCCCCCCCCC(=O)O
    CCCCCCCCCCCCCCCCCC(=O)O CCCCCCCCCCCCOS(=O)(=O)O CS(=O)(=O)O CCS(=O)(=O)O OCCS(=O)(=O)O
    OS(=O)(=O)CCS(=O)(=O)O OS(=O)(=O)c1ccccc1 Cc1ccc(cc1)S(=O)(=O)O OS(=O)(=O)C(F)(F)F
    OS(=O)(=O)c1ccc2ccccc2c1 OS(=O)(=O)c1cccc2c1cccc2S(=O)(=O)O CC1(C)C2CCC1(CS(=O)(=O)O)C(=O)C2
    OC(=O)O NC(CCCCN)C(=O)O NC(CCCNC(N)=N)C(=O)O NC(CO)(CO)CO CNCC(O)C(O)C(O)C(O)CO NCCO OCCNCCO
    OCCN(CCO)CCO NCCN CCNCC CCN(CC)CC CC(C)(C)N C[N+](C)(C)CCO C1CCC(CC1)NC1CCCCC1 C1CNCCN1
    c1ccc(cc1)CNCCNCc1ccccc1 CO CCO CC(C)O CCCCO CC(C)=O CC#N CN(C)C=O C[S+](C)[O-] CCOC(C)=O CCOCC
    C1CCOC1 C1COCCO1 CN1CCCC1=O ClCCl ClC(Cl)Cl Cc1ccccc1 c1ccccc1 c1ccncc1 CCCCCC C1CCCCC1 NC(N)=O
"""

_NORMALIZER = rdMolStandardize.Normalizer()
_REIONIZER = rdMolStandardize.Reionizer()
_DISCONNECTOR = rdMolStandardize.MetalDisconnector()
# Forced, so that an inner salt (carnitine) and its hydrochloride end as the same cation.
_UNCHARGER = rdMolStandardize.Uncharger(True, True)


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
        of the same size), "neutralized", "unseen_element", "standardize_failed".

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
    try:
        # From the canonical SMILES on, so that the steps take the same course for every spelling.
        start, smiles = _settled(smiles)
        if _is_quaternary(start, smiles):
            return Parent(start, smiles, flags)
        done = start
        noted: tuple[str, ...] = ()
        for step in (_unlabelled, _cleaned, _separated):
            done, flag = step(done)
            noted += flag
        parent = Chem.MolToSmiles(done)
        return Parent(*((start, smiles) if parent == smiles else _settled(parent)), flags + noted)
    except Exception:  # RDKit raises RuntimeError, ValueError and subclasses of both
        return Parent(mol, smiles, (*flags, "standardize_failed"))


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


class _Part(NamedTuple):
    """One covalent part of a compound; the largest tuple is the parent."""

    is_organic: bool
    is_main: bool
    heavy_atoms: int
    weight: float
    smiles: str
    neutral: Chem.Mol
    neutralized: bool


def _separated(mol: Chem.Mol) -> tuple[Chem.Mol, tuple[str, ...]]:
    """The largest organic part that is no known counterion or solvent, neutralized."""
    fragments = Chem.GetMolFrags(mol, asMols=True)
    if len(fragments) == 1:  # nothing to choose from
        neutral, neutralized = _neutral(fragments[0])
        return neutral, ("neutralized",) if neutralized else ()
    parts = [_part(fragment) for fragment in fragments]
    chosen = max(parts, key=lambda part: part[:5])
    different = [part for part in parts if part.smiles != chosen.smiles]
    rivals = [part for part in different if part[:3] == chosen[:3] and part.is_organic]
    noted = {
        "mixture": bool(rivals),
        "salt_stripped": len(different) > len(rivals) or not rivals,
        "neutralized": chosen.neutralized,
    }
    return chosen.neutral, tuple(flag for flag, holds in noted.items() if holds)


def _part(fragment: Chem.Mol) -> _Part:
    neutral, neutralized = _neutral(fragment)
    flat = Chem.MolToSmiles(neutral, isomericSmiles=False)
    return _Part(
        is_organic=any(atom.GetAtomicNum() == 6 for atom in neutral.GetAtoms()),
        is_main=flat not in _COMPANION_SMILES,
        heavy_atoms=neutral.GetNumHeavyAtoms(),
        weight=rdMolDescriptors.CalcExactMolWt(neutral),
        smiles=Chem.MolToSmiles(neutral),
        neutral=neutral,
        neutralized=neutralized,
    )


def _neutral(fragment: Chem.Mol) -> tuple[Chem.Mol, bool]:
    """Without charges as far as that goes, and whether any went."""
    neutral = Chem.Mol(fragment)
    _UNCHARGER.unchargeInPlace(neutral)
    return neutral, _charges(fragment) != _charges(neutral)


def _charges(mol: Chem.Mol) -> list[int]:
    return [atom.GetFormalCharge() for atom in mol.GetAtoms()]


def _canonical(smiles: str) -> str:
    return Chem.MolToSmiles(Chem.MolFromSmiles(smiles))


_COMPANION_SMILES = frozenset(_canonical(smiles) for smiles in _COMPANIONS.split())
