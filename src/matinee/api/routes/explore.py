"""For choosing and exploring: users by prefix, all titles, how a film was rated, figures of the data."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from matinee.api import parameters
from matinee.api.errors import problems
from matinee.api.render import dumps, reply
from matinee.api.response_cache import Made
from matinee.api.schemas.explore import DataReport, FilmRatingsOut, Statistics, TitleTable, UserPageOut
from matinee.api.service import EngineDep, service_of

router = APIRouter(tags=["exploring"])


@router.get("/v1/users", response_model=UserPageOut, responses=problems(422, 503), summary="Find users")
def users(
    engine: EngineDep,
    prefix: Annotated[str, Query(max_length=200, description="How the id begins; case counts.", examples=["4"])] = "",
    limit: Annotated[int, Query(ge=1, le=1000, description="Number of users.")] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000, description="Users to skip.")] = 0,
) -> Response:
    """Users with at least one rating: the one with exactly this id, then numeric ids by number, then others by text."""
    page = engine.users(prefix, limit=limit, offset=offset)
    items = [{"user_id": user_id, "ratings": count} for user_id, count in page.users]
    return reply({"items": items, "total": page.total})


@router.get("/v1/titles", response_model=TitleTable, responses=problems(503), summary="All titles")
async def titles(request: Request, engine: EngineDep) -> Response:
    """Id, title and year of every film, as three columns in the catalog's order: for pickers and maps."""

    def work() -> Made:
        return Made(dumps(engine.title_table()), True)

    return await service_of(request).answer(request, await service_of(request).view(engine), None, work, heavy=True)


@router.get(
    "/v1/movies/{movie_id}/ratings",
    response_model=FilmRatingsOut,
    responses=problems(404, 422, 503),
    summary="How a film was rated",
)
def film_ratings(engine: EngineDep, movie_id: parameters.MovieIdPath) -> Response:
    """Number, mean and histogram of a film's ratings, the latest included.

    Stars between two steps of the scale count as the nearer step.
    """
    ratings = engine.film_ratings(movie_id)
    return reply(
        {
            "movie_id": ratings.movie_id,
            "count": ratings.count,
            "mean": None if ratings.mean is None else round(ratings.mean, 3),
            "histogram": [{"stars": stars, "count": count} for stars, count in ratings.histogram],
        }
    )


@router.get(
    "/v1/statistics",
    response_model=Statistics,
    responses=problems(400, 422, 503),
    summary="Statistics of the ratings",
)
async def statistics(request: Request, engine: EngineDep, filter: parameters.Filter = "") -> Response:
    """Statistics of all ratings, the latest included, of the films that a filter allows.

    Over time and by film, genre, people, country, tag and user, with the long tail. Cached until a rating or a film
    changes.
    """

    def work() -> Made:
        # Not cached here: every new rating changes it, which no version covers. The engine caches it.
        return Made(dumps(engine.statistics(filter)), False)

    return await service_of(request).answer(request, await service_of(request).view(engine), None, work, heavy=True)


@router.get("/v1/report", response_model=DataReport, responses=problems(503), summary="How the data were cleaned")
def report(engine: EngineDep) -> Response:
    """The cleaning report of the data that the snapshot in service was made of: every row dropped, with its reason."""
    return reply(engine.report())
