"""Models of answers, for the interface's description.

Answers are rendered straight to bytes (`render`); tests hold the two together.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from matinee.api.routes.common import HealthOut
from matinee.api.schemas.requests import MOVIE
from matinee.data.catalog import Movie

ITEM: dict[str, Any] = {
    "movie_id": "318",
    "title": "The Shawshank Redemption",
    "year": 1994,
    "genres": ["Crime", "Drama"],
    "score": 0.873,
    "rank": 1,
}


class FilmRefOut(BaseModel):
    """A film by id and title."""

    movie_id: str
    title: str


class ReasonOut(BaseModel):
    """A film that the user liked, and its share in what liked films say for a recommendation."""

    movie_id: str
    title: str
    share: float = Field(ge=0, le=1.001)


class FilmOut(BaseModel):
    """A film in a list."""

    movie_id: str
    title: str
    year: int | None
    genres: list[str]


class ItemOut(FilmOut):
    """A ranked film. The fields after `reason` come with `metadata=true`."""

    score: float | None = Field(description="Comparable within one answer only.")
    rank: int
    stars: float | None = Field(None, description="Predicted stars, where known.")
    because: list[ReasonOut] | None = Field(None, description="With `explain=true`: reasons, biggest share first.")
    reason: str | None = Field(None, description="With `explain=true`: the same in words, plain text.")
    tags: list[str] | None = None
    directors: list[str] | None = None
    writers: list[str] | None = None
    cast: list[str] | None = None
    overview: str | None = None
    imdb_id: str | None = None
    imdb_url: str | None = None
    tmdb_id: str | None = None
    poster: str | None = Field(None, description="Path of the picture; every film has one.")
    poster_kind: Literal["file", "link", "card"] | None = Field(
        None, description="Where it comes from: stored here, the address in the film's record, or drawn."
    )


class ListOut(BaseModel):
    """A ranked list and where it came from."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [ITEM], "model": "blend", "snapshot": "20260101T120000Z-0123abcd", "user_id": "42"}]
        }
    )

    items: list[ItemOut]
    model: str
    snapshot: str
    fallback: str | None = Field(None, description='"popular": nothing is known about the user.')
    index: str | None = Field(None, description="Which vector index searched, where one did.")
    less_of: list[FilmRefOut] | None = Field(
        None, description="With `explain=true`: disliked films that push others down this list, three at most."
    )
    user_id: str | None = None


class MovieOut(Movie):
    """A film as it is stored, with its ratings' count and mean in lists."""

    model_config = ConfigDict(json_schema_extra={"examples": [MOVIE]})


class MovieRowOut(MovieOut):
    """A film in the catalogue's list."""

    ratings: int | None = Field(None, description="Ratings of the film.")
    mean: float | None = Field(None, description="Mean stars.")


class MoviePageOut(BaseModel):
    """A page of the catalogue."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [MOVIE], "total": 1, "limit": 50, "offset": 0}]}
    )

    items: list[MovieRowOut]
    total: int = Field(description="Films that match in all.")
    limit: int
    offset: int


class HitOut(FilmOut):
    """A film found."""

    score: float = Field(ge=0, le=1.001)
    rank: int
    matched: str = Field(description='"title", "meaning", "words" (of the description) or "poster".')
    how: str = Field(description="Why, in words.")


class SearchOut(BaseModel):
    """Films found, best first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"query": "shawshank", "items": [ITEM | {"matched": "title", "how": "the title begins so"}]}]
        }
    )

    query: str
    items: list[HitOut]
    snapshot: str


class PopularOut(ItemOut):
    """A film of a chart."""

    ratings: int
    mean: float | None


class ChartOut(BaseModel):
    """Popular, trending or top-rated films."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [ITEM | {"ratings": 317, "mean": 4.43}], "snapshot": "20260101T120000Z-0123abcd"}]
        }
    )

    items: list[PopularOut]
    snapshot: str


class RatedOut(BaseModel):
    """A rating of a user."""

    movie_id: str
    title: str
    rating: float
    timestamp: int | None = Field(description="Seconds since 1970 UTC, where known.")


class HistoryOut(BaseModel):
    """A user's ratings, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "42",
                    "items": [{"movie_id": "318", "title": "A Film", "rating": 4.5, "timestamp": 1_000_000_000}],
                }
            ]
        }
    )

    user_id: str
    items: list[RatedOut]


class NeighborOut(BaseModel):
    """A user of similar taste."""

    user_id: str
    similarity: float
    common: int = Field(description="Films that both have rated.")


class NeighborsOut(BaseModel):
    """Users of similar taste, most similar first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"user_id": "42", "items": [{"user_id": "7", "similarity": 0.61, "common": 12}]}]
        }
    )

    user_id: str
    items: list[NeighborOut]


class StoredOut(BaseModel):
    """What became of a batch of ratings."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"stored": 3, "duplicates": 0}]})

    stored: int = Field(description="Distinct (user, film) pairs stored.")
    duplicates: int = Field(description="Ratings of the batch that a later one of the same pair replaced.")


class SnapshotOut(BaseModel):
    """The snapshot in service."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"snapshot": "20260101T120000Z-0123abcd"}]})

    snapshot: str


class RecordsOut(BaseModel):
    """Models or snapshots, each with what is known about it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [{"name": "blend", "default": True}], "snapshot": "20260101T120000Z-0123abcd"}]
        }
    )

    items: list[dict[str, Any]]
    snapshot: str


class ReadyOut(HealthOut):
    """Able to answer."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "ready", "snapshot": "20260101T120000Z-0123abcd", "warnings": []}]}
    )

    snapshot: str
    warnings: list[str]


class UserOut(BaseModel):
    """Everything held about a user."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"examples": [{"user_id": "42", "ratings": [], "exposures": []}]}
    )
