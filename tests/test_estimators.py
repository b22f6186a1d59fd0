"""The estimators: scikit-learn's own checks, and what a script does with them.

The checks feed tables of numbers. On the estimators as they are, those that fit such a table must fail, and
are listed with their reasons; on a subclass that writes each row of numbers as a structure, all must pass.
"""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from rdkit import Chem
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted, validate_data

import molmeta
from molmeta import FewShotClassifier, FewShotRegressor, assays
from molmeta.checkpoint import save_checkpoint
from molmeta.data.table import read_assay
from molmeta.errors import InputError, NotEnoughData
from molmeta.learner import Learner
from molmeta.predictor import Predictor

NUMBERS = "it fits a table of numbers, and X is a column of structures"
CUTS = "it cuts columns out of X, which it has made one-dimensional because such X are accepted"
EMPTY = "it wants scikit-learn's words for an X without columns; ours speak of the column of structures"
SPARSE = "it makes a sparse matrix of an X that it has made one-dimensional, which scipy refuses"
EXPECTED_FAILURES = {
    "check_dict_unchanged": CUTS,
    "check_dont_overwrite_parameters": CUTS,
    "check_dtype_object": NUMBERS,
    "check_estimator_sparse_array": SPARSE,
    "check_estimators_dtypes": NUMBERS,
    "check_estimators_empty_data_messages": EMPTY,
    "check_estimators_fit_returns_self": NUMBERS,
    "check_estimators_overwrite_params": NUMBERS,
    "check_estimators_pickle": NUMBERS,
    "check_f_contiguous_array_estimator": CUTS,
    "check_fit2d_1feature": CUTS,
    "check_fit2d_1sample": CUTS,
    "check_fit2d_predict1d": CUTS,
    "check_fit_check_is_fitted": NUMBERS,
    "check_fit_idempotent": NUMBERS,
    "check_fit_score_takes_y": NUMBERS,
    "check_methods_sample_order_invariance": CUTS,
    "check_methods_subset_invariance": CUTS,
    "check_n_features_in": NUMBERS,
    "check_n_features_in_after_fitting": NUMBERS,
    "check_pipeline_consistency": NUMBERS,
    "check_positive_only_tag_during_fit": NUMBERS,
    "check_readonly_memmap_input": NUMBERS,
    "check_supervised_y_2d": NUMBERS,
}
OF_CLASSES = {
    "check_classifier_data_not_an_array": NUMBERS,
    "check_classifiers_classes": NUMBERS,
    "check_classifiers_train": NUMBERS,
    "check_decision_proba_consistency": NUMBERS,
}
OF_VALUES = {
    "check_regressor_data_not_an_array": NUMBERS,
    "check_regressors_int": NUMBERS,
    "check_regressors_no_decision_function": CUTS,
    "check_regressors_train": NUMBERS,
}

# Each column of a table has atoms of its own, of which a structure holds more the larger the number is.
PIECES = ("C", "O", "N", "S", "C(F)", "C(Cl)", "C(Br)", "C(I)", "C(=O)", "C(O)")


