"""All effective ratings as arrays: the snapshot's, less what the store hides, and what it adds."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.data.ratings import Ratings
from matinee.snapshots import Snapshot
from matinee.stores.base import Changes, RatingChange, Store


class RatingColumns(NamedTuple):
    """Ratings side by side: user numbers, catalog rows, float32 stars, times (`NO_TIME` where unknown)."""

    users: NDArray[np.integer[Any]]
    rows: NDArray[np.integer[Any]]
    values: NDArray[np.float32]
    times: NDArray[np.int64]

    def where(self, kept: NDArray[np.bool_]) -> RatingColumns:
        """Some of them; itself where that is all."""
        if kept.all():
            return self
        return RatingColumns(self.users[kept], self.rows[kept], self.values[kept], self.times[kept])

    def then(self, other: RatingColumns) -> RatingColumns:
        """These, then others."""
        if not len(other.rows):
            return self
        return RatingColumns(
            np.concatenate([self.users, other.users]),
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.values, other.values]),
            np.concatenate([self.times, other.times]),
        )


@dataclass(frozen=True)
class MergedRatings:
    """Every effective rating of the movies in service, at one moment.

    Users are numbered: the snapshot's by their row in it, others after them.

    Attributes:
        base: the snapshot's ratings.
        dropped: increasing places in `base` of ratings that no longer hold.
        added: the store's, of movies that the catalog has.
        new_users: ids of the users whom the snapshot does not have.
        active: (n_items,), movies in service.
        memo: for what is derived of this state, by whoever derives it.
    """

    base: Ratings
    dropped: NDArray[np.int64]
    added: RatingColumns
    new_users: tuple[str, ...]
    active: NDArray[np.bool_]
    memo: dict[Any, Any] = field(default_factory=dict)

    @property
    def n_users(self) -> int:
        """Number of user numbers; some may have no effective rating."""
        return self.base.n_users + len(self.new_users)

    def user_id(self, user: int) -> str:
        """Id of a user number."""
        n = self.base.n_users
        return str(self.base.user_ids[user]) if user < n else self.new_users[user - n]

    def flat(self) -> RatingColumns:
        """All of them, the snapshot's first; the arrays may be the snapshot's own."""
        base = self.base
        users = np.repeat(np.arange(base.n_users, dtype=np.int32), np.diff(base.indptr))
        kept = self.active[base.indices]
        kept[self.dropped] = False
        return RatingColumns(users, base.indices, base.values, base.times).where(kept).then(self._added)

    def of_movie(self, row: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """User numbers and stars of everybody who has rated one movie."""
        entries = np.flatnonzero(self.base.indices == row)
        entries = entries[~np.isin(entries, self.dropped)]
        users = np.searchsorted(self.base.indptr, entries, side="right") - 1
        here = self.added.rows == row
        return (
            np.concatenate([users, self.added.users[here]]).astype(np.int64),
            np.concatenate([self.base.values[entries], self.added.values[here]]),
        )

    @cached_property
    def user_counts(self) -> NDArray[np.int64]:
        """Ratings of each user number, (n_users,)."""
        base = self.base
        counts = np.zeros(self.n_users, dtype=np.int64)
        if bool(self.active.all()):
            counts[: base.n_users] = np.diff(base.indptr)
        else:
            before = np.concatenate([[0], np.cumsum(self.active[base.indices])])
            counts[: base.n_users] = np.diff(before[base.indptr])
        gone = self.dropped[self.active[base.indices[self.dropped]]]
        np.subtract.at(counts, np.searchsorted(base.indptr, gone, side="right") - 1, 1)
        np.add.at(counts, self._added.users, 1)
        return counts

    @cached_property
    def users(self) -> list[tuple[str, int]]:
        """Id and number of ratings of each user who has any: numeric ids by number, then others by text."""
        ids = [*self.base.user_ids.to_list(), *self.new_users]
        counts = [(ids[user], int(self.user_counts[user])) for user in np.flatnonzero(self.user_counts).tolist()]
        return sorted(counts, key=lambda one: numeric_first(one[0]))

    @cached_property
    def _added(self) -> RatingColumns:
        return self.added.where(self.active[self.added.rows])


def numeric_first(text: str) -> tuple[bool, int, str]:
    """Sorts ids: whole numbers by their size, then others by text."""
    number = text.isascii() and text.isdigit()
    return not number, int(text) if number else 0, text


class Overlay:
    """What the store says of ratings, kept as columns; follows the store by its log. Thread-safe."""

    def __init__(self, snapshot: Snapshot, store: Store) -> None:
        self._snapshot, self._store = snapshot, store
        self._lock = threading.Lock()
        self._made: tuple[ref[Catalog], MergedRatings] | None = None  # what hangs on an old catalog may be forgotten
        self._clear()

    def _clear(self) -> None:
        self._seq = -1
        self._erased: frozenset[str] = frozenset()
        self._place: dict[str, dict[str, int]] = {}  # user → movie → entry
        self._free: list[int] = []  # entries of users who were erased, to be used again
        self._new_users: dict[str, int] = {}
        self._new_names: list[str] = []
        self._free_names: list[int] = []
        self._films: dict[str, int] = {}
        # One entry for each (user, movie) that the store knows: user number, movie number, stars (NaN: taken back),
        # time, and the place of the snapshot's rating (−1: none).
        self._columns: tuple[list[Any], ...] = ([], [], [], [], [])

    def over(self, catalog: Catalog) -> MergedRatings:
        """The effective ratings of a catalog's movies; the same object until something changes."""
        with self._lock:
            if self._store.seq() != self._seq:
                self._follow()
                self._made = None
            if self._made is None or self._made[0]() is not catalog:
                self._made = ref(catalog), self._make(catalog)
            return self._made[1]

    def take(self, since: int, changes: Changes, *, begin: bool) -> None:
        """Apply changes that were read elsewhere, or note that all must be read, when they are needed.

        Args:
            since: the sequence number after which they come; ignored if they are not that from where this stands.
            begin: if they are not complete: they are all that the snapshot lacks (`Store.since_mark`).
        """
        with self._lock:
            if changes.complete:
                if since != self._seq or since < 0:
                    return
                self._fold(changes)
            elif begin:
                self._fold(changes)
            else:
                self._clear()
            self._made = None

    def _follow(self) -> None:
        self._fold(self._store.changes(self._seq))

    def _fold(self, changes: Changes) -> None:
        if not changes.complete:
            self._clear()
        for user_id in changes.erased:
            self._forget(user_id)
        self._erased |= changes.erased
        for change in changes.ratings:
            self._apply(change)
        self._seq = changes.seq

    def _apply(self, change: RatingChange) -> None:
        _, _, values, times, _ = self._columns
        entries = self._place.setdefault(change.user_id, {})
        value = np.nan if change.after is None else change.after
        entry = entries.get(change.movie_id)
        if entry is not None:
            values[entry], times[entry] = value, change.timestamp
            return
        user = self._number(change.user_id)
        film = self._films.setdefault(change.movie_id, len(self._films))
        fields = user, film, value, change.timestamp, self._base_place(user, change.movie_id)
        if self._free:
            entry = self._free.pop()
            for column, field in zip(self._columns, fields, strict=True):
                column[entry] = field
        else:
            entry = len(values)
            for column, field in zip(self._columns, fields, strict=True):
                column.append(field)
        entries[change.movie_id] = entry

    def _number(self, user_id: str) -> int:
        """The user's number, a new one where needed."""
        n, row = self._snapshot.ratings.n_users, self._snapshot.ratings.find_user(user_id)
        if row is not None:
            return row
        number = self._new_users.get(user_id)
        if number is None:
            if self._free_names:
                number = self._free_names.pop()
                self._new_names[number] = user_id
            else:
                number = len(self._new_names)
                self._new_names.append(user_id)
            self._new_users[user_id] = number
        return n + number

    def _forget(self, user_id: str) -> None:
        """Take out what was applied of a user."""
        _, _, values, _, under = self._columns
        for entry in self._place.pop(user_id, {}).values():
            values[entry], under[entry] = np.nan, -1
            self._free.append(entry)
        number = self._new_users.pop(user_id, None)
        if number is not None:
            self._new_names[number] = ""
            self._free_names.append(number)

    def _base_place(self, user: int, movie_id: str) -> int:
        ratings, row = self._snapshot.ratings, self._snapshot.catalog.find_any(movie_id)
        if row is None or user >= ratings.n_users:
            return -1
        rows, _, _ = ratings.history(user)
        i = int(np.searchsorted(rows, row))
        return int(ratings.indptr[user]) + i if i < len(rows) and rows[i] == row else -1

    def _make(self, catalog: Catalog) -> MergedRatings:
        base = self._snapshot.ratings
        users, films, values, times, under = self._columns
        row_of = np.array([-1 if (row := catalog.find_any(film)) is None else row for film in self._films], np.int64)
        rows = row_of[np.array(films, dtype=np.int64)]
        added = RatingColumns(np.array(users, np.int64), rows, np.array(values, np.float32), np.array(times, np.int64))
        kept = (rows >= 0) & np.isfinite(added.values)
        erased = [user for user_id in self._erased if (user := base.find_user(user_id)) is not None]
        spans = [np.arange(base.indptr[user], base.indptr[user + 1], dtype=np.int64) for user in erased]
        dropped = np.unique(np.concatenate([np.array(under, dtype=np.int64), *spans]))
        return MergedRatings(
            base,
            dropped[dropped >= 0],
            added.where(kept),
            tuple(self._new_names),
            catalog.active,
        )
