"""`update`: the same model as `adapt` makes of all rows at once, and every row accounted for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load as load_tensors

from molmeta import assays
from molmeta.adaptation import adapt
from molmeta.adaptreport import Change
from molmeta.checkpoint import save_checkpoint
from molmeta.conformity import Conformity
from molmeta.data.table import read_assay
from molmeta.errors import CheckpointError, ConfigError, InputError, MolmetaError, RefusedError
from molmeta.learner import Learner
from molmeta.loading import load
from molmeta.predictor import Predictor
from molmeta.unbundle import is_reference
from molmeta.updating import update

QUERIES = ["CCO", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "CN1CCC[C@H]1c1cccnc1", "C1CC", "FC(F)(F)c1ccccc1"]
# What may differ: where the rows came from, and how long it took.
OWN = {"notes", "seconds", "change"}


def make_learner() -> Learner:
    torch.manual_seed(0)
    heads: dict[str, dict[str, Any]] = {
        "evidence": {"dim": 16},
        "anil": {"dim": 16},
        "mahalanobis": {"dim": 16, "project": 8},
    }
    model = Learner({"name": "fingerprint", "width": 32, "depth": 1, "dim": 16}, heads).eval()
    size = np.array([8, 64], dtype=np.float32)
    quantiles = np.linspace(-3, 3, 101, dtype=np.float32)[None].repeat(2, 0)
    model.conformity = Conformity(size, quantiles, quantiles.copy(), np.abs(quantiles))
    return model


@pytest.fixture(scope="module")
def learner() -> Learner:
    return make_learner()


def frame(name: str) -> pd.DataFrame:
    return pd.read_csv(assays.path(name), dtype=str, keep_default_na=False)


def assert_same(found: Predictor, whole: Predictor) -> None:
    pd.testing.assert_frame_equal(found.predict(QUERIES), whole.predict(QUERIES), rtol=1e-6, atol=1e-6)
    assert found.support == whole.support
    for part in ("calibration", "domain"):
        ours, theirs = (vars(getattr(one, part)) for one in (found, whole))
        assert ours == pytest.approx(theirs, abs=1e-6)
    ours, theirs = vars(found.report), vars(whole.report)
    assert {k: v for k, v in ours.items() if k not in OWN} == {
        k: v for k, v in theirs.items() if k not in OWN
    }


def assert_accounts(change: Change) -> None:
    assert change.read == change.added + change.merged + len(change.rejected) + change.unlabelled
    assert change.after == change.before + change.added - len(change.left_out)


def check(
    a: pd.DataFrame, b: pd.DataFrame, model: Learner, path: Path | None = None, **options: Any
) -> Change:
    """Adapts to `a` and updates with `b`, through a file where a path is given; the same as both at once."""
    start = adapt(a, model, verdict=False, **options)
    if path is not None:
        start.save(path, force=True)
        start = load(path)
    before = start.predict(QUERIES)
    found = update(start, b)
    whole = adapt(pd.concat([a, b], ignore_index=True), model, verdict=False, **options)
    assert_same(found, whole)
    pd.testing.assert_frame_equal(start.predict(QUERIES), before, check_exact=True)
    change = found.report.change
    assert change is not None
    assert_accounts(change)
    assert (change.before, change.after) == (start.report.n, whole.report.n)
    return change


@pytest.mark.parametrize("name", ["bbb", "logp", "cox"])
@pytest.mark.parametrize("head", [None, "average", "anil"])
def test_equals_adapting_to_all_rows(name: str, head: str | None, learner: Learner, tmp_path: Path):
    table = frame(name)
    check(table.iloc[:-9], table.iloc[-9:], learner, tmp_path / "a.molmeta", head=head, seed=3)


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_split_of_the_messy_assay(data: st.DataObject):
    """In any order of its rows: bounds, replicates, salts, rows without structure and without label."""
    table = frame("cox").iloc[data.draw(st.permutations(range(50)))]
    cut = data.draw(st.integers(15, 46))  # three rows cannot be used
    conflicts = data.draw(st.sampled_from(["median", "drop"]))
    check(table.iloc[:cut], table.iloc[cut:], make_learner(), conflicts=conflicts)


def test_several_updates_are_one(learner: Learner):
    table = frame("cox")
    found = adapt(table.iloc[:30], learner, verdict=False)
    for start in range(30, 50, 7):
        found = update(found, table.iloc[start : start + 7])
    assert_same(found, adapt(table, learner, verdict=False))


def classes(*rows: tuple[str, object]) -> pd.DataFrame:
    return pd.DataFrame([(*row, f"c{i}") for i, row in enumerate(rows)], columns=["smiles", "active", "name"])


OLD = [(f"{'C' * n}{end}", label) for n in range(2, 9) for end, label in (("O", 1), ("N", 0))]


def test_replicates_join_across_files(learner: Learner):
    """A draw of 1:1 leaves a compound out, a third row decides; what was out may come back."""
    again = check(classes(*OLD), classes(("OCC", 0), ("C(C)N", 0), ("CCCCl", 1), ("ClCCC", 1)), learner)
    assert (again.added, again.merged) == (1, 2)
    assert [r.row for r in again.rejected] == [1]
    assert again.left_out == ("c0",)
    assert [r.smiles for r in again.remeasured] == ["CCN"]
    back = check(classes(*OLD, ("OCC", 0)), classes(("CCO", 0)), learner)
    assert (back.added, back.merged, back.before, back.after) == (1, 0, 13, 14)


def values(*rows: tuple[str, object], column: str = "IC50_nM") -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["smiles", column])


POTENT = [(f"{'C' * n}{end}", str(10**k)) for n in range(2, 8) for end, k in (("O", n - 2), ("N", 5))]


@pytest.mark.parametrize("conflicts", ["median", "drop"])
def test_values_that_disagree_are_merged_as_a_whole(conflicts: str, learner: Learner):
    """The median of three rows is none of the median of two and the third."""
    a = values(*POTENT, ("OCC", "3"))
    found = check(a, values(("CCO", "9000"), ("CCCO", ">50"), ("CCCCBr", "7")), learner, conflicts=conflicts)
    assert found.read == 3
    if conflicts == "median":
        (ethanol, propanol) = found.remeasured
        assert 10 ** (9 - ethanol.after) == pytest.approx(3)
        # 10 nM and "> 50 nM" contradict each other, so that the bound counts as its value.
        assert 10 ** (9 - propanol.after) == pytest.approx((10 * 50) ** 0.5)
        assert propanol.relations == (0, 0)
        assert "1 bound beside exact values that contradict it, merged as a value" in found.notes
        assert any(note.startswith("replicates disagree: rows 1, 13, 14") for note in found.notes)
    else:
        assert found.left_out == ("CCO",)
        assert [r.reason for r in found.rejected] == ["bad_label"]


@pytest.mark.parametrize(
    "options", [{"censored": "drop"}, {"active_if": ">= 6.5"}, {"lower_is_better": True}]
)
def test_options_of_the_first_rows_hold_for_the_others(
    options: dict[str, Any], learner: Learner, tmp_path: Path
):
    a, b = values(*POTENT), values(("CCCCCCCO", ">200000"), ("CCCCCCCN", "3"), ("OCC", "<1"))
    check(a, b, learner, tmp_path / "a.molmeta", **options)


def test_stopping_at_conflicts_holds_too(learner: Learner):
    start = adapt(classes(*OLD), learner, verdict=False, conflicts="stop")
    with pytest.raises(InputError, match=r"replicates disagree: rows 1, 15"):
        update(start, classes(("OCC", 0)))
    assert update(start, classes(("OCC", 0)), conflicts="median").report.n == 13


@pytest.mark.parametrize(
    ("column", "cell"),
    [("IC50_nM", "3"), ("IC50 (uM)", "0.003"), ("pIC50", "8.522879"), ("IC50_nM", "0.003 uM")],
)
def test_units_are_converted(column: str, cell: str, learner: Learner):
    start = adapt(values(*POTENT), learner, verdict=False)
    found = update(start, values(("CCCCCCCl", cell), column=column))
    assert found.support.values[-1] == pytest.approx(8.522879, abs=1e-6)
    assert found.report.target == start.report.target


def test_a_unit_that_was_told_is_remembered(learner: Learner):
    a = values(*POTENT, column="IC50")
    check(a, values(("CCBr", "3"), ("CCI", "4"), column="IC50"), learner, unit="nM")


def test_a_decimal_comma_is_remembered(learner: Learner):
    rows = [(f"{'C' * n}O", f"{n},25") for n in range(1, 9)]
    found = update(
        adapt(values(*rows, column="logD"), learner, verdict=False), values(("CBr", "1,500"), column="logD")
    )
    assert found.support.values[-1] == 1.5


def test_few_numbers_do_not_look_like_classes(learner: Learner):
    rows = [(f"{'C' * n}O", f"{n / 2}") for n in range(1, 9)]
    check(values(*rows, column="logD"), values(("CBr", "1"), ("CI", "0"), column="logD"), learner)


def test_minus_one_is_inactive(learner: Learner):
    old = [(smiles, 2 * label - 1) for smiles, label in OLD]
    check(classes(*old), classes(("CCBr", -1)), learner)
    check(classes(*OLD), classes(("CCBr", 1), ("CI", 1)), learner)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (classes(*OLD), values(("CCBr", "12")), "--active-if"),
        (values(*POTENT), values(("CCBr", "active"), column="result"), "holds classes"),
        (values(*POTENT), values(("CCBr", "1"), column="hit"), "only 0 and 1"),
        (values(*POTENT), values(("CCBr", "47"), column="% inhibition"), r"values in %; wanted nM"),
        (values(*POTENT), values(("CCBr", "47"), column="result"), "give --unit nM"),
        (values(*POTENT), values(("CCBr", "47"), column="IC50"), "give --unit"),
        (values(*POTENT), values(("C1CC", "47")), "no usable row among 1"),
        (values(*POTENT), values(("CCBr", "")), "1 have no label"),
    ],
)
def test_rows_of_something_else_are_told(old: pd.DataFrame, new: pd.DataFrame, said: str, learner: Learner):
    with pytest.raises(InputError, match=said):
        update(adapt(old, learner, verdict=False), new)


def test_classes_can_be_made_of_new_values(learner: Learner):
    found = update(adapt(classes(*OLD), learner, verdict=False), values(("CCBr", "12")), active_if=">= 7")
    assert found.support.values[-1] == 1.0
    ruled = adapt(values(*POTENT), learner, verdict=False, active_if=">= 7")
    assert update(ruled, values(("CCBr", "12")), active_if=">=7.0").support.values[-1] == 1.0
    with pytest.raises(ConfigError, match=">= 7"):
        update(ruled, values(("CCBr", "12")), active_if=">= 6")
    with pytest.raises(ConfigError, match="hold values"):
        update(adapt(values(*POTENT), learner, verdict=False), values(("CCBr", "12")), active_if=">= 6")


def test_two_lists_or_one(learner: Learner, tmp_path: Path):
    (tmp_path / "more.smi").write_text("CCBr\nCCCBr\n")
    start = adapt(classes(*OLD), learner, verdict=False)
    found = update(start, inactives=tmp_path / "more.smi")
    assert found.support.values[-2:] == (0.0, 0.0)
    with pytest.raises(ConfigError, match="one table"):
        update(start)


def test_an_assay_that_is_read_already(learner: Learner):
    start = adapt(frame("logp").iloc[:60], learner, verdict=False)
    more = read_assay(frame("logp").iloc[60:])
    assert_same(update(start, more), adapt(frame("logp"), learner, verdict=False))
    with pytest.raises(ConfigError, match="read already"):
        update(start, more, unit="nM")
    for other in ("bbb", "cox"):
        with pytest.raises(InputError, match="wanted"):
            update(start, read_assay(assays.path(other)))


def test_an_assay_that_was_changed_by_hand(learner: Learner):
    """Its ledger is what it holds, not what the file said."""
    read = read_assay(assays.path("logp"))
    shifted = replace(read, values=read.values + 1)
    found = update(adapt(shifted, learner, verdict=False), values(("CCBr", "1"), column="logP"))
    assert found.support.values[:3] == tuple(read.values[:3] + 1)


def test_a_prevalence_that_was_told_stays(learner: Learner):
    table = frame("bbb")
    start = adapt(table.iloc[:50], learner, verdict=False).expecting(0.02)
    whole = adapt(table, learner, verdict=False).expecting(0.02)
    pd.testing.assert_frame_equal(update(start, table.iloc[50:]).predict(QUERIES), whole.predict(QUERIES))


def test_known_compounds_and_conformity_are_in_the_file(learner: Learner, tmp_path: Path):
    from molmeta.chem.features import compound_hash

    model = make_learner()
    model.seen = torch.tensor(sorted(compound_hash(s) for s in ("CCO", "CCBr")))
    assert check(classes(*OLD), classes(("CCBr", 1)), model, tmp_path / "a.molmeta").added == 1
    assert update(load(tmp_path / "a.molmeta"), classes(("CCBr", 1))).report.seen == 2


def test_the_verdict_is_made_anew_when_asked_for(learner: Learner, monkeypatch: pytest.MonkeyPatch):
    from molmeta.heads.baselines.untrained import RandomForest

    monkeypatch.setattr(RandomForest, "trees", 5)
    table = frame("bbb")
    start = adapt(table.iloc[:50], learner)
    quiet, judged = update(start, table.iloc[50:]), update(start, table.iloc[50:], verdict=True)
    assert quiet.report.verdict is None
    assert quiet.report.change is not None
    assert any("verdict is left out" in note for note in quiet.report.change.notes)
    assert judged.report.verdict == adapt(table, learner).report.verdict


@pytest.mark.parametrize("kept", [True, False])
def test_fine_tuned_models_are_tuned_again(kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("molmeta.fitting.STEPS", 3)
    monkeypatch.setattr("molmeta.fitting.RATE", 1e-2)
    monkeypatch.setattr("molmeta.adaptation._pays", lambda mean, error: kept)
    save_checkpoint(tmp_path / "small", make_learner())
    table = frame("bbb")
    options: dict[str, Any] = {"verdict": False, "fine_tune": True}
    adapt(table.iloc[:50], tmp_path / "small", **options).save(tmp_path / "a.molmeta")
    start = load(tmp_path / "a.molmeta")
    found = update(start, table.iloc[50:])
    assert found.report.fine_tuned == kept
    assert_same(found, adapt(table, tmp_path / "small", **options))
    (tmp_path / "small" / "config.json").unlink()
    if kept:
        with pytest.raises(RefusedError, match="fine-tuned"):
            update(start, table.iloc[50:])
    else:
        assert_same(update(start, table.iloc[50:]), found)


def without_recipe(path: Path) -> None:
    """The file as a molmeta wrote it that knew no recipe, and left out what is not of the network."""
    from molmeta import bundle

    tensors = load_tensors(path.read_bytes())
    state = json.loads(bytes(tensors.pop("state").numpy()))
    del state["recipe"]
    del state["report"]["change"]
    state.get("learner", {}).pop("order", None)
    kept = {k: v for k, v in tensors.items() if "conformity" not in k and not k.endswith("seen")}
    bundle._write(path, kept, state, force=True)


def forged(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The file with another state, and a digest that fits."""
    from molmeta import bundle

    tensors = load_tensors(path.read_bytes())
    state = json.loads(bytes(tensors.pop("state").numpy()))
    change(state)
    bundle._write(path, tensors, state, force=True)
    return path


