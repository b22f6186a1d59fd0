"""What comes in and what goes out, whatever the application does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from molmeta.serve import gate
from molmeta.serve.gate import Gate
from molmeta.serve.hosts import Hosts
from molmeta.serve.limits import Limits

SECRET = "CC(=O)Oc1ccccc1C(=O)O"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Gives the body back; fails where it says so."""
    body = (await receive())["body"]
    if body == b"fail":
        raise ValueError(SECRET)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def client(connect: Callable[[Any], Any], log: list[str]) -> Any:
    return connect(Gate(echo, Hosts.of("127.0.0.1"), Limits(body=1000), log.append))


@pytest.mark.parametrize("size", [0, 999, 1000])
def test_bodies_up_to_the_limit_pass_whole(client: Any, size: int):
    assert client.post("/", content=b"x" * size).content == b"x" * size
    assert client.post("/", content=[b"x" * size]).content == b"x" * size


def test_larger_ones_do_not_also_without_a_stated_length(client: Any):
    assert client.post("/", content=b"x" * 1001).status_code == 413
    found = client.post("/", content=[b"x" * 100] * 100)
    assert found.status_code == 413
    assert found.headers["content-type"] == "application/problem+json"


def test_reading_ends_at_the_limit():
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    assert asyncio.run(status_of(receive)) == 413
    assert taken == 11


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gate, "_PATIENCE", 0.05)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        raise AssertionError

    assert asyncio.run(status_of(receive)) == 408


async def status_of(receive: Any) -> int:
    """Status of the response to a request that arrives as told."""
    found: list[int] = []

    async def send(message: Any) -> None:
        found.append(message.get("status", 0))

    app = Gate(echo, Hosts.of("127.0.0.1"), Limits(body=1000), lambda line: None)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"127.0.0.1")]}
    await app(scope, receive, send)
    return found[0]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.0.1", "", "[", "a:b:c"])
def test_other_names_are_not_answered(client: Any, host: str):
    found = client.get("/", headers={"host": host})
    assert found.status_code == 421
    assert "x" not in found.text or "problem" in found.headers["content-type"]


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:80", "[::1]:8000"])
def test_own_names_are(client: Any, host: str):
    assert client.get("/", headers={"host": host}).status_code == 200


def test_a_service_on_all_addresses_answers_to_numbers_and_to_names_it_was_told():
    hosts = Hosts.of("0.0.0.0", ("lab.example",))
    assert all(map(hosts.serve, ("10.1.2.3:8000", "lab.example:8000", "[fe80::1]", "localhost")))
    assert not any(map(hosts.serve, ("evil.example", "10.1.2.3.evil.example")))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:8000"}, 200),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
        ({"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8000"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_forms_of_other_sites_are_not_read(client: Any, headers: dict[str, str], status: int):
    found = client.post("/", content=b"text", headers=headers)
    assert found.status_code == status
    assert client.get("/", headers=headers).status_code == 200


def test_every_response_has_the_policy(client: Any):
    for found in (
        client.get("/"),
        client.post("/", content=b"fail"),
        client.get("/", headers={"host": "x"}),
    ):
        policy = found.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src" not in policy
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["referrer-policy"] == "no-referrer"
        assert found.headers["cache-control"] == "no-store"


def test_the_log_says_what_happened_and_holds_no_structure(client: Any, log: list[str]):
    client.post(f"/{SECRET}?q={SECRET}", content=SECRET)
    assert client.post("/", content=b"fail").status_code == 500
    text = "\n".join(log)
    assert "POST (no such page) 200" in text
    assert "ValueError" in text
    assert "echo" in text
    assert SECRET not in text
