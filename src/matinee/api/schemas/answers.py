"""Answers of the core service, for the OpenAPI document: the engine's dataclasses and what the API adds to them.

Answers are rendered straight to bytes (`render`) and not validated; tests compare the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from matinee.api.schemas.examples import ITEM, MOVIE, SNAPSHOT, example, with_example
from matinee.data.catalog import Movie
from matinee.engine import explain, types
from matinee.engine.embedding_backlog import BacklogState
from matinee.engine.posters import TitleReading
from matinee.engine.search import answers as search_answers
from matinee.engine.types import Answer, Item, Neighbor, RatedMovie


class FilmOut(BaseModel):
    """A film in a list."""

    movie_id: str
    title: str
    year: int | None
    genres: list[str]


@dataclass(frozen=True)
class ItemOut(Item):
    """A ranked film. The fields after `reason` come with `metadata=true`."""

    tags: list[str] | None = None
    directors: list[str] | None = None
    writers: list[str] | None = None
    cast: list[str] | None = None
    overview: str | None = None
    imdb_id: str | None = None
    imdb_url: str | None = None
    tmdb_id: str | None = None
    poster: Annotated[str | None, Field(description="Path of the picture; every film has one.")] = None
    poster_kind: Annotated[
        Literal["file", "link", "card"] | None,
        Field(description="Where it comes from: stored here, the address in the film's record, or drawn."),
    ] = None


@dataclass(frozen=True)
class ListOut(Answer):
    """A ranked list and where it came from."""

    __pydantic_config__ = ConfigDict(
        json_schema_extra=example(f'{{"items": [{{{ITEM}}}], "model": "blend", {SNAPSHOT}, "user_id": "42"}}')
    )

    items: tuple[ItemOut, ...]


GroupOut = with_example(
    types.GroupAnswer,
    f"""{{"items": [{{{ITEM}, "members": [{{"user_id": "42", "fit": 0.98, "stars": 4.4}}]}}],
    "model": "blend", {SNAPSHOT}, "method": "least_misery", "users": [{{"user_id": "42", "fallback": null}}],
    "fallback": null}}""",
)
ClaimedOut = with_example(types.Claimed, '{"user_id": "ann", "ratings": 12, "states": 30, "kept": 2}')


class MovieOut(Movie, json_schema_extra=example(MOVIE)):
    """A film as it is stored, with its ratings' count and mean in lists."""


class MovieRowOut(MovieOut):
    """A film in the catalog's list."""

    ratings: int | None = Field(None, description="Ratings of the film.")
    mean: float | None = Field(None, description="Mean stars.")


class MoviePageOut(
    BaseModel, json_schema_extra=example(f'{{"items": [{MOVIE}], "total": 1, "limit": 50, "offset": 0}}')
):
    """A page of the catalog."""

    items: list[MovieRowOut]
    total: int = Field(description="Total number of matching films.")
    limit: int
    offset: int


class RankedFilmOut(FilmOut):
    """A film in a ranked list."""

    rank: int


class HitOut(RankedFilmOut):
    """A film in a ranked list."""

    score: float = Field(ge=0, le=1.001)
    matched: str = Field(
        description='"title", "person", "meaning", "words" (of the description), "poster", "wish" or "similar".'
    )
    how: str = Field(description="Why, in words.")
    matched_title: str | None = Field(None, description="The original or alternate title that matched, if one did.")
    line: str | None = Field(None, description="The sentence of the plot that has most of the words.")


class SearchOut(
    BaseModel,
    json_schema_extra=example(
        f'{{"query": "shawshank", "items": [{{{ITEM}, "matched": "title", "how": "the title begins so"}}]}}'
    ),
):
    """Films found, best first."""

    query: str
    items: list[HitOut]
    snapshot: str
    understood: search_answers.Understood | None = Field(
        None, description="What was read from the text; null where it was searched as it is."
    )
    suggestions: list[types.MovieRef] = Field([], description="Near titles, where nothing was found: a question.")


class PeopleOut(
    BaseModel,
    json_schema_extra=example(
        f"""{{"query": "kurosawa", "items": [{{
          "name": "Akira Kurosawa", "roles": {{"director": 14, "writer": 12, "cast": 0}},
          "films": [{{"movie_id": "2019", "title": "Seven Samurai", "year": 1954, "how": "directed by"}}]
        }}], {SNAPSHOT}}}"""
    ),
):
    """People found, best known first."""

    query: str
    items: list[search_answers.Person]
    snapshot: str


