"""Atom contributions: known rules are found, they say what hiding atoms does, and any head has them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.resources import files
from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import Crippen
from scipy.optimize import lsq_linear
from scipy.stats import spearmanr, wilcoxon
from sklearn.metrics import roc_auc_score

import molmeta
from molmeta.chem.batch import MolBatch
from molmeta.chem.features import FIELDS
from molmeta.chem.rows import read_rows
from molmeta.errors import InputError
from molmeta.explain import AtomContributions, contributions
from molmeta.explain.atoms import neighbourhoods
from molmeta.explain.masking import Maskable
from molmeta.explain.reading import level, read
from molmeta.heads import HEADS
from molmeta.learner import Learner
from molmeta.predictor import Predictor

ASSAYS = Path(str(files("molmeta.assays")))
DRUGS = [line.split()[0] for line in (ASSAYS / "drugs.smi").read_text().splitlines()]
ACID = Chem.MolFromSmarts("C(=O)[OX2H]")
HEADS_OF_RULES = ("evidence", "proto", "rf", "gp-tanimoto")
DIM = 16


def readable(smiles: list[str]) -> list[str]:
    status = read_rows(smiles, {"counts"}).status
    return [one for one, said in zip(smiles, status, strict=True) if said == "ok"]


@cache
def learner() -> Learner:
    torch.manual_seed(0)
    heads = {
        name: {"dim": DIM} if "dim" in signature(head).parameters else {} for name, head in HEADS.items()
    }
    return Learner({"name": "fingerprint", "width": 24, "depth": 1, "dim": DIM}, heads).eval()


@cache
def acids(head: str) -> Predictor:
    """Drugs with a carboxylic acid are active, and nothing else is."""
    table = labelled_by_acid().iloc[::2]
    model = "base" if head in ("evidence", "proto") else learner()
    return molmeta.adapt(table, model, device="cpu", verdict=False, head=head, name="acids")


@cache
def labelled_by_acid() -> pd.DataFrame:
    drugs = [one for one in readable(DRUGS) if 8 <= Chem.MolFromSmiles(one).GetNumAtoms() <= 45]
    active = [int(Chem.MolFromSmiles(one).HasSubstructMatch(ACID)) for one in drugs]
    table = pd.DataFrame({"smiles": drugs, "active": active})
    few = table[table["active"] == 0].iloc[::4]
    return pd.concat([table[table["active"] == 1], few]).sort_index()


@pytest.mark.parametrize("head", HEADS_OF_RULES)
def test_the_atoms_of_a_rule_contribute_most(head: str) -> None:
    unseen = labelled_by_acid().iloc[1::2]
    asked = unseen.loc[unseen["active"] == 1, "smiles"].tolist()
    assert len(asked) >= 15
    scores = []
    for one in contributions(acids(head), asked):
        inside = {atom for match in one.mol.GetSubstructMatches(ACID) for atom in match}
        truth = [i in inside for i in range(one.mol.GetNumAtoms())]
        scores.append(roc_auc_score(truth, one.values))
    assert np.mean(scores) > 0.8, np.mean(scores)


def test_lipophilic_atoms_raise_logp() -> None:
    """Against Crippen's contributions, which come from thousands of compounds; the model has 78."""
    predictor = molmeta.adapt(ASSAYS / "logp.csv", "base", device="cpu", verdict=False)
    asked = [one for one in readable(DRUGS[::8]) if 10 <= Chem.MolFromSmiles(one).GetNumAtoms() <= 50]
    found = contributions(predictor, asked)
    agreement = [spearmanr(one.values, [c[0] for c in Crippen._GetAtomContribs(one.mol)])[0] for one in found]
    assert len(agreement) >= 30
    assert np.mean(agreement) > 0.35
    assert np.mean(np.array(agreement) > 0) > 0.9


