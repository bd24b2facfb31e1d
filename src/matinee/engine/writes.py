"""The engine's writes: ratings and movies, checked before anything is stored. Each is durable, all or nothing."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from matinee._util.request_context import stage
from matinee.data.catalog import LIST_COLUMNS, Movie
from matinee.data.ids import ID_LENGTH, USER_ID, Id, id_text
from matinee.encoders.base import Image
from matinee.engine.embedding_backlog import Backlog
from matinee.engine.encoder_pool import OUTAGES, Encoders
from matinee.engine.missing_vectors import POSTER, TEXT
from matinee.engine.movie_lookup import known_id, sure_row
from matinee.engine.runtime import RequestView
from matinee.errors import InvalidInputError, MatineeError, NotFoundError, UnknownUserError
from matinee.stores.base import MovieState, MovieVector, Rating
from matinee.stores.rating_columns import RatingColumns

log = logging.getLogger("matinee.engine")
_USER_ID = re.compile(USER_ID)


def check_user_id(user_id: str) -> str:
    """Return the id, or raise InvalidInputError where it cannot be one."""
    if len(user_id) > ID_LENGTH or not _USER_ID.fullmatch(user_id) or user_id.isspace():
        raise InvalidInputError(
            f"{user_id[:80]!r} cannot be a user id.",
            f"Use 1 to {ID_LENGTH} characters without control characters.",
        )
    return user_id


def check_stars(stars: float, scale: tuple[float, float]) -> float:
    """Return the stars, or raise InvalidInputError where they are off the scale (lowest, highest)."""
    low, high = scale
    if low == high and stars != high:
        raise InvalidInputError(
            f"A rating of {stars:g} cannot be stored, as these data hold no stars.",
            f"Give {high:g} for a film that was seen.",
        )
    if not (math.isfinite(stars) and low <= stars <= high):
        raise InvalidInputError(f"A rating of {stars:g} is off the scale.", f"Give {low:g} to {high:g} stars.")
    return stars


def rate(
    view: RequestView,
    ratings: Sequence[tuple[Id, Id, float]],
    *,
    key: str | None,
    timestamp: int | None,
    timestamps: Sequence[int | None] | None,
    titles: bool = False,
) -> int:
    """See `Engine.rate`."""
    if len(ratings) > view.settings.max_batch:
        raise InvalidInputError(f"{len(ratings)} ratings at once.", f"Send {view.settings.max_batch} at most.")
    now = int(time.time()) if timestamp is None else timestamp
    distinct: dict[tuple[str, str], Rating] = {}
    times = timestamps if timestamps is not None else [None] * len(ratings)
    for (user_id, movie_id, stars), time_ in zip(ratings, times, strict=True):
        id_ = known_id(view.catalog, movie_id)
        if titles and view.catalog.find(id_) is None:
            id_ = view.catalog.ids([sure_row(view.catalog, movie_id)])[0]
        pair = (check_user_id(id_text(user_id)), id_)
        view.catalog.row(id_)
        distinct.pop(pair, None)
        distinct[pair] = Rating(*pair, check_stars(stars, view.scale), now if time_ is None else time_)
    if distinct:
        with stage("store"):
            view.runtime.store.put_ratings(list(distinct.values()), key=key)
    return len(distinct)


def rate_columns(view: RequestView, part: RatingColumns) -> int:
    """See `Engine.rate_columns`."""
    users = {user_id: check_user_id(id_text(user_id)) for user_id in dict.fromkeys(part.user_ids)}
    movies = {movie_id: known_id(view.catalog, movie_id) for movie_id in dict.fromkeys(part.movie_ids)}
    for movie_id in movies.values():
        view.catalog.row(movie_id)
    low, high = view.scale
    off = ~((part.stars >= low) & (part.stars <= high))
    if off.any():
        check_stars(float(part.stars[int(np.argmax(off))]), view.scale)
    ratings: Sequence[Rating] = part
    if any(given != kept for names in (users, movies) for given, kept in names.items()):
        named = [users[user_id] for user_id in part.user_ids], [movies[movie_id] for movie_id in part.movie_ids]
        # Two names of one film, of which the last rating wins, as in `rate`.
        pairs = {
            (rating.user_id, rating.movie_id): rating for rating in RatingColumns(*named, part.stars, part.timestamps)
        }
        ratings = list(pairs.values())
    if len(ratings):
        with stage("store"):
            view.runtime.store.put_ratings(ratings)
    return len(ratings)


def store_all(view: RequestView, ratings: Sequence[Rating], states: Sequence[MovieState]) -> None:
    """Store checked ratings and states of any number, in batches; ratings first, as who has them has seen the films."""
    store, size = view.runtime.store, view.settings.max_batch
    with stage("store"):
        for start in range(0, len(ratings), size):
            store.put_ratings(ratings[start : start + size])
        for start in range(0, len(states), size):
            store.put_states(states[start : start + size])


def unrate(view: RequestView, user_id: str, movie_id: str) -> None:
    """See `Engine.unrate`."""
    row = view.catalog.find_any(movie_id)
    held = view.runtime.store.user(user_id).ratings.get(movie_id)
    if row is None or (
        held.rating is None if held is not None else view.runtime.base_rating(user_id, movie_id) is None
    ):
        raise NotFoundError(
            f"The user {user_id!r} has not rated the film {movie_id!r}.",
            f"See what is rated with GET /v1/users/{user_id}/ratings.",
        )
    view.runtime.store.delete_rating(user_id, movie_id, int(time.time()))


def erase_user(view: RequestView, user_id: str) -> None:
    """See `Engine.erase_user`."""
    overlay = view.runtime.store.user(user_id)
    in_snapshot = not overlay.erased and view.snapshot.ratings.find_user(user_id) is not None
    held = overlay.ratings or overlay.states
    if not in_snapshot and not held and not view.runtime.store.exposures(user_id, limit=1):
        raise UnknownUserError(user_id)
    view.runtime.store.erase_user(user_id)


def put_movies(view: RequestView, encoders: Encoders, backlog: Backlog, movies: Sequence[Movie]) -> int:
    """See `Engine.put_movies`."""
    if len(movies) > view.settings.max_batch:
        raise InvalidInputError(f"{len(movies)} films at once.", f"Send {view.settings.max_batch} at most.")
    distinct = {movie.movie_id: movie for movie in movies}
    if distinct:
        _store_movies(view, encoders, backlog, list(distinct.values()))
    return len(distinct)


def _store_movies(view: RequestView, encoders: Encoders, backlog: Backlog, movies: list[Movie]) -> None:
    """Store movies with the vectors of their texts; without them where the encoder is away, so that they wait."""
    text = view.spaces.get(TEXT)
    vectors: list[MovieVector] = []
    if text is not None and backlog.problem(TEXT) is None:
        try:
            vectors = encoders.of_movies(movies, text.space)
        except OUTAGES as error:
            log.warning("%d films are stored without a vector of their text, for now: %s", len(movies), error)
            backlog.failed(TEXT, error)
    with stage("store"):
        view.runtime.store.put_movies(movies, vectors)
    if text is not None and not vectors:
        backlog.wake()


def put_poster(view: RequestView, encoders: Encoders, backlog: Backlog, movie_id: str, image: Image) -> bool:
    """See `Engine.put_poster`."""
    view.catalog.row(movie_id)
    space = view.spaces.get(POSTER)
    if space is None:
        return False
    problem: MatineeError | None = backlog.problem(POSTER)
    if problem is None:
        try:
            raw = encoders.image(image, space.space)
        except OUTAGES as error:
            log.warning("The poster of film %s is stored without its vector, for now: %s", movie_id, error)
            backlog.failed(POSTER, error)
            problem = error
    with stage("store"):
        if problem is None:
            view.runtime.store.put_vectors([MovieVector(movie_id, POSTER, space.space.encoder, raw)])
        else:  # the vector of the picture before is hidden, and this one waits
            view.runtime.store.delete_vector(movie_id, POSTER)
    if problem is not None:
        backlog.wake()
    return problem is None


def delete_poster(view: RequestView, movie_id: str) -> None:
    """See `Engine.delete_poster`."""
    view.catalog.row(movie_id)
    if POSTER in view.spaces:
        view.runtime.store.delete_vector(movie_id, POSTER)


def patch_movie(
    view: RequestView, encoders: Encoders, backlog: Backlog, movie_id: str, changes: Mapping[str, Any]
) -> Movie:
    """See `Engine.patch_movie`."""
    movie = view.catalog.movie(view.catalog.row(movie_id))
    if str(changes.get("movie_id", movie_id)) != movie_id:
        raise InvalidInputError("The id of a film cannot change.", "Add a new film and delete this one.")
    merged = movie.model_dump() | {
        name: [] if value is None and name in LIST_COLUMNS else value for name, value in changes.items()
    }
    try:
        patched = Movie.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(f"{where}: {first['msg']}.", "Correct the value and send it again.") from error
    _store_movies(view, encoders, backlog, [patched])
    return patched


def delete_movie(view: RequestView, movie_id: str) -> None:
    """See `Engine.delete_movie`."""
    view.catalog.row(movie_id)
    view.runtime.store.delete_movie(movie_id)
