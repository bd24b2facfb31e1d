"""Ratings: a frozen sparse users × movies matrix on the catalog's rows."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.data.ids import aliases, normalized
from matinee.data.packed import Texts, number_of
from matinee.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from matinee.data.catalog import Catalog

NO_TIME = -1
"""Marks an unknown time in `Ratings.times`."""


class Ratings:
    """Compressed sparse rows: user u's ratings are entries `indptr[u]:indptr[u+1]`.

    Args:
        user_ids: n_users distinct ids, in row order.
        indptr: int64, (n_users + 1,).
        indices: int32, (n_ratings,), movie rows, increasing within a user.
        values: float32, (n_ratings,), stars.
        times: int64, (n_ratings,), seconds since 1970 UTC, `NO_TIME` where unknown.
        n_items: number of movies (catalog rows).

    Examples:
        >>> dataset.ratings
        <Ratings: 817 of 40 films by 60 users>
        >>> dataset.ratings.matrix().shape
        (60, 40)
        >>> dataset.ratings.to_frame(dataset.catalog).columns
        ['user_id', 'movie_id', 'rating', 'timestamp']
    """

    def __init__(
        self,
        user_ids: Texts | Iterable[str],
        indptr: NDArray[np.int64],
        indices: NDArray[np.int32],
        values: NDArray[np.float32],
        times: NDArray[np.int64],
        n_items: int,
    ) -> None:
        user_ids = user_ids if isinstance(user_ids, Texts) else Texts.of(user_ids)
        if len(indptr) != len(user_ids) + 1 or not len(indices) == len(values) == len(times) == int(indptr[-1]):
            raise DataError("The lengths of the arrays of the ratings matrix do not match.")
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < n_items:
            raise DataError("The ratings matrix has films that the catalog does not have.")
        self.user_ids, self.indptr, self.indices = user_ids, indptr, indices
        self.values, self.times, self.n_items = values, times, n_items

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        return f"<Ratings: {len(self):,} of {self.n_items:,} films by {self.n_users:,} users>"

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.user_ids)

    @cached_property
    def _numbers(self) -> NDArray[np.int64] | None:
        """The ids as numbers, where they are increasing ones: a million users then need no table of texts."""
        numbers = self.user_ids.numbers()
        return numbers if numbers is not None and bool((numbers[1:] > numbers[:-1]).all()) else None

    @cached_property
    def _row_by_user(self) -> dict[str, int]:
        return {user_id: row for row, user_id in enumerate(self.user_ids.to_list())}

    def find_user(self, user_id: str) -> int | None:
        """Row of a user; None if unknown."""
        if self._numbers is not None:
            number = number_of(user_id)
            place = len(self._numbers) if number is None else int(self._numbers.searchsorted(number))
            return place if place < len(self._numbers) and self._numbers[place] == number else None
        row = self._row_by_user.get(user_id)
        if row is None and not user_id.isascii():
            key = normalized(user_id)
            row = self._row_by_user.get(key, self._aliases.get(key))
        return row

    @cached_property
    def _aliases(self) -> dict[str, int]:
        return aliases(self._row_by_user)

    def history(self, user: int) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
        """Movie rows, stars and times of one user's ratings."""
        span = slice(int(self.indptr[user]), int(self.indptr[user + 1]))
        return self.indices[span], self.values[span], self.times[span]

    def stars_of(self, users: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Stars of pairs, (n,), NaN where there are none.

        Args:
            users: rows of users, (n,); −1: nobody.
            rows: movie rows, (n,), also such as there are none.
        """
        low = np.where(users < 0, 0, self.indptr[users])
        end = np.where(users < 0, 0, self.indptr[users + 1])
        high = end
        while (open_ := low < high).any():
            middle = (low + high) // 2
            before = open_ & (self.indices[np.where(open_, middle, 0)] < rows)
            low, high = np.where(before, middle + 1, low), np.where(open_ & ~before, middle, high)
        stars = np.full(len(rows), np.nan, dtype=np.float32)
        some = np.flatnonzero(low < end)
        some = some[self.indices[low[some]] == rows[some]]
        stars[some] = self.values[low[some]]
        return stars

    def matrix(self, *, binary: bool = False) -> sp.csr_matrix:
        """The users × movies matrix, float32: stars, or 1 for every rating."""
        values = np.ones(len(self), dtype=np.float32) if binary else self.values
        return sp.csr_matrix((values, self.indices, self.indptr), shape=(self.n_users, self.n_items))

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Number of ratings per movie, (n_items,)."""
        return np.bincount(self.indices, minlength=self.n_items).astype(np.int64)

    @property
    def n_rated(self) -> int:
        """Number of movies that anybody rated."""
        return int(np.count_nonzero(self.counts))

    @cached_property
    def sums(self) -> NDArray[np.float64]:
        """Sum of stars per movie, (n_items,)."""
        return np.bincount(self.indices, weights=self.values, minlength=self.n_items).astype(np.float64)

    def select(self, keep: NDArray[np.bool_]) -> Ratings:
        """The same users and movies with only the ratings where the mask `keep`, (n_ratings,), is true."""
        n_selected = np.concatenate([[0], np.cumsum(keep)])
        return Ratings(
            self.user_ids,
            n_selected[self.indptr].astype(np.int64),
            self.indices[keep],
            self.values[keep],
            self.times[keep],
            self.n_items,
        )

    def of_movies(self, rows: NDArray[np.int64]) -> Ratings:
        """The same users with their ratings of these movies alone, which are numbered in this (increasing) order."""
        place = np.full(self.n_items, -1, dtype=np.int32)
        place[rows] = np.arange(len(rows), dtype=np.int32)
        some = self.select(place[self.indices] >= 0)
        return Ratings(some.user_ids, some.indptr, place[some.indices], some.values, some.times, len(rows))

    def of_users(self, rows: NDArray[np.int64]) -> Ratings:
        """Only these users, in this order, with all their ratings, of the same movies."""
        sizes = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        entries = np.arange(indptr[-1]) + np.repeat(self.indptr[rows] - indptr[:-1], sizes)
        names = self.user_ids.to_list()
        return Ratings(
            [names[row] for row in rows.tolist()],
            indptr,
            self.indices[entries],
            self.values[entries],
            self.times[entries],
            self.n_items,
        )

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, catalog: Catalog) -> Ratings:
        """Build from clean rows: `user_id`, `movie_id`, `rating`, and optionally `timestamp`.

        Users are sorted as numbers if all ids are integers, else as text.

        Raises:
            DataError: a movie is not in the catalog, or a (user, movie) pair is repeated.
        """
        import polars as pl

        users = frame["user_id"].unique().cast(pl.String)
        if users.cast(pl.Int64, strict=False).null_count() == 0:
            users = users.to_frame().sort(pl.col("user_id").cast(pl.Int64), "user_id")["user_id"]
        else:
            users = users.sort()
        rows_of = pl.Enum(users), pl.Enum(catalog.frame["movie_id"])
        item = frame["movie_id"].cast(rows_of[1], strict=False)
        if item.null_count():
            raise DataError("There are ratings of films that the catalog does not have.", "Clean the data first.")
        indices = item.to_physical().to_numpy().astype(np.int32)
        user = frame["user_id"].cast(rows_of[0]).to_physical().to_numpy()
        counts = np.bincount(user, minlength=len(users))
        pair = user.astype(np.int64)
        del user, item
        pair *= len(catalog)
        pair += indices
        order = np.argsort(pair, kind="stable")
        pair = pair[order]
        if (pair[1:] == pair[:-1]).any():
            raise DataError("There are two ratings of one film by one user.", "Clean the data first.")
        del pair
        times = (
            frame["timestamp"].cast(pl.Int64).fill_null(NO_TIME).to_numpy()[order]
            if "timestamp" in frame.columns
            else np.full(len(frame), NO_TIME, dtype=np.int64)
        )
        return cls(
            users.to_list(),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            indices[order],
            frame["rating"].cast(pl.Float32).to_numpy()[order],
            times,
            len(catalog),
        )

    def to_frame(self, catalog: Catalog) -> pl.DataFrame:
        """Rows `user_id`, `movie_id`, `rating`, `timestamp` (null if unknown), by user, then movie."""
        import polars as pl

        users = np.repeat(np.arange(self.n_users), np.diff(self.indptr))
        times = pl.Series("timestamp", self.times)
        return pl.DataFrame(
            {
                "user_id": pl.Series(self.user_ids.to_list(), dtype=pl.String).gather(users),
                "movie_id": catalog.frame["movie_id"].gather(self.indices),
                "rating": self.values,
                "timestamp": times.set(times == NO_TIME, None),
            }
        )