@pytest.mark.parametrize("head", ["evidence", "rf"])
def test_hiding_the_atoms_that_raise_a_prediction_lowers_it(head: str) -> None:
    predictor, rng = acids(head), np.random.default_rng(0)
    asked = labelled_by_acid()["smiles"].iloc[1::3].tolist()
    change: dict[str, list[float]] = {"top": [], "random": [], "bottom": []}
    for one in contributions(predictor, asked):
        n = len(one.values)
        few, order = max(1, n // 5), np.argsort(-one.values)
        picks = [order[:few], order[-few:], *(rng.choice(n, few, replace=False) for _ in range(10))]
        masks = np.array([np.isin(np.arange(n), pick) for pick in picks])
        top, bottom, *others = one.prediction - hidden_levels(predictor, one, masks)
        for name, value in (("top", top), ("bottom", bottom), ("random", np.mean(others))):
            change[name].append(float(value))
    assert wilcoxon(change["top"], change["random"], alternative="greater").pvalue < 1e-4
    assert wilcoxon(change["bottom"], change["random"], alternative="less").pvalue < 1e-4


def hidden_levels(predictor: Predictor, one: AtomContributions, masks: np.ndarray) -> np.ndarray:
    """What a model says with atoms hidden; a labelled compound from the others."""
    place = predictor.places.get(one.smiles)
    support = predictor.labelled
    if place is not None:
        support = support.select(torch.arange(len(support)) != place)
    (row,) = (Maskable.of(m, predictor.needs) for m in read([one.smiles]))
    predict = predictor.ensemble.condition(support)
    return level(predict(predictor.ensemble.prepare(row.hide(masks)))).numpy()


def test_they_are_the_linear_picture_of_hiding_neighbourhoods() -> None:
    """Against a solver of scipy, which takes the ridge as rows of zeros."""
    predictor = acids("evidence")
    (one,) = contributions(predictor, "OC(=O)c1ccc(CN2CCOCC2)cc1Cl")
    groups = neighbourhoods(one.mol)
    assert groups[: len(one.values)].sum() == len(one.values)
    assert groups.sum(1).max() <= len(one.values) / 2
    change = one.prediction - hidden_levels(predictor, one, groups)
    weight = groups.sum(1) ** -0.5
    inside = np.vstack([groups * weight[:, None], np.eye(len(one.values))])
    solved = lsq_linear(inside, np.append(change * weight, np.zeros(len(one.values)))).x
    np.testing.assert_allclose(one.values, solved, atol=1e-6)
    assert 0.5 < one.additivity <= 1


SPELLINGS = [
    ("OC(=O)c1ccc(C)cc1", "Cc1ccc(cc1)C(O)=O", "[Na+].Cc1ccc(cc1)C([O-])=O"),
    ("CC(C)NCC(O)COc1cccc2ccccc12", "c1ccc2c(c1)cccc2OCC(O)CNC(C)C"),
]


@pytest.mark.parametrize("spellings", SPELLINGS)
def test_another_spelling_and_another_batch_give_the_same(spellings: tuple[str, ...]) -> None:
    predictor = acids("evidence")
    alone = [contributions(predictor, one)[0] for one in spellings]
    together = contributions(predictor, ["CCO", *spellings])[1:]
    for one in (*alone, *together):
        assert one.smiles == alone[0].smiles
        assert np.array_equal(one.values, alone[0].values)
        assert Chem.MolToSmiles(one.mol) == one.smiles
        order = [int(i) for i in one.mol.GetPropsAsDict(True, True)["_smilesAtomOutputOrder"]]
        assert order == list(range(one.mol.GetNumAtoms()))


@pytest.mark.parametrize("name", HEADS)
def test_any_head(name: str) -> None:
    """Sound numbers, one an atom; symmetric atoms equal; nothing is kept between two calls."""
    rows = labelled_by_acid().iloc[:24]
    kinds = HEADS[name].kinds
    if "classification" not in kinds:
        rows = rows.assign(value=np.linspace(4, 8, len(rows)))[["smiles", "value"]]
    predictor = molmeta.adapt(rows, learner(), device="cpu", verdict=False, head=name)
    first, second = (
        contributions(predictor, ["CC(C)c1ccc(C(=O)O)cc1", rows["smiles"].iloc[0]]) for _ in range(2)
    )
    for one, again in zip(first, second, strict=True):
        assert one.values.shape == (one.mol.GetNumAtoms(),)
        assert np.isfinite(one.values).all()
        assert np.isfinite(one.prediction)
        assert np.array_equal(one.values, again.values)
    values, mol = first[0].values, first[0].mol
    ranks = np.array(Chem.CanonicalRankAtoms(mol, breakTies=False))
    scale = np.abs(values).max()
    for rank in np.unique(ranks):
        assert np.ptp(values[ranks == rank]) <= 1e-4 * max(scale, 1.0)


def test_a_graph_encoder_has_contributions_too() -> None:
    torch.manual_seed(0)
    gin = Learner({"name": "gin", "width": 16, "depth": 2, "dim": DIM}, {"proto": {"dim": DIM}}).eval()
    predictor = molmeta.adapt(labelled_by_acid().iloc[:24], gin, device="cpu", verdict=False)
    (one,) = contributions(predictor, "CC(C)c1ccc(C(=O)O)cc1")
    assert np.abs(one.values).max() > 0


def test_the_prediction_is_that_of_the_model() -> None:
    """Of a compound that nobody measured; a labelled one is predicted from the others."""
    predictor = acids("evidence")
    new, labelled = "OC(=O)c1ccc(CN2CCOCC2)cc1Cl", predictor.support.smiles[0]
    first, second = contributions(predictor, [new, labelled])
    mols = predictor.ensemble.prepare(read_rows([new], predictor.needs).mols)
    assert first.prediction == pytest.approx(float(level(predictor.conditioned(mols))), abs=1e-5)
    assert first.remembered == pytest.approx(0.0, abs=1e-5)
    left_out = predictor.without(0)
    assert left_out is not None
    assert second.prediction + second.remembered == pytest.approx(float(level(left_out)), abs=1e-5)


def test_what_is_remembered_of_a_compound_is_told_apart() -> None:
    """The shipped model remembers compounds of its training; what it says of these has no atoms."""
    predictor = molmeta.adapt(ASSAYS / "cox.csv", "base", device="cpu", verdict=False)
    known = [one for one in contributions(predictor, readable(DRUGS)[:40]) if abs(one.remembered) > 1e-4]
    assert known
    mols = read_rows([known[0].smiles], predictor.needs).mols
    nameless = replace(mols, identity=torch.zeros(1, dtype=torch.long))
    said = [float(level(predictor.conditioned(predictor.ensemble.prepare(m)))) for m in (mols, nameless)]
    if known[0].smiles not in predictor.places:
        assert known[0].prediction == pytest.approx(said[1], abs=1e-5)
        assert known[0].remembered == pytest.approx(said[0] - said[1], abs=1e-5)


def test_a_prior_has_contributions() -> None:
    (one,) = contributions(molmeta.zero_shot("kinase", "base", device="cpu"), "Nc1ncnc2[nH]ccc12")
    assert np.abs(one.values).max() > 0


@pytest.mark.parametrize("smiles", ["C", "CC", "[I-].C[N+](C)(C)C", "C" * 120, "C1CC12CC2.O"])
def test_small_and_large_and_odd_compounds(smiles: str) -> None:
    (one,) = contributions(acids("evidence"), smiles)
    assert np.isfinite(one.values).all()
    assert len(one.values) == one.mol.GetNumAtoms() >= 1


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(InputError, match="'C1CC' cannot be explained"):
        contributions(acids("evidence"), ["CCO", "C1CC"])
    assert contributions(acids("evidence"), []) == []


def test_masked_batches_carry_all_features() -> None:
    (one,) = (Maskable.of(m, FIELDS) for m in read(["CCO"]))
    batch: MolBatch = one.hide(np.zeros((1, 3), dtype=bool))
    assert all(getattr(batch, name) is not None for name in FIELDS)
