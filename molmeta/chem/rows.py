"""Rows that were read to features, where no single compound can cost the others theirs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from molmeta.chem.batch import MolBatch
from molmeta.chem.features import featurize
from molmeta.chem.molecule import Molecule, Rejection


def features_of(
    found: Sequence[Molecule | Rejection], needs: Collection[str]
) -> tuple[list[Molecule | Rejection], MolBatch]:
    """Features of the molecules among `found`; one that RDKit fails on becomes a rejection."""
    molecules = [one for one in found if isinstance(one, Molecule)]
    try:
        return list(found), featurize(molecules, needs)
    except Exception:  # RDKit raises many types; one compound must not cost the others
        checked = [one if isinstance(one, Rejection) else _featurizable(one, needs) for one in found]
        return checked, featurize([one for one in checked if isinstance(one, Molecule)], needs)


def _featurizable(molecule: Molecule, needs: Collection[str]) -> Molecule | Rejection:
    try:
        featurize([molecule], needs)
    except Exception as error:
        return Rejection(molecule.row, molecule.smiles[:200], "crashed", f"no features: {error}"[:200])
    return molecule
