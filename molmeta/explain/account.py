"""What there is to say of one compound: its prediction, its neighbour, its groups and atoms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rdkit import Chem, rdBase

from molmeta.chem.groups import Group, groups
from molmeta.chem.molecule import Rejection
from molmeta.chem.smiles import read_smiles
from molmeta.explain.atoms import AtomContributions, contributions
from molmeta.explain.compounds import Compound
from molmeta.predictor import Predictor
from molmeta.threads import one_thread


@dataclass(frozen=True)
class GroupContribution:
    """A group of a compound.

    Attributes
    ----------
    name : str
    beside : tuple of str
        Names of the groups that it is bonded to.
    atoms : tuple of int
        In the order of the canonical SMILES, from 0.
    value : float
        Sum of the contributions of its atoms.
    """

    name: str
    beside: tuple[str, ...]
    atoms: tuple[int, ...]
    value: float


@dataclass(frozen=True, eq=False)
class Account:
    """One compound that is explained.

    Attributes
    ----------
    compound : Compound
    atoms : AtomContributions
    groups : tuple of GroupContribution
        The largest first, of either sign.
    input_atoms : tuple of int or None
        For each atom of the canonical SMILES, the atom of the structure as it was given; None where the two
        cannot be laid over each other.
    prediction : mapping
        The columns of `Predictor.predict`, by name.
    """

    compound: Compound
    atoms: AtomContributions
    groups: tuple[GroupContribution, ...]
    input_atoms: tuple[int, ...] | None
    prediction: Mapping[str, Any]


@one_thread()
def accounts(
    predictor: Predictor, compounds: Sequence[Compound]
) -> tuple[list[Account], list[tuple[Compound, Rejection]]]:
    """Of each compound that can be read what there is to say, in order, and the others with their reasons."""
    found = [one.rejection or read_smiles(row, one.text) for row, one in enumerate(compounds, start=1)]
    bad = [(one, what) for one, what in zip(compounds, found, strict=True) if isinstance(what, Rejection)]
    good = [one for one, what in zip(compounds, found, strict=True) if not isinstance(what, Rejection)]
    if not good:
        return [], bad
    rows = predictor.predict([one.text for one in good]).to_dict("records")
    explained = contributions(predictor, [one.text for one in good])
    return [_account(*each) for each in zip(good, explained, rows, strict=True)], bad


def _account(compound: Compound, atoms: AtomContributions, row: Mapping[Any, Any]) -> Account:
    prediction = {str(name): value for name, value in row.items()}
    named = _with_values(atoms)
    return Account(compound, atoms, named, input_order(compound.text, atoms.mol), prediction)


def _with_values(atoms: AtomContributions) -> tuple[GroupContribution, ...]:
    found = groups(atoms.mol)
    made = [
        GroupContribution(
            one.name, _beside(atoms.mol, found, one), one.atoms, float(atoms.values[list(one.atoms)].sum())
        )
        for one in found
    ]
    return tuple(sorted(made, key=lambda one: -abs(one.value)))


def _beside(mol: Chem.Mol, every: Sequence[Group], own: Group) -> tuple[str, ...]:
    around = {n.GetIdx() for atom in own.atoms for n in mol.GetAtomWithIdx(atom).GetNeighbors()}
    return tuple(one.name for one in every if one is not own and around.intersection(one.atoms))


def input_order(text: str, mol: Chem.Mol) -> tuple[int, ...] | None:
    """Which atom of the structure `text` each atom of its parent is, by position from 0.

    Charges, hydrogens, double bonds and stereochemistry may differ, as standardization changes them. Atoms
    that only these tell apart may be taken for each other.

    >>> input_order("[Na+].[O-]C=O", Chem.MolFromSmiles("O=CO"))
    (3, 2, 1)
    """
    with rdBase.BlockLogs():
        given = Chem.MolFromSmiles(text)
    if given is None:
        return None
    strict: tuple[int, ...] = given.GetSubstructMatch(mol, useChirality=True)
    if strict:
        return strict
    options = Chem.AdjustQueryParameters.NoAdjustments()
    options.makeBondsGeneric = True  # type: ignore[assignment]  # the stubs are wrong
    skeleton = Chem.RWMol(mol)
    for atom in skeleton.GetAtoms():
        atom.SetFormalCharge(0)
    loose: tuple[int, ...] = given.GetSubstructMatch(Chem.AdjustQueryProperties(skeleton, options))
    return loose or None


def largest(accounts: Sequence[Account]) -> float:
    """The scale on which the atoms of several compounds are comparable: the largest contribution of all."""
    return float(max((np.abs(one.atoms.values).max() for one in accounts), default=0.0))