def test_a_forged_ledger_is_told(learner: Learner, tmp_path: Path):
    path, more = tmp_path / "a.molmeta", classes(("CCBr", 1))
    adapt(classes(*OLD), learner, verdict=False).save(path)
    forged(path, lambda state: state["recipe"]["ledger"]["convention"].update(conflicts="all"))
    with pytest.raises(ConfigError, match="conflicts='all' is not known"):
        update(load(path), more)
    forged(path, lambda state: state["recipe"]["ledger"].update(parts=[]))
    with pytest.raises(CheckpointError, match="a ledger has at least"):
        load(path)
    # Rows that are not there would be listed one by one.
    forged(path, lambda state: (state.update(recipe=None), state["report"].update(n_rows=10**15)))
    with pytest.raises(CheckpointError, match="says that it has 1000000000000000 rows"):
        update(load(path), more)


@pytest.mark.parametrize("checkpoint", [True, False])
def test_models_of_earlier_versions(checkpoint: bool, tmp_path: Path):
    save_checkpoint(tmp_path / "small", make_learner())
    adapt(values(*POTENT, ("OCC", "30")), tmp_path / "small", verdict=False).save(tmp_path / "a.molmeta")
    without_recipe(tmp_path / "a.molmeta")
    if not checkpoint:
        (tmp_path / "small" / "config.json").unlink()
    found = update(load(tmp_path / "a.molmeta"), values(("CCBr", "3")))
    assert (found.report.n, found.report.n_rows) == (13, 14)
    assert found.report.change is not None
    said = " ".join(found.report.change.warnings)
    assert "earlier molmeta" in said
    assert "single labels" in said
    assert ("intervals" in said) != checkpoint
    if checkpoint:
        whole = adapt(values(*POTENT, ("OCC", "30"), ("CCBr", "3")), tmp_path / "small", verdict=False)
        pd.testing.assert_frame_equal(found.predict(QUERIES), whole.predict(QUERIES))
    found.save(tmp_path / "b.molmeta")
    assert update(load(tmp_path / "b.molmeta"), values(("CCI", "3"))).report.n == 14


