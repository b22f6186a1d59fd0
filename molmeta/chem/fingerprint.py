"""ECFP4 counts and a few cheap descriptors: what the fingerprint trunk and the Tanimoto kernel read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from rdkit import Chem, rdBase
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors
from torch import Tensor

from molmeta.chem.similarity import Sparse, sparse

COUNT_BITS = 2048

# Chirality is part of the atom invariants, so that enantiomers have different fingerprints.
SUBSTRUCTURES = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=COUNT_BITS, includeChirality=True)
PAIRS = rdFingerprintGenerator.GetAtomPairGenerator(fpSize=COUNT_BITS)
_HEAD = np.array([1, 4, COUNT_BITS], dtype="<u4").tobytes()  # version, bytes of a word, number of bits

# As RDKit's NonStrict count, whose function copies this pattern for each molecule. Its default, the strict
# count, takes ten times as long. Bonds beside triple ones do not count; where no atom is linear, there are
# none (but among sulfur, phosphorus and iodine), and a third of the time need not be spent on them.
_ROTATABLE = Chem.MolFromSmarts("[!$(*#*)&!D1]-,:;!@[!$(*#*)&!D1]")
_BETWEEN_BENDS = Chem.MolFromSmarts("[!D1]-,:;!@[!D1]")
_LINEAR = Chem.MolFromSmarts("[^1]")


def _count(generator: Any, mols: Sequence[Chem.Mol]) -> Tensor:
    """Counts by way of the form in which RDKit pickles them; its dense arrays take a fifth more time.

    It is of 32-bit words: `_HEAD`, how many bits are set, then each of these and its count.
    """
    prints = [generator.GetCountFingerprint(mol).ToBinary() for mol in mols]
    if not all(one.startswith(_HEAD) for one in prints):
        raise RuntimeError(f"RDKit {rdBase.rdkitVersion} pickles counts in a form that is not known here")
    size = len(_HEAD) + 4
    bits, found = np.frombuffer(b"".join([one[size:] for one in prints]), dtype="<u4").reshape(-1, 2).T
    sizes = np.array([(len(one) - size) // 8 for one in prints], dtype=np.int64)
    value = np.minimum(found, 255).astype(np.uint8)
    out = np.zeros((len(mols), COUNT_BITS), dtype=np.uint8)
    out[np.repeat(np.arange(len(mols)), sizes), bits] = value
    counted = torch.from_numpy(out)
    ptr = np.append(0, np.cumsum(sizes))
    sparse.put(counted, Sparse(*map(torch.from_numpy, (ptr, bits.astype(np.int64), value))))
    return counted


def counts(mols: Sequence[Chem.Mol]) -> Tensor:
    """ECFP4 substructure counts, folded to 2048 and cut at 255: uint8[n, 2048].

    Source: Rogers and Hahn 2010 (extended-connectivity fingerprints), as RDKit's Morgan generator of
    radius 2.
    """
    return _count(SUBSTRUCTURES, mols)


def pairs(mols: Sequence[Chem.Mol]) -> Tensor:
    """Counts of pairs of atoms at each distance, folded to 2048 and cut at 255: uint8[n, 2048].

    Source: Carhart, Smith and Venkataraghavan 1985 (atom pairs).
    """
    return _count(PAIRS, mols)


def rotatable_bonds(mol: Chem.Mol) -> tuple[tuple[int, int], ...]:
    """The two atoms of each."""
    pattern = _ROTATABLE if mol.HasSubstructMatch(_LINEAR) else _BETWEEN_BENDS
    found: tuple[tuple[int, int], ...] = mol.GetSubstructMatches(pattern)
    return found


# Name -> function, each a few microseconds in C++ (the rotatable bonds 10). Crippen's logP (237 us) and
# the 217-descriptor list are left out on purpose: they would be most of the time of scoring a library.
DESCRIPTORS: dict[str, Callable[[Chem.Mol], float]] = {
    "heavy_atoms": Chem.Mol.GetNumHeavyAtoms,
    "exact_mass": rdMolDescriptors.CalcExactMolWt,
    "nh_oh": rdMolDescriptors.CalcNumLipinskiHBD,
    "n_o": rdMolDescriptors.CalcNumLipinskiHBA,
    "heteroatoms": rdMolDescriptors.CalcNumHeteroatoms,
    "rotatable_bonds": lambda mol: len(rotatable_bonds(mol)),
    "tpsa": rdMolDescriptors.CalcTPSA,
    "rings": rdMolDescriptors.CalcNumRings,
    "aromatic_rings": rdMolDescriptors.CalcNumAromaticRings,
    "aliphatic_rings": rdMolDescriptors.CalcNumAliphaticRings,
    "fraction_csp3": rdMolDescriptors.CalcFractionCSP3,
    "amide_bonds": rdMolDescriptors.CalcNumAmideBonds,
    "hall_kier_alpha": rdMolDescriptors.CalcHallKierAlpha,
    "chi1v": rdMolDescriptors.CalcChi1v,
    "formal_charge": Chem.GetFormalCharge,
}


def descriptors(mols: Sequence[Chem.Mol]) -> Tensor:
    """The descriptors named in `DESCRIPTORS`, unscaled: float32[n, 15]."""
    functions = list(DESCRIPTORS.values())
    rows = [[f(mol) for f in functions] for mol in mols]
    return torch.from_numpy(np.array(rows, dtype=np.float32).reshape(len(mols), len(functions)))
