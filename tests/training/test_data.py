"""What stage A reads: the split into seen and reserved assays, measurements by compound, the cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from molmeta.data.cache import load_corpus, save_corpus
from molmeta.data.corpus import Corpus
from molmeta.data.fsmol import read_fsmol
from molmeta.errors import InputError
from molmeta.training.config import Data
from molmeta.training.data import load_corpora, measurements, reserve


@pytest.fixture(scope="module")
def corpus(corpus_folder: Path) -> Corpus:
    return read_fsmol(corpus_folder / "train.csv.gz", {"counts", "graph"}, 1, ("train",))


def test_reserved_assays_share_no_target_with_the_others(corpus: Corpus) -> None:
    twice = corpus.assays.assign(target_id=[i // 2 for i in range(len(corpus))])
    shared = Corpus(**{**vars(corpus), "assays": twice})
    reserved = reserve(shared, 0.5)
    assert 0 < len(reserved) < len(corpus)
    inside = set(twice.loc[list(reserved), "target_id"])
    outside = set(twice.drop(index=list(reserved))["target_id"])
    assert not inside & outside


def test_nothing_is_reserved_unless_asked(corpus: Corpus) -> None:
    assert reserve(corpus, 0.0) == ()


def test_every_measurement_is_found_once_through_its_compound(corpus: Corpus) -> None:
    left_out = corpus.assays.index[:2]
    table = measurements(corpus, left_out)
    rows, owner = table.batch(torch.arange(len(table.compound)))
    assert torch.equal(rows, torch.arange(len(table.assay)))
    assert len(table.assay) == 40 * (len(corpus) - 2)
    names = corpus.assays.index.drop(left_out)
    for i in np.random.default_rng(0).choice(len(rows), 50):
        name = names[int(table.assay[i])]
        where = corpus.mol[corpus.rows(name)] == int(table.compound[owner[i]])
        assert table.label[i] in corpus.label[corpus.rows(name)][where]


def test_values_are_standardized_within_their_assay(corpus: Corpus) -> None:
    table = measurements(corpus, ())
    for assay in range(table.n_assays):
        value = table.value[table.assay == assay]
        assert abs(float(value.mean())) < 0.1
        assert 0.8 < float(value.std()) < 1.1


def test_a_cached_corpus_is_the_same(corpus: Corpus, tmp_path: Path) -> None:
    save_corpus(tmp_path / "c", corpus)
    again = load_corpus(tmp_path / "c")
    assert again.smiles == corpus.smiles
    assert list(again.assays.index) == list(corpus.assays.index)
    for name in corpus.assays.index:
        a, b = corpus.labelled(name), again.labelled(name)
        assert torch.equal(a.y, b.y)
        assert torch.equal(a.mols.need("counts"), b.mols.need("counts"))
        assert a.mols.graph is not None
        assert b.mols.graph is not None
        assert torch.equal(a.mols.graph.atoms, b.mols.graph.atoms)


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--data"):
        load_corpora(Data(train="a.csv.gz", valid="b.csv.gz"), tmp_path, tmp_path / "cache", {"counts"})
