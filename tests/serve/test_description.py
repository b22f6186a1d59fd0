"""Whatever fits the description of the interface is answered as the description says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from molmeta import assays

ROUTES = [("/api/v1/models", "GET"), ("/api/v1/rank", "POST"), ("/api/v1/models/{name}/rank", "POST")]


@pytest.fixture(scope="module")
def described(served: Any) -> Any:
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", served.client.app)


def test_the_routes_are_these(described: Any):
    found = [one.ok() for one in described.get_all_operations()]
    assert [(one.path, one.method.upper()) for one in found] == ROUTES


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_answers_are_as_described(described: Any, path: str, method: str, mode: GenerationMode):
    if (method, mode) == ("GET", GenerationMode.NEGATIVE):
        return  # it takes nothing that could be wrong
    found: Counter[int] = Counter()

    @settings(
        max_examples=20,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described[path][method].as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        # What fits may still be of no use (no structure among it, one class), which is 422 too.
        found[case.call_and_validate(excluded_checks=[positive_data_acceptance]).status_code] += 1

    check()
    assert not [status for status in found if status >= 500]
    assert set(found) <= ({200, 404, 422} if mode == GenerationMode.POSITIVE else {400, 404, 405, 422})


DRUGS = [line.split()[0] for line in assays.path("drugs").read_text(encoding="utf-8").splitlines()]
NAMED = st.builds(
    lambda smiles, name: {"smiles": smiles, "name": name}, st.sampled_from(DRUGS), st.text(max_size=50)
)


@settings(max_examples=15, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
@given(
    drugs=st.lists(NAMED, min_size=9, max_size=24, unique_by=lambda one: one["smiles"]),
    seed=st.integers(0, 9),
    prevalence=st.none() | st.floats(0.01, 0.5),
)
def test_drugs_are_adapted_to_and_ranked(described: Any, drugs: Any, seed: int, prevalence: float | None):
    body = {
        "actives": drugs[::3],
        "inactives": drugs[1::3],
        "candidates": drugs[2::3],
        "options": {"verdict": False, "seed": seed, "prevalence": prevalence},
    }
    case = described["/api/v1/rank"]["POST"].Case(body=body, media_type="application/json")
    answer = case.call_and_validate().json()
    scores = [one["score"] for one in answer["ranked"]]
    assert scores == sorted(scores, reverse=True)
    names = {one["row"]: one["name"] for one in answer["ranked"]}
    assert names == {row: one["name"] for row, one in enumerate(body["candidates"], 1)}
    assert not answer["rejected"]


def test_the_example_is_answered(served: Any):
    described = served.client.get("/api/v1/openapi.json").json()
    (example,) = described["components"]["schemas"]["AdaptAndRank"]["examples"]
    answer = served.client.post("/api/v1/rank", json=example)
    assert answer.status_code == 200
    assert [one["text"] for one in answer.json()["ranked"]] == ["CCCCO", "CCCCC"]