@dataclass(frozen=True, kw_only=True)
class PopularOut(ItemOut):
    """A film of a chart."""

    ratings: int
    mean: float | None


class ChartOut(
    BaseModel, json_schema_extra=example(f'{{"items": [{{{ITEM}, "ratings": 317, "mean": 4.43}}], {SNAPSHOT}}}')
):
    """Popular, trending or top-rated films."""

    items: list[PopularOut]
    snapshot: str


RATED = '{"movie_id": "318", "title": "A Film", "rating": 4.5, "timestamp": 1000000000}'


class HistoryOut(BaseModel, json_schema_extra=example(f'{{"user_id": "42", "items": [{RATED}]}}')):
    """A user's ratings, newest first."""

    user_id: str
    items: list[RatedMovie]


class NeighborsOut(
    BaseModel,
    json_schema_extra=example('{"user_id": "42", "items": [{"user_id": "7", "similarity": 0.61, "common": 12}]}'),
):
    """Users of similar taste, most similar first."""

    user_id: str
    items: list[Neighbor]


class StoredOut(BaseModel, json_schema_extra=example('{"stored": 3, "duplicates": 0}')):
    """How many ratings of a batch were stored."""

    stored: int = Field(description="Distinct (user, film) pairs stored.")
    duplicates: int = Field(description="Ratings of the batch that a later one of the same pair replaced.")
    unknown: list[str] | None = Field(
        None, description="With `unknown=skip`: ids of films that are not known, whose ratings were left out."
    )


class LineErrorOut(BaseModel):
    """A line that was refused."""

    line: int = Field(description="Its number, from 1.")
    detail: str


class ImportOut(
    BaseModel,
    json_schema_extra=example(
        """{"key": "import-2026-01-01", "state": "done", "rows": 3, "bytes": 190, "ratings": 2, "removals": 0,
        "movies": 0, "refused": 1, "errors": [{"line": 2, "detail": "This is not JSON."}], "digest": "9f…",
        "updated": 1790000000.0}"""
    ),
):
    """How far an import has come."""

    key: str
    state: Literal["open", "stopped", "done"] = Field(
        description="open: more lines are expected. stopped: the line after `rows` was refused. done: it is complete."
    )
    rows: int = Field(description="Lines dealt with, blank and refused ones included; the next is line `rows` + 1.")
    bytes: int = Field(description="Bytes of these lines, with their ends: where the next one begins.")
    ratings: int = Field(description="Lines stored as ratings.")
    removals: int = Field(description="Lines that removed a rating.")
    states: int = Field(0, description="Lines that set or removed a state of a film.")
    movies: int = Field(description="Lines stored as films.")
    refused: int = Field(description="Lines that were refused and left out.")
    errors: list[LineErrorOut] = Field(description="The first 100 of these, and the line that it stopped at.")
    digest: str = Field(description="Chained hash of the lines.")
    updated: float = Field(description="Time of the newest line, in seconds since 1970.")


class UserOut(
    BaseModel,
    extra="allow",
    json_schema_extra=example('{"user_id": "42", "ratings": [], "states": [], "exposures": []}'),
):
    """Everything held about a user."""


class SnapshotOut(BaseModel, json_schema_extra=example(f"{{{SNAPSHOT}}}")):
    """The snapshot in service."""

    snapshot: str


class RecordsOut(
    BaseModel, json_schema_extra=example(f'{{"items": [{{"name": "blend", "default": true}}], {SNAPSHOT}}}')
):
    """Models or snapshots with their details."""

    items: list[dict[str, Any]]
    snapshot: str


class RunsOut(BaseModel, json_schema_extra=example('{"items": [{"id": "20261128T164059Z-6f4f6fdb"}]}')):
    """Stored runs of evaluations, each with its main figure."""

    items: list[dict[str, Any]]


_RUN = (
    '{"id": "20261128T164059Z-6f4f6fdb", "created": "2026-11-28T16:40:59+00:00", "kind": "evaluate", '
    '"protocol": "likes", "dataset": "ml-100k", "validation": false, "models": ["blend", "ease"], '
    '"reference": "blend", "metric": "ndcg@10", "value": 0.4012, "report": {}, "trials": []}'
)


