"""What all stores share: checks of what is to be stored, and the forms in which it is."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

import numpy as np
from pydantic import ValidationError

from matinee.data.catalog import Movie
from matinee.errors import ConflictError, InvalidInputError, StoreError
from matinee.stores.base import (
    STATES,
    Changes,
    Exposure,
    ImportProgress,
    LineError,
    MovieState,
    MovieVector,
    Rating,
    RatingChange,
    State,
)
from matinee.stores.rating_columns import RatingColumns

KEY_SECONDS = 24 * 3600.0
"""Age at which an idempotency key is forgotten."""
IMPORT_SECONDS = 30 * 24 * 3600.0
"""Age at which the progress of an import is forgotten."""
EXPOSURE_SECONDS = 365 * 24 * 3600
"""Age at which a list that was shown is forgotten."""
KEEP_LOG = 200_000
"""Minimum number of changes in the log (about 60 bytes each)."""
MARKED_LOG = 10
"""Times that number are kept at most, since the second newest mark: a training may be running after the newest one."""
KEEP_MARKS = 100
"""Marks that are kept: one is made by each training."""
MAX_INT = 2**63 - 1
_FLOAT = np.dtype("<f4")

LogRow = tuple[int, str | None, str | None, bool, float | None, float | None, int]
"""Sequence number, user, movie, whether there was an entry before, its stars before and after, timestamp.

A rating change names user and movie, an erasure the user alone, a movie's change the movie alone. A change of states
names the user alone, too, and says that there was an entry before.
"""


# --- checks -----------------------------------------------------------------------------------------------------
def check_text(what: str, value: str) -> None:
    """Raise InvalidInputError unless a text is valid Unicode."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"The {what} {value!r} is not valid Unicode.", "Send it as UTF-8.") from error


def storable(text: str) -> str | None:
    """The text, or None (which matches nothing in SQL) if it is not valid Unicode and so cannot be stored."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return None
    return text


def distinct_ratings(ratings: Sequence[Rating]) -> Sequence[Rating]:
    """Checked ratings; of each pair of user and movie the last.

    Raises:
        InvalidInputError: ids that are not valid Unicode, or numbers that are not finite or too large; columns with a
            pair twice.
    """
    if isinstance(ratings, RatingColumns):
        ratings.check()
        return ratings
    for rating in ratings:
        check_text("user id", rating.user_id)
        check_text("film id", rating.movie_id)
        if rating.rating is not None and not math.isfinite(rating.rating):
            raise InvalidInputError(f"A rating of {rating.rating} cannot be stored.", "Send a number of stars.")
        if not -MAX_INT <= rating.timestamp <= MAX_INT:
            raise InvalidInputError(f"The time {rating.timestamp} is out of range.", "Send seconds since 1970.")
    return list({(rating.user_id, rating.movie_id): rating for rating in ratings}.values())


def distinct_states(states: Sequence[MovieState]) -> dict[str, list[MovieState]]:
    """Checked states by user; of each user, movie and state the last.

    Raises:
        InvalidInputError: ids that are not valid Unicode, a time that is too large, or no such state.
    """
    last: dict[str, dict[tuple[str, State], MovieState]] = {}
    for one in states:
        check_text("user id", one.user_id)
        check_text("film id", one.movie_id)
        if one.state not in STATES:
            raise InvalidInputError(f"{one.state!r} is no state of a film.", f"Use one of {', '.join(STATES)}.")
        if one.timestamp is not None and not -MAX_INT <= one.timestamp <= MAX_INT:
            raise InvalidInputError(f"The time {one.timestamp} is out of range.", "Send seconds since 1970.")
        last.setdefault(one.user_id, {})[one.movie_id, one.state] = one
    return {user_id: list(of_user.values()) for user_id, of_user in last.items()}


def digest_of(ratings: Iterable[Rating]) -> bytes:
    """Hash of distinct ratings, in any order and without their times, which a retry may set again."""
    body = sorted((rating.user_id, rating.movie_id, rating.rating) for rating in ratings)
    return hashlib.sha256(json.dumps(body).encode()).digest()


def key_conflict(key: str) -> ConflictError:
    """The error for a key that was used for other ratings."""
    return ConflictError(f"The idempotency key {key!r} was used for other ratings.", "Use a new key for a new request.")


def check_progress(stored: ImportProgress | None, after: int, key: str) -> None:
    """Raise ConflictError unless an import has come as far as somebody who goes on with it believes."""
    rows = 0 if stored is None else stored.rows
    if rows != after:
        raise ConflictError(
            f"The import {key!r} has come to line {rows}, not {after}: another request goes on with it.",
            f"See GET /v1/imports/{key}, and use a new key for another import.",
        )


def import_rows(
    progress: ImportProgress, ratings: Sequence[Rating], movies: Sequence[Movie]
) -> tuple[Sequence[Rating], list[tuple[str, str | None]], str]:
    """Rows of an import as they are stored, of each the last, and its progress as JSON.

    Raises:
        InvalidInputError: as `distinct_ratings` and `bodies_of`, or a key that is not valid Unicode.
    """
    check_text("key", progress.key)
    return distinct_ratings(ratings), bodies_of(movies, ()), progress_body(progress)


def check_vector(vector: MovieVector) -> None:
    """Raise InvalidInputError unless a vector is one-dimensional, not empty, float32 and finite, of a valid id."""
    check_text("film id", vector.movie_id)
    values = vector.values
    if values.ndim != 1 or not len(values) or values.dtype != np.float32 or not np.isfinite(values).all():
        raise InvalidInputError(
            f"The {vector.space} vector of the film {vector.movie_id!r} cannot be stored.",
            "Store a one-dimensional array of finite float32 numbers.",
        )


def bodies_of(movies: Sequence[Movie], vectors: Sequence[MovieVector]) -> list[tuple[str, str | None]]:
    """Ids and JSON of checked movies; of each id the last.

    Raises:
        InvalidInputError: an id that is not valid Unicode, an invalid vector, or one of a movie that is not given.
    """
    bodies = {movie.movie_id: movie.model_dump_json(exclude_defaults=True) for movie in movies}
    for movie_id in bodies:
        check_text("film id", movie_id)
    for vector in vectors:
        check_vector(vector)
        if vector.movie_id not in bodies:
            raise InvalidInputError(
                f"There is a vector of the film {vector.movie_id!r} without the film.", "Send the film as well."
            )
    return list(bodies.items())


def check_exposures(exposures: Sequence[Exposure]) -> None:
    """Raise InvalidInputError for an id that is not valid Unicode."""
    for shown in exposures:
        check_text("user id", shown.user_id)
        for movie_id in shown.movie_ids:
            check_text("film id", movie_id)


# --- stored forms -----------------------------------------------------------------------------------------------
def movie_of(body: str | None, store: object) -> Movie | None:
    """Parse a stored movie. Raises StoreError if it is not valid."""
    try:
        return None if body is None else Movie.model_validate_json(body)
    except ValidationError as error:
        raise StoreError(
            f"The store {store} holds a film that is not valid: {error.errors()[0]['msg']}.",
            "Store the film again, or restore a backup.",
        ) from error


def progress_body(progress: ImportProgress) -> str:
    """JSON of an import's progress."""
    return json.dumps(asdict(progress))


