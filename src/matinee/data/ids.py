"""Valid ids of movies and users, the same in files, over HTTP and in the store.

Ids are kept in Unicode's normalization form C (NFC): `é` may be one character or two, and would else be two users.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

ID_LENGTH = 64
"""Maximum length of an id, in characters."""
ENCODED_SLASH = "\ue02f"
"""Stands for a `/` within an id while a request's path is divided (`api/encoded_paths.py`); no id has it."""
_INVISIBLE = rf"\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff{ENCODED_SLASH}"
"""Characters without width, and those that turn the direction of writing: ids with them look like others."""
_BLANKS = r"\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""White space but for the blank."""


def _without(excluded: str, outer: str = "") -> str:
    """The pattern of texts without these characters, but for `.` and `..`, which are folders in a path.

    Args:
        outer: excluded at the begin and the end.
    """
    inside, end = f"[^{excluded}]*", f"[^{excluded}{outer}]"
    rest = f"(?:{inside}{end})?" if outer else inside
    return rf"^(?:[^.{excluded}{outer}]{rest}|\.[^.{excluded}{outer}]{rest}|\.\.{inside}{end})$"


MOVIE_ID = _without(rf"?#\x00-\x1f\x7f-\x9f{_BLANKS}{_INVISIBLE}", outer=" ")
"""Movie ids have no `?`, `#`, control or invisible characters and no white space but for blanks inside; and are not `.`
or `..`."""
USER_ID = _without(rf"\x00-\x1f{_INVISIBLE}")
"""User ids have no control or invisible characters, and are not `.` or `..`."""
REFERENCE = rf"^[^\x00-\x1f\x7f-\x9f{_INVISIBLE}]+$"
"""What names a movie: its id, its id at another site, or its address there."""
REFERENCE_LENGTH = 300
"""Maximum length of what names a movie, in characters."""


def normalized(text: str) -> str:
    """A text in NFC, the form in which ids are kept."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def as_id(value: object) -> object:
    """Text in NFC, and integers as text; other values unchanged."""
    if isinstance(value, str):
        return normalized(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def aliases(ids: Iterable[str]) -> dict[str, int]:
    """The NFC of those ids that are not in it, as snapshots of earlier versions have them → their places."""
    return {normalized(id_): row for row, id_ in enumerate(ids) if not id_.isascii() and normalized(id_) != id_}


def accepted(pattern: str, length: int = ID_LENGTH) -> WithJsonSchema:
    """What a request may hold as an id, for its documentation."""
    text = {"type": "string", "minLength": 1, "maxLength": length, "pattern": pattern}
    return WithJsonSchema({"anyOf": [text, {"type": "integer"}]}, mode="validation")


MovieId = Annotated[
    str, BeforeValidator(as_id), Field(min_length=1, max_length=ID_LENGTH, pattern=MOVIE_ID), accepted(MOVIE_ID)
]
"""A movie id in requests; integers are accepted."""
UserId = Annotated[
    str, BeforeValidator(as_id), Field(min_length=1, max_length=ID_LENGTH, pattern=USER_ID), accepted(USER_ID)
]
"""A user id in requests; integers are accepted."""


Id = str | int
"""An id in the Python API."""


def id_text(value: Id) -> str:
    """An id of the Python API as it is stored: `42` is the user "42", and text is in NFC."""
    return str(as_id(value))
