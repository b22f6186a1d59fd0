"""`Shown`: templates filled in with forms, with what was pasted into them and with what came of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from markupsafe import Markup

from molmeta.pages import environment
from molmeta.serve.answer import Illustrated
from molmeta.serve.counter import Counter
from molmeta.serve.forms import ACTIVES_AND_INACTIVES, MEASURED, SHOWN, Form
from molmeta.serve.ordering import basis_of, formulas_of, table_of
from molmeta.serve.problems import RequestError
from molmeta.serve.words import words

TEMPLATES = Path(__file__).parent / "templates"


class Shown:
    """Fills in the templates.

    Parameters
    ----------
    counter : Counter
    """

    def __init__(self, counter: Counter) -> None:
        self.counter = counter
        self._templates = environment(TEMPLATES)
        self._models = {f"/models/{name}": one for name, one in counter.offered.items()}

    def page(self, template: str, *, here: str, status: int = 200, **given: Any) -> HTMLResponse:
        """A page of a template; `here` is its own address, unquoted."""
        tabs = [(form.path, form.title) for form in (ACTIVES_AND_INACTIVES, MEASURED)]
        tabs += [(path, f"Model {one.report.assay}") for path, one in self._models.items()]
        text = self._templates.get_template(template).render(
            tabs=[(quote(path), title, path == here) for path, title in tabs],
            here=quote(here),
            counter=self.counter,
            limits=self.counter.limits,
            words=words,
            **given,
        )
        # Half a character of a broken paste is shown as its escape.
        return HTMLResponse(text.encode("utf-8", "backslashreplace"), status)

    def form(
        self,
        form: Form,
        given: Mapping[str, str],
        *,
        problem: RequestError | None = None,
        found: Illustrated | None = None,
    ) -> HTMLResponse:
        """A form, filled in, with what came of it."""
        offer = self._models.get(form.path)
        return self.page(
            form.template,
            here=form.path,
            status=200 if problem is None else problem.status,
            form=form,
            filled=form.filled(given),
            problem=problem,
            basis=offer and basis_of(offer.report),
            **_result(found),
        )


def _result(found: Illustrated | None) -> dict[str, Any]:
    """What the templates show of an answer."""
    if found is None:
        return {"answer": None}
    formulas = formulas_of(found.answer)
    return {
        "answer": found.answer,
        "shown": found.answer.ranked[:SHOWN],
        # molmeta.drawing makes them, and escapes what it does not draw.
        "pictures": {smiles: Markup(picture) for smiles, picture in found.pictures.items()},
        "download": _link(table_of(found.answer)),
        "formulas": formulas,
        "download_safe": _link(table_of(found.answer, excel_safe=True)) if formulas else "",
    }


def _link(table: str) -> str:
    """A table as an address that holds it."""
    # By the mark in front Excel knows UTF-8.
    data = base64.b64encode(b"\xef\xbb\xbf" + table.encode("utf-8", "backslashreplace"))
    return f"data:text/csv;charset=utf-8;base64,{data.decode()}"
