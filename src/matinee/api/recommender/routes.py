"""Ranking by a history of vectors (classic), and scores of histories of films (for the core service)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from numpy.typing import NDArray
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from matinee._util.packed_floats import packed
from matinee._util.request_context import stage
from matinee.api.errors import problems
from matinee.api.parameters import refuse
from matinee.api.recommender.bodies import (
    MAX_SCORES,
    TIMES,
    ContributionsIn,
    ContributionsOut,
    HistoryIn,
    ModelsOut,
    RecommendIn,
    ScoresIn,
    ScoresOut,
    UserFactorsIn,
    UserFactorsOut,
)
from matinee.api.recommender.histories import MAX_PREDICTIONS, list_at, parse, ratings_at, vectors_at
from matinee.api.recommender.service import RecommenderService, service_of
from matinee.api.render import Json, dumps, reply
from matinee.api.request_bodies import is_json, json_schema, read_json, validated
from matinee.data.ids import ID_LENGTH, id_text
from matinee.engine import browse
from matinee.engine.runtime import RequestView
from matinee.errors import TooLargeError
from matinee.models import vector_ratings
from matinee.models.base import Model
from matinee.models.base import Query as History

router = APIRouter(tags=["recommending"])
scoring = APIRouter(tags=["scoring"], prefix="/v1")
ERRORS = problems(400, 408, 413, 415, 422, 503)
SCORING_ERRORS = problems(400, 404, 408, 409, 413, 415, 422, 503)
Location = tuple[str | int, ...]


@router.post(
    "/recommend",
    response_model=list[str],
    responses=ERRORS | {200: {"content": {"application/json": {"example": ["7", "12"]}}, "description": "Ids"}},
    openapi_extra=json_schema(RecommendIn),
    summary="Films by a history of vectors",
)
async def recommend(request: Request) -> Response:
    """The classic form: ids of the films asked for by predicted rating, best first, of a model fitted on this history.

    Needs no snapshot. With equal predictions, those nearest to the history's mean come first.
    """
    if not is_json(request):
        raise HTTPException(415)
    service = service_of(request)
    service.work_queue.check_room()
    body = await request.body()
    (answer,) = await service.work_queue.run([lambda: _ranked(service, body)])
    return Json(answer)


def _ranked(service: RecommenderService, body: bytes) -> bytes:
    given: RecommendIn = validated(RecommendIn, parse(body))
    settings = service.settings
    location: Location = ("body", "historical")
    pair = list_at(given.historical, location, 2, "lists")
    if len(pair) != 2:
        raise refuse(location, "Send two lists: the vectors of the films rated, and their ratings")
    ratings = ratings_at(pair[1], (*location, 1), settings.max_history)
    vectors = vectors_at(pair[0], (*location, 0), settings.max_history)
    if len(vectors) != len(ratings):
        raise refuse(location, f"There are {len(vectors)} vectors and {len(ratings)} ratings; give one each")
    if not len(ratings):
        raise refuse(location, "There are no ratings; send one at least")
    asked_at: Location = ("body", "prediction_embeddings")
    asked = vectors_at(given.prediction_embeddings, asked_at, MAX_PREDICTIONS, vectors.shape[1])
    ids = _ids(given.movie_id)
    if len(ids) != len(asked):
        raise refuse(("body", "movie_id"), f"There are {len(asked)} vectors and {len(ids)} ids; give one each")
    kind = given.model or settings.recommender_model
    with stage("score"):
        order = vector_ratings.rank(kind, vectors, ratings, asked, settings.seed)
    return dumps([ids[position] for position in order.tolist()])


def _ids(value: object) -> list[str]:
    location: Location = ("body", "movie_id")
    ids = list_at(value, location, MAX_PREDICTIONS, "ids")
    for number, one in enumerate(ids):
        if type(one) not in (str, int) or not 1 <= len(str(one)) <= ID_LENGTH:
            raise refuse((*location, number), f"This is not a valid id; send a number or 1 to {ID_LENGTH} characters")
    return [id_text(one) for one in ids]


# --- scores ---------------------------------------------------------------------------------------------------
@scoring.get("/models", response_model=ModelsOut, responses=problems(409, 422, 503), summary="Models in service")
async def models(
    request: Request,
    snapshot: Annotated[
        str | None, Query(min_length=1, max_length=100, description="Refuse (409) where another one is in service.")
    ] = None,
    sequence: Annotated[
        int, Query(ge=-1, lt=TIMES, description="Refuse (409) where the store has not come this far.")
    ] = -1,
) -> Response:
    """Each model with its settings and metrics; 409 where the snapshot or the store is not the one named."""
    service = service_of(request)

    def work() -> Response:
        view = service.view(snapshot, sequence)
        return reply({"items": browse.models(view), "snapshot": view.snapshot.id, "sequence": view.sequence})

    return await run_in_threadpool(work)


@scoring.post(
    "/scores", response_model=ScoresOut, responses=SCORING_ERRORS, openapi_extra=json_schema(ScoresIn), summary="Scores"
)
async def scores(request: Request) -> Response:
    """Scores of all films, or of some, for each history, by one model. Films of the history are scored too."""
    body: ScoresIn = await _read(request, ScoresIn)

    def work(view: RequestView, model: Model[Any]) -> dict[str, Any]:
        films = None if body.movie_ids is None else _rows(view, body.movie_ids)
        _check_size(len(body.histories), len(view.catalog) if films is None else len(films))
        queries = _queries(request, view, body.histories)
        added: list[str] = []
        if films is not None:
            values = np.zeros((len(queries), len(films)), dtype=np.float32)
            for row, query in zip(values, queries, strict=True):
                row[:] = _some(model, query, films)
        else:
            added = view.catalog.column("movie_id")[len(view.snapshot.catalog) :]
            with stage("score"):
                values = model.score(queries) if queries else np.zeros((0, len(view.catalog)), dtype=np.float32)
        fallbacks = [model.fallback(query) if len(query) else "popular" for query in queries]
        return {"fallbacks": fallbacks, "scores": packed(values), "added": added}

    return await _answer(request, body, work)


@scoring.post(
    "/contributions",
    response_model=ContributionsOut,
    responses=SCORING_ERRORS,
    openapi_extra=json_schema(ContributionsIn),
    summary="What a history adds to scores",
)
async def contributions(request: Request) -> Response:
    """How much each film of a history adds to the scores of some films, by one model."""
    body: ContributionsIn = await _read(request, ContributionsIn)

    def work(view: RequestView, model: Model[Any]) -> dict[str, Any]:
        rows = _rows(view, body.movie_ids)
        _check_size(len(rows), len(body.history.movie_ids))
        query = service_of(request).queries.of(view, body.history, ("body", "history"))
        mask = rows >= 0
        shares = model.contributions(query, rows[mask].tolist()) if len(query) else None
        if shares is None:
            return {"contributions": None}
        # By the positions in the request, which may name films that are not in the catalog.
        positions = {row: position for position, row in enumerate(_rows(view, body.history.movie_ids).tolist())}
        columns = [positions[row] for row in query.rows.tolist()]
        full = np.zeros((len(rows), len(body.history.movie_ids)), dtype=np.float32)
        full[np.ix_(np.flatnonzero(mask), np.array(columns, dtype=np.int64))] = shares
        return {"contributions": packed(full)}

    return await _answer(request, body, work)


@scoring.post(
    "/user-factors",
    response_model=UserFactorsOut,
    responses=SCORING_ERRORS,
    openapi_extra=json_schema(UserFactorsIn),
    summary="Latent factors of histories",
)
async def user_factors(request: Request) -> Response:
    """User factors of histories in a factorization model; NaN for a history that it knows nothing of."""
    body: UserFactorsIn = await _read(request, UserFactorsIn)

    def work(view: RequestView, model: Model[Any]) -> dict[str, Any]:
        queries = _queries(request, view, body.histories)
        factors = model.user_factors(queries) if queries else None
        return {"factors": None if factors is None else packed(factors)}

    return await _answer(request, body, work)


async def _read(request: Request, model: type[BaseModel]) -> Any:
    """The body as a model. Only vectors may be as large as the service's limit."""
    service = service_of(request)
    service.work_queue.check_room()
    value = await read_json(request)
    if len(await request.body()) > service.settings.max_body:
        raise HTTPException(413)
    return validated(model, value)