def test_references_work_as_long_as_the_checkpoint_is_there(tmp_path: Path):
    save_checkpoint(tmp_path / "small", make_learner())
    table = frame("bbb")
    adapt(table.iloc[:50], tmp_path / "small", verdict=False).save(
        tmp_path / "a.molmeta", reference_only=True
    )
    assert is_reference(tmp_path / "a.molmeta")
    found = update(load(tmp_path / "a.molmeta"), table.iloc[50:])
    assert_same(found, adapt(table, tmp_path / "small", verdict=False))
    found.save(tmp_path / "b.molmeta", reference_only=True)
    found.save(tmp_path / "c.molmeta")
    assert [is_reference(tmp_path / f"{name}.molmeta") for name in "bc"] == [True, False]


def test_large_assays_are_drawn_from_all_rows(learner: Learner, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("molmeta.adaptation.MOST_COMPOUNDS", 40)
    table = frame("bbb")
    found = update(adapt(table.iloc[:50], learner, verdict=False), table.iloc[50:])
    assert_same(found, adapt(table, learner, verdict=False))


def test_the_same_rows_again_are_noticed(learner: Learner):
    start = adapt(classes(*OLD), learner, verdict=False)
    found = update(start, classes(*OLD[:3]))
    assert found.report.change is not None
    assert any(warning.startswith("same_rows") for warning in found.report.change.warnings)


def test_half_characters_are_saved(learner: Learner, tmp_path: Path):
    """A DataFrame can hold what no file can."""
    table = classes(*OLD).astype(object)
    table.loc[0, "name"] = "c\ud800"
    start = adapt(table, learner, verdict=False)
    start.save(tmp_path / "a.molmeta")
    assert load(tmp_path / "a.molmeta").support == start.support


def test_a_prior_without_compounds_is_refused(learner: Learner):
    from molmeta.data.support import Support

    start = adapt(classes(*OLD), learner, verdict=False)
    empty = replace(start, support=Support(start.support.target, (), (), (), (), ()))
    with pytest.raises(RefusedError, match="molmeta adapt"):
        update(empty, classes(("CCBr", 1)))


@pytest.mark.parametrize("options", [{"conflicts": "x"}, {"censored": "x"}, {"decimal": "x"}])
def test_unknown_choices_are_told(options: dict[str, str], learner: Learner):
    with pytest.raises(ConfigError, match="not known"):
        update(adapt(values(*POTENT), learner, verdict=False), values(("CCBr", "3")), **options)


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def test_it_takes_about_a_second(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """64 + 8 compounds with the shipped model: load, update and save; the bound is for busy machines."""
    table = pd.concat([frame("logp").iloc[:72]])
    adapt(table.iloc[:64], verdict=False).save(tmp_path / "a.molmeta")

    def work() -> None:
        update(load(tmp_path / "a.molmeta"), table.iloc[64:]).save(tmp_path / "a.molmeta", force=True)

    seconds = min(timed(work) for _ in range(2))
    with capsys.disabled():
        print(f"\nload + update + save of 64 + 8 compounds: {seconds:.2f} s")
    assert seconds < 3


def test_errors_leave_the_model_as_it_was(learner: Learner):
    start = adapt(classes(*OLD), learner, verdict=False)
    before = start.predict(QUERIES)
    with pytest.raises(MolmetaError):
        update(start, values(("CCBr", "12")))
    pd.testing.assert_frame_equal(start.predict(QUERIES), before, check_exact=True)
