"""Molecules to `MolBatch`: computes just the features that an encoder or a head asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from rdkit import Chem
from torch import Tensor

from molmeta.chem.batch import MolBatch
from molmeta.chem.fingerprint import counts, descriptors, pairs
from molmeta.chem.graph import graphs
from molmeta.chem.molecule import Molecule
from molmeta.errors import ConfigError


def compound_hash(smiles: str) -> int:
    """A signed 64-bit number for a canonical SMILES, the same on every machine.

    >>> compound_hash("CCO") == compound_hash("CCO") != compound_hash("CCN")
    True
    """
    digest = hashlib.blake2b(smiles.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def identity(molecules: Sequence[Molecule]) -> Tensor:
    """Hashes of the canonical SMILES: int64[n]."""
    return torch.tensor([compound_hash(molecule.smiles) for molecule in molecules], dtype=torch.long)


def _structural(function: Callable[[Sequence[Chem.Mol]], Any]) -> Callable[[Sequence[Molecule]], Any]:
    return lambda molecules: function([molecule.mol for molecule in molecules])


FIELDS: dict[str, Callable[[Sequence[Molecule]], Any]] = {
    "graph": _structural(graphs),
    "counts": _structural(counts),
    "pairs": _structural(pairs),
    "descriptors": _structural(descriptors),
    "identity": identity,
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
    computed: dict[str, Any] = {name: FIELDS[name](molecules) for name in sorted(needs)}
    return MolBatch(n=len(molecules), **computed)
