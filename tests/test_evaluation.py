"""`evaluate` against the same steps done by hand, and what it promises about encoders and draws."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as oracle
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from molmeta.data.corpus import COLUMNS, Corpus, build_corpus
from molmeta.data.episode import Labelled
from molmeta.data.protocol import Draw, Rows, measured, sample_draws
from molmeta.encoders.base import Encoder, Frozen
from molmeta.errors import ConfigError
from molmeta.evaluation import Method, baselines, evaluate, methods_of, needs_of
from molmeta.heads.base import Conditioned, Head
from molmeta.learner import Learner
from molmeta.metrics import CLASSES, VALUES
from molmeta.prediction import Prediction

# fmt: off
ACIDS = (
    "CC(=O)Oc1ccccc1C(=O)O", "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "COc1ccc2cc(ccc2c1)C(C)C(=O)O",
    "OC(=O)c1ccccc1O", "OC(=O)Cc1ccccc1Nc1c(Cl)cccc1Cl", "CC(C(=O)O)c1cccc(c1)C(=O)c1ccccc1",
    "OC(=O)c1ccccc1Nc1cccc(c1)C(F)(F)F", "Cc1cccc(c1C)Nc1ccccc1C(=O)O", "CC(C(=O)O)c1ccc(c(F)c1)-c1ccccc1",
    "OC(=O)c1cccnc1", "CCCC(CCC)C(=O)O", "OC(=O)c1ccc(cc1)S(=O)(=O)N(CCC)CCC",
)
AMINES = (
    "CN1C2CCC1CC(C2)OC(=O)C(CO)c1ccccc1", "NCCc1ccc(O)c(O)c1", "CNC(C)Cc1ccccc1",
    "CN(C)CCCN1c2ccccc2CCc2ccccc12", "CNCCC(Oc1ccc(cc1)C(F)(F)F)c1ccccc1", "CC(C)NCC(O)COc1cccc2ccccc12",
    "CC(C)NCC(O)COc1ccc(CC(N)=O)cc1", "CCN(CC)CCNC(=O)c1ccc(N)cc1", "CCN(CC)CC(=O)Nc1c(C)cccc1C",
    "CN(C)CCOC(c1ccccc1)c1ccccc1", "CNCCCN1c2ccccc2CCc2ccccc12", "NCCc1c[nH]c2ccc(O)cc12",
)
# fmt: on
K = 8


@pytest.fixture(scope="module")
def learner() -> Learner:
    torch.manual_seed(0)
    encoder = {"name": "fingerprint", "width": 16, "depth": 1, "dim": 8}
    return Learner(
        encoder, {"proto": {"dim": 8}, "evidence": {"dim": 8}, "maml": {"dim": 8, "eval_steps": 2}}
    )


@pytest.fixture(scope="module")
def corpus(learner: Learner) -> Corpus:
    """Acids are active. A holds two structures that no one can read, B has values, and one acid twice."""
    table = []
    for i, (acid, amine) in enumerate(zip(ACIDS, AMINES, strict=True)):
        for name in ("A", "B"):
            table += [(name, acid, 1, 7 + i / 10, "="), (name, amine, 0, 5 - i / 10, "<" if i == 3 else "=")]
    table += [("A", "C1CC", 1, np.nan, "="), ("A", "C(C", 0, np.nan, "="), ("B", ACIDS[0], 0, 6.0, "=")]
    assays = pd.DataFrame(
        {"kind": ["percent", "pXC50"], "role": "dev", "kinase": [True, False], "panel": False},
        index=pd.Index(["A", "B"], name="assay"),
    )
    return build_corpus(pd.DataFrame(table, columns=list(COLUMNS)), assays, learner.needs)


class Watcher(Head):
    """Says the support set's prevalence, and remembers which encoders it was given."""

    kinds = frozenset({"classification"})

    def __init__(self) -> None:
        super().__init__()
        self.encoders: list[Encoder] = []
        self.modes: list[bool] = []
        self.inner = next(iter(baselines(["mean"]).values())).head

    def condition(self, encoder: Encoder, support: Labelled) -> Conditioned:
        self.encoders.append(encoder)
        self.modes.append(self.training or torch.is_grad_enabled())
        return self.inner.condition(encoder, support)


class Adapter(Watcher):
    adapts_encoder = True


def test_table_of_a_classification(corpus: Corpus, learner: Learner):
    methods = baselines(["mean", "knn"]) | methods_of(learner)
    table = evaluate(corpus, methods, [K, 12], draws=3)
    assert tuple(table.columns) == ("assay", "k", "seed", "method", "n_query", *CLASSES)
    assert len(table) == 2 * 2 * 3 * 5
    assert table["method"].unique().tolist() == ["mean", "knn", "proto", "evidence", "maml"]
    assert set(table["n_query"][table["assay"] == "A"]) == {26 - K, 26 - 12}
    assert np.isfinite(table[list(CLASSES)]).all(axis=None)
    blind = table[(table["method"] == "mean") & (table["assay"] == "B")]
    assert blind["delta_auprc"].tolist() == pytest.approx([0.0] * len(blind))
    assert blind["auroc"].tolist() == pytest.approx([0.5] * len(blind))
    assert table[table["method"] == "knn"]["delta_auprc"].mean() > 0.2


