"""How the atoms of a compound move its prediction, for any head.

Atoms are hidden in groups: of each atom, those within 0, 1, 2 and 3 bonds of it, as far as that is at most
half of the compound. A group that is hidden takes from the compound every feature that touches one of its
atoms (`molmeta.chem.parts`, `molmeta.explain.masking`), and the prediction changes. The contributions of
the atoms are the numbers whose sums over the groups come closest to these changes: least squares, with a
weight of one over the size of a group, and with a ridge. They are one linear picture of a function that is
not linear; `AtomContributions.additivity` says how well it fits.

`benchmarks/atoms.py` compares this with other definitions. Related: Riniker and Landrum 2013 (similarity
maps: one atom at a time is hidden from a fingerprint); Ribeiro et al. 2016 (LIME: a linear model of what
hiding parts of an input does).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rdkit import Chem

from molmeta.chem.batch import MolBatch
from molmeta.chem.molecule import Molecule
from molmeta.errors import NotEnoughData
from molmeta.explain.masking import Maskable
from molmeta.explain.reading import level, read, without
from molmeta.heads.base import Conditioned
from molmeta.predictor import Predictor
from molmeta.threads import one_thread

Floats = NDArray[np.float64]

WIDEST = 3  # bonds
_RIDGE = 1.0
_ROWS = 1024  # ways to hide atoms that are predicted together


@dataclass(frozen=True, eq=False)
class AtomContributions:
    """How the atoms of one compound move its prediction.

    Attributes
    ----------
    smiles : str
        Canonical SMILES of the parent, as `mm_smiles` of a prediction.
    mol : Chem.Mol
        It, with its atoms in the order of that SMILES.
    values : float64[n_atoms]
        In log-odds of being active, before calibration, or on the model's scale. Above zero: the atom
        raises the prediction.
    prediction : float
        Of the compound, on the same scale, as if it had never been measured before: a compound that is
        labelled is predicted from the others, and what a model remembers of a compound by its identity,
        which has no atoms, is left out.
    remembered : float
        What such a memory adds to `prediction`; 0 for a compound that the training did not see.
    additivity : float
        Share of the changes (of their squares) that sums of contributions give back, at most 1; nan where
        hiding atoms changes nothing.
    """

    smiles: str
    mol: Chem.Mol
    values: Floats
    prediction: float
    remembered: float
    additivity: float


@torch.no_grad()
@one_thread()
def contributions(predictor: Predictor, smiles: str | Sequence[str]) -> list[AtomContributions]:
    """How each atom of the compounds moves their predictions, for any head; see the head of this module.

    Parameters
    ----------
    smiles : str or sequence of str
        Compounds to explain.

    Returns
    -------
    list of AtomContributions
        One a compound, in order. Another spelling of a compound gives the same.

    Raises
    ------
    InputError
        A structure cannot be read.
    """
    # Read again, so that atoms are in the order of the canonical SMILES, whatever the spelling was.
    asked = read([one.smiles for one in read(smiles)])
    return [_explained(predictor, one) for one in asked]


def _explained(predictor: Predictor, molecule: Molecule) -> AtomContributions:
    predict = _without_itself(predictor, molecule.smiles)
    hidable = Maskable.of(molecule, predictor.needs)
    n = molecule.mol.GetNumAtoms()

    def levels(mols: MolBatch) -> Floats:
        found: Floats = level(predict(predictor.ensemble.prepare(mols))).cpu().numpy()
        return found

    groups = neighbourhoods(molecule.mol)
    masks = np.concatenate([np.zeros((1, n), dtype=bool), groups])
    parts = [levels(hidable.hide(masks[start : start + _ROWS])) for start in range(0, len(masks), _ROWS)]
    whole, *rest = np.concatenate(parts)
    values, additivity = _additive(groups, whole - np.array(rest))
    remembered = float(levels(hidable.whole)[0] - whole) if hidable.whole.identity is not None else 0.0
    return AtomContributions(molecule.smiles, molecule.mol, values, float(whole), remembered, additivity)


def _without_itself(predictor: Predictor, smiles: str) -> Conditioned:
    """As the predictor predicts: a labelled compound from the others, where those are enough."""
    place = predictor.places.get(smiles)
    if place is not None:
        try:
            return predictor.ensemble.condition(without(predictor.labelled, place))
        except NotEnoughData:
            pass
    return predictor.conditioned


def neighbourhoods(mol: Chem.Mol) -> NDArray[np.bool_]:
    """bool[m, n_atoms]: the groups of atoms that are hidden; single atoms first."""
    distance = Chem.GetDistanceMatrix(mol)
    groups: NDArray[np.bool_] = np.concatenate([distance <= radius for radius in range(WIDEST + 1)])
    small: NDArray[np.bool_] = groups[groups.sum(1) <= max(1, mol.GetNumAtoms() // 2)]
    return small


def _additive(groups: NDArray[np.bool_], change: Floats) -> tuple[Floats, float]:
    """Numbers of the atoms whose sums over groups bool[m, n] are nearest to change float64[m]; how near."""
    weight = groups.sum(1) ** -0.5
    inside, wanted = groups * weight[:, None], change * weight
    values = np.linalg.solve(inside.T @ inside + _RIDGE * np.eye(groups.shape[1]), inside.T @ wanted)
    size = float(wanted @ wanted)
    missed = wanted - inside @ values
    return values, 1.0 - float(missed @ missed) / size if size > 0 else float("nan")
