"""Asking for what is near: the classic form and the modern one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from matinee.api.errors import problems
from matinee.api.render import Json, dumps
from matinee.api.request_bodies import json_schema, read_json, validated
from matinee.api.vectors.arrays import mask_of, vector_of, vectors_of
from matinee.api.vectors.bodies import BatchOut, ColumnsOut, NearestOut, RecoIn, SearchIn
from matinee.api.vectors.service import service_of
from matinee.api.vectors.space import MAX_FOUND, Near, ServedSpace
from matinee.errors import InvalidInputError
from matinee.indexes.base import Mask, Vectors

router = APIRouter(tags=["search"])
ERRORS = problems(400, 404, 408, 409, 413, 415, 422, 503)
MAX_FILMS = MAX_FOUND // 10
"""Items in one answer, over all its queries, where each comes with its film."""


@router.post(
    "/reco", response_model=list[int], responses=ERRORS, openapi_extra=json_schema(RecoIn), summary="Nearest items"
)
async def reco(request: Request) -> Response:
    """The classic form: numbers of the nearest items, nearest first. `GET /items/{item}` names the film of one."""
    body: RecoIn = validated(RecoIn, await read_json(request))
    service = service_of(request)
    served = await service.space()
    vector = served.own(vector_of(body.vector, served.widths), body.raw)
    work = lambda: dumps(served.search(vector, body.k, None, body.exclude_self)[0].items)  # noqa: E731
    return Json(await service.executor.run(work, key=served.name))


@router.post(
    "/search",
    response_model=NearestOut | BatchOut | ColumnsOut,
    responses=ERRORS,
    openapi_extra=json_schema(SearchIn),
    summary="Nearest items with their films",
)
async def search(request: Request) -> Response:
    """Items near one vector (`items`) or many (`results`), each with film, similarity and angular distance."""
    body: SearchIn = validated(SearchIn, await read_json(request))
    service = service_of(request)
    served = await service.space(body.space, body.snapshot)
    if (body.vector is None) == (body.vectors is None):
        raise InvalidInputError("A search needs either `vector` or `vectors`.", "Send one of the two.")
    one = body.vectors is None
    given = vector_of(body.vector, served.widths) if one else vectors_of(body.vectors, served.widths)
    vectors = served.own(given, body.raw)
    allowed = None if body.allowed is None else mask_of(body.allowed)
    work = lambda: _answer(served, body, vectors, allowed)  # noqa: E731
    heavy = len(vectors) > 1 or body.k > 1000
    return Json(await service.executor.run(work, key=served.name, heavy=heavy))


def _answer(served: ServedSpace, body: SearchIn, vectors: Vectors, allowed: Mask | None) -> bytes:
    max_items = MAX_FILMS if body.metadata else MAX_FOUND
    neighbors = served.search(vectors, body.k, allowed, body.exclude_self, max_items) if len(vectors) else []
    answer: dict[str, Any] = {"space": served.name, "snapshot": served.snapshot or None}
    if not body.metadata:
        answer["total"] = len(served.index)
        answer["items"] = [near.items for near in neighbors]
        answer["similarities"] = [near.similarities for near in neighbors]
    elif body.vectors is None:
        answer["items"] = _records(served, neighbors[0])
    else:
        answer["results"] = [_records(served, near) for near in neighbors]
    return dumps(answer)


def _records(served: ServedSpace, near: Near) -> list[dict[str, Any]]:
    rows = zip(near.items.tolist(), near.similarities.tolist(), near.distances.tolist(), strict=True)
    return [
        served.record(item) | {"similarity": round(similarity, 6), "distance": round(distance, 6)}
        for item, similarity, distance in rows
    ]
