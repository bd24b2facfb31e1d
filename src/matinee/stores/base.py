"""The contract of every store: what changes while serving.

A store is an overlay on the snapshot: it holds the ratings and films written since (and before) training.
An effective history is the snapshot's, less what the store erased or deleted, updated by what it holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Movie

RECORD_SPACES = ("text",)
"""Spaces whose vectors are made of a film's record: a film that is put anew loses those it had."""


@dataclass(frozen=True, slots=True)
class Rating:
    """One rating; `rating` None means that the user took it back (hides the snapshot's)."""

    user_id: str
    movie_id: str
    rating: float | None
    timestamp: int
    """Seconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class RatingChange:
    """One logged change of a rating: what the store held before (`known_before` False: nothing) and holds now."""

    seq: int
    user_id: str
    movie_id: str
    known_before: bool
    before: float | None
    after: float | None
    timestamp: int


@dataclass(frozen=True)
class UserOverlay:
    """What the store holds about a user.

    Attributes:
        version: grows with every change of this user's data; 0: the store holds nothing about the user.
        erased: True: ignore everything the snapshot says about this user.
        ratings: by film id, tombstones (rating None) included.
    """

    version: int = 0
    erased: bool = False
    ratings: dict[str, Rating] = field(default_factory=dict)


@dataclass(frozen=True)
class Changes:
    """What happened after a sequence number.

    Attributes:
        seq: the newest sequence number seen.
        users: ids of users whose data changed.
        movies: ids of films put or deleted.
        ratings: the rating changes in order.
        erased: ids of users erased.
        complete: False: the log no longer reaches back to `since` (erasing a user deletes log entries, old
            ones are dropped). This then describes all that the store holds, as if told to a reader who knows
            nothing: forget everything folded in before, then apply it.
    """

    seq: int
    users: frozenset[str] = frozenset()
    movies: frozenset[str] = frozenset()
    ratings: tuple[RatingChange, ...] = ()
    erased: frozenset[str] = frozenset()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Exposure:
    """One list shown to a user."""

    user_id: str
    timestamp: int
    snapshot: str
    model: str
    movie_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FilmVector:
    """What an encoder made of one film (its text, its poster), before any projection.

    Attributes:
        space: "text" or "poster".
        encoder: id of the encoder; a vector of another encoder than the snapshot's is of no use to it.
        values: float32, (n_raw,); empty: a tombstone, the film has no such vector any more.
    """

    movie_id: str
    space: str
    encoder: str
    values: NDArray[np.float32]


class Store(Protocol):
    """Read-your-writes across processes; a write that returned is durable; each call is all or nothing.

    Safe to use from many threads and processes. All raise `StoreError` where the store cannot answer.
    """

    def put_ratings(self, ratings: Sequence[Rating], *, key: str | None = None) -> int:
        """Upsert by (user, film), the last of equal pairs wins; returns the sequence number after the write.

        `key` makes the call idempotent: a second call with the key and equal ratings (whatever their times,
        which a retry stamps anew) changes nothing and returns the first answer; with other ratings it raises
        `ConflictError`. Keys are kept 24 hours.
        """
        ...

    def delete_rating(self, user_id: str, movie_id: str, timestamp: int) -> int:
        """Leave a tombstone for (user, film), also where the store held nothing; returns the sequence number."""
        ...

    def user(self, user_id: str) -> UserOverlay:
        """Everything held about one user."""
        ...

    def erase_user(self, user_id: str) -> int:
        """Physically delete ratings, exposures and log entries of a user and mark the user erased."""
        ...

    def put_movies(self, movies: Sequence[Movie], vectors: Sequence[FilmVector] = ()) -> int:
        """Add or replace films, together with vectors of theirs.

        A film put anew loses the vectors of `RECORD_SPACES` that it had; its other vectors stay.
        """
        ...

    def put_vectors(self, vectors: Sequence[FilmVector]) -> int:
        """Add or replace vectors of films (of the snapshot's too); the films count as changed."""
        ...

    def delete_vector(self, movie_id: str, space: str) -> int:
        """Leave a tombstone for a vector, which hides the snapshot's; the film counts as changed."""
        ...

    def vectors(self, only: Collection[str] | None = None) -> list[FilmVector]:
        """All vectors held, tombstones included, or those of these films."""
        ...

    def delete_movie(self, movie_id: str) -> int:
        """Leave a tombstone for a film; its ratings stay but name a film that is not served."""
        ...

    def movies(self, only: Collection[str] | None = None) -> list[tuple[str, Movie | None]]:
        """All films held, or those of these ids, in order of first writing; None marks a deleted film."""
        ...

    def seq(self) -> int:
        """Newest sequence number; cheap (some microseconds), sees other processes' commits at once."""
        ...

    def changes(self, since: int) -> Changes:
        """What happened after sequence number `since`; a negative `since` asks for all that is held."""
        ...

    def ratings(self, *, batch: int = 50_000) -> Iterator[list[Rating]]:
        """All ratings held, tombstones included, in batches, from one consistent read."""
        ...

    def erased_users(self) -> frozenset[str]:
        """Ids of all users ever erased (the mark outlives the data, so that old snapshots stay hidden)."""
        ...

    def log_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Record what was shown."""
        ...

    def exposures(self, user_id: str, limit: int = 1000) -> list[Exposure]:
        """The newest lists shown to a user, newest first."""
        ...

    def ping(self) -> None:
        """Raise `StoreError` unless the store can be read."""
        ...

    def close(self) -> None:
        """Release files and connections; the store may not be used after."""
        ...
