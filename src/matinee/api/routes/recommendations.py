"""Recommendations, similar films, the chart: the most frequent requests."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from matinee.api import parameters
from matinee.api.errors import problems
from matinee.api.fast_path import ROUTE, takes_long
from matinee.api.list_work import ListWork
from matinee.api.parameters import refuse, split_ids
from matinee.api.render import Json, answer_json, group_record, popular_record, reply
from matinee.api.response_cache import Made
from matinee.api.schemas.answers import ChartOut, GroupOut, ListOut
from matinee.api.schemas.requests import AdHocRequest, GroupRequest
from matinee.api.service import EngineDep, service_of
from matinee.engine.types import PopularBy, SimilarBy
from matinee.engine.types import Request as Options

router = APIRouter(tags=["recommendations"])


@router.get(
    ROUTE,
    response_model=ListOut,
    responses=problems(400, 404, 422, 503),
    summary="Films for a user",
)
async def recommend(
    request: Request,
    engine: EngineDep,
    user_id: parameters.UserIdPath,
    exclude: parameters.Exclude,
    n: parameters.Count = 10,
    model: parameters.Model = None,
    filter: parameters.Filter = "",
    diversity: parameters.Diversity = 0.0,
    adventurous: parameters.Adventurous = None,
    explain: parameters.Explain = False,
    include_seen: parameters.IncludeSeen = False,
    metadata: parameters.Metadata = False,
) -> Response:
    """Ranked films that the user has neither rated nor seen, without those that are not interesting.

    An unknown user gets the popular films and `"fallback": "popular"`. A rating or a mark counts at the next call, in
    every worker process. While an experiment runs, a request that names no model gets the list of the user's arm, and
    `experiment` and `arm` say so.
    """
    options = Options(n, model, filter, split_ids(exclude), diversity, explain, include_seen, adventurous)
    service = service_of(request)
    view = await service.view(engine)
    work = ListWork(engine, view, user_id, options, metadata, service.experiments.running())
    return await service.answer(request, view, user_id, work, heavy=takes_long(options, metadata))


@router.post(
    "/v1/recommendations",
    response_model=ListOut,
    responses=problems(400, 404, 413, 415, 422, 503),
    summary="Films for somebody who is not stored",
)
async def recommend_for(request: Request, engine: EngineDep, body: AdHocRequest) -> Response:
    """Ranked films for a history given in the request; nothing is stored.

    A film without `rating` is a mild like. Films in `seen` and `not_interested` are left out, and say nothing else.
    """
    limit = service_of(request).settings.max_history
    if len(body.ratings) > limit:
        raise refuse(("body", "ratings"), f"List should have at most {limit} items")
    history = {rating.reference: rating.rating for rating in body.ratings}
    options = Options(
        body.n,
        body.model,
        body.filter,
        tuple(body.exclude),
        body.diversity,
        body.explain,
        body.include_seen,
        body.adventurous,
    )
    return await run_in_threadpool(
        lambda: Json(
            answer_json(
                engine,
                engine.recommend_for(
                    history, options, titles=False, seen=body.seen, not_interested=body.not_interested
                ),
                body.metadata,
            )
        )
    )


@router.post(
    "/v1/recommendations/group",
    response_model=GroupOut,
    responses=problems(400, 404, 413, 415, 422, 503),
    summary="Films for several users",
)
def recommend_group(engine: EngineDep, body: GroupRequest) -> Response:
    """One list for several people, without what anybody has rated, seen or is not interested in.

    `members` says of each film how well it fits each person: `fit`, the share of films that stand lower for them, and
    predicted stars.
    """
    options = Options(
        body.n,
        body.model,
        body.filter,
        tuple(body.exclude),
        body.diversity,
        include_seen=body.include_seen,
        adventurous=body.adventurous,
    )
    return reply(group_record(engine.recommend_group(body.users, options, method=body.method)))


@router.get(
    "/v1/movies/{movie_id}/similar",
    response_model=ListOut,
    responses=problems(400, 404, 422, 503),
    summary="Similar films",
)
async def similar(
    request: Request,
    engine: EngineDep,
    movie_id: parameters.MovieIdPath,
    by: Annotated[
        SimilarBy,
        Query(
            description="What makes films alike: who liked them (taste), what they are about (content), both (blend), "
            "their posters (poster), these and content (look), or their plots."
        ),
    ] = "blend",
    index: Annotated[Literal["exact", "faiss", "annoy", "hnsw"], Query(description="Which index searches.")] = "exact",
    method: parameters.PlotMethodQuery = None,
    n: parameters.Count = 10,
    filter: parameters.Filter = "",
    metadata: parameters.Metadata = False,
) -> Response:
    """Films similar to one film, most similar first, itself left out.

    A film that is not known by that likeness (no ratings, poster or plot) is answered by content: see `fallback`.
    """

    def work() -> Made:
        answer = engine.similar(movie_id, by=by, n=n, filter=filter, index=index, method=method)
        return Made(answer_json(engine, answer, metadata), not filter and not metadata)

    service, heavy = service_of(request), metadata or n > 100 or bool(filter)
    return await service.answer(request, await service.view(engine), None, work, heavy=heavy)


@router.get(
    "/v1/popular",
    response_model=ChartOut,
    responses=problems(400, 404, 422, 503),
    summary="Popular, trending or top-rated films",
)
def popular(
    engine: EngineDep,
    by: Annotated[
        PopularBy,
        Query(
            description="popular: number of ratings; trending: the same, where a rating counts half as much for every "
            "half-life that it is old; top_rated: IMDb's weighted score."
        ),
    ] = "popular",
    n: parameters.Count = 10,
    filter: parameters.Filter = "",
    genre: Annotated[
        str | None, Query(min_length=1, max_length=200, description="Only this genre.", examples=["Comedy"])
    ] = None,
    year: Annotated[int | None, Query(ge=1870, le=2200, description="Only this year.", examples=[1994])] = None,
    days: Annotated[
        float | None,
        Query(gt=0, le=100_000, allow_inf_nan=False, description="Only ratings of the last days, up to the newest."),
    ] = None,
) -> Response:
    """A chart, the same for everybody, of the ratings of this moment. Equal films: the better rated first.

    `score` is the number of ratings, that of recent ones, or IMDb's weighted score `v/(v+m)·R + m/(v+m)·C`: `v` ratings
    with the mean `R`, `C` the mean of all, `m` the 0.9 quantile of `v`.
    """
    chart = engine.popular(by=by, n=n, filter=filter, genre=genre, year=year, days=days)
    return reply({"items": [popular_record(entry) for entry in chart], "snapshot": engine.snapshot_id})
