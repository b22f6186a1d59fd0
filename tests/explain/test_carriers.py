"""What an adapted model rests on: against leaving compounds out by hand, and an atlas that is known."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import molmeta
from molmeta.atlas import Atlas
from molmeta.data.table import read_assay
from molmeta.errors import CheckpointError, ConfigError, InputError, NotEnoughData
from molmeta.explain import carriers, relatives
from molmeta.learner import Learner

ASSAYS = Path(str(files("molmeta.assays")))
DIM = 8


@pytest.fixture(scope="module")
def learner() -> Learner:
    torch.manual_seed(0)
    heads = {"evidence": {"dim": DIM}, "proto": {"dim": DIM}}
    return Learner({"name": "fingerprint", "width": 24, "depth": 1, "dim": DIM}, heads).eval()


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    assay = read_assay(ASSAYS / "bbb.csv")
    smiles = [molecule.smiles for molecule in assay.molecules]
    return pd.DataFrame({"smiles": smiles, "active": assay.values.astype(int)}).head(24)


@pytest.mark.parametrize("head", ["evidence", "proto"])
def test_an_influence_is_the_change_when_a_compound_is_left_out(
    learner: Learner, table: pd.DataFrame, head: str
):
    asked = ["CC(C)NCC(O)COc1cccc2ccccc12", "OC(=O)c1ccccc1O"]
    predictor = molmeta.adapt(table, learner, device="cpu", verdict=False, head=head)
    found = carriers(predictor, asked, most=3)
    assert found.groupby("compound")["rank"].apply(list).tolist() == [[1, 2, 3]] * 2
    whole = _logits(predictor, asked)
    for i in range(len(asked)):
        changes = np.array(
            [
                whole[i]
                - _logits(
                    molmeta.adapt(table.drop(index=row), learner, device="cpu", verdict=False, head=head),
                    asked,
                )[i]
                for row in table.index
            ]
        )
        best = np.argsort(-np.abs(changes))[:3]
        mine = found[found["rank"].between(1, 3)].iloc[3 * i : 3 * i + 3]
        np.testing.assert_allclose(mine["influence"], changes[best], atol=1e-6)
        assert mine["label"].tolist() == table["active"].iloc[best].tolist()


def _logits(predictor: molmeta.Predictor, smiles: list[str]) -> np.ndarray:
    """Before calibration, which leaves other compounds out in other folds."""
    from molmeta.chem.rows import read_rows

    mols = read_rows(smiles, predictor.needs).mols
    ensemble = predictor.ensemble
    prediction = ensemble.condition(predictor.labelled)(ensemble.prepare(mols))
    return prediction.logit.double().numpy()  # type: ignore[attr-defined]


def test_the_assay_that_labels_come_from_is_found(learner: Learner, table: pd.DataFrame):
    predictor = molmeta.adapt(table, learner, device="cpu", verdict=False)
    embedding = torch.nn.functional.normalize(predictor.labelled.mols.need("embedding").double(), dim=1)
    y = torch.tensor(predictor.support.values, dtype=torch.float64)
    direction = torch.linalg.lstsq(embedding, (y - y.mean())[:, None]).solution[:, 0].float()
    outputs = torch.stack([torch.randn(DIM), direction, -direction, torch.zeros(DIM)])
    atlas = Atlas(("noise", "same", "opposite", "silent"), ((), ("kinase", "kinase_tk"), (), ()), outputs)
    found = relatives(predictor, atlas, most=4)
    assert found["assay"].iloc[0] == "same"
    assert found["family"].iloc[0] == "kinase"
    assert set(found["assay"].iloc[-2:]) == {"opposite", "silent"}
    assert found["correlation"].is_monotonic_decreasing


def test_compounds_that_an_assay_shares_are_counted():
    """The shipped model keeps what training assays measured of known drugs."""
    known = pd.read_csv(ASSAYS / "cox.csv", sep=None, engine="python", nrows=0)
    assert len(known.columns)
    predictor = molmeta.adapt(ASSAYS / "cox.csv", "base", device="cpu", verdict=False)
    from molmeta.checkpoint import load_atlas

    every = relatives(predictor, load_atlas("base"), most=len(load_atlas("base").names))
    assert every["shared"].max() >= 3
    agreed = every["agreement"].dropna()
    assert len(agreed)
    assert agreed.between(-1.0001, 1.0001).all()


def test_one_compound_or_none_is_asked_for(learner: Learner, table: pd.DataFrame):
    predictor = molmeta.adapt(table, learner, device="cpu", verdict=False)
    assert len(carriers(predictor, "c1ccccc1O", most=2)) == 2
    none = carriers(predictor, [])
    assert len(none) == 0
    assert "influence" in none
    with pytest.raises(CheckpointError, match="does not name the checkpoint"):
        relatives(predictor)


def test_what_cannot_be_explained_says_why(learner: Learner, table: pd.DataFrame):
    predictor = molmeta.adapt(table, learner, device="cpu", verdict=False)
    with pytest.raises(InputError, match="'C1CC' cannot be explained"):
        carriers(predictor, ["C1CC"])
    with pytest.raises(ConfigError, match="speaks of 3 numbers a compound, the model has 8"):
        relatives(predictor, Atlas(("a",), ((),), torch.ones(1, 3)))
    few = molmeta.adapt(table.head(12), learner, device="cpu", verdict=False)
    with pytest.raises(NotEnoughData, match="has 12 labelled compounds; wanted 16"):
        relatives(few, Atlas(("a",), ((),), torch.ones(1, DIM)))
    with pytest.raises(NotEnoughData, match="is a prior"):
        carriers(molmeta.zero_shot("kinase", "base", device="cpu"), ["CCO"])
