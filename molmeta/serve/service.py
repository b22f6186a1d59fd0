"""`service`: the application of all parts, which any ASGI server runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from molmeta.serve.counter import Counter
from molmeta.serve.gate import Gate
from molmeta.serve.hosts import Hosts
from molmeta.serve.interface import PREFIX, interface
from molmeta.serve.problems import MEDIA, Place, Problem, RequestError, encoded
from molmeta.serve.site import site


def service(counter: Counter, hosts: Hosts, log: Callable[[str], None] = lambda line: None) -> ASGIApp:
    """The page and the interface behind their gate.

    Parameters
    ----------
    counter : Counter
    hosts : Hosts
    log : callable
        Is given one line a request; never a structure.
    """
    app = FastAPI(
        title="molmeta",
        version=counter.version,
        description="Adapt a meta-trained model to labelled compounds, and rank others with it.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(interface(counter))
    app.include_router(site(counter, app.openapi))
    app.exception_handler(RequestError)(_told)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_refused)
    _describe_problems(app)
    return Gate(app, hosts, counter.limits, log)


def _response(error: RequestError) -> Response:
    return Response(encoded(error.problem), error.status, error.headers, MEDIA)


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return _response(error)


async def _invalid(request: Request, error: Exception) -> Response:
    """Fields and what is wrong with them, without what they held."""
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return _response(RequestError(400, "the request is no JSON"))
    places = [
        Place(field=".".join(map(str, one["loc"])), message=_message(one)) for one in found[:_MOST_PLACES]
    ]
    detail = "; ".join(f"{one.field}: {one.message}" for one in places[:3])
    return _response(RequestError(422, detail, places))


_MOST_PLACES = 20


def _message(error: dict[str, Any]) -> str:
    return str(error["msg"]).removeprefix("Value error, ")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    told = {404: "there is no such page", 405: "this address does not do that"}
    response = _response(RequestError(error.status_code, told.get(error.status_code, str(error.detail))))
    response.headers.update(error.headers or {})
    return response


def _describe_problems(app: FastAPI) -> None:
    """Puts the schema of problems into the description; the routes refer to it."""
    described = app.openapi()
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    parts = schema.pop("$defs", {}) | {"Problem": schema}
    described.setdefault("components", {}).setdefault("schemas", {}).update(parts)
