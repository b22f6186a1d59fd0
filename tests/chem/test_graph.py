"""Graph features: what they tell apart, what they do not depend on, and that they agree with RDKit."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import rdCIPLabeler

from molmeta.chem.batch import Graphs
from molmeta.chem.graph import ATOM_SIZES, BOND_ORDERS, BOND_SIZES, CHARGES, ELEMENTS, graphs

DRUGS = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1CCC[C@H]1c1cccnc1",
    "C[N+](C)(C)CCO",
    "CC(C)Cc1ccc([C@@H](C)C(=O)O)cc1",
    "C#C[C@]1(O)CC[C@H]2[C@@H]3CCC4=CC(=O)CC[C@@H]4[C@H]3CC[C@@]21C",
    "CN1[C@H]2CC[C@@H]1[C@@H](C(=O)OC)[C@@H](OC(=O)c1ccccc1)C2",
    "Oc1ccc(/C=C/c2cc(O)cc(O)c2)cc1",
    "C[C@H]1CC[C@@H](C(=O)O)CC1",
    "O=S(=O)([O-])c1ccc(N=[N+]=[N-])cc1",
    "C1CC1C1CCC2(CCC2)CCCCCCCCCC1",
)
ODD = (
    "[2H]C([2H])([2H])O",
    "[Xe]",
    "C[Hg]C",
    "F[U](F)(F)(F)(F)F",
    "[CH3-]",
    "[O-][Cl+3]([O-])([O-])O",
    "[H][H]",
)


def read(smiles: str) -> Chem.Mol:
    mol = Chem.MolFromSmiles(smiles)
    assert mol is not None
    return mol


def respelled(mol: Chem.Mol) -> Chem.Mol:
    return read(Chem.MolToSmiles(mol, doRandom=True, canonical=False))


def content(graph: Graphs) -> tuple[Counter, Counter]:
    """The atoms, and the bonds with their atoms, in no order."""
    atoms = [tuple(row) for row in graph.atoms.tolist()]
    bonds = zip(graph.bonds.tolist(), graph.ends.tolist(), strict=True)
    return Counter(atoms), Counter((*b, *sorted((atoms[i], atoms[j]))) for b, (i, j) in bonds)


def same(a: Graphs, b: Graphs) -> bool:
    pairs = ((getattr(a, name), getattr(b, name)) for name in Graphs.__dataclass_fields__)
    return all(x.dtype == y.dtype and torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("smiles", DRUGS)
def test_another_spelling_gives_the_same_features(smiles):
    mol = read(smiles)
    for _ in range(5):
        assert content(graphs([respelled(mol)])) == content(graphs([mol]))


@pytest.mark.parametrize("smiles", DRUGS)
def test_features_are_those_of_rdkit(smiles):
    mol = read(smiles)
    graph = graphs([mol])
    rings = mol.GetRingInfo()
    for atom, row in zip(mol.GetAtoms(), graph.atoms.tolist(), strict=True):
        smallest = rings.MinAtomRingSize(atom.GetIdx())
        assert row[0] == ELEMENTS.index(atom.GetSymbol()) + 1
        assert CHARGES[row[1] - 1] == atom.GetFormalCharge()
        assert row[2:4] == [atom.GetTotalNumHs(), atom.GetDegree()]
        assert row[4] == {"SP2": 1, "SP": 2}.get(atom.GetHybridization().name, 0)
        assert row[5:7] == [atom.GetIsAromatic(), min(smallest, 8) - 2 if smallest else 0]
    assert len(graph.ends) == mol.GetNumBonds()
    for (a, b), row in zip(graph.ends.tolist(), graph.bonds.tolist(), strict=True):
        bond = mol.GetBondBetweenAtoms(a, b)
        assert BOND_ORDERS[row[0] - 1] == bond.GetBondTypeAsDouble()
        assert row[1] == bond.IsInRing()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"),
        ("C[S@](=O)CC", "C[S@@](=O)CC"),
        ("C/C=C/C", "C/C=C\\C"),
        ("C/C=C/C", "CC=CC"),
        ("C[C@H]1CC[C@@H](C)CC1", "C[C@H]1CC[C@H](C)CC1"),
        ("C[C@H]1CC[C@H](C)CC1", "CC1CCC(C)CC1"),
        ("C[NH3+]", "CN"),
        ("C1CCCCC1", "C1=CCCCC1"),
        ("[2H]CO", "CO"),
    ],
)
def test_different_compounds_differ(one, other):
    assert content(graphs([read(one)])) != content(graphs([read(other)]))


@given(st.lists(st.sampled_from(DRUGS + ODD), max_size=6))
@settings(max_examples=25, deadline=None)
def test_a_batch_is_its_molecules_one_after_the_other(smiles):
    mols = [read(text) for text in smiles]
    batch = graphs(mols)
    assert len(batch) == len(mols)
    for i, mol in enumerate(mols):
        assert same(batch.select(torch.tensor([i])), graphs([mol]))


@pytest.mark.parametrize("smiles", ODD)
def test_any_molecule_has_features_within_the_vocabularies(smiles):
    graph = graphs([read(smiles)])
    assert (graph.atoms < torch.tensor(ATOM_SIZES)).all()
    assert (graph.bonds < torch.tensor(BOND_SIZES)).all()


def test_shapes_and_dtypes_without_molecules_and_without_bonds():
    for mols in ([], [read("C")], [Chem.MolFromSmiles("")]):
        graph = graphs(mols)
        n = sum(mol.GetNumAtoms() for mol in mols)
        assert (graph.atoms.shape, graph.atoms.dtype) == ((n, len(ATOM_SIZES)), torch.uint8)
        assert (graph.ends.shape, graph.ends.dtype) == ((0, 2), torch.int32)
        assert (graph.bonds.shape, graph.bonds.dtype) == ((0, len(BOND_SIZES)), torch.uint8)
        assert graph.atom_ptr.dtype == graph.bond_ptr.dtype == torch.int64
        assert len(graph.atom_ptr) == len(graph.bond_ptr) == len(mols) + 1


def test_bonds_of_order_zero_are_kept():
    mol = Chem.RWMol(read("[Fe].N"))
    mol.AddBond(0, 1, Chem.BondType.ZERO)
    mol.UpdatePropertyCache()
    Chem.SanitizeMol(mol)
    graph = graphs([mol])
    assert graph.ends.tolist() == [[0, 1]]
    assert graph.bonds[0, 0] == 0


@pytest.mark.parametrize("smiles", DRUGS)
def test_labels_left_by_the_full_cip_rules_change_nothing(smiles):
    before = graphs([read(smiles)])
    mol = read(smiles)
    rdCIPLabeler.AssignCIPLabels(mol)
    labelled = [atom.GetPropsAsDict(True, True).get("_CIPCode") for atom in mol.GetAtoms()]
    assert same(graphs([mol]), before)
    assert [atom.GetPropsAsDict(True, True).get("_CIPCode") for atom in mol.GetAtoms()] == labelled
