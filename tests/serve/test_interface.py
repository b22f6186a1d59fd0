"""The laws of the interface: its answers are those of the library, its problems are typed."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import molmeta
from molmeta import assays
from molmeta.predictor import Predictor

RANK = "/api/v1/rank"
ALCOHOLS = ["CCO", "CCCO", "CCCCO", "CC(O)CC", "OCc1ccccc1", "OCCc1c[nH]cc1"]
ALKANES = ["CCC", "CCCC", "CCCCC", "CC(C)CC", "Cc1ccccc1", "CCc1c[nH]cc1"]
CANDIDATES = ["CCCCCO", "C1CC", "CCCCCC", "OC1CCCCC1", "", "CCO", "C1CCCCC1", "OCCO.Cl", "CCС"]
QUICK = {"verdict": False}
# Columns of the library by the fields of an answer.
SAME = {
    name: f"mm_{name}"
    for name in (
        *("smiles", "score", "std", "low", "high", "call", "set", "in_domain"),
        *("nearest", "nearest_similarity", "nearest_label"),
    )
}


def by_library(predictor: Predictor, candidates: list[str]) -> pd.DataFrame:
    """What the library says, in the order of an answer."""
    frame = predictor.predict(candidates)
    return frame[frame["mm_status"] == "ok"].sort_values("mm_score", ascending=False, kind="stable")


def check_same(ranked: list[dict], frame: pd.DataFrame, value: str) -> None:
    assert [one["row"] - 1 for one in ranked] == frame.index.tolist()
    assert [one["rank"] for one in ranked] == list(range(1, len(frame) + 1))
    for one, row in zip(ranked, frame.to_dict("records"), strict=True):
        for name, column in (SAME | {"predicted": value}).items():
            theirs = None if pd.isna(row[column]) else row[column]
            assert one[name] == (pytest.approx(theirs, rel=1e-6) if isinstance(theirs, float) else theirs)


def test_classes_are_ranked_as_by_the_library(client: Any):
    sent = {"actives": ALCOHOLS, "inactives": ALKANES, "candidates": CANDIDATES, "options": QUICK}
    answer = client.post(RANK, json=sent).json()
    table = pd.DataFrame({"smiles": ALCOHOLS + ALKANES, "active": [1] * 6 + [0] * 6})
    predictor = molmeta.adapt(table, "fast", verdict=False, device="cpu")
    check_same(answer["ranked"], by_library(predictor, CANDIDATES), "mm_probability")
    assert {one["row"]: one["reason"] for one in answer["rejected"]} == {
        2: "invalid_smiles",
        5: "empty",
        9: "non_ascii",
    }
    assert len(answer["ranked"]) + len(answer["rejected"]) == len(CANDIDATES)


def test_values_are_read_and_ranked_as_by_the_library(client: Any):
    table = pd.read_csv(assays.path("logp")).head(24)
    values = [f"{10 ** (9 - v):.5g} nM" for v in table["logP"]]
    values[0] = ">" + values[0]
    sent = {
        "compounds": [{"smiles": s, "name": n} for s, n in zip(table.smiles, table.compound, strict=True)],
        "values": values,
        "candidates": CANDIDATES,
        "options": QUICK | {"measured": "IC50", "seed": 3},
    }
    answer = client.post(RANK, json=sent).json()
    given = pd.DataFrame({"smiles": table.smiles, "name": table.compound, "IC50": values})
    predictor = molmeta.adapt(given, "fast", verdict=False, seed=3, device="cpu")
    check_same(answer["ranked"], by_library(predictor, CANDIDATES), "mm_value")
    assert answer["model"]["measured"] == "p(IC50)"
    assert answer["ranked"][0]["nearest"] in set(table.compound)


def test_the_verdict_is_that_of_the_library(client: Any):
    sent = {"actives": ALCOHOLS, "inactives": ALKANES, "candidates": ["CO"]}
    verdict = client.post(RANK, json=sent).json()["model"]["verdict"]
    table = pd.DataFrame({"smiles": ALCOHOLS + ALKANES, "active": [1] * 6 + [0] * 6})
    ours = molmeta.adapt(table, "fast", device="cpu").report.verdict
    assert ours is not None
    assert (verdict["level"], verdict["sentence"]) == (ours.level, ours.sentence)


def test_a_model_ranks_as_itself(client: Any, predictors: dict[str, Predictor]):
    listed = {one["name"]: one["basis"] for one in client.get("/api/v1/models").json()["models"]}
    assert set(listed) == set(predictors)
    for name, predictor in predictors.items():
        assert listed[name]["assay"] == predictor.name
        answer = client.post(f"/api/v1/models/{name}/rank", json={"candidates": CANDIDATES}).json()
        value = "mm_probability" if listed[name]["kind"] == "classification" else "mm_value"
        check_same(answer["ranked"], by_library(predictor, CANDIDATES), value)


def test_an_expected_share_moves_chances_and_not_the_order(client: Any, predictors: dict[str, Predictor]):
    (name, predictor), *_ = predictors.items()
    sent = {"candidates": ALCOHOLS + ALKANES, "prevalence": 0.01}
    answer = client.post(f"/api/v1/models/{name}/rank", json=sent).json()
    check_same(answer["ranked"], by_library(predictor.expecting(0.01), ALCOHOLS + ALKANES), "mm_probability")
    assert client.post("/api/v1/models/logp/rank", json=sent).status_code == 422


def test_every_labelled_row_is_used_or_refused_by_its_number(client: Any):
    sent = {"actives": [*ALCOHOLS, "C1CC"], "inactives": ["X", *ALKANES], "candidates": ["CO"]}
    answer = client.post(RANK, json=sent | {"options": QUICK}).json()
    assert answer["model"]["compounds"] == 12
    found = {(one["box"], one["row"], one["reason"]) for one in answer["rejected"]}
    assert found == {("actives", 7, "invalid_smiles"), ("inactives", 1, "invalid_smiles")}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"actives": ALCOHOLS * 7}, "is the most here"),
        ({"candidates": ["C"] * 61}, "is the most here"),
        ({"actives": []}, "0 actives"),
        ({"actives": [1]}, "body.actives"),
        ({"inactives": None}, "both actives and inactives"),
        ({"candidates": []}, "candidates"),
        ({"file": "/etc/passwd"}, "body.file"),
        ({"options": {"model": "/etc"}}, "body.options.model"),
        ({"options": {"prevalence": 2}}, "prevalence"),
    ],
)
def test_what_cannot_be_used_is_said(client: Any, change: dict, said: str):
    sent = {"actives": ALCOHOLS, "inactives": ALKANES, "candidates": ["CO"], "options": QUICK}
    found = client.post(RANK, json=sent | change)
    assert found.status_code == 422
    assert found.headers["content-type"] == "application/problem+json"
    problem = found.json()
    assert problem["status"] == 422
    assert said in problem["detail"] + str(problem["errors"])


def test_messages_name_fields_and_not_flags(client: Any):
    sent = {"compounds": ["CC", "CCC"], "values": ["1,000", "2,000"], "candidates": ["CO"]}
    detail = client.post(RANK, json=sent).json()["detail"]
    assert "give decimal" in detail
    assert "--" not in detail


@pytest.mark.parametrize("body", [b"{", b"[" * 50_000, b"\xff\xfe", b'{"candidates": NaN}', b'"\\ud800"'])
def test_what_is_no_request_is_a_problem_and_no_bug(client: Any, body: bytes):
    found = client.post(RANK, content=body, headers={"content-type": "application/json"})
    assert found.status_code in (400, 422)
    assert found.headers["content-type"] == "application/problem+json"


def test_unknown_models_and_pages_are_problems(client: Any):
    for path in ("/api/v1/models/none/rank", "/api/v1/models/..%2F..%2Fetc/rank", "/nothing", "/docs"):
        found = client.post(path, json={"candidates": ["C"]})
        assert found.status_code == 404
        assert found.headers["content-type"] == "application/problem+json"


def test_no_field_and_no_parameter_is_a_path_of_a_file(client: Any):
    described = client.get("/api/v1/openapi.json").json()
    asked = [
        s for n, s in described["components"]["schemas"].items() if n in ("AdaptAndRank", "Options", "Rank")
    ]
    fields = {name for schema in asked for name in schema["properties"]}
    parameters = {p["name"] for path in described["paths"].values() for what in path.values()
                  for p in what.get("parameters", [])}  # fmt: skip
    assert parameters == {"name"}
    assert not {name for name in fields if "file" in name or "path" in name or name == "model"}
    for schema in asked:
        assert schema["additionalProperties"] is False
        assert all("description" in part or "$ref" in part for part in schema["properties"].values())
