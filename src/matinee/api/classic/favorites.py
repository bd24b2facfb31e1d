"""The classic favorites (docs/classic.md, B2) over HTTP: a few films in, ten titles out."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from matinee.api.classic.titles import MatchOut, movie_record
from matinee.api.errors import problems
from matinee.api.parameters import MovieId, at_most, refuse
from matinee.api.render import reply
from matinee.api.schemas.answers import RankedFilmOut
from matinee.api.schemas.examples import example
from matinee.api.schemas.requests import Body
from matinee.api.service import EngineDep
from matinee.classic import Match, find_title, named, recommend_favorites

router = APIRouter(tags=["classic"])
MAX_FAVORITES = 20
"""Favorites in one request, at most."""
Title = Annotated[str, Field(min_length=1, max_length=500)]


class FavoritesIn(
    Body,
    json_schema_extra=example(
        '{"movies": ["Toy Story (1995)", "Alien (1979)", "Heat (1995)"], "model": "collab", "top_n": 10}',
        '{"movie_ids": ["1", "1214"], "model": "content"}',
    ),
):
    """Favorite films, by title or by id."""

    movies: Annotated[list[Title], Field(min_length=1, max_length=MAX_FAVORITES), at_most(MAX_FAVORITES)] | None = (
        Field(None, description="Titles, with or without the year; typos are tolerated.")
    )
    movie_ids: (
        Annotated[list[MovieId], Field(min_length=1, max_length=MAX_FAVORITES), at_most(MAX_FAVORITES)] | None
    ) = Field(None, description="Ids in place of titles.")
    model: Annotated[
        Literal["content", "collab"],
        Field(description="`content`: films about the same things; `collab`: films that those like who like these."),
    ] = "content"
    top_n: Annotated[int, Field(strict=True, ge=1, le=1000)] = 10


class FavoriteOut(MatchOut):
    """The film that a favorite was taken for."""

    given: str = Field(description="The title or id as it was sent.")


class FavoritesOut(
    BaseModel,
    json_schema_extra=example(
        """{
          "model": "collab",
          "matched": [{"given": "toy story", "movie_id": "1", "title": "Toy Story", "year": 1995, "score": 100.0}],
          "items": [{
            "movie_id": "3114", "title": "Toy Story 2", "year": 1999, "genres": ["Animation", "Comedy"], "rank": 1
          }],
          "titles": ["Toy Story 2 (1999)"], "fallback": null, "cold": []
        }"""
    ),
):
    """Films for somebody who likes these films, best first, the favorites left out."""

    model: Literal["content", "collab"]
    matched: list[FavoriteOut] = Field(description="One for each favorite, in their order.")
    items: list[RankedFilmOut]
    titles: list[str] = Field(description="The items' titles, as `Title (Year)`.")
    fallback: Literal["content", "popular"] | None = Field(
        description='"content": some favorites, `cold`, have no ratings and count by what they are about; '
        '"popular": nothing is known of any favorite.'
    )
    cold: list[str] = Field(description="Favorites that nobody has rated, as `Title (Year)`.")


@router.post(
    "/favourites",
    response_model=FavoritesOut,
    responses=problems(400, 404, 413, 415, 422, 503),
    summary="Films for a few favorites",
)
def favourites(engine: EngineDep, body: FavoritesIn) -> Response:
    """Films for somebody who likes one to twenty films; all of them count, and one given twice counts once."""
    if (body.movies is None) == (body.movie_ids is None):
        raise refuse(("body",), "Exactly one of the fields movies and movie_ids is required")
    if body.movies is not None:
        given, matched = body.movies, [find_title(engine, title) for title in body.movies]
    else:
        given = body.movie_ids or []
        matched = [Match(engine.movie(movie_id), 100.0) for movie_id in given]
    result = recommend_favorites(engine, matched, body.model, body.top_n)
    return reply(
        {
            "model": result.model,
            "matched": [
                {"given": text} | movie_record(match.movie) | {"score": round(match.score, 1)}
                for text, match in zip(given, result.matched, strict=True)
            ],
            "items": [
                movie_record(movie) | {"genres": movie.genres, "rank": rank}
                for rank, movie in enumerate(result.movies, 1)
            ],
            "titles": [named(movie) for movie in result.movies],
            "fallback": result.fallback,
            "cold": [named(movie) for movie in result.cold],
        }
    )