class RunOut(BaseModel, json_schema_extra=example(_RUN)):
    """A stored run of an evaluation."""

    id: str
    created: str
    kind: str
    protocol: str
    dataset: str
    validation: bool
    models: list[str]
    reference: str = Field(description="The model that the others are compared with.")
    metric: str = Field(description="The main figure.")
    value: float | None = Field(description="Of the reference.")
    report: dict[str, Any]
    trials: list[dict[str, Any]] = Field(description="What a search tried.")


class HealthOut(BaseModel, json_schema_extra=example('{"status": "ok"}')):
    """Alive."""

    status: str


class ReadyOut(HealthOut, json_schema_extra=example(f'{{"status": "ready", {SNAPSHOT}, "warnings": []}}')):
    """Able to answer."""

    snapshot: str
    warnings: list[str]


class CoreReadyOut(
    ReadyOut,
    json_schema_extra=example(
        f"""{{"status": "ready", {SNAPSHOT}, "warnings": [], "writes": true, "reason": null,
        "backlog": {{"movies": 0, "texts": 0, "posters": 0, "reason": null}}}}"""
    ),
):
    """Able to answer."""

    writes: bool = Field(description="Whether the store can be written; where not, reads go on.")
    reason: str | None = Field(description="Why it cannot be written, and what to do.")
    backlog: BacklogState


Explanation = with_example(
    explain.Explanation,
    """{
      "user_id": "42", "movie_id": "2959", "title": "Fight Club", "snapshot": "20260101T120000Z-0123abcd",
      "model": "blend", "fallback": null, "stars": 4.349, "rating": null,
      "models": [{"name": "ials", "score": 0.730955, "rank": 35, "of": 9285}],
      "because": [{"movie_id": "2571", "title": "The Matrix", "rating": 5.0, "share": 0.0389}],
      "rest": 0.9611, "reason": "because you loved The Matrix",
      "neighbors": [{"user_id": "464", "similarity": 0.1469, "common": 52, "stars": 5.0}], "neighbors_mean": 5.0,
      "factors": [{
        "factor": 3, "user": 0.61, "film": 0.42, "product": 0.2562,
        "high": [{"movie_id": "1193", "title": "One Flew Over the Cuckoo's Nest"}],
        "low": [{"movie_id": "434", "title": "Cliffhanger"}]
      }],
      "content": [{
        "field": "directors", "shared": ["David Fincher"],
        "films": [{"movie_id": "47", "title": "Seven (a.k.a. Se7en)"}]
      }]
    }""",
)


class PosterOut(
    BaseModel,
    json_schema_extra=example(
        """{"movie_id": "318", "poster": "/v1/movies/318/poster", "media_type": "image/jpeg",
        "width": 342, "height": 513, "bytes": 31415, "indexed": true}"""
    ),
):
    """A picture that was stored."""

    movie_id: str
    poster: str = Field(description="Path of the picture.")
    media_type: str
    width: int
    height: int
    bytes: int
    indexed: bool = Field(description="Whether the film is found by this picture from now on.")


class PosterHitOut(RankedFilmOut):
    """A film whose poster looks alike."""

    distance: float = Field(description="Angular distance √(2 − 2·similarity), 0..2.")
    similarity: float = Field(description="Cosine, −1..1.")
    matched: Literal["look", "title"] = Field(description="title: it stands on the picture.")
    poster: str = Field(description="Path of the poster.")


class PosterHitsOut(
    BaseModel,
    json_schema_extra=example(
        """{"items": [{
          "movie_id": "1214", "title": "Alien", "year": 1979, "genres": ["Horror", "Sci-Fi"], "rank": 1,
          "distance": 0.21, "similarity": 0.978, "matched": "look", "poster": "/v1/movies/1214/poster"
        }], "ocr": "not needed", "index": "exact", "snapshot": "20260101T120000Z-0123abcd"}"""
    ),
):
    """Films with similar posters, most similar first."""

    items: list[PosterHitOut]
    ocr: TitleReading = Field(
        description="Whether the title was read off the picture; not needed: a poster looks like it."
    )
    index: str
    snapshot: str
