"""Lines of a streamed import: JSON objects, of which each is a rating, the removal of one, a state, or a film."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Annotated

import orjson
from pydantic import Field, ValidationError

from matinee.api.line_reader import MAX_LINE, Line
from matinee.api.parameters import Stars, UserId
from matinee.api.schemas.examples import example
from matinee.api.schemas.requests import RatingIn
from matinee.api.schemas.states import StateIn
from matinee.data.catalog import Movie
from matinee.engine.imports import ImportLine, ImportRow, RatingRow, RefusedRow, StateRow
from matinee.stores.base import ImportProgress


class ImportedRating(RatingIn, json_schema_extra=example('{"user_id": "42", "movie_id": "318", "rating": 4.5}')):
    """A rating; `"rating": null` removes the one there is."""

    rating: Annotated[Stars | None, Field(description="Stars; null removes the rating.")]  # type: ignore[assignment]


class ImportedState(StateIn, json_schema_extra=example('{"user_id": "42", "movie_id": "318", "state": "seen"}')):
    """A state of a user's film, that is to be set or removed."""

    user_id: UserId


def read_lines(lines: Sequence[Line], progress: ImportProgress) -> list[ImportLine]:
    """The next lines of an import that has come so far."""
    read, end, digest = [], progress.bytes, progress.digest
    for line in lines:
        end += line.size
        digest = chained(digest, line)
        read.append(ImportLine(row_of(line), end, digest))
    return read


def chained(digest: str, line: Line) -> str:
    """The hash of a line and all before it, of whose digest this is."""
    return blake2b(b"%s\n%d\n%s" % (digest.encode(), line.size, line.data), digest_size=16).hexdigest()


def row_of(line: Line) -> ImportRow:
    """What a line holds."""
    if line.too_long:
        return RefusedRow(f"The line has {line.size:,} bytes; {MAX_LINE:,} are read at most.")
    if not line.data.strip():
        return None
    try:
        value = orjson.loads(line.data)
    except orjson.JSONDecodeError as error:
        return RefusedRow(f"This is not JSON ({error}).")
    if not isinstance(value, dict):
        return RefusedRow("This is not an object: send a rating or a film a line.")
    try:
        if "title" in value:
            return Movie.model_validate(value)
        if "state" in value:
            marked = ImportedState.model_validate(value)
            return StateRow(marked.user_id, marked.reference, marked.state, marked.remove, marked.timestamp)
        rating = ImportedRating.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "line"
        return RefusedRow(f"{where}: {first['msg']}.")
    return RatingRow(rating.user_id, rating.reference, rating.rating, rating.timestamp)
