"""Mutated SMILES: each is read or rejected, and what is accepted is one compound in every spelling.

`benchmarks/fuzz.py` does the same with a million.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rdkit import Chem

from molmeta import assays
from molmeta.chem.features import FIELDS, featurize
from molmeta.chem.molecule import Molecule, Rejection
from molmeta.chem.rows import read_rows
from molmeta.chem.smiles import REASONS, read_many

sys.path.append(str(Path(__file__).parent))
mutation = importlib.import_module("mutation")

SEEDS = [line.split()[0] for line in assays.path("drugs").read_text(encoding="utf-8").splitlines()]
MUTANTS = st.builds(mutation.mutant, st.randoms(use_true_random=False), st.just(SEEDS))


def read(text: str) -> Molecule | Rejection:
    return read_many(1, [text])[0]


@pytest.mark.parametrize("kind", mutation.KINDS)
def test_a_kind_of_mutation_changes_structures_and_is_the_same_for_a_seed(kind: str) -> None:
    _, function = mutation.KINDS[kind]
    make: Callable[[int], str] = lambda seed: function(Random(seed), SEEDS)  # noqa: E731
    found = [make(seed) for seed in range(40)]
    assert found == [make(seed) for seed in range(40)]
    assert len(set(found) - set(SEEDS)) > 20


def test_mutants_meet_most_reasons_and_some_are_compounds() -> None:
    draws = Random(0)
    read_rows_of = read_rows([mutation.mutant(draws, SEEDS) for _ in range(1500)], {"counts"})
    assert len(set(read_rows_of.status)) >= 9
    assert read_rows_of.mols.n == read_rows_of.status.count("ok") > 100
    assert not {"crashed", "timeout"} & set(read_rows_of.status)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MUTANTS, max_size=6))
def test_there_is_a_row_for_each_mutant(texts: list[str]) -> None:
    found = read_rows(texts, {"counts", "descriptors"})
    assert len(found.status) == len(found.smiles) == len(texts)
    assert set(found.status) <= {"ok", *REASONS} - {"crashed", "timeout", "bad_label", "ragged_row"}
    assert [one is not None for one in found.smiles] == [status == "ok" for status in found.status]
    assert found.mols.n == found.status.count("ok")
    assert torch.isfinite(found.mols.need("descriptors")).all()


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(
    MUTANTS.map(read).filter(lambda one: isinstance(one, Molecule) and "standardize_failed" not in one.flags)
)
def test_an_accepted_mutant_is_its_own_parent(own: Molecule) -> None:
    again = read(own.smiles)
    assert isinstance(again, Molecule)
    assert again.smiles == own.smiles
    assert not set(again.flags) - {"above_900_da", "unseen_element"}
    one, other = featurize([own], FIELDS), featurize([again], FIELDS)
    for name in ("counts", "pairs", "identity"):
        assert torch.equal(one.need(name), other.need(name)), name
    torch.testing.assert_close(one.need("descriptors"), other.need("descriptors"))
    assert one.graph is not None
    assert other.graph is not None
    assert torch.equal(one.graph.atoms.long().sum(0), other.graph.atoms.long().sum(0))
    assert Chem.MolToSmiles(own.mol) == own.smiles