def written(numbers: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Rows of numbers float64[n, d] as structures, of shape (n, 1)."""
    counts = np.clip(np.round(1.5 * (numbers - mean) / scale) + 2, 0, 4).astype(int)
    texts = ["C" + "".join(PIECES[j % len(PIECES)] * k for j, k in enumerate(row)) for row in counts]
    return np.array(texts, dtype=object).reshape(-1, 1)


class OnNumbers:
    """An estimator of which the X are numbers, written as structures."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.string = tags.input_tags.one_d_array = tags.input_tags.allow_nan = False
        if tags.regressor_tags is not None:
            tags.regressor_tags.poor_score = True  # five sizes a column say too little of a number
        return tags

    def fit(self, X: Any, y: Any = None) -> Any:
        X = validate_data(self, X, dtype=np.float64)
        self.mean_, self.scale_ = X.mean(0), np.where(X.std(0) > 0, X.std(0), 1)
        super().fit(written(X, self.mean_, self.scale_), y)  # type: ignore[misc]
        self.n_features_in_ = X.shape[1]
        return self

    def predict_frame(self, X: Any, columns: Any = None) -> pd.DataFrame:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return super().predict_frame(written(X, self.mean_, self.scale_), columns)  # type: ignore[misc]


class ClassifierOnNumbers(OnNumbers, FewShotClassifier):
    pass


class RegressorOnNumbers(OnNumbers, FewShotRegressor):
    pass


def small(folder: Path, heads: dict[str, dict[str, Any]]) -> str:
    torch.manual_seed(0)
    save_checkpoint(folder, Learner({"name": "fingerprint", "width": 32, "depth": 1, "dim": 16}, heads))
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return small(tmp_path_factory.mktemp("models") / "small", {"evidence": {"dim": 16}})


@pytest.fixture(scope="module")
def quick_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One whose head fits in no time, for checks that do not ask how good it is."""
    return small(tmp_path_factory.mktemp("models") / "quick", {"knn": {}})


@pytest.fixture(scope="module")
def bbb() -> pd.DataFrame:
    return pd.read_csv(assays.path("bbb"))


@pytest.fixture(scope="module")
def logp() -> pd.DataFrame:
    return pd.read_csv(assays.path("logp")).sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def classifier(model: str, alcohols: tuple[list[str], list[int]]) -> FewShotClassifier:
    return FewShotClassifier(model).fit(*alcohols)


@pytest.fixture(scope="module")
def alcohols() -> tuple[list[str], list[int]]:
    """Alcohols, of class 1, and amines."""
    return [f"{'C' * n}{end}" for n in range(1, 11) for end in "ON"], [1, 0] * 10


def failures(estimator: Any) -> dict[str, list[str]]:
    """Checks that fail, with the exceptions."""
    found: dict[str, list[str]] = {}
    for result in check_estimator(estimator, on_fail=None, on_skip=None):
        if result["status"] == "failed":
            found.setdefault(result["check_name"], []).append(repr(result["exception"])[:300])
    return found


@pytest.mark.parametrize(("kind", "more"), [(FewShotClassifier, OF_CLASSES), (FewShotRegressor, OF_VALUES)])
def test_only_the_listed_checks_fail_and_all_of_these(kind: type, more: dict[str, str], quick_model: str):
    failed = failures(kind(quick_model, device="cpu"))
    expected = EXPECTED_FAILURES | more
    assert set(failed) == set(expected), {name: failed.get(name) for name in set(failed) ^ set(expected)}


# Rows of numbers that are written as one structure may have two labels.
@pytest.mark.filterwarnings("ignore:.* left out:UserWarning")
@pytest.mark.parametrize("kind", [ClassifierOnNumbers, RegressorOnNumbers])
def test_all_checks_pass_where_numbers_are_written_as_structures(
    kind: type, quick_model: str, monkeypatch: pytest.MonkeyPatch
):
    # Each of 200 fitted compounds from the 199 others, a dozen times, is what would take the time here.
    monkeypatch.setattr(Predictor, "without", lambda self, i: None)
    assert not failures(kind(quick_model, device="cpu"))


def test_it_predicts_what_the_command_line_does(model: str, bbb: pd.DataFrame):
    given, other = bbb.iloc[:24], bbb["smiles"].iloc[24:]
    fitted = FewShotClassifier(model).fit(given["smiles"], given["bbb"])
    told = molmeta.adapt(read_assay(given), model, verdict=False)
    expected = told.predict(other)
    np.testing.assert_allclose(fitted.predict_proba(other)[:, 1], expected["mm_probability"], rtol=1e-6)
    assert fitted.threshold_ == pytest.approx(told.calibration.threshold)


def test_a_classifier_is_consistent(classifier: FewShotClassifier):
    new = ["CC(C)CO", "CC(C)CN", "CC(O)C", "CC(C)CCN"]
    probability, decision = classifier.predict_proba(new), classifier.decision_function(new)
    np.testing.assert_allclose(probability.sum(1), 1)
    np.testing.assert_allclose(np.log(probability[:, 1] / probability[:, 0]), decision, atol=1e-9)
    assert classifier.predict(new).tolist() == [1, 0, 1, 0]
    assert classifier.score(new, [1, 0, 1, 0]) == 1


@pytest.mark.parametrize(
    ("classes", "told", "active"),
    [
        (("active", "inactive"), None, "active"),
        (("Hit", "no hit"), None, "Hit"),
        (("measured", "inactive"), None, "measured"),
        (("yes", "no"), None, "yes"),
        ((True, False), None, True),
        ((2, 7), None, 7),
        ((2, 7), 2, 2),
        (("a", "b"), "a", "a"),
    ],
)
def test_which_class_is_active(
    model: str, alcohols: tuple[list[str], list[int]], classes: Any, told: Any, active: Any
):
    smiles, alcohol = alcohols
    y = np.array([classes[0] if one else classes[1] for one in alcohol])
    fitted = FewShotClassifier(model, active=told).fit(smiles, y)
    assert fitted.active_ == active
    assert fitted.classes_.tolist() == sorted(classes)
    assert fitted.predict(["CC(C)CO", "CC(C)CN"]).tolist() == list(classes)
    expected = fitted.predict_frame(["CC(C)CO"])["mm_probability"].item()
    place = fitted.classes_.tolist().index(active)
    assert fitted.predict_proba(["CC(C)CO"])[0, place] == pytest.approx(expected)
    assert (fitted.decision_function(["CC(C)CO"])[0] > 0) == (fitted.classes_[1] == classes[0])


def test_lower_is_better_turns_the_ranking_and_nothing_else(
    model: str, alcohols: tuple[list[str], list[int]], classifier: FewShotClassifier
):
    turned = FewShotClassifier(model, lower_is_better=True).fit(*alcohols)
    new = ["CC(C)CO", "CC(C)CN"]
    np.testing.assert_allclose(turned.decision_function(new), classifier.decision_function(new))
    np.testing.assert_allclose(turned.predict_frame(new)["mm_score"], -classifier.decision_function(new))


def test_every_form_of_x(classifier: FewShotClassifier):
    new = ["CC(C)CO", "CC(C)CN"]
    mols = [Chem.MolFromSmiles(one) for one in new]
    expected = classifier.predict_proba(new)
    for form in (
        np.array(new),
        np.array(new, dtype=object),
        np.array(new).reshape(-1, 1),
        [[one] for one in new],
        tuple(new),
        pd.Series(new),
        pd.Series(new, dtype=object),
        pd.DataFrame({"s": new}),
        mols,
        pd.Series(mols),
        pd.DataFrame({"mol": mols}),
        np.array(mols, dtype=object),
        [mols[0], new[1]],
    ):
        np.testing.assert_allclose(classifier.predict_proba(form), expected, rtol=1e-5)


def test_frames_keep_the_index(classifier: FewShotClassifier):
    series = pd.Series(["CCO", None, "C1CC"], index=["a", "b", "a"])
    for form in (series, series.to_frame("smiles")):
        frame = classifier.predict_frame(form)
        assert frame.index.tolist() == ["a", "b", "a"]
        assert frame["mm_status"].tolist() == ["ok", "empty", "invalid_smiles"]
    assert list(classifier.predict_frame(series, ["mm_score"])) == ["mm_score"]


def test_names_of_an_index_are_names_of_compounds(model: str, alcohols: tuple[list[str], list[int]]):
    smiles, y = alcohols
    named = pd.Series(smiles, index=[f"compound {i}" for i in range(len(smiles))])
    fitted = FewShotClassifier(model).fit(named, y)
    assert fitted.predict_frame(["CCO"])["mm_nearest"].item() == "compound 2"


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("CCO", "wanted several, one a row"),
        (Chem.MolFromSmiles("CCO"), "wanted several, one a row"),
        (np.zeros((3, 2)), "shape"),
        (pd.DataFrame({"a": ["CCO"], "b": ["CCN"]}), "choose the column"),
        (pd.Series([1.0, 2.0]), "found numbers"),
        ([["CCO", "CCN"]], "rows of"),
        (3, "type int"),
    ],
)
def test_what_is_no_column_of_structures_is_refused(classifier: FewShotClassifier, form: Any, says: str):
    with pytest.raises(InputError, match=says):
        classifier.predict_proba(form)


def test_patterns_and_broken_molecules_are_no_compounds(classifier: FewShotClassifier):
    broken = Chem.MolFromSmiles("C(C)(C)(C)(C)C", sanitize=False)
    with pytest.warns(UserWarning, match=r"3 rows of X are predicted as nan: X\[0\] a molecule of 2 atoms"):
        found = classifier.predict_proba([Chem.MolFromSmarts("CO"), broken, None, "CCO"])
    assert np.isnan(found[:3]).all()
    assert not np.isnan(found[3]).any()


def test_unreadable_rows_are_nan_but_no_class(classifier: FewShotClassifier):
    rows = ["CCO", "C1CC", "", "CCN"]
    with pytest.warns(UserWarning, match=r"X\[1\] 'C1CC' \(invalid_smiles\), X\[2\] '' \(empty\)"):
        assert np.isnan(classifier.predict_proba(rows)).any(1).tolist() == [False, True, True, False]
    with pytest.warns(UserWarning, match="2 rows"):
        assert np.isnan(classifier.decision_function(rows)).tolist() == [False, True, True, False]
    with pytest.raises(InputError, match=r"a class cannot be missing: X\[1\] 'C1CC' \(invalid_smiles\)"):
        classifier.predict(rows)


def test_fit_leaves_out_what_it_cannot_read_and_says_so(model: str, alcohols: tuple[list[str], list[int]]):
    smiles, y = alcohols
    more = [*smiles, "C1CC", "CCO.Cl", "OCC"]
    with pytest.warns(UserWarning, match=r"1 row of X is left out: X\[20\] 'C1CC' \(invalid_smiles\)"):
        fitted = FewShotClassifier(model).fit(more, [*y, 1, 1, 1])
    report = fitted.predictor_.report
    assert (report.n_rows, report.n, report.rejected) == (23, 20, 1)
    assert fitted.predictor_.support.rows[2] == (3, 22, 23)  # the salt and the other spelling are ethanol


@pytest.mark.parametrize(
    ("y", "error", "says"),
    [
        ([0, 1, 2] * 4, InputError, "Only binary classification is supported"),
        ([0.5, 1.5] * 6, InputError, "Unknown label type"),
        ([1] * 12, NotEnoughData, "holds one class"),
        ([None, "a", "b"] * 4, InputError, r"4 rows of y have no label \(y\[0\], y\[3\]"),
        ([0, 1], ValueError, "inconsistent numbers of samples"),
        (None, InputError, "requires y to be passed"),
    ],
)
def test_labels_that_are_no_two_classes(model: str, y: Any, error: type[Exception], says: str):
    with pytest.raises(error, match=says):
        FewShotClassifier(model).fit(["C" * n for n in range(1, 13)], y)


@pytest.mark.parametrize(
    ("y", "says"),
    [
        ([1.0, ">10", 3.0], "molmeta.adapt reads bounds"),
        ([1.0, np.inf, 3.0], r"y\[1\] is inf"),
        ([1.0, np.nan, 3.0], r"1 row of y has no label \(y\[1\]\)"),
    ],
)
def test_labels_that_are_no_values(model: str, y: Any, says: str):
    with pytest.raises(InputError, match=says):
        FewShotRegressor(model).fit(["CCO", "CCN", "CCC"], y)


def test_values_have_a_standard_deviation(model: str, logp: pd.DataFrame):
    known, new = logp.iloc[:30], logp.iloc[30:].dropna(subset=["smiles", "logP"])
    fitted = FewShotRegressor(model).fit(known["smiles"], known["logP"])
    value, std = fitted.predict(new["smiles"], return_std=True)
    np.testing.assert_array_equal(value, fitted.predict(new["smiles"]))
    assert (std > 0).all()
    assert np.corrcoef(value, new["logP"])[0, 1] > 0.5
    assert fitted.predictor_.name == "logP"
    with pytest.warns(UserWarning, match="1 row"):
        value, std = fitted.predict(["nonsense", "CCO"], return_std=True)
    assert np.isnan([value[0], std[0]]).all()


def test_nothing_is_predicted_before_fitting(model: str):
    with pytest.raises(NotFittedError):
        FewShotClassifier(model).predict(["CCO"])


def test_copies_predict_the_same(classifier: FewShotClassifier):
    new = ["CC(C)CO", "CC(C)CN", "CCO"]
    expected = classifier.predict_proba(new)
    for again in (pickle.loads(pickle.dumps(classifier)), copy.deepcopy(classifier)):
        np.testing.assert_array_equal(again.predict_proba(new), expected)
    fresh = clone(classifier)
    assert not hasattr(fresh, "predictor_")
    assert fresh.get_params() == classifier.get_params()


def test_a_random_state_decides_the_splits(model: str, alcohols: tuple[list[str], list[int]]):
    seeds = [
        FewShotClassifier(model, random_state=one).fit(*alcohols).predictor_.recipe.seed
        for one in (3, np.random.RandomState(5), np.random.RandomState(5), np.int64(7))
    ]
    assert seeds[0] == 3
    assert seeds[1] == seeds[2]
    assert seeds[3] == 7


def test_cross_validation_in_processes(model: str, alcohols: tuple[list[str], list[int]]):
    smiles, y = alcohols
    splits = StratifiedKFold(2, shuffle=True, random_state=0)
    alone = cross_val_score(FewShotClassifier(model), smiles, y, cv=splits, scoring="roc_auc")
    many = cross_val_score(FewShotClassifier(model), smiles, y, cv=splits, scoring="roc_auc", n_jobs=2)
    np.testing.assert_allclose(alone, many)
    assert alone.mean() > 0.9


def test_pipelines_and_searches(model: str, alcohols: tuple[list[str], list[int]]):
    smiles, y = alcohols
    table = pd.DataFrame({"id": range(len(smiles)), "smiles": smiles})
    choose = ColumnTransformer([("structures", "passthrough", ["smiles"])])
    pipeline = make_pipeline(choose, FewShotClassifier(model))
    assert pipeline.fit(table, y).score(table, y) > 0.8
    read = FunctionTransformer(lambda texts: [Chem.MolFromSmiles(one) for one in texts])
    assert cross_val_predict(make_pipeline(read, FewShotClassifier(model)), smiles, y, cv=2).shape == (20,)
    search = GridSearchCV(FewShotClassifier(model), {"conflicts": ["median", "drop"]}, cv=2)
    assert search.fit(smiles, y).best_score_ > 0.8


def test_a_fitted_one_is_saved_as_any_model(classifier: FewShotClassifier, tmp_path: Path):
    classifier.predictor_.save(tmp_path / "alcohols.molmeta")
    again = molmeta.load(tmp_path / "alcohols.molmeta")
    new = ["CC(C)CO", "CC(C)CN"]
    np.testing.assert_allclose(again.predict(new)["mm_probability"], classifier.predict_proba(new)[:, 1])
    more = pd.DataFrame({"smiles": ["CC(C)(C)O"], "y": [1]})
    assert molmeta.update(again, more).report.n == 21


def test_a_notebook_shows_the_model_once_it_is_fitted(classifier: FewShotClassifier):
    html = classifier._repr_html_()
    assert html == classifier._repr_mimebundle_()["text/html"]
    assert "FewShotClassifier" in html
    assert html.count("<svg") == 6
    assert "<script" not in html
    assert "<svg" not in clone(classifier)._repr_html_()
