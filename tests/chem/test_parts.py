"""Parts of molecules: all together they are the features, and those without an atom are those of the rest."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
import torch
from rdkit import Chem

from molmeta.chem.batch import MolBatch
from molmeta.chem.features import FIELDS, featurize
from molmeta.chem.fingerprint import DESCRIPTORS
from molmeta.chem.molecule import Molecule
from molmeta.chem.smiles import read_smiles
from molmeta.explain.masking import Maskable

LIBRARY = (files("molmeta.assays") / "drugs.smi").read_text().splitlines()
DRUGS = [
    found
    for i, row in enumerate(LIBRARY[::5])
    if isinstance(found := read_smiles(i, row.split()[0]), Molecule)
]
ODD = [
    "C",
    "C#N",
    "[CH3:1]C[N+](C)(C)C",
    "F[Si](F)(C)C1CC1",
    "C1CC12CC2",
    "O=[N+]([O-])c1ccc[se]1",
    "CC(=O)N1CCC1",
    "I/C=C/Br",
]


def molecule(smiles: str) -> Molecule:
    mol = Chem.MolFromSmiles(smiles)
    return Molecule(1, Chem.MolToSmiles(mol), mol)


MOLECULES = DRUGS + [molecule(smiles) for smiles in ODD]


def hide(mol: Molecule, *atoms: int) -> MolBatch:
    mask = np.zeros((1, mol.mol.GetNumAtoms()), dtype=bool)
    mask[0, list(atoms)] = True
    return Maskable.of(mol, FIELDS).hide(mask)


def test_nothing_hidden_is_the_compound_and_everything_hidden_is_nothing() -> None:
    assert len(MOLECULES) > 80
    for one in MOLECULES:
        whole, same, none = featurize([one], FIELDS), hide(one), hide(one, *range(one.mol.GetNumAtoms()))
        for name in ("counts", "pairs", "descriptors"):
            assert torch.equal(same.need(name), whole.need(name)), one.smiles
            assert none.need(name).abs().max() < 1e-3, (one.smiles, name)
        assert same.graph is not None
        assert whole.graph is not None
        assert none.graph is not None
        assert torch.equal(same.graph.atoms, whole.graph.atoms)
        assert torch.equal(same.graph.ends, whole.graph.ends)
        assert torch.equal(same.graph.bond_ptr, whole.graph.bond_ptr)
        assert len(none.graph.atoms) == len(none.graph.ends) == 0


def test_identity_is_that_of_no_compound() -> None:
    assert hide(DRUGS[0]).need("identity").tolist() == [0]


def test_hidden_atoms_take_what_touches_them() -> None:
    """Ethanol without its oxygen: the environments of both carbons that end before it, and their pair."""
    ethanol = molecule("CCO")
    # Environments: three atoms; CH3-CH2 and CH2-OH, seen from an end; all three, seen from the middle.
    assert featurize([ethanol], FIELDS).need("counts").sum() == 6
    left = hide(ethanol, 2)
    assert left.need("counts").sum() == 3
    assert left.need("pairs").sum() == 1
    names = list(DESCRIPTORS)
    said = dict(zip(names, left.need("descriptors")[0].tolist(), strict=True))
    expected = {
        "heavy_atoms": 2,
        "nh_oh": 0,
        "n_o": 0,
        "heteroatoms": 0,
        "tpsa": 0,
        "fraction_csp3": 1,
        "exact_mass": 29.0391,
    }
    assert {name: said[name] for name in expected} == pytest.approx(expected, abs=1e-3)


def test_rings_and_bonds_go_with_any_of_their_atoms() -> None:
    names = list(DESCRIPTORS)
    biphenyl = molecule("c1ccccc1-c1ccccc1C(=O)NC")
    for atom, rings, amides in ((0, 1, 1), (7, 1, 1), (12, 2, 0), (15, 2, 1)):
        said = dict(zip(names, hide(biphenyl, atom).need("descriptors")[0].tolist(), strict=True))
        assert (said["rings"], said["aromatic_rings"], said["amide_bonds"]) == (rings, rings, amides), atom


def test_graphs_keep_the_atoms_that_are_shown() -> None:
    one = molecule("CC(=O)Nc1ccccc1")
    graph = hide(one, 1).graph
    whole = featurize([one], FIELDS).graph
    assert graph is not None
    assert whole is not None
    assert torch.equal(graph.atoms, whole.atoms[[0, 2, 3, 4, 5, 6, 7, 8, 9]])
    assert len(graph.ends) == one.mol.GetNumBonds() - 3
    assert graph.ends.max() == 8
    edges = graph.edges()
    assert not (edges == 0).any()  # the methyl group is alone


@pytest.mark.parametrize("rows", [2, 5])
def test_many_masks_are_each_as_alone(rows: int) -> None:
    one = MOLECULES[3]
    masks = np.random.default_rng(rows).random((rows, one.mol.GetNumAtoms())) < 0.3
    together = Maskable.of(one, FIELDS).hide(masks)
    for row, mask in enumerate(masks):
        alone = hide(one, *np.flatnonzero(mask).tolist())
        for name in ("counts", "pairs", "descriptors"):
            assert torch.equal(together.need(name)[row], alone.need(name)[0])
        assert together.graph is not None
        assert alone.graph is not None
        picked = together.graph.select(torch.tensor([row]))
        assert torch.equal(picked.atoms, alone.graph.atoms)
        assert torch.equal(picked.ends, alone.graph.ends)
        assert torch.equal(picked.bonds, alone.graph.bonds)
