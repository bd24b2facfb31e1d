"""Parameters that several routes share, with their limits and examples."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from matinee.data.ids import (
    ENCODED_SLASH,
    ID_LENGTH,
    REFERENCE,
    REFERENCE_LENGTH,
    USER_ID,
    MovieId,
    UserId,
    accepted,
    as_id,
    normalized,
)
from matinee.engine.types import PlotMethod, Unknown
from matinee.matching import outside_id


def _in_path(value: object) -> object:
    """An id in a path, see `encoded_paths`."""
    return as_id(value.replace(ENCODED_SLASH, "/") if isinstance(value, str) else value)


def _not_long(reference: str) -> str:
    """Addresses may be longer than ids."""
    if len(reference) > ID_LENGTH and outside_id(reference) is None:
        raise PydanticCustomError(
            "string_too_long", "String should have at most {limit} characters", {"limit": ID_LENGTH}
        )
    return reference


MovieRef = Annotated[
    str,
    BeforeValidator(as_id),
    Field(min_length=1, max_length=REFERENCE_LENGTH, pattern=REFERENCE),
    AfterValidator(_not_long),
    accepted(REFERENCE, REFERENCE_LENGTH),
]
"""What names a movie in requests: an id of the catalog, `tt0133093`, `imdb:…`, `tmdb:603`, or an address of these."""
_NFC = BeforeValidator(_in_path)
UserIdPath = Annotated[
    str, _NFC, Path(min_length=1, max_length=ID_LENGTH, pattern=USER_ID, description="Id of a user.", examples=["42"])
]
MovieIdPath = Annotated[
    str,
    _NFC,
    Path(
        min_length=1,
        max_length=REFERENCE_LENGTH,
        pattern=REFERENCE,
        description="Id of a film; or its id at IMDb or TMDB: `tt0133093`, `imdb:tt0133093`, `tmdb:603`, or an address "
        "there. A `/` in it is written as %2F.",
        examples=["318"],
    ),
    AfterValidator(_not_long),
]


Stars = Annotated[float, Field(strict=True, ge=0, le=100, allow_inf_nan=False, examples=[4.5])]
"""Stars; the engine checks the scale of the data set."""


def limit_length(value: object, limit: int) -> object:
    """Refuse longer lists and objects before they are validated.

    Validating millions of items, and collecting the errors of each, would take minutes and gigabytes.
    """
    if isinstance(value, list | dict) and len(value) > limit:
        message = "At most {limit} items are accepted here, not {given}"
        raise PydanticCustomError("too_many", message, {"limit": limit, "given": len(value)})
    return value


def at_most(limit: int) -> BeforeValidator:
    """`limit_length` as an annotation."""
    return BeforeValidator(lambda value: limit_length(value, limit))


Count = Annotated[int, Query(ge=1, le=1000, description="Number of items.", examples=[10])]
Filter = Annotated[
    str,
    Query(
        description='Which films may appear, in the filter language: `genre = "Comedy" and year >= 1990`.',
        examples=['genre = "Comedy" and year >= 1990 and not tag = "gore"'],
    ),
]
Model = Annotated[
    str | None, Query(max_length=100, description="Name of a model, see GET /v1/models.", examples=["ease"])
]
Exclude = Annotated[
    list[str],
    Query(
        default_factory=list,
        description="Ids of films that may not appear: comma separated, repeated, or both. Unknown ids are ignored.",
        examples=[["1,2"]],
        max_length=1000,
    ),
]
Diversity = Annotated[
    float,
    Query(ge=0, le=1, allow_inf_nan=False, description="0: best scores first … 1: films as unlike as possible."),
]
Adventurous = Annotated[
    float | None,
    Query(
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="0: well-known films … 1: the long tail. Default: the setting `adventurous`.",
    ),
]
PlotMethodQuery = Annotated[
    PlotMethod | None,
    Query(
        description="What compares plots, with `by=plot` only: `tfidf` (the words that they share, named by `reason`) "
        "or `embedding` (the vectors of the texts). Default: `embedding` where the snapshot has such vectors."
    ),
]
Explain = Annotated[bool, Query(description="Explain items by liked films, and list disliked films that lower others.")]
IncludeSeen = Annotated[bool, Query(description="Also return films that the user has rated or seen.")]
UnknownFilms = Annotated[
    Unknown,
    Query(
        description="Where a film is not known: `refuse` stores nothing and answers 404; `skip` stores the others and "
        "lists the ids in `unknown`."
    ),
]
Metadata = Annotated[bool, Query(description="Add tags, people, ids elsewhere and the poster to each item.")]


def split_ids(values: list[str]) -> tuple[str, ...]:
    """`exclude` as ids: `["1,2", "3"]` → `("1", "2", "3")`."""
    return tuple(normalized(part) for value in values for part in value.split(",") if part)


def refuse(where: tuple[str | int, ...], message: str) -> RequestValidationError:
    """An error like those of declared parameters (422)."""
    return RequestValidationError([{"loc": where, "msg": message, "type": "value_error"}])


__all__ = [
    "Adventurous",
    "Count",
    "Diversity",
    "Exclude",
    "Explain",
    "Filter",
    "IncludeSeen",
    "Metadata",
    "Model",
    "MovieId",
    "MovieIdPath",
    "MovieRef",
    "PlotMethodQuery",
    "Stars",
    "UnknownFilms",
    "UserId",
    "UserIdPath",
    "at_most",
    "limit_length",
    "refuse",
    "split_ids",
]
