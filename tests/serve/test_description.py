"""Whatever fits the description of the interface is answered as the description says."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

schema = schemathesis.pytest.from_fixture("described")


@pytest.fixture
def described(served: Any) -> Any:
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", served.client.app)


@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_described(case: Any):
    case.call_and_validate()


def test_the_example_is_answered(served: Any):
    described = served.client.get("/api/v1/openapi.json").json()
    (example,) = described["components"]["schemas"]["AdaptAndRank"]["examples"]
    answer = served.client.post("/api/v1/rank", json=example)
    assert answer.status_code == 200
    assert [one["text"] for one in answer.json()["ranked"]] == ["CCCCO", "CCCCC"]