async def _answer(
    request: Request,
    body: ScoresIn | ContributionsIn | UserFactorsIn,
    work: Callable[[RequestView, Model[Any]], dict[str, Any]],
) -> Response:
    """The answer of a piece of work on one model of the view that the body asks for."""
    service = service_of(request)

    def run() -> bytes:
        view = service.view(body.snapshot, body.sequence)
        name = body.model or view.default_model()
        record = work(view, view.model(name))
        return dumps({"snapshot": view.snapshot.id, "sequence": view.sequence, "model": name, **record})

    # Always in a thread: it may wait for a snapshot, or for a store on another machine.
    return Json(await service.executor.run(run, heavy=True))


def _queries(request: Request, view: RequestView, histories: list[HistoryIn]) -> list[History]:
    cache = service_of(request).queries
    return [cache.of(view, history, ("body", "histories", number)) for number, history in enumerate(histories)]


def _rows(view: RequestView, films: list[str | int]) -> NDArray[np.int64]:
    """Rows of films; −1 for those that the catalog does not have."""
    rows = (view.catalog.find_any(id_text(film)) for film in films)
    return np.array([-1 if row is None else row for row in rows], dtype=np.int64)


def _some(model: Model[Any], query: History, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    scores = np.full(len(rows), np.nan, dtype=np.float32)
    mask = rows >= 0
    if mask.any():
        scores[mask] = model.score_rows(query, rows[mask])
    return scores


def _check_size(rows: int, columns: int) -> None:
    if rows * columns > MAX_SCORES:
        raise TooLargeError(f"The answer would have {rows * columns:,} numbers.", f"Ask for at most {MAX_SCORES:,}.")
