"""Vectors and ratings of the classic request as arrays; each fault with its location in the body.

Checked by hand: pydantic would take seconds for the millions of numbers that a classic client sends.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.api.parameters import refuse
from matinee.api.request_bodies import parse_json
from matinee.errors import InvalidInputError

MAX_PREDICTIONS = 200_000
"""Vectors asked for in one request."""
MAX_DIM = 10_000
"""Values in one vector."""
MAX_VALUE = 1e100
"""Largest value of a vector, of either sign."""
MAX_RATING = 1e6
"""Largest rating, of either sign: any scale is fine."""
REREAD_BYTES = 16 << 20
"""Bodies up to this size are read again to name the location of a NaN."""
_NUMBERS = {float, int}

Location = tuple[str | int, ...]
Floats = NDArray[np.float64]


def parse(body: bytes) -> Any:
    """A JSON value in which NaN and infinity may stand, so that their location can be named.

    Raises:
        HTTPException, InvalidInputError: as `parse_json`; the latter for large bodies only.
    """
    try:
        return parse_json(body)
    except InvalidInputError:
        if len(body) > REREAD_BYTES:
            raise
        try:
            return json.loads(body)  # Python's parser takes NaN, and 1e999 as infinity
        except (ValueError, RecursionError):
            raise InvalidInputError("The body holds NaN or infinity.", "Send finite numbers.") from None


def vectors_at(value: object, location: Location, most: int, dim: int | None = None) -> Floats:
    """Vectors, (n, dim).

    Args:
        location: where they are in the body.
        most: vectors accepted.
        dim: values of each; None: as many as the first has.

    Raises:
        RequestValidationError: something else; its location is named.
    """
    rows = list_at(value, location, most, "vectors")
    for number, row in enumerate(rows):
        here = (*location, number)
        if not isinstance(row, list):
            raise refuse(here, "This is not a vector; send a list of numbers")
        dim = len(row) if dim is None else dim
        if not 1 <= dim <= MAX_DIM:
            raise refuse(here, f"This vector has {len(row):,} values; send 1 to {MAX_DIM:,}")
        if len(row) != dim:
            raise refuse(here, f"This vector has {len(row):,} values, the first one has {dim:,}; send equal lengths")
        _check_numbers(row, here)
    array = np.array(rows, dtype=np.float64).reshape(len(rows), dim or 1)
    _check_size(array, location, MAX_VALUE)
    return array


def ratings_at(value: object, location: Location, most: int) -> Floats:
    """Ratings, (n,); raises as `vectors_at`."""
    rows = list_at(value, location, most, "ratings")
    _check_numbers(rows, location)
    array = np.array(rows, dtype=np.float64)
    _check_size(array, location, MAX_RATING)
    return array


def list_at(value: object, location: Location, most: int, what: str) -> list[Any]:
    """A list of at most `most` items; raises as `vectors_at`."""
    if not isinstance(value, list):
        raise refuse(location, f"This is not a list of {what}")
    if len(value) > most:
        raise refuse(location, f"There are {len(value):,} {what}; send at most {most:,}")
    return value


def _check_numbers(values: Sequence[object], location: Location) -> None:
    if set(map(type, values)) <= _NUMBERS:
        return
    number = next(number for number, value in enumerate(values) if type(value) not in _NUMBERS)
    raise refuse((*location, number), "This is not a number")


def _check_size(array: Floats, location: Location, limit: float) -> None:
    fine = np.abs(array) <= limit  # False for NaN
    if fine.all():
        return
    where = np.argwhere(~fine)[0].tolist()
    value = array[tuple(where)]
    what = "a finite number" if not np.isfinite(value) else f"within ±{limit:g}"
    raise refuse((*location, *where), f"This is not {what}")
