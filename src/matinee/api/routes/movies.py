"""The catalog: search, list, read, add, change, remove films."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from pydantic import ValidationError
from starlette.responses import Response

from matinee.api import parameters
from matinee.api.errors import problems
from matinee.api.parameters import refuse
from matinee.api.render import hit_record, movie_record, reply
from matinee.api.schemas.answers import MovieOut, MoviePageOut, PeopleOut, SearchOut
from matinee.api.schemas.requests import MovieIn, MoviePatch
from matinee.api.service import EMBEDDING_HEADER, EngineDep, embedding_header
from matinee.data.catalog import Movie
from matinee.errors import UnknownMovieError

router = APIRouter(tags=["films"])
Sort = Literal[
    "popularity", "-popularity", "top_rated", "-top_rated", "ratings", "-ratings", "mean", "-mean",
    "movie_id", "-movie_id", "title", "-title", "year", "-year",
]  # fmt: skip


@router.get("/v1/search", response_model=SearchOut, responses=problems(400, 422, 503), summary="Find films")
def search(
    engine: EngineDep,
    q: Annotated[str, Query(min_length=1, max_length=500, description="What to look for.", examples=["starr warrs"])],
    n: parameters.Count = 10,
    filter: parameters.Filter = "",
    by: Annotated[
        Literal["both", "title", "meaning"],
        Query(description="What is searched: titles, what films are about, or both (fused by rank)."),
    ] = "both",
    plain: Annotated[
        bool, Query(description="Search the text as it is: look for no people, genres, years … in it.")
    ] = False,
) -> Response:
    """Films by title (exact, by prefix, with typos), people, wishes ("90s action with bruce willis") and meaning.

    Each says how it matched; `understood` says what was read from the text, and where nothing was found `suggestions`
    name near titles.
    """
    found = engine.search(q, n=n, filter=filter, by=by, plain=plain)
    items = [hit_record(hit, rank) for rank, hit in enumerate(found, 1)]
    return reply(
        {
            "query": q,
            "items": items,
            "snapshot": engine.snapshot_id,
            "understood": None if found.understood is None else asdict(found.understood),
            "suggestions": [asdict(movie) for movie in found.suggestions],
        }
    )


@router.get("/v1/people", response_model=PeopleOut, responses=problems(400, 422, 503), summary="Find people")
def people(
    engine: EngineDep,
    q: Annotated[str, Query(min_length=1, max_length=500, description="A name.", examples=["kurosawa"])],
    n: parameters.Count = 10,
    filter: parameters.Filter = "",
) -> Response:
    """Directors, writers and actors by name (misspelled, too), their number of films by role, and the best known."""
    found = engine.people(q, n=n, filter=filter)
    return reply({"query": q, "items": [asdict(person) for person in found], "snapshot": engine.snapshot_id})


@router.get("/v1/movies", response_model=MoviePageOut, responses=problems(400, 422, 503), summary="List the catalog")
def movies(
    engine: EngineDep,
    filter: parameters.Filter = "",
    sort: Annotated[
        Sort,
        Query(
            description="Column to sort by; `-` in front reverses it. popularity (number of ratings, of equal films "
            "the better rated first), top_rated (IMDb's weighted score), ratings and mean start with the highest."
        ),
    ] = "popularity",
    limit: Annotated[int, Query(ge=1, le=1000, description="Films on a page.")] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000, description="Films to skip.")] = 0,
) -> Response:
    """A page of films; the `Link` header names the first, previous, next and last page."""
    page = engine.movies(filter=filter, sort=sort, offset=offset, limit=limit)
    items = [movie_record(movie) for movie in page.movies]
    for record, (ratings, mean) in zip(items, page.stats, strict=False):
        record |= {"ratings": int(ratings), "mean": None if mean is None else round(float(mean), 3)}
    answer = {"items": items, "total": page.total, "limit": limit, "offset": offset}
    return reply(answer, headers={"link": _links(filter, sort, limit, offset, page.total)})


def _links(filter: str, sort: str, limit: int, offset: int, total: int) -> str:
    last = max(0, (total - 1) // limit * limit)
    targets = {"first": 0, "last": last}
    if offset > 0:
        targets["prev"] = max(0, min(offset - limit, last))
    if offset + limit < total:
        targets["next"] = offset + limit
    common = {"sort": sort, "limit": str(limit)} | ({"filter": filter} if filter else {})
    return ", ".join(
        f'</v1/movies?{urlencode(common | {"offset": str(start)})}>; rel="{name}"' for name, start in targets.items()
    )


@router.get("/v1/movies/{movie_id}", response_model=MovieOut, responses=problems(404, 422, 503), summary="Read a film")
def movie(engine: EngineDep, movie_id: parameters.MovieIdPath) -> Response:
    """One film."""
    return reply(movie_record(engine.movie(movie_id)))


def _checked_id(movie_id: str, body: MoviePatch) -> None:
    if body.movie_id not in (None, movie_id):
        raise refuse(("body", "movie_id"), "Input should be the id in the path, or absent")


@router.put(
    "/v1/movies/{movie_id}",
    response_model=MovieOut,
    responses=problems(400, 413, 415, 422, 503)
    | {
        200: {"headers": EMBEDDING_HEADER, "description": "Replaced"},
        201: {"headers": EMBEDDING_HEADER, "model": MovieOut, "description": "Added"},
    },
    summary="Add or replace a film",
)
def put_movie(engine: EngineDep, movie_id: parameters.MovieIdPath, body: MovieIn) -> Response:
    """Store a film. It can be found and is recommended at once, by its genres, tags, people and title.

    Where the encoder is away, it is found by meaning as soon as that answers again; the answer says so.
    """
    status = 200
    given = movie_id
    try:
        movie_id = engine.movie(given).movie_id
    except UnknownMovieError:
        status = 201
    if body.movie_id != given:
        _checked_id(movie_id, body)
    try:
        film = Movie.model_validate(body.model_dump() | {"movie_id": movie_id})
    except ValidationError as error:
        raise refuse(("path", "movie_id"), f"{movie_id[:80]!r} cannot be the id of a film") from error
    engine.put_movies([film])
    return reply(movie_record(film), status, headers=embedding_header(engine, movie_id))


@router.patch(
    "/v1/movies/{movie_id}",
    response_model=MovieOut,
    responses=problems(400, 404, 413, 415, 422, 503),
    summary="Change a film",
)
def patch_movie(engine: EngineDep, movie_id: parameters.MovieIdPath, body: MoviePatch) -> Response:
    """Change the columns given (JSON Merge Patch): null empties a column, what is absent stays."""
    given, movie_id = movie_id, engine.movie(movie_id).movie_id
    if body.movie_id != given:
        _checked_id(movie_id, body)
    changes = body.model_dump(exclude_unset=True, exclude={"movie_id"})
    film = engine.patch_movie(movie_id, changes)
    return reply(movie_record(film), headers=embedding_header(engine, movie_id))


@router.delete(
    "/v1/movies/{movie_id}",
    status_code=204,
    response_class=Response,
    responses=problems(404, 422, 503),
    summary="Remove a film",
)
def delete_movie(engine: EngineDep, movie_id: parameters.MovieIdPath) -> Response:
    """Remove a film from the catalog; its ratings stay, and count again if it comes back."""
    engine.delete_movie(movie_id)
    return Response(status_code=204)
