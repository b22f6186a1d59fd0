"""ECFP4 counts and a few cheap descriptors: what the fingerprint trunk and the Tanimoto kernel read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors
from torch import Tensor

COUNT_BITS = 2048

# Chirality is part of the atom invariants, so that enantiomers have different fingerprints.
_generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=COUNT_BITS, includeChirality=True)


def counts(mols: Sequence[Chem.Mol]) -> Tensor:
    """ECFP4 substructure counts, folded to 2048 and cut at 255: uint8[n, 2048].

    Source: Rogers and Hahn 2010 (extended-connectivity fingerprints), as RDKit's Morgan generator of
    radius 2.
    """
    out = np.zeros((len(mols), COUNT_BITS), dtype=np.uint8)
    for row, mol in zip(out, mols, strict=True):
        np.minimum(_generator.GetCountFingerprintAsNumPy(mol), 255, out=row, casting="unsafe")
    return torch.from_numpy(out)


def _halogens(mol: Chem.Mol) -> int:
    return sum(atom.GetAtomicNum() in (9, 17, 35, 53) for atom in mol.GetAtoms())


# Name -> function, each a few microseconds in C++. Crippen's logP (237 us) and the 217-descriptor list
# are left out on purpose: they would be most of the time of scoring a library.
DESCRIPTORS: dict[str, Callable[[Chem.Mol], float]] = {
    "heavy_atoms": Chem.Mol.GetNumHeavyAtoms,
    "exact_mass": rdMolDescriptors.CalcExactMolWt,
    "donors": rdMolDescriptors.CalcNumHBD,
    "acceptors": rdMolDescriptors.CalcNumHBA,
    "heteroatoms": rdMolDescriptors.CalcNumHeteroatoms,
    "rotatable_bonds": rdMolDescriptors.CalcNumRotatableBonds,
    "tpsa": rdMolDescriptors.CalcTPSA,
    "rings": rdMolDescriptors.CalcNumRings,
    "aromatic_rings": rdMolDescriptors.CalcNumAromaticRings,
    "aliphatic_rings": rdMolDescriptors.CalcNumAliphaticRings,
    "fraction_csp3": rdMolDescriptors.CalcFractionCSP3,
    "amide_bonds": rdMolDescriptors.CalcNumAmideBonds,
    "halogens": _halogens,
    "formal_charge": Chem.GetFormalCharge,
}


def descriptors(mols: Sequence[Chem.Mol]) -> Tensor:
    """The descriptors named in `DESCRIPTORS`, unscaled: float32[n, 14]."""
    functions = list(DESCRIPTORS.values())
    rows = [[f(mol) for f in functions] for mol in mols]
    return torch.from_numpy(np.array(rows, dtype=np.float32).reshape(len(mols), len(functions)))