def test_draws_and_numbers_can_be_others(corpus: Corpus):
    def first_actives(rows: Rows, k: int, n: int) -> Iterator[Draw]:
        order = np.argsort(-rows.y, kind="stable")
        support = np.r_[order[:1], order[1 - k :]]
        yield Draw(7, support, np.setdiff1d(order, support))

    def count(support: Rows, query: Rows, prediction: Prediction) -> dict[str, float]:
        return {"active": float(support.y.sum()), "asked": float(len(prediction))}

    table = evaluate(
        corpus, baselines(["mean"]), [K], draws=3, protocol="clean", sampler=first_actives, score=count
    )
    assert table.columns.tolist() == ["assay", "k", "seed", "method", "n_query", "active", "asked"]
    assert table["seed"].tolist() == [7, 7]
    assert table["active"].tolist() == [1.0, 1.0]
    assert table["asked"].tolist() == table["n_query"].tolist()


def test_the_heads_can_be_averaged(corpus: Corpus, learner: Learner):
    table = evaluate(corpus, methods_of(learner, ["average", "proto", "evidence"]), [12], draws=3)
    scores = table.pivot_table(index=["assay", "seed"], columns="method", values="nll")
    assert np.isfinite(scores).all(axis=None)
    # An average of probabilities is never worse than the worst of them, compound by compound.
    assert (scores["average"] <= scores[["proto", "evidence"]].max(axis=1) + 0.05).all()


def test_numbers_are_those_of_the_steps_done_by_hand(corpus: Corpus):
    head = baselines(["knn"])["knn"].head
    table = evaluate(corpus, {"knn": Method(head)}, [K], draws=2)
    for name in ("A", "B"):
        span = corpus.rows(name)
        order = np.r_[np.flatnonzero(corpus.label[span] == 0), np.flatnonzero(corpus.label[span] == 1)]
        mol, y = corpus.mol[span][order], corpus.label[span][order]
        for seed in range(2):
            splitter = StratifiedShuffleSplit(1, train_size=K, test_size=len(y) - K, random_state=seed)
            support, query = next(splitter.split(y, y))
            usable = support[mol[support] >= 0]
            probability = np.full(len(query), y[usable].mean(), dtype=float)
            data = Labelled(
                corpus.mols.select(torch.from_numpy(mol[usable])),
                torch.from_numpy(y[usable]),
                torch.zeros(len(usable), dtype=torch.int8),
                corpus.labelled(name).target,
            )
            readable = mol[query] >= 0
            compounds = corpus.mols.select(torch.from_numpy(mol[query][readable]))
            probability[readable] = head.condition(Frozen(0), data)(compounds).probability
            row = table[(table["assay"] == name) & (table["seed"] == seed)].iloc[0]
            assert row["n_query"] == len(query)
            assert row["prevalence"] == pytest.approx(y[query].mean())
            assert row["auprc"] == pytest.approx(oracle.average_precision_score(y[query], probability))
            assert row["auroc"] == pytest.approx(oracle.roc_auc_score(y[query], probability))
            assert row["nll"] == pytest.approx(oracle.log_loss(y[query], probability))
            assert row["brier"] == pytest.approx(oracle.brier_score_loss(y[query], probability))


def test_clean_has_each_compound_once(corpus: Corpus):
    table = evaluate(corpus, baselines(["knn"]), [K], draws=1, protocol="clean")
    # A loses its two unreadable rows, B the acid that has both labels.
    assert table.set_index("assay")["n_query"].to_dict() == {"A": 24 - K, "B": 23 - K}


