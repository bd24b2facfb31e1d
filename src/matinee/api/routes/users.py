"""Users: their ratings, what is held about them, who is like them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Request
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from matinee.api import parameters
from matinee.api.errors import problem, problems
from matinee.api.parameters import refuse
from matinee.api.render import reply
from matinee.api.request_bodies import media_type, validated
from matinee.api.schemas.answers import ClaimedOut, HistoryOut, NeighborsOut, StoredOut, UserOut
from matinee.api.schemas.requests import ClaimIn, RatingIn, StarsIn
from matinee.api.service import EngineDep, service_of

router = APIRouter(tags=["users and ratings"])
BATCH: TypeAdapter[list[RatingIn]] = TypeAdapter(list[RatingIn])
JSON, NDJSON = "application/json", ("application/x-ndjson", "application/ndjson", "application/jsonl")

_RATINGS_BODY = {
    "requestBody": {
        "required": True,
        "description": "A JSON list, or NDJSON: one rating a line.",
        "content": {
            JSON: {
                "schema": {"type": "array", "items": RatingIn.model_json_schema()},
                "example": [
                    {"user_id": "42", "movie_id": "318", "rating": 4.5},
                    {"user_id": "42", "movie_id": "296", "rating": 5},
                ],
            },
            NDJSON[0]: {
                "schema": {"type": "string"},
                "example": '{"user_id": "42", "movie_id": "318", "rating": 4.5}\n',
            },
        },
    }
}


class _MalformedError(ValueError):
    """A body that is not JSON."""


def _read(body: bytes, *, lines: bool, limit: int) -> Any:
    if not lines:
        return orjson.loads(body)
    records: list[Any] = []
    for number, line in enumerate(body.split(b"\n"), 1):
        if line.strip() and len(records) <= limit:
            try:
                records.append(orjson.loads(line))
            except orjson.JSONDecodeError as error:
                raise _MalformedError(f"Line {number} is not JSON ({error}).") from error
    return records


def _parse(body: bytes, *, lines: bool, limit: int) -> list[RatingIn]:
    try:
        records = _read(body, lines=lines, limit=limit)
        if isinstance(records, list) and len(records) > limit:
            raise refuse(("body",), f"List should have at most {limit} items")
        ratings: list[RatingIn] = validated(BATCH, records)
        return ratings
    except orjson.JSONDecodeError as error:
        raise _MalformedError(f"The body is not JSON ({error}).") from error


@router.post(
    "/v1/ratings",
    response_model=StoredOut,
    responses=problems(400, 404, 409, 413, 415, 422, 503),
    openapi_extra=_RATINGS_BODY,
    summary="Store many ratings",
)
async def rate_many(
    request: Request,
    engine: EngineDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            pattern=r"^[!-~]+$",
            description="A second request with this key and the same ratings stores nothing again; with other "
            "ratings it gets 409. Kept 24 hours.",
            examples=["import-2026-01-01"],
        ),
    ] = None,
    unknown: parameters.UnknownFilms = "refuse",
) -> Response:
    """Store ratings, all or none, or with `unknown=skip` those of known films.

    Of two ratings of one film by one user the last counts (see `duplicates`).
    """
    path = request.url.path
    kind = media_type(request)
    lines = kind in NDJSON
    if kind != JSON and not lines:
        return problem(415, "Ratings are read as application/json or application/x-ndjson; send one.", instance=path)
    try:
        body = await request.body()
        if not body and not lines:
            raise refuse(("body",), "Field required")
        limit = service_of(request).settings.max_batch
        ratings = await run_in_threadpool(_parse, body, lines=lines, limit=limit)
    except _MalformedError as error:
        return problem(400, f"{error} Correct it and send all again; nothing was stored.", instance=path)
    except ClientDisconnect:  # nobody receives this
        return problem(400, instance=path)
    left_out: list[str] = []
    if unknown == "skip":
        known = await run_in_threadpool(engine.known_movies, [one.reference for one in ratings])
        left_out = list(dict.fromkeys(one.reference for one in ratings if one.reference not in known))
        ratings = [one for one in ratings if one.reference in known]
    triples = [(one.user_id, one.reference, one.rating) for one in ratings]
    times = [one.timestamp for one in ratings]
    stored = await run_in_threadpool(engine.rate, triples, key=idempotency_key, timestamps=times)
    answer = {"stored": stored, "duplicates": len(triples) - stored}
    return reply(answer | {"unknown": left_out} if unknown == "skip" else answer)


@router.get(
    "/v1/users/{user_id}/ratings", response_model=HistoryOut, responses=problems(404, 422, 503), summary="A history"
)
def history(engine: EngineDep, user_id: parameters.UserIdPath) -> Response:
    """All ratings of a user, newest first."""
    items = [
        {
            "movie_id": one.movie_id,
            "title": one.title,
            "rating": round(float(one.rating), 3),
            "timestamp": one.timestamp,
        }
        for one in engine.history(user_id)
    ]
    return reply({"user_id": user_id, "items": items})


@router.put(
    "/v1/users/{user_id}/ratings/{movie_id}",
    status_code=204,
    response_class=Response,
    responses=problems(400, 404, 413, 415, 422, 503),
    summary="Rate a film",
)
def rate(
    engine: EngineDep, user_id: parameters.UserIdPath, movie_id: parameters.MovieIdPath, body: StarsIn
) -> Response:
    """Store one rating, in place of an earlier one. It is safe on disk when the answer arrives."""
    engine.rate([(user_id, movie_id, body.rating)])
    return Response(status_code=204)


@router.delete(
    "/v1/users/{user_id}/ratings/{movie_id}",
    status_code=204,
    response_class=Response,
    responses=problems(404, 422, 503),
    summary="Delete a rating",
)
def unrate(engine: EngineDep, user_id: parameters.UserIdPath, movie_id: parameters.MovieIdPath) -> Response:
    """Delete one rating; 404 if there is none."""
    engine.unrate(user_id, movie_id)
    return Response(status_code=204)


@router.post(
    "/v1/users/{user_id}/claim",
    response_model=ClaimedOut,
    responses=problems(400, 409, 413, 415, 422, 503),
    summary="Take over what a guest has rated",
)
def claim(engine: EngineDep, user_id: parameters.UserIdPath, body: ClaimIn) -> Response:
    """Give a user the ratings and states of a guest, whose id only the visitor knows; then the guest is erased.

    What the user has already stays. If it breaks off, the guest is still there: send it again.
    """
    return reply(asdict(engine.claim(user_id, body.guest)))


@router.get(
    "/v1/users/{user_id}/neighbors",
    response_model=NeighborsOut,
    responses=problems(404, 422, 503),
    summary="Users of similar taste",
)
def neighbors(engine: EngineDep, user_id: parameters.UserIdPath, n: parameters.Count = 10) -> Response:
    """Users whose ratings are most like this user's: cosine of ratings less each user's mean."""
    items = [
        {"user_id": one.user_id, "similarity": round(float(one.similarity), 6), "common": int(one.common)}
        for one in engine.neighbors(user_id, n)
    ]
    return reply({"user_id": user_id, "items": items})


@router.get(
    "/v1/users/{user_id}",
    response_model=UserOut,
    responses=problems(404, 422, 503),
    summary="Export what is held about a user",
)
def export_user(engine: EngineDep, user_id: parameters.UserIdPath) -> Response:
    """Everything held about a user."""
    return reply(engine.export_user(user_id))


@router.delete(
    "/v1/users/{user_id}",
    status_code=204,
    response_class=Response,
    responses=problems(404, 422, 503),
    summary="Erase a user",
)
def erase_user(engine: EngineDep, user_id: parameters.UserIdPath) -> Response:
    """Erase everything held about a user; what a model learned from it goes with the next training."""
    engine.erase_user(user_id)
    return Response(status_code=204)
