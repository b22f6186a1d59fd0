"""`suggest`: what it obeys, whatever the library."""

from __future__ import annotations

import pandas as pd
import pytest
from rdkit import Chem

from molmeta.adaptation import adapt
from molmeta.errors import ConfigError, InputError, NotEnoughData, RefusedError
from molmeta.scoring import Local
from molmeta.suggest.acquisition import ACQUISITIONS
from molmeta.suggest.run import suggest
from molmeta.zeroshot import zero_shot


def canonical(smiles: str) -> str:
    return Chem.MolToSmiles(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize("acquisition", list(ACQUISITIONS))
@pytest.mark.parametrize("hedge", [False, True])
@pytest.mark.parametrize("which", ["bbb", "logp"])
def test_compounds_that_were_not_measured_each_once(request, drugs, which, hedge, acquisition):
    model = request.getfixturevalue(which)
    found = suggest(model, drugs, 12, acquisition=acquisition, hedge=hedge)
    names = found.picks["mm_smiles"].tolist()
    assert len(found) == len(set(names)) == 12
    assert not set(names) & set(model.support.smiles)
    assert found.status["measured"] >= 1
    assert found.read == len(drugs) == sum(found.status.values())
    assert found.picks["mm_pick"].tolist() == list(range(1, 13))
    assert [found.cells[i][0] for i in range(12)] == [drugs["smiles"][row - 1] for row in found.rows]


def test_predictions_are_those_of_the_model(bbb, drugs):
    found = suggest(bbb, drugs, 8)
    alone = bbb.predict(found.table["smiles"])
    for name in ("mm_probability", "mm_std", "mm_low", "mm_nearest_similarity"):
        assert found.picks[name].tolist() == pytest.approx(alone[name].tolist(), rel=1e-4)
    every = bbb.predict(drugs["smiles"])
    open_ = every[~every["mm_smiles"].isin(bbb.support.smiles)].drop_duplicates("mm_smiles")
    rank = open_.set_index("mm_smiles")["mm_score"].rank(ascending=False)
    assert found.picks["mm_rank"].tolist() == [rank[one] for one in found.picks["mm_smiles"]]


def test_alone_and_greedy_it_is_the_ranking(logp, drugs):
    found = suggest(logp, drugs, 10, acquisition="greedy", alike=1)
    assert found.picks["mm_rank"].tolist() == list(range(1, 11))
    assert found.picks["mm_score"].is_monotonic_decreasing


@pytest.mark.parametrize("acquisition", ["ucb", "thompson"])
def test_neither_chunks_nor_workers_nor_order_change_it(bbb, drugs, acquisition):
    base = suggest(bbb, drugs, 8, acquisition=acquisition)
    for other in (
        suggest(bbb, drugs, 8, acquisition=acquisition, chunk=7),
        suggest(bbb, drugs, 8, acquisition=acquisition, engine=Local(1), chunk=40),
        suggest(bbb, drugs[::-1].reset_index(drop=True), 8, acquisition=acquisition),
    ):
        assert other.picks["mm_smiles"].tolist() == base.picks["mm_smiles"].tolist()
    assert suggest(bbb, drugs, 8, acquisition="thompson", seed=1).rows != base.rows


def test_few_candidates_are_the_best_by_themselves(bbb, drugs):
    whole = suggest(bbb, drugs, 5, acquisition="ei", alike=1)
    few = suggest(bbb, drugs, 5, acquisition="ei", candidates=5, chunk=9)
    assert set(few.rows) == set(whole.rows)
    assert few.candidates == 5


def test_copies_and_other_spellings_are_one_compound(bbb):
    library = pd.DataFrame({"smiles": ["OCC(F)F", "C(O)C(F)F", "FC(F)CO", "OCC(F)F.Cl", "CCCCN"]})
    found = suggest(bbb, library, 5)
    assert sorted(found.picks["mm_smiles"]) == ["CCCCN", "OCC(F)F"]
    assert found.candidates == 2


def test_of_copies_the_cheapest(bbb):
    library = pd.DataFrame({"smiles": ["OCC(F)F", "C(O)C(F)F", "FC(F)CO"], "price": ["3", "1", "2"]})
    found = suggest(bbb, library, 1, acquisition="ei", cost="price")
    assert found.rows == (2,)
    assert found.cost == 1.0


def test_what_is_excluded_is_not_suggested(bbb, drugs, tmp_path):
    before = suggest(bbb, drugs, 10)
    rows = [Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(one), 1, 3)[0] for one in before.picks["mm_smiles"]]
    path = tmp_path / "not_these.csv"
    path.write_text("\n".join(["smiles", *rows, "C1CC"]) + "\n")
    after = suggest(bbb, drugs, 10, exclude=path)
    assert not set(after.picks["mm_smiles"]) & set(before.picks["mm_smiles"])
    assert after.status["excluded"] == 10
    assert any("1 row of the compounds to exclude" in note for note in after.notes)


def test_only_what_is_available(bbb, drugs):
    found = suggest(bbb, drugs, 100, available="stock")
    assert set(found.table["stock"]) == {"3", "yes"}
    assert len(found) + found.status["measured"] + found.status["unavailable"] == len(drugs)


