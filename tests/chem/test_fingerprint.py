"""Fingerprints and similarity against RDKit."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

from molmeta.chem.fingerprint import COUNT_BITS, DESCRIPTORS, counts, descriptors, pairs
from molmeta.chem.similarity import tanimoto

SMILES = ["CCO", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "C" * 60, "[Na+]"]
MOLS = [Chem.MolFromSmiles(text) for text in SMILES]


def test_tanimoto_is_that_of_rdkit() -> None:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=COUNT_BITS, includeChirality=True)
    prints = [generator.GetCountFingerprint(mol) for mol in MOLS]
    want = [[DataStructs.TanimotoSimilarity(a, b) for b in prints] for a in prints]
    np.testing.assert_allclose(tanimoto(counts(MOLS), counts(MOLS)).numpy(), want, atol=1e-6)


def test_counts_and_pairs_are_those_of_rdkit() -> None:
    morgan = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=COUNT_BITS, includeChirality=True)
    atom_pairs = rdFingerprintGenerator.GetAtomPairGenerator(fpSize=COUNT_BITS)
    mols = [*MOLS, Chem.Mol(), *MOLS[::-1]]
    for found, generator in [(counts(mols), morgan), (pairs(mols), atom_pairs)]:
        want = np.stack([generator.GetCountFingerprintAsNumPy(mol) for mol in mols])
        np.testing.assert_array_equal(found.numpy(), np.minimum(want, 255))


def test_rotatable_bonds_are_those_of_rdkit() -> None:
    odd = [
        "CC#CCC",
        "CC(C)C#N",
        "N#CCCC(=O)NC",
        "c1ccccc1-c1ccccc1",
        "CC1CC1CC",
        "CN(C):OCC",
        "CCOc1cccc#c1",
        "C",
    ]
    mols = MOLS + [Chem.MolFromSmiles(text) for text in odd]
    loose = rdMolDescriptors.NumRotatableBondsOptions.NonStrict
    want = [rdMolDescriptors.CalcNumRotatableBonds(mol, loose) for mol in mols]
    assert descriptors(mols)[:, list(DESCRIPTORS).index("rotatable_bonds")].tolist() == want


def test_counts_are_cut_at_255() -> None:
    assert counts([Chem.MolFromSmiles("C" * 400)]).max() == 255


def test_enantiomers_differ() -> None:
    left, right = (Chem.MolFromSmiles(text) for text in ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"))
    assert not torch.equal(counts([left]), counts([right]))


def test_descriptors_are_finite_and_named() -> None:
    values = descriptors(MOLS)
    assert values.shape == (len(MOLS), len(DESCRIPTORS))
    assert values.isfinite().all()
    assert values[0, list(DESCRIPTORS).index("heavy_atoms")] == 3


def test_no_molecules() -> None:
    assert counts([]).shape == pairs([]).shape == (0, COUNT_BITS)
    assert descriptors([]).shape == (0, len(DESCRIPTORS))


# Counts of large molecules are cut at 255, the largest that a byte holds.
_count = st.one_of(st.integers(0, 6), st.integers(250, 255))
_vectors = st.lists(st.lists(_count, min_size=5, max_size=5), min_size=1, max_size=6)


@given(_vectors, _vectors)
@settings(max_examples=50, deadline=None)
def test_tanimoto_is_min_over_max(a: list[list[int]], b: list[list[int]]) -> None:
    x, y = np.array(a), np.array(b)
    small = np.minimum(x[:, None], y[None]).sum(2)
    large = np.maximum(x[:, None], y[None]).sum(2)
    want = np.where(large > 0, small / np.maximum(large, 1), 1.0)
    got = tanimoto(torch.tensor(a, dtype=torch.uint8), torch.tensor(b, dtype=torch.uint8))
    np.testing.assert_allclose(got.numpy(), want, atol=1e-6)


def test_tanimoto_of_molecules_whose_counts_are_cut() -> None:
    chain = [Chem.MolFromSmiles("C" * 300)]
    assert int(pairs(chain).max()) == 255
    assert tanimoto(pairs(chain), pairs(chain)).tolist() == [[1.0]]


@given(_vectors)
@settings(max_examples=50, deadline=None)
def test_tanimoto_is_positive_semidefinite(a: list[list[int]]) -> None:
    x = torch.tensor(a, dtype=torch.uint8)
    assert torch.linalg.eigvalsh(tanimoto(x, x).double()).min() > -1e-6
