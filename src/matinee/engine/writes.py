"""The engine's writes: ratings and films, checked before anything is stored."""

from __future__ import annotations

import logging
import math
import re
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from matinee.data.catalog import LIST_COLUMNS, Movie
from matinee.data.ids import ID_LENGTH, USER_ID, Id, id_text
from matinee.encoders.base import Image
from matinee.engine.encoder_pool import Encoders
from matinee.engine.runtime import Runtime, View
from matinee.errors import EncoderError, InvalidInputError, NotFoundError, UnknownUserError
from matinee.settings import Settings
from matinee.stores.base import FilmVector, Rating

log = logging.getLogger("matinee.engine")
_USER_ID = re.compile(USER_ID)


def check_user_id(user_id: str) -> str:
    """Return the id, or raise InvalidInputError where it cannot be one."""
    if len(user_id) > ID_LENGTH or not _USER_ID.fullmatch(user_id) or user_id.isspace():
        raise InvalidInputError(
            f"{user_id[:80]!r} cannot be a user id.",
            f"Use 1 to {ID_LENGTH} characters without control characters or /.",
        )
    return user_id


class Writer:
    """The writing half of `Engine`. Each call is all or nothing and durable when it returns."""

    settings: Settings
    encoders: Encoders

    @property
    @abstractmethod
    def scale(self) -> tuple[float, float]:
        """Lowest and highest number of stars."""

    @abstractmethod
    def _current(self) -> tuple[Runtime, View]: ...

    def check_stars(self, stars: float) -> float:
        """Return the stars, or raise InvalidInputError where they are off the scale."""
        low, high = self.scale
        if low == high and stars != high:
            raise InvalidInputError(
                f"A rating of {stars:g} cannot be stored, as these data hold no stars.",
                f"Give {high:g} for a film that was seen.",
            )
        if not (math.isfinite(stars) and low <= stars <= high):
            raise InvalidInputError(f"A rating of {stars:g} is off the scale.", f"Give {low:g} to {high:g} stars.")
        return stars

    def rate(
        self,
        ratings: Sequence[tuple[Id, Id, float]],
        *,
        key: str | None = None,
        timestamp: int | None = None,
        timestamps: Sequence[int | None] | None = None,
    ) -> int:
        """Store (user id, film id, stars) triples, all or none; returns the number of distinct ratings stored.

        Args:
            ratings: of equal (user, film) pairs the last wins.
            key: makes the call idempotent for 24 hours.
            timestamp: seconds since 1970; None: now.
            timestamps: one for each rating, where they differ (an import); None in it: `timestamp`.

        Raises:
            UnknownMovieError: naming the first unknown film; nothing is stored.
            InvalidInputError: stars off the data set's scale, impossible ids, too many at once; nothing is stored.
            ConflictError: the key was used for other ratings.
        """
        if len(ratings) > self.settings.max_batch:
            raise InvalidInputError(f"{len(ratings)} ratings at once.", f"Send {self.settings.max_batch} at most.")
        runtime, view = self._current()
        now = int(time.time()) if timestamp is None else timestamp
        distinct: dict[tuple[str, str], Rating] = {}
        times = timestamps if timestamps is not None else [None] * len(ratings)
        for (user_id, movie_id, stars), time_ in zip(ratings, times, strict=True):
            pair = (check_user_id(id_text(user_id)), id_text(movie_id))
            view.catalog.row(pair[1])
            distinct.pop(pair, None)
            distinct[pair] = Rating(*pair, self.check_stars(stars), now if time_ is None else time_)
        if distinct:
            runtime.store.put_ratings(list(distinct.values()), key=key)
        return len(distinct)

    def unrate(self, user_id: Id, movie_id: Id) -> None:
        """Take one rating back. Raises NotFoundError where there is none."""
        user_id = id_text(user_id)
        movie_id = id_text(movie_id)
        runtime, view = self._current()
        row = view.catalog.find_any(movie_id)
        held = runtime.store.user(user_id).ratings.get(movie_id)
        if row is None or (held.rating is None if held is not None else runtime.base_rating(user_id, movie_id) is None):
            raise NotFoundError(
                f"The user {user_id!r} has not rated the film {movie_id!r}.",
                "See what is rated with GET /v1/users/{user_id}/ratings.",
            )
        runtime.store.delete_rating(user_id, movie_id, int(time.time()))

    def erase_user(self, user_id: Id) -> None:
        """Erase everything held about a user. Raises UnknownUserError.

        The store's rows are deleted; a mark that hides the snapshot's ratings stays until no snapshot has any.
        """
        user_id = id_text(user_id)
        runtime, _ = self._current()
        overlay = runtime.store.user(user_id)
        in_snapshot = not overlay.erased and runtime.snapshot.ratings.find_user(user_id) is not None
        if not in_snapshot and not overlay.ratings and not runtime.store.exposures(user_id, limit=1):
            raise UnknownUserError(user_id)
        runtime.store.erase_user(user_id)

    def put_movies(self, movies: Sequence[Movie]) -> int:
        """Add or replace films; they are searchable and recommendable at once. Returns the number stored.

        Where the snapshot has text vectors, those of the films are made and stored with them.
        """
        if len(movies) > self.settings.max_batch:
            raise InvalidInputError(f"{len(movies)} films at once.", f"Send {self.settings.max_batch} at most.")
        distinct = {movie.movie_id: movie for movie in movies}
        if distinct:
            self._store_movies(list(distinct.values()))
        return len(distinct)

    def _store_movies(self, movies: list[Movie]) -> None:
        runtime, view = self._current()
        text = view.spaces.get("text")
        vectors = self.encoders.of_films(movies, None if text is None else text.space)
        runtime.store.put_movies(movies, vectors)

    def put_poster(self, movie_id: Id, image: Image) -> bool:
        """Have a film found by this poster from now on; the picture itself is kept elsewhere (`posters.shelf`).

        Returns:
            False where the snapshot has no posters to search, or the encoder cannot be had: the poster is found after
            the next `matinee posters add` or training.

        Raises:
            UnknownMovieError: no such film.
            TooLargeError, MediaTypeError, InvalidInputError: an image that cannot be read.
        """
        movie_id = id_text(movie_id)
        runtime, view = self._current()
        view.catalog.row(movie_id)
        live = view.spaces.get("poster")
        if live is None:
            return False
        try:
            raw = self.encoders.image(image, live.space)
        except EncoderError as error:
            log.warning("The poster of film %s is stored without its vector: %s", movie_id, error)
            return False
        runtime.store.put_vectors([FilmVector(movie_id, live.space.name, live.space.encoder, raw)])
        return True

    def delete_poster(self, movie_id: Id) -> None:
        """Have a film no longer found by its poster. Raises UnknownMovieError."""
        movie_id = id_text(movie_id)
        runtime, view = self._current()
        view.catalog.row(movie_id)
        if "poster" in view.spaces:
            runtime.store.delete_vector(movie_id, "poster")

    def patch_movie(self, movie_id: Id, changes: Mapping[str, Any]) -> Movie:
        """Change some columns of a film (None clears one) and return it.

        Raises:
            UnknownMovieError: no such film.
            InvalidInputError: an unknown column, or a value that a film cannot have.
        """
        movie_id = id_text(movie_id)
        _, view = self._current()
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
        self._store_movies([patched])
        return patched

    def delete_movie(self, movie_id: Id) -> None:
        """Remove a film from service. Raises UnknownMovieError."""
        movie_id = id_text(movie_id)
        runtime, view = self._current()
        view.catalog.row(movie_id)
        runtime.store.delete_movie(movie_id)