def test_cost_and_budget(bbb, drugs):
    found = suggest(bbb, drugs, 100, acquisition="ei", cost="price", budget=20)
    costs = found.table["price"].astype(float)
    assert found.cost == costs.sum() <= 20
    assert "no_price" in found.status
    assert all("costs" in why for why in found.picks["mm_why"])
    dear = suggest(bbb, drugs, len(found), acquisition="ei")
    assert dear.table["price"].replace("", "9").astype(float).sum() > costs.sum()
    with pytest.raises(InputError, match="cheapest candidate costs 1"):
        suggest(bbb, drugs, 5, acquisition="ei", cost="price", budget=0.5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"acquisition": "entropy"}, "no acquisition 'entropy'"),
        ({"acquisition": "greedy", "cost": "price"}, "take one of ei"),
        ({"budget": 5.0}, "needs the prices"),
        ({"acquisition": "ei", "cost": "price", "budget": 0.0}, "above 0"),
        ({"acquisition": "ei", "cost": "euros"}, "no column 'euros'"),
        ({"available": "stocks"}, "no column 'stocks'"),
        ({"alike": 1.5}, "alike=1.5"),
        ({"n": 0}, "n=0"),
        ({"n": 20, "candidates": 10}, "candidates=10"),
    ],
)
def test_what_cannot_be_asked_for(bbb, drugs, options, said):
    with pytest.raises(ConfigError, match=said):
        suggest(bbb, drugs, **options)


def test_a_library_with_nothing_to_suggest_says_what_became_of_it(bbb):
    library = pd.DataFrame({"smiles": [*bbb.support.smiles[:3], "C1CC"]})
    with pytest.raises(InputError, match=r"4 rows read \(1 invalid_smiles, 3 measured\)"):
        suggest(bbb, library)


def test_a_prior_has_nothing_to_learn_from(drugs):
    with pytest.raises(NotEnoughData, match="is a prior"):
        suggest(zero_shot("kinase", model="fast"), drugs)


def test_reasons_name_the_numbers(bbb, logp, drugs):
    for model, word in ((bbb, "probability"), (logp, "value")):
        found = suggest(model, drugs, 10)
        for _, row in found.picks.iterrows():
            assert row["mm_why"].startswith(word)
            assert f"{row['mm_nearest']} (" in row["mm_why"]
            assert f"similarity {row['mm_nearest_similarity']:.2f})" in row["mm_why"]
            assert " by prediction" in row["mm_why"]


def test_a_batch_says_whom_it_passes_over(small):
    """Ten close relatives of the best labelled compound, and another series."""
    assay = pd.DataFrame(
        {
            "smiles": [
                "CCCCCCO",
                "CCCCCCCO",
                "c1ccccc1CN",
                "CCOC(C)=O",
                "CC(=O)C",
                "CCOCC",
                "CC#N",
                "CCC(C)=O",
            ],
            "active": [1, 1, 1, 0, 0, 0, 0, 0],
        }
    )
    model = adapt(assay, small, verdict=False)
    alcohols = ["C" * n + "O" for n in range(8, 18)]
    library = pd.DataFrame({"smiles": [*alcohols, "Cc1ccccc1CN", "Clc1ccccc1CN", "NCc1ccccc1F"]})
    alone = suggest(model, library, 4, acquisition="greedy", alike=1)
    assert set(alone.picks["mm_smiles"]) <= set(alcohols)
    for how in ({"alike": 0.5}, {"alike": 1, "hedge": True}):
        batch = suggest(model, library, 4, acquisition="greedy", **how)
        assert not set(batch.picks["mm_smiles"]) <= set(alcohols)
        told = [why for why in batch.picks["mm_why"] if "of more worth" in why]
        assert told
        assert all("like pick" in why for why in told)


def test_written_in_any_format(bbb, drugs, tmp_path):
    found = suggest(bbb, drugs, 3)
    for name in ("next.csv", "next.parquet", "next.jsonl", "next.sdf", "next.csv.gz"):
        found.write(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 0
    back = pd.read_csv(tmp_path / "next.csv")
    assert list(back.columns) == list(found.table.columns)
    assert back["name"].tolist() == found.table["name"].tolist()
    assert back["mm_why"].tolist() == found.picks["mm_why"].tolist()
    with pytest.raises(RefusedError, match="exists"):
        found.write(tmp_path / "next.csv")
    found.write(tmp_path / "next.csv", force=True)
    with pytest.raises(RefusedError, match="not a folder"):
        found.write(tmp_path / "nowhere" / "next.csv")


def test_own_columns_of_molmeta_are_refused(bbb, drugs):
    with pytest.raises(InputError, match="mm_score"):
        suggest(bbb, drugs.assign(mm_score="1"))


def test_with_a_cost_the_default_is_a_gain(bbb, drugs):
    assert suggest(bbb, drugs, 3).acquisition == "greedy"
    assert suggest(bbb, drugs, 3, cost="price").acquisition == "ei"
