"""Which part of a compound is its parent: the largest organic one that is no counterion or solvent."""

from __future__ import annotations

from typing import NamedTuple

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors
from rdkit.Chem.MolStandardize import rdMolStandardize

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

# Forced, so that an inner salt (carnitine) and its hydrochloride end as the same cation.
_UNCHARGER = rdMolStandardize.Uncharger(True, True)


class _Part(NamedTuple):
    """One covalent part of a compound; the largest tuple is the parent."""

    is_organic: bool
    is_main: bool
    heavy_atoms: int
    weight: float
    smiles: str
    neutral: Chem.Mol
    neutralized: bool


def separated(mol: Chem.Mol) -> tuple[Chem.Mol, tuple[str, ...]]:
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
