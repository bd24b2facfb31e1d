"""Models of request bodies: types are strict, unknown fields refused, sizes bounded."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from matinee.api.parameters import MovieId, MovieRef, Stars, UserId, at_most, limit_length
from matinee.api.schemas.examples import MOVIE, example
from matinee.data.catalog import Word
from matinee.data.ids import as_id
from matinee.engine.groups import MAX_MEMBERS
from matinee.engine.states import MAX_STATES
from matinee.engine.types import GroupMethod
from matinee.settings import MAX_AT_ONCE

MAX_FIELDS = 30
"""Fields of an object, at most; more than any body has."""


class Body(BaseModel):
    """An object of a request's body."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _limit_fields(cls, value: Any) -> Any:
        return limit_length(value, MAX_FIELDS)


class OfMovie(Body):
    """Something about one film, which is named by its id here, or by that at IMDb or TMDB."""

    movie_id: MovieRef | None = Field(
        None,
        description="Id of a film, also `tt0133093`, `imdb:tt0133093`, `tmdb:603`. Of several ids the first counts.",
    )
    imdb_id: Annotated[str, Field(pattern=r"^(?:tt)?\d{1,10}$")] | None = Field(
        None, description="The film's id at IMDb, instead of `movie_id`."
    )
    tmdb_id: Annotated[str, BeforeValidator(as_id), Field(pattern=r"^\d{1,10}$")] | None = Field(
        None, description="The film's id at TMDB, instead of `movie_id`."
    )

    @property
    def reference(self) -> str:
        """What names the film."""
        if self.movie_id is not None:
            return self.movie_id
        return f"tmdb:{self.tmdb_id}" if self.imdb_id is None else f"imdb:{self.imdb_id}"

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if self.movie_id is self.imdb_id is self.tmdb_id is None:
            raise PydanticCustomError("missing", "movie_id, imdb_id or tmdb_id is required")
        return self


class AdHocRating(OfMovie, json_schema_extra=example('{"movie_id": "318", "rating": 5}')):
    """A film that somebody liked, or rated."""

    rating: Stars | None = Field(None, description="Stars; without them the film counts as seen, a mild like.")


class AdHocRequest(
    Body, json_schema_extra=example('{"ratings": [{"movie_id": "318", "rating": 5}, {"movie_id": "296"}], "n": 10}')
):
    """Recommendations for somebody who is not stored."""

    ratings: Annotated[list[AdHocRating], at_most(MAX_AT_ONCE)] = Field(
        description="The history; of two ratings of one film the last counts."
    )
    n: Annotated[int, Field(strict=True, ge=1, le=1000)] = 10
    model: Annotated[str, Field(max_length=100)] | None = None
    filter: str = ""
    seen: Annotated[list[MovieRef], at_most(MAX_STATES)] = Field(
        [], description="Films seen, without stars: they are left out, and count as no taste. Unknown ids are ignored."
    )
    not_interested: Annotated[list[MovieRef], at_most(MAX_STATES)] = Field(
        [], description="Films never to return, whatever `include_seen` says. Unknown ids are ignored."
    )
    exclude: Annotated[list[MovieRef], at_most(MAX_STATES)] = Field(
        [], description="Films that may not be in this list. Unknown ids are ignored."
    )
    diversity: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 0.0
    adventurous: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] | None = None
    explain: Annotated[bool, Field(strict=True)] = False
    include_seen: Annotated[bool, Field(strict=True)] = False
    metadata: Annotated[bool, Field(strict=True)] = False


class GroupRequest(
    Body,
    json_schema_extra=example('{"users": ["42", "7"], "method": "least_misery", "filter": "year > 1980", "n": 10}'),
):
    """Recommendations for several stored users together."""

    users: Annotated[list[UserId], Field(min_length=2, max_length=MAX_MEMBERS), at_most(MAX_MEMBERS)] = Field(
        description="Their ids; whoever is not known leaves the choice to the others."
    )
    method: GroupMethod = Field(
        "average", description="average of what each would like; least_misery: what the least content would like."
    )
    n: Annotated[int, Field(strict=True, ge=1, le=1000)] = 10
    model: Annotated[str, Field(max_length=100)] | None = None
    filter: str = ""
    exclude: Annotated[list[MovieRef], at_most(MAX_STATES)] = Field([], description="Unknown ids are ignored.")
    diversity: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 0.0
    adventurous: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] | None = None
    include_seen: Annotated[bool, Field(strict=True)] = False


class ClaimIn(Body, json_schema_extra=example('{"from": "guest-4f2a9c01d7e3b586"}')):
    """Whose ratings become the user's."""

    guest: str = Field(alias="from", max_length=64, description="Id of a guest, as the web app makes them up.")


class RatingIn(OfMovie, json_schema_extra=example('{"user_id": "42", "movie_id": "318", "rating": 4.5}')):
    """One rating of many."""

    user_id: UserId
    rating: Stars
    timestamp: Annotated[int, Field(strict=True, ge=0, le=253_402_300_799)] | None = Field(
        None, description="Seconds since 1970 UTC; default: now."
    )


class StarsIn(Body, json_schema_extra=example('{"rating": 4.5}')):
    """The stars of one rating."""

    rating: Stars


Words = Annotated[list[Word], Field(max_length=2000), at_most(2000)]
Few = Annotated[list[Word], Field(max_length=50), at_most(50)]
People = Annotated[list[Word], Field(max_length=200), at_most(200)]
Cast = Annotated[list[Word], Field(max_length=500), at_most(500)]
Title = Annotated[str, Field(min_length=1, max_length=500)]
Titles = Annotated[list[Title], Field(max_length=50), at_most(50)]


class MoviePatch(
    Body, str_strip_whitespace=True, json_schema_extra=example('{"year": 2020, "tags": ["sea"], "overview": null}')
):
    """Columns of a film to change (JSON Merge Patch, RFC 7396): null empties a column, what is absent stays."""

    movie_id: MovieId | None = None
    title: Title = ""
    year: Annotated[int, Field(strict=True, ge=1870, le=2200)] | None = None
    genres: Few | None = None
    tags: Words | None = None
    directors: People | None = None
    writers: People | None = None
    cast: Cast | None = None
    countries: Few | None = None
    languages: Few | None = None
    keywords: Words | None = None
    overview: Annotated[str, Field(max_length=20_000)] | None = None
    imdb_id: Annotated[str, Field(pattern=r"^tt\d{7,10}$")] | None = None
    tmdb_id: Annotated[str, Field(pattern=r"^\d{1,10}$")] | None = None
    poster: Annotated[str, Field(max_length=1000)] | None = None
    original_title: Title | None = None
    alternate_titles: Titles | None = None


class MovieIn(MoviePatch, json_schema_extra=example(MOVIE.replace('"movie_id": "900001", ', ""))):
    """A film without its id, which is in the path; an id in the body must be the same."""

    title: Title
    genres: Few = []
    tags: Words = []
    directors: People = []
    writers: People = []
    cast: Cast = []
    countries: Few = []
    languages: Few = []
    keywords: Words = []
    alternate_titles: Titles = []
