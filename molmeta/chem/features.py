"""Molecules to `MolBatch`: computes just the features that an encoder or a head asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

from molmeta.chem.batch import MolBatch
from molmeta.chem.fingerprint import counts, descriptors, pairs
from molmeta.chem.graph import graphs
from molmeta.chem.molecule import Molecule
from molmeta.errors import ConfigError

FIELDS = {
    "graph": graphs,
    "counts": counts,
    "pairs": pairs,
    "descriptors": descriptors,
}


def featurize(molecules: Sequence[Molecule], needs: Collection[str]) -> MolBatch:
    """Features `needs` (names in `FIELDS`) of n molecules.

    Raises
    ------
    ConfigError
        An unknown feature is asked for.
    """
    unknown = set(needs) - FIELDS.keys()
    if unknown:
        raise ConfigError(f"unknown features {sorted(unknown)}; known are {sorted(FIELDS)}")
    mols = [m.mol for m in molecules]
    computed: dict[str, Any] = {name: FIELDS[name](mols) for name in sorted(needs)}
    return MolBatch(n=len(mols), **computed)


def compound_hash(smiles: str) -> int:
    """A signed 64-bit number for a canonical SMILES, the same on every machine.

    >>> compound_hash("CCO") == compound_hash("CCO") != compound_hash("CCN")
    True
    """
    digest = hashlib.blake2b(smiles.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
