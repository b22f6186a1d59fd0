"""What the assay doctor finds, and what it does not, on assays of which one thing is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from molmeta.chem.features import compound_hash
from molmeta.data.ledger import Measurement
from molmeta.data.table import read_assay
from molmeta.doctor.case import Case
from molmeta.doctor.diagnosis import Diagnosis, Finding, Severity
from molmeta.doctor.evidence import warnings
from molmeta.doctor.examination import diagnose
from molmeta.learner import Learner

ASSAYS = Path(__file__).parents[2] / "assays"

# Twelve compounds of several scaffolds, of which no two are alike.
HEALTHY = {
    "CCOc1ccc(cc1)C(N)=O": 5.1, "CC(=O)Nc1ccc(O)cc1": 6.2, "c1ccc2[nH]ccc2c1": 4.6, "O=C(O)CCc1ccncc1": 7.3,
    "CN1CCN(CC1)c1ccccn1": 6.7, "NS(=O)(=O)c1ccc(Cl)cc1": 5.6, "CC(C)(C)c1csc(N)n1": 4.9,
    "O=C1CCCCN1Cc1ccco1": 5.9, "COc1cc2ncnc(N)c2cc1OC": 8.1, "FC(F)(F)c1cccc(c1)C#N": 4.4,
    "CCN(CC)CCOC(=O)C": 5.3, "OCC1CCOCC1": 4.1,
}  # fmt: skip


def found(
    values: dict[str, object] | list[tuple[str, object]], column: str = "pIC50", **options
) -> Diagnosis:
    rows = list(values.items()) if isinstance(values, dict) else values
    frame = pd.DataFrame(rows, columns=["smiles", column]).astype(str)
    return diagnose(read_assay(frame, **options))


def one(diagnosis: Diagnosis, code: str) -> Finding:
    (finding,) = [finding for finding in diagnosis.findings if finding.code == code]
    return finding


def codes(diagnosis: Diagnosis) -> set[str]:
    return {finding.code for finding in diagnosis.findings}


def more(*rows: tuple[str, object]) -> list[tuple[str, object]]:
    return [*HEALTHY.items(), *rows]


def test_a_healthy_assay_has_nothing_but_its_size():
    diagnosis = found(HEALTHY)
    assert codes(diagnosis) == {"few_compounds"}
    assert diagnosis.verdict == "usable: nothing stands in the way of a model"
    assert {"no activity cliffs", "no replicates that disagree", "all stereo centres drawn"} <= {
        *diagnosis.fine
    }


def test_rejected_rows_by_reason():
    diagnosis = found(more(("C1CC", 5), ("CCCO", "?!")))
    finding = one(diagnosis, "rejected_rows")
    assert finding.severity is Severity.CAUTION
    assert "2 of 14 rows (14 %)" in finding.sentence
    assert "1 invalid_smiles" in finding.sentence
    assert [concern.rows for concern in finding.concerns] == [(13,), (14,)]
    assert one(found(more(*[("C1CC", 5)] * 6)), "rejected_rows").severity is Severity.SERIOUS


def test_unlabelled_rows():
    finding = one(found(more(("CCCCO", ""), ("CCCCN", ""))), "unlabelled_rows")
    assert [concern.rows for concern in finding.concerns] == [(13,), (14,)]
    assert finding.severity is Severity.NOTE


def test_replicates_that_agree_and_disagree():
    diagnosis = found(more(("NC(=O)c1ccc(OCC)cc1", 5.3), ("Oc1ccc(NC(C)=O)cc1", 8.2)))
    clash = one(diagnosis, "conflicts")
    assert clash.severity is Severity.CAUTION
    assert clash.concerns[0].rows == (2, 14)
    assert clash.concerns[0].said.endswith("6.2, 8.2 (rows 2, 14): taken as 7.2")
    assert "4 rows of 2 compounds" in one(diagnosis, "replicates").sentence
    dropped = found(more(("Oc1ccc(NC(C)=O)cc1", 8.2)), conflicts="drop")
    assert one(dropped, "conflicts").concerns[0].said.endswith("left out")
    assert "rejected_rows" not in codes(dropped)


def test_classes_that_disagree():
    rows = [(smiles, int(value > 5.5)) for smiles, value in HEALTHY.items()]
    diagnosis = found([*rows, ("Oc1ccc(NC(C)=O)cc1", 0)], "active")
    assert "Rows of both classes: 1 of 12 compounds" in one(diagnosis, "conflicts").sentence
    assert "active, inactive (rows 2, 13): left out" in one(diagnosis, "conflicts").concerns[0].said


def test_noise_beside_the_range():
    twice = [(smiles, 6 + 0.1 * i) for i, smiles in enumerate(HEALTHY)]
    again = [(smiles, value + 0.9 * (-1) ** i) for i, (smiles, value) in enumerate(twice)]
    finding = one(found([*twice, *again]), "noise")
    assert finding.severity is Severity.SERIOUS
    assert "noise" not in codes(found([*twice, *[(smiles, value + 0.05) for smiles, value in twice]]))


@pytest.mark.parametrize(
    ("smiles", "code"),
    [
        ("CCCCNC(C)=O.Cl", "salt_stripped"),
        ("CCCC[NH2+]C", "neutralized"),
        ("[2H]C([2H])([2H])OCCCN", "isotope_removed"),
        ("CCCCCO.CCCCCN", "mixture"),
        ("CC[Ge](C)(C)CCO", "unseen_element"),
        ("C" * 66 + "O", "above_900_da"),
        ("CCC(O)CCC |$;;;;;$|", "cxsmiles_dropped"),
        ("CC[C@H](C)CC", "stereo_lost"),
        ("F/C(\\Cl)=C/CC[C@H](F)Cl", "stereo_lost"),
        ("CC[C@H](CC)C[C@H](F)Cl", "stereo_lost"),
        ("CCO[Co@OH25](F)(Cl)(Br)(I)O", "stereo_dropped"),
        ("CCC(O)CCCCl", "undefined_stereo"),
    ],
)
def test_structures_that_were_treated(smiles: str, code: str):
    finding = one(found(more((smiles, 5.0))), code)
    assert finding.concerns[0].rows == (13,)
    assert finding.sentence.endswith(".")
    assert code not in codes(found(more(("CCCCCCO", 5.0))))


def test_the_flags_of_every_row_count_not_of_the_first():
    diagnosis = found(more(("CC(=O)Nc1ccc([O-])cc1.[Na+]", 6.3)))
    assert one(diagnosis, "salt_stripped").concerns[0].rows == (13,)


def test_stereoisomers_with_and_without_a_difference():
    differ = one(found(more(("C[C@H](O)CCN", 4.0), ("C[C@@H](O)CCN", 6.5))), "stereoisomers_differ")
    assert differ.severity is Severity.CAUTION
    assert differ.concerns[0].rows == (13, 14)
    alike = found(more(("C[C@H](O)CCN", 4.0), ("C[C@@H](O)CCN", 4.5)))
    assert one(alike, "stereoisomers").severity is Severity.NOTE
    assert "stereoisomers_differ" not in codes(alike)


def test_tautomers_are_suspected_not_merged():
    diagnosis = found(more(("Cc1ccc(=O)[nH]c1", 5.0), ("Cc1ccc(O)nc1", 5.2)))
    assert one(diagnosis, "tautomers").concerns[0].rows == (13, 14)
    assert diagnosis.counts["compounds"] == 14
    assert "tautomers" not in codes(found(more(("Cc1ccc(O)nc1", 5.2), ("Cc1ncccc1O", 5.2))))


def test_activity_cliffs_name_the_pair():
    pair = ("COc1cc2ncnc(Nc3cccc(Br)c3)c2cc1OC", "COc1cc2ncnc(Nc3cccc(Cl)c3)c2cc1OC")
    finding = one(found(more((pair[0], 9.4), (pair[1], 6.1))), "activity_cliffs")
    assert finding.concerns[0].rows == (13, 14)
    assert "9.4" in finding.concerns[0].said
    assert "similarity 0." in finding.concerns[0].said
    assert "activity_cliffs" not in codes(found(more((pair[0], 7.4), (pair[1], 6.1))))
    # A bound is a cliff only as far as it is one: > 7 says nothing against 9.4.
    assert "activity_cliffs" not in codes(found(more((pair[0], 9.4), (pair[1], ">7"))))
    assert "activity_cliffs" in codes(found(more((pair[0], 9.4), (pair[1], "<7"))))


def test_too_many_pairs_are_not_compared(monkeypatch):
    monkeypatch.setattr("molmeta.doctor.series._MOST_PAIRED", 11)
    diagnosis = found(HEALTHY)
    assert "cliffs_not_sought" in codes(diagnosis)
    assert "no activity cliffs" not in diagnosis.fine


def test_classes_balance_and_size():
    rows = [(smiles, int(i == 0)) for i, smiles in enumerate(HEALTHY)]
    assert one(found(rows, "active"), "low_evidence").severity is Severity.SERIOUS
    rows = [(smiles, int(i < 2)) for i, smiles in enumerate(HEALTHY)]
    assert one(found(rows, "active"), "low_evidence").severity is Severity.CAUTION
    rows = [(f"{'C' * n}O", int(n < 5)) for n in range(1, 51)]
    finding = one(found(rows, "active"), "rare_class")
    assert "4 of 50 compounds (8 %)" in finding.sentence


def test_values_range_and_number():
    assert one(found(dict(list(HEALTHY.items())[:3])), "low_evidence").severity is Severity.SERIOUS
    assert one(found(dict(list(HEALTHY.items())[:6])), "low_evidence").severity is Severity.CAUTION
    narrow = found({smiles: 6 + 0.06 * i for i, smiles in enumerate(HEALTHY)})
    assert one(narrow, "narrow_range").severity is Severity.CAUTION


def test_what_adapt_warns_of_is_said_in_the_same_words():
    assay = read_assay(pd.DataFrame({"smiles": list(HEALTHY)[:5], "pIC50": list(HEALTHY.values())[:5]}))
    (said,) = warnings(assay)
    assert said.startswith("low_evidence: 5 exact values")


def test_bounds_and_bounds_without_a_sign():
    smiles = list(HEALTHY)
    values = [">5" if i < 7 else 6 + i / 10 for i in range(12)]
    assert one(found(dict(zip(smiles, values, strict=True))), "bounds").severity is Severity.CAUTION
    piled = found({s: 10000 if i < 4 else 10 + i for i, s in enumerate(smiles)}, "IC50_nM")
    finding = one(piled, "unmarked_bounds")
    assert "lowest value, 5" in finding.sentence
    assert len(finding.concerns) == 4


def test_a_unit_that_is_off():
    finding = one(
        found({smiles: 10 ** (-value) for smiles, value in HEALTHY.items()}, "IC50_nM"), "implausible_values"
    )
    assert finding.severity is Severity.SERIOUS
    assert "--unit" in finding.meaning


def test_values_over_orders_of_magnitude_want_logarithms():
    skewed = {smiles: round(2 * 1.6**i, 2) for i, smiles in enumerate(HEALTHY)}
    finding = one(found(skewed, "CLint"), "skewed")
    assert "2 to 352, 176-fold" in finding.sentence
    assert finding.severity is Severity.CAUTION
    assert "skewed" not in codes(found({s: 10 + 30 * i for i, s in enumerate(HEALTHY)}, "CLint"))  # evenly
    assert "skewed" not in codes(found(skewed, "IC50_nM"))  # taken as logarithms anyway
    assert "skewed" not in codes(found(HEALTHY))


def test_few_levels_and_which_way_is_better():
    assert "few_levels" in codes(found({s: 1 + i % 3 for i, s in enumerate(HEALTHY)}, "score of cells"))
    assert "direction" in codes(found({s: 10.0 + i for i, s in enumerate(HEALTHY)}, "residual activity (%)"))
    options = {"lower_is_better": True}
    assert "direction" not in codes(
        found({s: 10.0 + i for i, s in enumerate(HEALTHY)}, "residual activity (%)", **options)
    )


def test_scaffolds():
    rows = [(f"{'C' * n}c1ccccc1", 4 + 0.3 * n) for n in range(1, 13)]
    assert one(found(rows), "single_scaffold").severity is Severity.CAUTION
    assert one(found([*rows, ("O=C1CCCCN1", 6.0)]), "main_scaffold").severity is Severity.NOTE


def test_one_name_for_two_structures():
    frame = pd.DataFrame(
        {"id": [f"A{i}" for i in range(12)], "smiles": list(HEALTHY), "pIC50": list(HEALTHY.values())}
    )
    frame.loc[4, "id"] = "A3"
    finding = one(diagnose(read_assay(frame)), "shared_names")
    assert finding.concerns[0].rows == (4, 5)
    assert finding.concerns[0].said.startswith("A3: ")


def test_several_endpoints_in_one_column():
    frame = pd.DataFrame({"smiles": list(HEALTHY), "Standard Type": ["Ki"] * 5 + ["IC50"] * 7,
                          "Standard Value": range(1, 13), "Standard Units": ["nM"] * 12})  # fmt: skip
    finding = one(diagnose(read_assay(frame)), "several_assays")
    assert "IC50 (7), Ki (5)" in finding.sentence


def test_what_the_model_has_met():
    assay = read_assay(pd.DataFrame({"smiles": list(HEALTHY), "pIC50": list(HEALTHY.values())}))
    learner = Learner({"name": "fingerprint", "dim": 8, "width": 8, "depth": 1}, {"evidence": {"dim": 8}})
    assert "new_chemistry" in codes(diagnose(assay, learner))
    hashes = sorted(compound_hash(one.smiles) for one in assay.molecules[:9])
    learner.seen = torch.tensor(hashes, dtype=torch.long)
    finding = one(diagnose(assay, learner), "known_compounds")
    assert finding.severity is Severity.CAUTION
    assert "9 of 12 compounds (75 %)" in finding.sentence
    assert not codes(diagnose(assay)) & {"known_compounds", "new_chemistry"}


def test_the_worst_comes_first_and_counts():
    rows = [(f"{'C' * n}c1ccccc1", 6 + 0.01 * n) for n in range(1, 13)]
    diagnosis = found([*rows, ("CCO.Cl", 6.0)])
    order = [list(Severity).index(finding.severity) for finding in diagnosis.findings]
    assert order == sorted(order)
    assert diagnosis.is_serious
    assert diagnosis.verdict.startswith("mend it before you trust a model of it: 1 serious")
    assert diagnosis.of(Severity.SERIOUS)[0].code == "narrow_range"


def test_an_assay_that_was_changed_by_hand_is_examined_too():
    assay = read_assay(pd.DataFrame({"smiles": list(HEALTHY), "pIC50": list(HEALTHY.values())}))
    parts = {name: getattr(assay, name)[:6] for name in ("molecules", "values", "relations")}
    smaller = replace(assay, **parts, ids=(), replicates=(), ledger=None)
    assert "low_evidence" in codes(diagnose(smaller))


@pytest.mark.parametrize("name", ["cox", "bbb", "logp"])
def test_example_assays_are_not_alarming(name: str):
    diagnosis = diagnose(read_assay(ASSAYS / f"{name}.csv"))
    assert not diagnosis.is_serious
    assert all(
        finding.sentence.endswith(".") and finding.meaning.endswith(".") for finding in diagnosis.findings
    )


def test_many_replicates_take_no_longer_each(monkeypatch: pytest.MonkeyPatch):
    case = Case(read_assay(pd.DataFrame({"smiles": [*HEALTHY] * 2, "pIC50": [*HEALTHY.values()] * 2})))
    looks = []

    class Counted(tuple[Measurement, ...]):
        def __iter__(self) -> Iterator[Measurement]:
            looks.append(1)
            return super().__iter__()

    monkeypatch.setitem(
        vars(case), "ledger", replace(case.ledger, measurements=Counted(case.ledger.measurements))
    )
    assert all(case.measured(group).said for group in case.groups)
    assert len(looks) <= 2
