"""The page: forms of plain HTML in, ranked compounds out; no script, no cookie, nothing kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from molmeta.pages import FOLDER
from molmeta.serve import examples
from molmeta.serve.counter import Counter
from molmeta.serve.forms import ACTIVES_AND_INACTIVES, MEASURED, Form, reuse
from molmeta.serve.interface import PREFIX
from molmeta.serve.problems import RequestError
from molmeta.serve.requests import EXAMPLE, check_rows
from molmeta.serve.shown import TEMPLATES, Shown

_EXAMPLES: Mapping[str, Callable[[], dict[str, str]]] = {
    ACTIVES_AND_INACTIVES.path: examples.classes,
    MEASURED.path: examples.values,
}
_SENT = (
    f"POST {PREFIX}/rank\nContent-Type: application/json\n\n{{"
    + ",\n ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in EXAMPLE.items())
    + "}"
)


def site(counter: Counter, description: Callable[[], dict[str, Any]]) -> APIRouter:
    """The routes of the page.

    Parameters
    ----------
    counter : Counter
    description : callable
        Gives the OpenAPI schema of the interface.
    """
    router = APIRouter(include_in_schema=False)
    shown = Shown(counter)
    for form in (ACTIVES_AND_INACTIVES, MEASURED):
        _serve_form(router, shown, form)

    @router.get("/models/{name}")
    async def model(name: str, example: str = "") -> HTMLResponse:
        return shown.form(_of(counter, name), {"candidates": examples.drugs()} if example else {})

    @router.post("/models/{name}")
    async def rank(name: str, request: Request) -> HTMLResponse:
        return await _answered(shown, _of(counter, name), request)

    @router.get("/api")
    async def interface() -> HTMLResponse:
        at = f"{PREFIX}/openapi.json"
        return shown.page(
            "interface.html",
            here="/api",
            described=description(),
            described_at=at,
            example=_SENT,
        )

    @router.get("/style.css")
    async def style() -> Response:
        sheets = (FOLDER / "style.css", Path(TEMPLATES) / "serve.css")
        text = "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)
        return Response(text, media_type="text/css", headers={"Cache-Control": "max-age=300"})

    return router


def _serve_form(router: APIRouter, shown: Shown, form: Form) -> None:
    @router.get(form.path)
    async def empty(example: str = "") -> HTMLResponse:
        return shown.form(form, _EXAMPLES[form.path]() if example else {})

    @router.post(form.path)
    async def answer(request: Request) -> HTMLResponse:
        return await _answered(shown, form, request)


def _of(counter: Counter, name: str) -> Form:
    report = counter.offer(name).report
    return reuse(name, report.assay, report.target.kind == "classification")


async def _answered(shown: Shown, form: Form, request: Request) -> HTMLResponse:
    """What comes of a form that was sent."""
    counter = shown.counter
    async with request.form(max_files=0, max_fields=20, max_part_size=counter.limits.body) as sent:
        given = {key: value for key, value in sent.items() if isinstance(value, str)}
    try:
        form.check(given, counter.limits)
        question = form.question(form.filled(given))
        check_rows(question, counter.limits)
        found = await counter.answer(question)
    except RequestError as error:
        return shown.form(form, given, problem=error)
    return shown.form(form, given, found=found)
