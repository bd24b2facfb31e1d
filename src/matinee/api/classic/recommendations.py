"""The classic routes: what clients of earlier systems send and expect (docs/classic.md, B4 and B5).

Served at the root and under `/classic`. Answers have the classic shapes; errors are problem documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, BeforeValidator, Field, RootModel, ValidationError
from starlette.responses import Response

from matinee.api import parameters
from matinee.api.errors import problems
from matinee.api.parameters import MovieId, Stars, UserId, at_most, refuse
from matinee.api.render import Json, dumps, reply
from matinee.api.response_cache import Made
from matinee.api.schemas.examples import example
from matinee.api.schemas.requests import Body
from matinee.api.service import EngineDep, embedding_header, service_of
from matinee.classic import titled
from matinee.data.catalog import Movie, Word
from matinee.data.ids import ID_LENGTH, USER_ID, as_id
from matinee.data.titles import split_title
from matinee.engine import Engine
from matinee.engine.types import Answer
from matinee.engine.types import Request as Options
from matinee.errors import SnapshotError, UnknownMovieError
from matinee.settings import MAX_AT_ONCE, Settings

router = APIRouter(tags=["classic"])
CONTENT = "content"
AT_ONCE = at_most(MAX_AT_ONCE)
ReturnMetadata = Annotated[
    str,
    Query(
        alias="returnMetadata",
        description="`true`, `1` or `yes`, in any case: titles and genres too; any other word: false.",
        examples=["true"],
    ),
]
YES = ("true", "1", "yes")
TopN = Annotated[int, Query(ge=1, le=1000, description="Number of items.")]
ClassicUser = Annotated[
    str,
    BeforeValidator(as_id),
    Query(min_length=1, max_length=ID_LENGTH, pattern=USER_ID, description="Id of a user.", examples=["42"]),
]


# --- wire models ----------------------------------------------------------------------------------------------
class ClassicItem(BaseModel):
    """A recommended film; the fields after `id` come with `returnMetadata`."""

    id: str
    movie_id: str | None = None
    title: str | None = None
    genres: list[str] | str | None = Field(None, description="A list, or joined by | in the second classic form.")
    tags: str | None = None


class ClassicItems(BaseModel, json_schema_extra=example('{"items": [{"id": "1213"}]}')):
    """Recommended films, best first."""

    items: list[ClassicItem]


class Histories(BaseModel):
    """Ids of rated films, descending as numbers."""

    histories: list[str]


class Feature(BaseModel, json_schema_extra=example('{"feature": [{"histories": ["3839", "318"]}]}')):
    """A history in the first classic form."""

    feature: list[Histories]


class Features(BaseModel, json_schema_extra=example('{"features": [{"histories": ["185135", "318"]}]}')):
    """A history in the second classic form."""

    features: list[Histories]


class ClassicRatings(Body):
    """Films and stars of one user, side by side, or one of each."""

    movie_id: Annotated[list[MovieId] | MovieId, AT_ONCE]
    ratings: Annotated[list[Stars] | Stars | None, AT_ONCE] = None
    rating: Annotated[list[Stars] | Stars | None, AT_ONCE] = None

    def pairs(self, user_id: str) -> list[tuple[str, str, float]]:
        """(user, film, stars) triples.

        Raises:
            RequestValidationError: the lengths differ, or the stars are missing or given twice.
        """
        if (self.ratings is None) == (self.rating is None):
            raise refuse(("body", user_id), "Exactly one of the fields ratings and rating is required")
        given = self.ratings if self.rating is None else self.rating
        stars = given if isinstance(given, list) else [given] if given is not None else []
        films = self.movie_id if isinstance(self.movie_id, list) else [self.movie_id]
        if len(stars) != len(films):
            raise refuse(("body", user_id), f"There are {len(films)} films and {len(stars)} ratings; give one each")
        return [(user_id, film, star) for film, star in zip(films, stars, strict=True)]


class UpdateRatings(
    RootModel[Annotated[dict[UserId, ClassicRatings], AT_ONCE]],
    json_schema_extra=example('{"42": {"movie_id": ["318", "296"], "ratings": [4.5, 5]}}'),
):
    """Ratings by user."""


Joined = Annotated[
    Annotated[str, Field(max_length=20_000)] | Annotated[list[Word], Field(max_length=2000)], at_most(2000)
]


class ClassicMovie(Body, str_strip_whitespace=True):
    """A film: title with or without its year, genres and tags joined by `|` or as lists."""

    title: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    genres: Joined | None = None
    tags: Joined | None = None


class UpdateMovie(
    RootModel[Annotated[dict[MovieId, ClassicMovie], AT_ONCE]],
    json_schema_extra=example(
        '{"900001": {"title": "The Lighthouse Keeper (2019)", "genres": "Drama", "tags": "sea|slow"}}'
    ),
):
    """Films by id."""


# --- recommendations ------------------------------------------------------------------------------------------
def _recommend(engine: Engine, user_id: str, n: int, settings: Settings) -> Answer:
    """The classic rule: with few ratings the content model, with more the one of the setting."""
    rated = engine.rated_count(user_id)
    model = None
    if 0 < rated < settings.min_ratings and engine.has_model(CONTENT):
        model = CONTENT
    elif rated and settings.classic_model != "blend":
        model = settings.classic_model
        if not engine.has_model(model):
            raise SnapshotError(
                f"The snapshot has no model {model!r}, which the classic routes are set to.",
                f"Train with MATINEE_CLASSIC_MODEL={model}, or set it to blend.",
            )
    return engine.recommend(user_id, Options(n=n, model=model))


async def _items(request: Request, engine: Engine, user_id: str, n: int, metadata: bool, *, joined: bool) -> Response:
    def work() -> Made:
        answer = _recommend(engine, user_id, n, service_of(request).settings)
        items: list[dict[str, Any]] = []
        for item in answer.items:
            record: dict[str, Any] = {"movie_id": item.movie_id} if joined else {}
            record["id"] = item.movie_id
            if metadata:
                record["title"] = titled(item.title, item.year)
                record["genres"] = "|".join(item.genres) if joined else item.genres
                if joined:
                    record["tags"] = "|".join(engine.movie(item.movie_id).tags)
            items.append(record)
        return Made(dumps({"items": items}), not answer.volatile)

    return await service_of(request).answer(
        request, await service_of(request).view(engine), user_id, work, heavy=metadata or n > 100
    )


@router.get(
    "/recommendations/{user_id}",
    response_model=ClassicItems,
    responses=problems(404, 422, 503),
    summary="Films for a user",
)
async def classic_recommend(
    request: Request,
    engine: EngineDep,
    user_id: parameters.UserIdPath,
    metadata: ReturnMetadata = "",
    top_n: TopN = 10,
) -> Response:
    """Ten films: ids, and titles with years and genres (a list) with `returnMetadata`."""
    return await _items(request, engine, user_id, top_n, metadata.strip().lower() in YES, joined=False)


@router.get(
    "/recommendations",
    response_model=ClassicItems,
    responses=problems(404, 422, 503),
    summary="Films for a user (query)",
)
async def classic_recommend_query(
    request: Request, engine: EngineDep, user_id: ClassicUser, metadata: ReturnMetadata = "", top_n: TopN = 10
) -> Response:
    """Ten films: ids twice, and titles, genres and tags (joined by `|`) with `returnMetadata`."""
    return await _items(request, engine, user_id, top_n, metadata.strip().lower() in YES, joined=True)


# --- histories ------------------------------------------------------------------------------------------------
def _descending(ids: Sequence[str]) -> list[str]:
    """Ids from the highest number down; those that are not numbers come last, from Z to A."""
    return sorted(ids, key=lambda i: (True, int(i), "") if i.isascii() and i.isdigit() else (False, 0, i), reverse=True)


def _history(engine: Engine, user_id: str) -> list[dict[str, list[str]]]:
    return [{"histories": _descending([one.movie_id for one in engine.history(user_id)])}]


@router.get(
    "/feature/{user_id}", response_model=Feature, responses=problems(404, 422, 503), summary="A user's film ids"
)
def classic_feature(engine: EngineDep, user_id: parameters.UserIdPath) -> Response:
    """Ids of the films that a user has rated, descending; 404 for an unknown user."""
    return reply({"feature": _history(engine, user_id)})


@router.get(
    "/features", response_model=Features, responses=problems(404, 422, 503), summary="A user's film ids (query)"
)
def classic_features(engine: EngineDep, user_id: ClassicUser) -> Response:
    """Ids of the films that a user has rated, descending; 404 for an unknown user."""
    return reply({"features": _history(engine, user_id)})


# --- writing --------------------------------------------------------------------------------------------------
@router.post(
    "/update_ratings",
    response_model=None,
    responses=problems(400, 404, 413, 415, 422, 503)
    | {200: {"content": {"application/json": {"schema": {"type": "null"}, "example": None}}, "description": "Stored"}},
    summary="Store ratings",
)
def update_ratings(request: Request, engine: EngineDep, body: UpdateRatings) -> Response:
    """Store ratings of one or several users, all or none; answers `null`."""
    triples = [triple for user_id, ratings in body.root.items() for triple in ratings.pairs(user_id)]
    limit = service_of(request).settings.max_batch
    if len(triples) > limit:
        raise refuse(("body",), f"There are {len(triples)} ratings; send at most {limit} at once")
    if triples:
        engine.rate(triples)
    return Json(b"null")


def _words(value: str | list[str]) -> tuple[str, ...]:
    words = value.split("|") if isinstance(value, str) else value
    stripped = (word.strip() for word in words)
    return tuple(dict.fromkeys(word for word in stripped if word and word != "(no genres listed)"))


def _film(engine: Engine, movie_id: str, given: ClassicMovie) -> Movie:
    """The film to store: an existing one with the given columns changed, or a new one."""
    try:
        record = engine.movie(movie_id).model_dump()
    except UnknownMovieError:
        if given.title is None:
            raise refuse(("body", movie_id, "title"), "Field required for a new film") from None
        record = {"movie_id": movie_id}
    if given.title is not None:
        title, year = split_title(given.title)
        record["title"] = title
        if year is not None:
            record["year"] = year
    if given.genres is not None:
        record["genres"] = _words(given.genres)
    if given.tags is not None:
        record["tags"] = _words(given.tags)
    try:
        return Movie.model_validate(record)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise refuse(("body", movie_id, *first["loc"]), first["msg"]) from None


@router.post(
    "/update_movie",
    response_model=None,
    responses=problems(400, 413, 415, 422, 503)
    | {200: {"content": {"application/json": {"schema": {"type": "null"}, "example": None}}, "description": "Stored"}},
    summary="Add or change films",
)
def update_movie(request: Request, engine: EngineDep, body: UpdateMovie) -> Response:
    """Add or change one or several films, all or none; they are recommendable at once. Answers `null`."""
    limit = service_of(request).settings.max_batch
    if len(body.root) > limit:
        raise refuse(("body",), f"There are {len(body.root)} films; send at most {limit} at once")
    films = [_film(engine, movie_id, given) for movie_id, given in body.root.items()]
    if films:
        engine.put_movies(films)
    return Json(b"null", headers=embedding_header(engine, *body.root))
