"""The interface of JSON, version 1: what is offered, adapt-and-rank, and rank."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from molmeta.serve.answer import Answer, Basis
from molmeta.serve.counter import Counter
from molmeta.serve.ordering import basis_of
from molmeta.serve.problems import documented
from molmeta.serve.requests import AdaptAndRank, Rank

PREFIX = "/api/v1"
_USUAL = (400, 403, 408, 413, 421, 422, 500, 503)


class Offer(BaseModel):
    """An adapted model that compounds can be ranked with."""

    name: Annotated[str, Field(description="Its name in paths.")]
    basis: Basis


class Allowed(BaseModel):
    """What a request may cost."""

    labelled: Annotated[int, Field(description="Labelled compounds.")]
    candidates: Annotated[int, Field(description="Compounds to rank.")]
    body: Annotated[int, Field(description="Bytes of a request.")]
    seconds: Annotated[float, Field(description="From the request to its answer.")]


class Offers(BaseModel):
    """What the service has."""

    version: Annotated[str, Field(description="Of molmeta.")]
    checkpoint: Annotated[str, Field(description="What labelled compounds that are sent are adapted with.")]
    models: Annotated[list[Offer], Field(description="Adapted models.")]
    limits: Allowed


def interface(counter: Counter) -> APIRouter:
    """The routes of the interface."""
    router = APIRouter(prefix=PREFIX)

    @router.get("/models", summary="What there is", responses=documented(421, 500))
    def models() -> Offers:
        limits = {
            name: value for name, value in asdict(counter.limits).items() if name in Allowed.model_fields
        }
        return Offers(
            version=counter.version,
            checkpoint=counter.checkpoint,
            models=[Offer(name=one.name, basis=basis_of(one.report)) for one in counter.offered.values()],
            limits=Allowed(**limits),
        )

    @router.post(
        "/rank", summary="Adapt to labelled compounds and rank others", responses=documented(*_USUAL)
    )
    async def adapt_and_rank(asked: AdaptAndRank) -> Answer:
        return (await counter.answer(asked.question(counter.limits))).answer

    @router.post(
        "/models/{name}/rank",
        summary="Rank with an adapted model",
        responses=documented(404, *_USUAL),
    )
    async def rank(asked: Rank, name: Annotated[str, Path(description="One of GET /models.")]) -> Answer:
        return (await counter.answer(asked.question(counter.offer(name).name, counter.limits))).answer

    return router
