"""Everything that can go wrong with a request, as a status, a title and a sentence (RFC 9457)."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from pydantic import BaseModel, Field

from molmeta.errors import DeadlineError, MolmetaError, ResourceError
from molmeta.serve.desk import BusyError

TITLES = {
    400: "The request is broken",
    403: "From another site",
    404: "Not here",
    405: "Not done here",
    408: "The request came too slowly",
    413: "Too large",
    415: "Not JSON",
    421: "Another host",
    422: "Cannot be used",
    500: "A bug of molmeta",
    503: "No answer in time",
}
MEDIA = "application/problem+json"


class Place(BaseModel):
    """What is wrong where."""

    field: Annotated[str, Field(description="Path of the field in the request, such as body.candidates.3")]
    message: str


class Problem(BaseModel):
    """Why a request has no answer (RFC 9457)."""

    title: Annotated[str, Field(description="The kind of problem, in words.")]
    status: Annotated[int, Field(description="The status of the response.")]
    detail: Annotated[str, Field(description="What was found, what was wanted, what to do.")]
    errors: Annotated[list[Place], Field(description="Fields that are wrong, where these are known.")] = []


class RequestError(Exception):
    """A request that is not answered.

    Parameters
    ----------
    status : int
    detail : str
    errors : list of Place
    """

    def __init__(self, status: int, detail: str, errors: list[Place] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors or []

    @property
    def problem(self) -> Problem:
        return Problem(
            title=TITLES.get(self.status, "Not answered"),
            status=self.status,
            detail=self.detail,
            errors=self.errors,
        )

    @property
    def headers(self) -> dict[str, str]:
        """Of the response."""
        return {"Retry-After": "30"} if self.status == 503 else {}


def said_of(error: MolmetaError) -> RequestError:
    """An error of molmeta in the words of a request: it has fields, where a command has options.

    >>> said_of(MolmetaError("wanted a unit: give --active-if, or name the --unit")).detail
    'wanted a unit: give active_if, or name the unit'
    """
    text = re.sub(r"--([a-z][a-z-]+)", lambda match: match[1].replace("-", "_"), str(error))
    if isinstance(error, DeadlineError | BusyError | ResourceError):
        return RequestError(503, text)
    return RequestError(422, text)


def encoded(problem: Problem) -> bytes:
    """Body of a response."""
    return json.dumps(problem.model_dump(), ensure_ascii=False).encode("utf-8", "backslashreplace")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the problems that a route may have."""
    content = {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": TITLES[status], "content": content} for status in statuses}