def progress_of(body: str) -> ImportProgress:
    """Parse the stored progress of an import."""
    values = json.loads(body)
    return ImportProgress(**values | {"errors": tuple(LineError(**error) for error in values["errors"])})


_DETAILS = ("propensities", "candidates", "teams")


def exposure_details(shown: Exposure) -> str:
    """JSON of how the places of a list were filled; "" where nothing was drawn."""
    details = {name: value for name in _DETAILS if (value := getattr(shown, name))}
    return json.dumps(details) if details else ""


def exposure_of(
    user_id: str,
    timestamp: int,
    snapshot: str,
    model: str,
    movie_ids: Sequence[str],
    experiment: str,
    arm: str,
    details: str,
    sequence: int,
) -> Exposure:
    """Parse a stored list."""
    drawn = {name: tuple(values) for name, values in json.loads(details or "{}").items()}
    return Exposure(user_id, timestamp, snapshot, model, tuple(movie_ids), experiment, arm, sequence=sequence, **drawn)


def bytes_of(vector: MovieVector) -> bytes:
    """Values of a vector as little-endian float32."""
    return vector.values.astype(_FLOAT).tobytes()


def vector_of(movie_id: str, space: str, encoder: str, values: bytes | None) -> MovieVector:
    """Parse a stored vector; a tombstone has no values."""
    return MovieVector(movie_id, space, encoder, np.frombuffer(values or b"", dtype=_FLOAT).astype(np.float32))


# --- changes ----------------------------------------------------------------------------------------------------
def logged_changes(seq: int, rows: Sequence[LogRow]) -> Changes:
    """Changes from rows of the log, in order."""
    ratings = tuple(
        RatingChange(n, user_id, movie_id, bool(known_before), before, after, timestamp)
        for n, user_id, movie_id, known_before, before, after, timestamp in rows
        if user_id is not None and movie_id is not None
    )
    return Changes(
        seq,
        users=frozenset(row[1] for row in rows if row[1] is not None),
        movies=frozenset(row[2] for row in rows if row[2] is not None and row[1] is None),
        ratings=ratings,
        erased=frozenset(row[1] for row in rows if row[1] is not None and row[2] is None and not row[3]),
    )


def since_marked(seq: int, rows: Sequence[LogRow], movies: Iterable[str]) -> Changes:
    """What `Store.since_mark` answers, of the rows of the log since the mark and the ids of all movies."""
    return replace(logged_changes(seq, rows), movies=frozenset(movies), complete=False)


def log_end(seq: int, floor: int, keep: int, marks: Sequence[int]) -> int:
    """Number up to which the log is not needed any more.

    Args:
        seq: the newest number.
        floor: the number up to which the log has been dropped.
        keep: minimum number of changes in the log.
        marks: numbers of the two newest marks.
    """
    end = min([seq - keep, *marks])
    return max(floor, end, seq - MARKED_LOG * keep)


def whole_content(
    seq: int,
    ratings: Iterable[tuple[int, str, str, float | None, int]],
    users: Iterable[tuple[str, int | None]],
    movies: Iterable[str],
) -> Changes:
    """The whole content of a store, as changes of an empty one.

    Args:
        seq: the newest sequence number.
        ratings: sequence number, user, movie, stars and timestamp, by sequence number.
        users: id, and sequence number of the erasure (None for never).
        movies: ids of movies of which a record or a vector is stored.
    """
    users = list(users)
    return Changes(
        seq,
        users=frozenset(user_id for user_id, _ in users),
        movies=frozenset(movies),
        ratings=tuple(
            RatingChange(n, user_id, movie_id, False, None, after, timestamp)
            for n, user_id, movie_id, after, timestamp in ratings
        ),
        erased=frozenset(user_id for user_id, erased in users if erased is not None),
        complete=False,
    )
