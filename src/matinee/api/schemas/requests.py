"""Models of request bodies: types are strict, unknown fields refused, sizes bounded."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from matinee.api.parameters import MovieId, Stars, UserId, at_most, few
from matinee.data.catalog import Word
from matinee.settings import MAX_AT_ONCE

MOST_FIELDS = 30
"""Fields of an object, at most; no body has as many."""

MOVIE: dict[str, Any] = {
    "movie_id": "900001",
    "title": "The Lighthouse Keeper",
    "year": 2019,
    "genres": ["Drama", "Mystery"],
    "tags": ["sea", "slow burn"],
    "directors": ["A. Director"],
    "overview": "Two keepers, one lamp, and a winter that does not end.",
    "imdb_id": "tt0000001",
}


def _example(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": list(examples)})


class Body(BaseModel):
    """An object of a request's body."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: Any) -> Any:
        return few(value, MOST_FIELDS)


class AdHocRating(Body):
    """A film that somebody liked, or rated."""

    model_config = _example({"movie_id": "318", "rating": 5})

    movie_id: MovieId
    rating: Stars | None = Field(None, description="Stars; without them the film counts as seen, a mild like.")


class AdHocRequest(Body):
    """Recommendations for somebody who is not stored."""

    model_config = _example({"ratings": [{"movie_id": "318", "rating": 5}, {"movie_id": "296"}], "n": 10})

    ratings: Annotated[list[AdHocRating], at_most(MAX_AT_ONCE)] = Field(
        description="The history; of two ratings of one film the last counts."
    )
    n: Annotated[int, Field(strict=True, ge=1, le=1000)] = 10
    model: Annotated[str, Field(max_length=100)] | None = None
    filter: str = ""
    exclude: Annotated[list[MovieId], Field(max_length=1000), at_most(1000)] = []
    diversity: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 0.0
    adventurous: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] | None = None
    explain: Annotated[bool, Field(strict=True)] = False
    include_seen: Annotated[bool, Field(strict=True)] = False
    metadata: Annotated[bool, Field(strict=True)] = False


class RatingIn(Body):
    """One rating of many."""

    model_config = _example({"user_id": "42", "movie_id": "318", "rating": 4.5})

    user_id: UserId
    movie_id: MovieId
    rating: Stars
    timestamp: Annotated[int, Field(strict=True, ge=0, le=253_402_300_799)] | None = Field(
        None, description="Seconds since 1970 UTC; default: now."
    )


class StarsIn(Body):
    """The stars of one rating."""

    model_config = _example({"rating": 4.5})

    rating: Stars


Words = Annotated[list[Word], Field(max_length=2000), at_most(2000)]
Few = Annotated[list[Word], Field(max_length=50), at_most(50)]
People = Annotated[list[Word], Field(max_length=200), at_most(200)]
Cast = Annotated[list[Word], Field(max_length=500), at_most(500)]
Year = Annotated[int, Field(strict=True, ge=1870, le=2200)]


class MovieIn(Body):
    """A film without its id, which is in the path (in the body it may only say the same)."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{k: v for k, v in MOVIE.items() if k != "movie_id"}]},
    )

    movie_id: MovieId | None = None
    title: Annotated[str, Field(min_length=1, max_length=500)]
    year: Year | None = None
    genres: Few = []
    tags: Words = []
    directors: People = []
    writers: People = []
    cast: Cast = []
    countries: Few = []
    languages: Few = []
    keywords: Words = []
    overview: Annotated[str, Field(max_length=20_000)] | None = None
    imdb_id: Annotated[str, Field(pattern=r"^tt\d{7,10}$")] | None = None
    tmdb_id: Annotated[str, Field(pattern=r"^\d{1,10}$")] | None = None
    poster: Annotated[str, Field(max_length=1000)] | None = None


class MoviePatch(MovieIn):
    """Columns of a film to change (JSON Merge Patch, RFC 7396): null empties a column, what is absent stays."""

    model_config = _example({"year": 2020, "tags": ["sea"], "overview": None})

    title: Annotated[str, Field(min_length=1, max_length=500)] = ""
    genres: Few | None = None  # type: ignore[assignment]
    tags: Words | None = None  # type: ignore[assignment]
    directors: People | None = None  # type: ignore[assignment]
    writers: People | None = None  # type: ignore[assignment]
    cast: Cast | None = None  # type: ignore[assignment]
    countries: Few | None = None  # type: ignore[assignment]
    languages: Few | None = None  # type: ignore[assignment]
    keywords: Words | None = None  # type: ignore[assignment]
