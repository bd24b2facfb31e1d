"""What ids of films and users look like, in files, over HTTP and in the store alike."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

ID_LENGTH = 64
"""Longest id, in characters."""
MOVIE_ID = r"^[^\s/?#\x00-\x1f\x7f-\x9f]+$"
"""Film ids have no white space, `/`, `?`, `#` or control characters."""
USER_ID = r"^[^/\x00-\x1f]+$"
"""User ids have no `/` or control characters, and are not all blank."""


def as_id(value: object) -> object:
    """Integers as text; anything else as it is."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


MovieId = Annotated[str, BeforeValidator(as_id), Field(min_length=1, max_length=ID_LENGTH, pattern=MOVIE_ID)]
"""A film id on the wire; integers are accepted."""
UserId = Annotated[str, BeforeValidator(as_id), Field(min_length=1, max_length=ID_LENGTH, pattern=USER_ID)]
"""A user id on the wire; integers are accepted."""


Id = str | int
"""An id given in Python."""


def id_text(value: Id) -> str:
    """An id given in Python as it is stored: `42` is the user "42"."""
    return str(as_id(value))
