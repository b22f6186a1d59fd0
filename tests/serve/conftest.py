"""A service with small limits over the shipped model `fast`, in worker processes as it always is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

import molmeta
from molmeta import assays
from molmeta.predictor import Predictor
from molmeta.serve.answering import Answering
from molmeta.serve.counter import Counter, offers
from molmeta.serve.desk import Desk
from molmeta.serve.hosts import Hosts
from molmeta.serve.limits import Limits
from molmeta.serve.service import service

LIMITS = Limits(labelled=40, candidates=60, body=60_000, seconds=60.0, workers=1, waiting=3, deadline=5.0)
HOSTILE = "a/b <script>alert('x')</script>"


@dataclass(frozen=True)
class Client:
    """Talks to an application without a network.

    Attributes
    ----------
    app : ASGI application
    base : str
        Where it believes to be.
    """

    app: Any
    base: str = "http://127.0.0.1:8000"

    def get(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, **options))

    def post(
        self, path: str, content: bytes | str | Iterable[bytes] | None = None, **options: Any
    ) -> httpx.Response:
        """Several pieces of content are sent in chunks, without a length."""
        whole = content is None or isinstance(content, bytes | str)
        return asyncio.run(self._ask("POST", path, content=content if whole else _pieces(content), **options))

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=self.base) as client:
            return await client.request(method, path, **options)


async def _pieces(content: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


@pytest.fixture(scope="session")
def connect() -> Callable[[Any], Client]:
    return Client


@dataclass(frozen=True)
class Served:
    """A service, and what it has said."""

    client: Client
    log: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def predictors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Predictor]:
    """Of classes (with a name that nobody should have) and of values."""
    return {
        "a_b_script_alert_x_script": molmeta.adapt(
            assays.path("bbb"), "fast", verdict=False, name=HOSTILE, device="cpu"
        ),
        "logp": molmeta.adapt(assays.path("logp"), "fast", verdict=False, device="cpu"),
    }


@pytest.fixture(scope="session")
def model_files(predictors: dict[str, Predictor], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("adapted")
    paths = [folder / f"{name}.molmeta" for name in predictors]
    for path, predictor in zip(paths, predictors.values(), strict=True):
        predictor.save(path)
    return paths


@pytest.fixture(scope="session")
def served(model_files: list[Path]) -> Iterator[Served]:
    offered = offers(map(str, model_files))
    log: list[str] = []
    with Desk(Answering("fast", tuple(offered.values()), "cpu"), LIMITS) as desk:
        desk.warm()
        app = service(Counter("fast", offered, desk), Hosts.of("127.0.0.1", ("testserver",)), log.append)
        yield Served(Client(app), log)


@pytest.fixture
def client(served: Served) -> Client:
    return served.client