def test_table_of_a_regression(corpus: Corpus):
    head = baselines(["gp-tanimoto"])["gp-tanimoto"].head
    table = evaluate(corpus, {"evidence": Method(head)}, [K], draws=2, kind="regression")
    assert tuple(table.columns) == ("assay", "k", "seed", "method", "n_query", *VALUES)
    assert set(table["assay"]) == {"B"}
    span = corpus.rows("B")
    mol, y = corpus.mol[span], corpus.value[span]
    support, query = next(ShuffleSplit(1, train_size=K, test_size=len(y) - K, random_state=0).split(y))
    data = Labelled(
        corpus.mols.select(torch.from_numpy(mol[support])),
        torch.from_numpy(y[support]),
        torch.from_numpy(corpus.relation[span][support]),
        corpus.labelled("B", "regression").target,
    )
    with torch.no_grad():
        found = head.eval().condition(Frozen(0), data)(corpus.mols.select(torch.from_numpy(mol[query])))
    row = table.iloc[0]
    error, spread = y[query] - found.mean.numpy(), y[query] - y[support].mean()
    assert row["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert row["r2_os"] == pytest.approx(1 - np.sum(error**2) / np.sum(spread**2), rel=1e-5)
    assert row["nll"] == pytest.approx(-found.log_prob(torch.from_numpy(y[query])).mean().item())
    low, high = (side.numpy() for side in found.interval(0.9))
    assert row["width90"] == pytest.approx((high - low).mean())
    assert row["coverage90"] == pytest.approx(((low <= y[query]) & (y[query] <= high)).mean())


def test_an_unreadable_value_is_predicted_from_the_support_set():
    rows = [("A", text, 0, 4 + i / 4, "=") for i, text in enumerate(ACIDS)] + [("A", "C1CC", 0, 8.0, "=")] * 8
    assays = pd.DataFrame({"kind": ["pXC50"]}, index=pd.Index(["A"], name="assay"))
    corpus = build_corpus(pd.DataFrame(rows, columns=list(COLUMNS)), assays, {"counts"})
    table = evaluate(corpus, baselines(["mean"]), [6], draws=3, kind="regression")
    assert len(table) == 3
    assert np.isfinite(table[list(VALUES)]).all(axis=None)
    # Every compound gets the mean of the readable support compounds, which is the baseline of R2.
    assert table["r2_os"].tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    for row, draw in zip(
        table.itertuples(), sample_draws(measured(corpus, "A", "regression"), 6, 3), strict=True
    ):
        known = draw.support[corpus.mol[draw.support] >= 0]
        error = corpus.value[draw.query] - corpus.value[known].mean()
        assert row.rmse == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)


def test_compounds_are_embedded_once_an_assay(corpus: Corpus, learner: Learner):
    sizes: list[int] = []
    handle = learner.encoder.register_forward_hook(lambda module, inputs, out: sizes.append(inputs[0].n))
    evaluate(corpus, methods_of(learner, ["proto", "evidence"]), [K], draws=3)
    handle.remove()
    assert sizes == [24, 24]


def test_only_heads_that_adapt_the_encoder_get_it(corpus: Corpus, learner: Learner):
    plain, adapter = Watcher(), Adapter()
    learner.train()
    adapter.train()
    before = {key: value.clone() for key, value in learner.state_dict().items()}
    methods = {"plain": Method(plain, learner), "adapter": Method(adapter, learner)} | methods_of(learner)
    evaluate(corpus, methods, [K], draws=1)
    assert all(isinstance(encoder, Frozen) for encoder in plain.encoders)
    assert all(encoder is learner.encoder for encoder in adapter.encoders)
    assert len(adapter.encoders) == 2
    assert not any(adapter.modes)  # evaluation mode, no gradients ...
    assert all(module.training for module in (*learner.modules(), adapter))  # ... and back
    assert all(torch.equal(before[key], value) for key, value in learner.state_dict().items())


def test_methods_do_not_change_each_other(corpus: Corpus, learner: Learner):
    names = ["proto", "evidence", "maml"]
    together = evaluate(corpus, methods_of(learner, names), [K], draws=2)
    for name in names:
        alone = evaluate(corpus, methods_of(learner, [name]), [K], draws=2)
        part = together[together["method"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(part, alone)


def test_processes_do_not_change_the_table(corpus: Corpus, learner: Learner):
    methods = baselines(["knn"]) | methods_of(learner, ["proto"])
    seen: list[tuple[int, int]] = []
    one = evaluate(corpus, methods, [K], draws=2, progress=lambda done, total: seen.append((done, total)))
    pd.testing.assert_frame_equal(one, evaluate(corpus, methods, [K], draws=2, workers=2))
    assert seen == [(1, 2), (2, 2)]


def test_sizes_that_are_too_large_have_no_rows(corpus: Corpus):
    table = evaluate(corpus, baselines(["mean"]), [K, 500], draws=1)
    assert table["k"].unique().tolist() == [K]
    assert evaluate(corpus, baselines(["mean"]), [500], draws=1).empty


def test_needs_are_those_of_the_encoder_and_the_heads(learner: Learner):
    assert needs_of(baselines(["mean"])) == frozenset()
    assert needs_of(baselines(["mean", "rf"])) == {"counts"}
    assert needs_of(methods_of(learner)) == learner.encoder.needs | {"counts", "pairs", "identity"}


def test_what_does_not_fit_is_named(corpus: Corpus, learner: Learner):
    with pytest.raises(ConfigError, match="unknown protocol"):
        evaluate(corpus, baselines(["mean"]), protocol="both")
    with pytest.raises(ConfigError, match="'proto' does not handle regression"):
        evaluate(corpus, methods_of(learner), kind="regression")
    with pytest.raises(ConfigError, match="no head 'forest'"):
        methods_of(learner, ["forest"])
    with pytest.raises(ConfigError, match="unknown head 'forest'"):
        baselines(["forest"])
