"""The store protocol: ratings, states, movies, vectors and exposures that change while serving.

A store is an overlay on the snapshot. It holds the ratings and movies written before and after training. A user's
merged ratings are those of the snapshot, minus what the store deleted or erased, updated with what the store holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Movie
from matinee.errors import ReadOnlyError

State = Literal["seen", "watchlist", "not_interested"]
"""What a movie is for a user besides its stars. It may be several of them."""
STATES: tuple[State, ...] = get_args(State)
RECORD_SPACES = ("text",)
"""Spaces whose vectors are computed from a movie's record. Replacing the record drops these vectors."""


@dataclass(frozen=True, slots=True)
class Rating:
    """One rating. `rating` None is a tombstone: the user deleted the rating, which hides the snapshot's."""

    user_id: str
    movie_id: str
    rating: float | None
    timestamp: int
    """Seconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class MovieState:
    """A movie is seen, on the watchlist or not interesting; `timestamp` None: it no longer is."""

    user_id: str
    movie_id: str
    state: State
    timestamp: int | None
    """Seconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class RatingChange:
    """One logged change of a rating: the stored value before and after it.

    `known_before` is False if the store had no entry before.
    """

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
        version: increases with every change of this user's data; 0 if the store holds nothing about the user.
        erased: the user was erased, so that the snapshot's ratings of this user must be ignored.
        ratings: by movie id, including tombstones (rating None).
        states: state → movie id → time; without states that no movie has.
    """

    version: int = 0
    erased: bool = False
    ratings: dict[str, Rating] = field(default_factory=dict)
    states: dict[State, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Changes:
    """What happened after a sequence number.

    Attributes:
        seq: the newest sequence number seen.
        users: ids of users whose data changed: ratings or states.
        movies: ids of movies that were written or deleted.
        ratings: the rating changes, in order.
        erased: ids of erased users. Discard everything applied of them before, then apply the rating changes: the log
            only has their ratings since. What was logged of them before is gone, so that `before` of a change may be a
            rating that the reader never saw.
        complete: False if the log no longer reaches back to `since`, because old entries were dropped. The changes
            then describe the whole content of the store: discard everything applied before, then apply them.
    """

    seq: int
    users: frozenset[str] = frozenset()
    movies: frozenset[str] = frozenset()
    ratings: tuple[RatingChange, ...] = ()
    erased: frozenset[str] = frozenset()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of one store, which this store alone knows, and copies of it that were made later.

    Attributes:
        token: random; "": no store knows it.
        seq: the newest sequence number then.
    """

    token: str
    seq: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """One list shown to a user.

    Attributes:
        timestamp: seconds since 1970 UTC.
        experiment: that served it; "": none.
        arm: of the experiment.
        propensities: for each place the probability of its movie, given the places above it; empty: nothing was drawn.
        candidates: ids that the places were drawn from, best first; empty: nothing was drawn.
        teams: for each place which of two interleaved rankings put its movie there (0, 1); empty: only one ranked.
        sequence: the store's sequence number up to which the list includes what was written.
    """

    user_id: str
    timestamp: int
    snapshot: str
    model: str
    movie_ids: tuple[str, ...]
    experiment: str = ""
    arm: str = ""
    propensities: tuple[float, ...] = ()
    candidates: tuple[str, ...] = ()
    teams: tuple[int, ...] = ()
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class MovieVector:
    """The raw vector of a movie's text or poster, before projection.

    Attributes:
        space: "text" or "poster".
        encoder: id of the encoder. A snapshot ignores vectors of other encoders than its own.
        values: float32, (n_raw,); empty for a tombstone, which means that the movie no longer has this vector.
    """

    movie_id: str
    space: str
    encoder: str
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LineError:
    """A line of an import that was refused.

    Attributes:
        line: its number, from 1.
        detail: why, in a sentence.
    """

    line: int
    detail: str


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import has come. It is stored in the transaction of the rows that it counts.

    Attributes:
        key: names the import.
        state: open: more lines are expected. stopped: the line after `rows` was refused. done: its end was seen.
        rows: lines dealt with, blank and refused ones included: the next one to send is line `rows + 1`.
        bytes: of these lines, with their ends: where that line begins.
        ratings: lines that were stored as ratings.
        removals: lines that removed a rating.
        states: lines that set or removed a state.
        movies: lines that were stored as movies.
        refused: lines that were refused.
        errors: the first of these.
        digest: chained hash of the lines, which tells whether a repetition sends the same ones.
        updated: seconds since 1970.
    """

    key: str
    state: Literal["open", "stopped", "done"] = "open"
    rows: int = 0
    bytes: int = 0
    ratings: int = 0
    removals: int = 0
    movies: int = 0
    refused: int = 0
    errors: tuple[LineError, ...] = ()
    digest: str = ""
    updated: float = 0.0
    states: int = 0


class Store(Protocol):
    """Storage with read-your-writes consistency across processes. Writes are atomic, and durable once they return.

    Safe for use from many threads and processes. Every method raises `StoreError` if the store cannot answer; a write
    raises `ReadOnlyError` if nothing can be written, while reading goes on.
    """

    def put_ratings(self, ratings: Sequence[Rating], *, key: str | None = None) -> int:
        """Upsert by (user, movie); of repeated pairs the last wins. Returns the sequence number after the write.

        `key` makes the call idempotent: a second call with the same key and ratings changes nothing and returns the
        first result. Timestamps are not compared, because a retry may set new ones. Other ratings under the same key
        raise `ConflictError`. Keys are stored for 24 hours.
        """
        ...

    def put_import(
        self,
        progress: ImportProgress,
        after: int,
        ratings: Sequence[Rating],
        movies: Sequence[Movie],
        states: Sequence[MovieState] = (),
    ) -> int:
        """Upsert rows of an import, tombstones too, and its progress, in one transaction. Returns the sequence number.

        Args:
            after: `rows` of the progress that is stored under this key, 0 where there is none. Another number raises
                `ConflictError`: somebody else goes on with the import. Progress is stored for 30 days.
        """
        ...

    def import_progress(self, key: str) -> ImportProgress | None:
        """How far an import has come; None: nothing is stored under this key."""
        ...

    def delete_rating(self, user_id: str, movie_id: str, timestamp: int) -> int:
        """Write a tombstone for (user, movie), even if the store has no rating. Returns the sequence number."""
        ...

    def put_states(self, states: Sequence[MovieState]) -> int:
        """Set and remove states, of one user or several; of repeated ones the last wins. Returns the sequence number.

        Each user takes one sequence number, whatever the number of states, and `Changes.users` names the user.
        """
        ...

    def user(self, user_id: str) -> UserOverlay:
        """Everything stored about one user."""
        ...

    def erase_user(self, user_id: str) -> int:
        """Physically delete a user's ratings, states, exposures and log entries, and mark the user as erased."""
        ...

    def put_movies(self, movies: Sequence[Movie], vectors: Sequence[MovieVector] = ()) -> int:
        """Add or replace movies, together with their vectors.

        A replaced movie loses its old vectors of `RECORD_SPACES`; its other vectors stay.
        """
        ...

    def put_vectors(self, vectors: Sequence[MovieVector]) -> int:
        """Add or replace vectors of movies, including movies of the snapshot. The movies count as changed."""
        ...

    def delete_vector(self, movie_id: str, space: str) -> int:
        """Write a tombstone for a vector, which hides the snapshot's. The movie counts as changed."""
        ...

    def vectors(self, only: Collection[str] | None = None) -> list[MovieVector]:
        """All stored vectors, including tombstones, or only those of the given movies."""
        ...

    def delete_movie(self, movie_id: str) -> int:
        """Write a tombstone for a movie. Its ratings stay, although the movie is no longer served."""
        ...

    def movies(self, only: Collection[str] | None = None) -> list[tuple[str, Movie | None]]:
        """All stored movies, or those with the given ids, in the order of their first write; None if deleted."""
        ...

    def seq(self) -> int:
        """The newest sequence number. Takes microseconds; sees other processes' commits immediately."""
        ...

    def changes(self, since: int) -> Changes:
        """The changes after sequence number `since`; if it is negative, the whole content."""
        ...

    def mark(self) -> Mark:
        """Note the present moment for `since_mark`. The newest `KEEP_MARKS` (`stores.records`) are kept.

        The log reaches back to the second newest one, as long as it holds no more than `MARKED_LOG` times its minimum.
        """
        ...

    def since_mark(self, token: str) -> Changes | None:
        """The whole content but for ratings and users who have not changed since a mark, from one consistent read.

        It is what a reader needs who has applied everything up to the mark, but for movies: `movies` names all that
        are stored; `users`, `ratings` and `erased` are those of the changes since, and `complete` is False. Reads
        neither the ratings nor the users of the store, but its log.

        None: this store does not know the mark (it was made in another one, or after the backup that this one was
        restored from), or the log no longer reaches back to it.
        """
        ...

    def ratings(self, *, batch: int = 50_000) -> Iterator[list[Rating]]:
        """All stored ratings, including tombstones, in batches from one consistent read."""
        ...

    def erased_users(self) -> frozenset[str]:
        """Ids of all users ever erased. The mark is permanent, so that older snapshots stay hidden too."""
        ...

    def log_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Record lists that were shown, but those of users who were erased after the list's `sequence`.

        Lists of experiments older than `EXPOSURE_SECONDS` are deleted in time.
        """
        ...

    def exposures(self, user_id: str, limit: int = 1000) -> list[Exposure]:
        """The newest lists shown to a user, newest first."""
        ...

    def exposures_of(self, experiment: str, since: int, *, batch: int = 5000) -> Iterator[Exposure]:
        """All lists that an experiment has served since a time (seconds since 1970), in any order."""
        ...

    def ping(self) -> None:
        """Raise `StoreError` unless the store can be read."""
        ...

    def write_problem(self) -> ReadOnlyError | None:
        """Why nothing can be written now, though it can be read; None: as far as is known, writing works.

        Looks again about once a second, so that it is known when writing works again.
        """
        ...

    def close(self) -> None:
        """Close files and connections. The store cannot be used afterwards."""
        ...
