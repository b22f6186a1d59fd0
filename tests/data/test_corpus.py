"""`build_corpus` and the laws of `Corpus`."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from molmeta.data.corpus import COLUMNS, Corpus, build_corpus

# Assay, SMILES, label, p-value, relation. Assays are mixed, "OCC" is another spelling of "CCO", X holds
# aspirin twice and a structure that no one can read, P has no values.
ROWS = [
    ("X", "CC(=O)Oc1ccccc1C(=O)O", 1, 6.5, "="),
    ("Y", "CCO", 0, 4.0, "<"),
    ("X", "not a molecule", 1, 7.0, "="),
    ("X", "CCO", 0, 4.5, "<="),
    ("Y", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", 1, 8.0, ">>"),
    ("X", "CC(=O)Oc1ccccc1C(=O)O", 0, 5.5, "~"),
    ("P", "OCC", 1, np.nan, ""),
    ("P", "CC(=O)Nc1ccc(O)cc1", 0, np.nan, "="),
    ("Y", "CC(=O)Nc1ccc(O)cc1", 0, 5.0, ">="),
    ("Y", "CC(=O)Oc1ccccc1C(=O)O", 1, np.nan, "="),
]
NAMES = ("Y", "X", "P")


def build(rows: list[tuple], names: tuple[str, ...] = NAMES, **options: object) -> Corpus:
    assays = pd.DataFrame({"kind": "pXC50"}, index=pd.Index(names, name="assay"))
    return build_corpus(pd.DataFrame(rows, columns=list(COLUMNS)), assays, {"counts"}, **options)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return build(ROWS)


def test_rows_stand_by_assay_in_the_order_of_the_source(corpus: Corpus):
    assert len(corpus) == 3
    assert corpus.assay.tolist() == [0] * 4 + [1] * 4 + [2] * 2
    assert corpus.label[corpus.rows("X")].tolist() == [1, 1, 0, 0]
    assert corpus.value[corpus.rows("X")].tolist() == [6.5, 7.0, 4.5, 5.5]
    assert corpus.relation[corpus.rows("Y")].tolist() == [-1, 1, 1, 0]
    assert corpus.relation[corpus.rows("X")].tolist() == [0, 0, -1, 0]


def test_each_row_points_to_its_compound(corpus: Corpus):
    found = [corpus.smiles[i] if i >= 0 else None for i in corpus.mol[corpus.rows("X")]]
    assert found == ["CC(=O)Oc1ccccc1C(=O)O", None, "CCO", "CC(=O)Oc1ccccc1C(=O)O"]
    assert corpus.mols.n == len(corpus.smiles) == len(corpus.mols.need("counts"))
    assert [(r.text, r.reason) for r in corpus.rejected] == [("not a molecule", corpus.rejected[0].reason)]


def test_spellings_of_a_compound_agree(corpus: Corpus):
    ethanol = corpus.mol[corpus.rows("X")][2]
    other = corpus.mol[corpus.rows("P")][0]
    assert corpus.smiles[ethanol] == corpus.smiles[other] == "CCO"
    counts = corpus.mols.need("counts")
    assert torch.equal(counts[ethanol], counts[other])


def test_labelled_leaves_out_what_cannot_be_used(corpus: Corpus):
    classes = corpus.labelled("X")
    assert classes.y.tolist() == [1, 0, 0]
    assert classes.relation.tolist() == [0, 0, 0]
    assert classes.target.kind == "classification"
    values = corpus.labelled("Y", "regression")
    assert values.y.tolist() == [4.0, 8.0, 5.0]
    assert values.relation.tolist() == [-1, 1, 1]
    assert values.target.kind == "regression"
    assert len(corpus.labelled("P", "regression")) == 0


@given(names=st.permutations(NAMES), n=st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_selecting_changes_no_assay(names: list[str], n: int):
    corpus = build(ROWS)
    part = corpus.select(names[:n])
    assert list(part.assays.index) == names[:n]
    used = {corpus.smiles[i] for name in names[:n] for i in corpus.mol[corpus.rows(name)] if i >= 0}
    assert set(part.smiles) == used
    assert part.mols.n == len(part.smiles)
    for name in names[:n]:
        for field in ("label", "value", "relation"):
            np.testing.assert_array_equal(
                getattr(part, field)[part.rows(name)], getattr(corpus, field)[corpus.rows(name)]
            )
        assert _structures(part, name) == _structures(corpus, name)
        for kind in ("classification", "regression"):
            before, after = corpus.labelled(name, kind), part.labelled(name, kind)
            assert torch.equal(before.y, after.y)
            assert torch.equal(before.relation, after.relation)
            assert torch.equal(before.mols.need("counts"), after.mols.need("counts"))


def _structures(corpus: Corpus, name: str) -> list[str | None]:
    return [corpus.smiles[i] if i >= 0 else None for i in corpus.mol[corpus.rows(name)]]


def test_selecting_twice_is_selecting_once(corpus: Corpus):
    once, twice = corpus.select(["P"]), corpus.select(["X", "P"]).select(["P"])
    assert once.smiles == twice.smiles
    assert once.mol.tolist() == twice.mol.tolist()


def test_an_unknown_assay_is_an_error(corpus: Corpus):
    with pytest.raises(KeyError, match="nothing"):
        corpus.rows("nothing")


def test_processes_do_not_change_the_corpus():
    chains = ["C" * i + x + "C" * j for i in range(1, 38) for j in range(i, 38) for x in "ONS"]
    rows = [("X", text, i % 2, 5.0, "=") for i, text in enumerate([*chains, "C("])]
    assert len(rows) > 2000  # more than one piece of work
    one, two = build(rows, ("X",)), build(rows, ("X",), workers=2)
    assert one.smiles == two.smiles
    assert one.mol.tolist() == two.mol.tolist()
    assert [r.text for r in two.rejected] == ["C("]
    assert torch.equal(one.mols.need("counts"), two.mols.need("counts"))
