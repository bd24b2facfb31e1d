"""Valid ids of movies and users, the same in files, over HTTP and in the store."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

ID_LENGTH = 64
"""Maximum length of an id, in characters."""
MOVIE_ID = r"^[^\s/?#\x00-\x1f\x7f-\x9f]+$"
"""Movie ids have no white space, `/`, `?`, `#` or control characters."""
USER_ID = r"^[^/\x00-\x1f]+$"
"""User ids have no `/` or control characters."""


def as_id(value: object) -> object:
    """Integers as text; other values unchanged."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


MovieId = Annotated[str, BeforeValidator(as_id), Field(min_length=1, max_length=ID_LENGTH, pattern=MOVIE_ID)]
"""A movie id in requests; integers are accepted."""
UserId = Annotated[str, BeforeValidator(as_id), Field(min_length=1, max_length=ID_LENGTH, pattern=USER_ID)]
"""A user id in requests; integers are accepted."""


Id = str | int
"""An id in the Python API."""


def id_text(value: Id) -> str:
    """An id of the Python API as it is stored: `42` is the user "42"."""
    return str(as_id(value))
