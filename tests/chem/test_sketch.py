"""What is done without canonical SMILES is what would be done with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from molmeta import assays
from molmeta.chem.features import compound_hash
from molmeta.chem.fingerprint import counts
from molmeta.chem.plain import is_plain
from molmeta.chem.rows import read_rows
from molmeta.chem.sketch import sketches
from molmeta.chem.standardize import find_parent

DRUGS = [line.split()[0] for line in assays.path("drugs").read_text("utf-8").splitlines()]
NEEDS = {"counts", "identity"}
# Pieces of SMILES, of which most heaps mean nothing; those that RDKit reads are often odd.
HEAPS = (
    "C N O S I F Cl Br P s c1ccccc1 c1ccsc1 [nH] [C] [C@H] [O-] N(=O)=O =N#N N=[N+]=[N-] (=O) S(=O) =S I(=O) "
    "# ( ) 1 ."
)


@given(st.lists(st.sampled_from(HEAPS.split(" ")), min_size=1, max_size=8).map("".join))
def test_a_plain_molecule_is_its_own_parent(text: str) -> None:
    mol = Chem.MolFromSmiles(text)
    if mol is not None and is_plain(mol, text):
        parent = find_parent(mol)
        assert parent.mol is mol
        assert parent.flags == ()
        assert "[C]" not in parent.smiles


def test_drugs_are_plain_however_they_are_spelled() -> None:
    plain = 0
    for drug in DRUGS:
        for text in Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(drug), 3, randomSeed=7):
            mol = Chem.MolFromSmiles(text)
            if is_plain(mol, text):
                plain += 1
                assert find_parent(mol)[1:] == (Chem.MolToSmiles(mol), ())
    assert plain > 2 * len(DRUGS)


def test_sketches_are_those_of_the_fingerprint() -> None:
    mols = [Chem.MolFromSmiles(drug) for drug in DRUGS]
    spelled = [Chem.MolFromSmiles(Chem.MolToRandomSmilesVect(mol, 1, randomSeed=3)[0]) for mol in mols]
    found = sketches(counts(mols))
    assert found.dtype == torch.int32
    assert torch.equal(found, sketches(counts(spelled)))
    assert torch.equal(found, torch.cat([sketches(counts(mols[:7])), sketches(counts(mols[7:]))]))
    assert len(torch.unique(found)) == len(torch.unique(counts(mols), dim=0))
    assert len(sketches(counts([]))) == 0


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_only_known_compounds_get_their_names(share: float) -> None:
    texts = [*DRUGS[:60], "", "C1CC", "CC(=O)[O-].[Na+]"]
    whole = read_rows(texts, NEEDS)
    own = sketches(whole.mols.need("counts")).numpy()
    known = np.unique(own[: round(share * len(own))])
    rows = read_rows(texts, NEEDS, known=known)
    assert rows.status == whole.status
    assert torch.equal(rows.mols.need("counts"), whole.mols.need("counts"))
    wanted = iter(np.isin(own, known).tolist())
    expected = [one if one is None or next(wanted) else None for one in whole.smiles]
    assert rows.smiles == expected
    named = [one for status, one in zip(rows.status, expected, strict=True) if status == "ok"]
    assert rows.mols.need("identity").tolist() == [0 if one is None else compound_hash(one) for one in named]
