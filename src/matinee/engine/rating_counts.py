"""Ratings per movie, live: the snapshot's counts and sums with every change of the store folded in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.engine.filters import FilterStats
from matinee.models.charts import Chart
from matinee.snapshots import Snapshot
from matinee.stores.base import RatingChange

BaseStars = Callable[[Sequence[str], NDArray[np.int64]], NDArray[np.float32]]
"""Ids of users, catalog rows → the snapshot's stars of each pair, NaN where it has none or the user is erased."""
FLAT = np.float32(1e-3)
"""Stands for each centered rating of a user who gives everything the same stars."""


UNKNOWN = object()


class AppliedRatings:
    """By user and catalog row: stars, or None for a rating that was taken back. Not thread-safe.

    Attributes:
        left_out: ids of movies that the catalog lacked when they were rated.
    """

    def __init__(self) -> None:
        self._of: dict[str, dict[int, float | None]] = {}
        self.left_out: set[str] = set()

    def put(self, user_id: str, row: int, stars: float | None) -> float | object | None:
        """Note a rating; returns what was there before, `UNKNOWN` where the store had said nothing."""
        held = self._of.setdefault(user_id, {})
        before = held.get(row, UNKNOWN)
        held[row] = stars
        return before

    def forget(self, user_id: str) -> dict[int, float | None]:
        """Forget a user, and return what was noted."""
        return self._of.pop(user_id, {})


@dataclass(frozen=True)
class Tastes:
    """Users' stars made comparable: less each user's mean.

    Attributes:
        means: mean stars, (n_users,) float32.
        flat: True for a user who gives everything the same stars, (n_users,).
        norms: length of the user's centered ratings, (n_users,) float32.
    """

    means: NDArray[np.float32]
    flat: NDArray[np.bool_]
    norms: NDArray[np.float32]

    @classmethod
    def of(cls, indptr: NDArray[np.int64], values: NDArray[np.float32]) -> Tastes:
        """Of users whose stars are `values[indptr[u]:indptr[u + 1]]`."""
        counts = np.diff(indptr)
        some = counts > 0
        starts = indptr[:-1][some]  # without those who have no ratings, the runs follow one another
        means, squares = np.zeros(len(counts), dtype=np.float32), np.zeros(len(counts))
        # In float64 the mean of equal stars is exactly these stars.
        means[some] = np.add.reduceat(values, starts, dtype=np.float64) / counts[some]
        rest = values - np.repeat(means, counts)
        squares[some] = np.add.reduceat(rest * rest, starts, dtype=np.float64)
        flat = squares == 0
        return cls(means, flat, np.sqrt(np.where(flat, counts * FLAT**2, squares)).astype(np.float32))

    def centered(self, users: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Ratings less their users' means; `users` and `values` have one entry a rating."""
        return np.where(self.flat[users], FLAT, values - self.means[users])


class Stats:
    """Counts and sums of the effective ratings of each movie; immutable, `fold` makes the next one.

    Attributes:
        counts: (n_items,) int64.
        sums: (n_items,) float64, stars.
        newest: time of the newest rating, seconds since 1970, −1 where none is known.
        charts: those made of these counts and sums, by kind; filled by whoever first asks.
        newcomers: likewise the scores of movies for somebody of whom nothing is known.
    """

    def __init__(self, counts: NDArray[np.int64], sums: NDArray[np.float64], newest: int) -> None:
        self.counts, self.sums, self.newest = counts, sums, newest
        self.charts: dict[str, Chart] = {}
        self.newcomers: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, snapshot: Snapshot) -> Stats:
        """Of a snapshot's ratings."""
        return cls(snapshot.ratings.counts, snapshot.ratings.sums, snapshot.newest)

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean stars, NaN where there are no ratings."""
        return np.where(self.counts > 0, self.sums / np.maximum(self.counts, 1), np.nan)

    def for_filters(self) -> FilterStats:
        """What the filter fields `ratings` and `mean` read."""
        return FilterStats(self.counts, self.means)

    def grown(self, n_items: int) -> Stats:
        """Room for the movies added to the catalog."""
        more = n_items - len(self.counts)
        return self if more <= 0 else Stats(np.pad(self.counts, (0, more)), np.pad(self.sums, (0, more)), self.newest)

    def less(self, rows: NDArray[np.integer], values: NDArray[np.floating[Any]]) -> Stats:
        """Without these ratings (users were erased)."""
        counts, sums = self.counts.copy(), self.sums.copy()
        np.subtract.at(counts, rows, 1)
        np.subtract.at(sums, rows, values)
        return Stats(counts, sums, self.newest)

    def fold(
        self, changes: Iterable[RatingChange], catalog: Catalog, base: BaseStars, applied: AppliedRatings
    ) -> Stats:
        """With logged changes applied in order; changes of movies that the catalog never had are skipped.

        Args:
            applied: what these counts and sums hold of the store; noted there.
        """
        newest = self.newest
        asked: tuple[list[str], list[int]] = [], []  # pairs of which only the snapshot may hold a rating
        gone: tuple[list[int], list[float]] = [], []
        new: tuple[list[int], list[float]] = [], []
        for change in changes:
            row = catalog.find_any(change.movie_id)
            if row is None:
                applied.left_out.add(change.movie_id)
                continue
            # Not what the log says was there: it may be of a rating that was erased before it was seen here.
            before = applied.put(change.user_id, row, change.after)
            if before is UNKNOWN:
                asked[0].append(change.user_id)
                asked[1].append(row)
            elif isinstance(before, float | int):
                gone[0].append(row)
                gone[1].append(before)
            if change.after is not None:
                new[0].append(row)
                new[1].append(change.after)
                newest = max(newest, change.timestamp)
        rows = np.array(asked[1], dtype=np.int64)
        stars = base(asked[0], rows)
        held = ~np.isnan(stars)
        before = np.concatenate([rows[held], np.array(gone[0], np.int64)])
        counted = self.less(before, np.concatenate([stars[held], np.array(gone[1])]))
        counts, sums = counted.counts, counted.sums
        np.add.at(counts, np.array(new[0], np.int64), 1)
        np.add.at(sums, np.array(new[0], np.int64), np.array(new[1]))
        return Stats(counts, sums, newest)


STEPS = (0.5, 1.0, 2.0, 5.0, 10.0)
MOST = 21
"""Bars of a histogram, at most: a scale of 0 to 10 in halves."""
_ODD = 0.001
_BLOCK = 1 << 20


def star_steps(scale: tuple[float, float], values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The steps of a scale, increasing, e.g. .5, 1 … 5.

    Whole stars where the scale's ends are whole and (nearly) all ratings are, else halves; coarser where these would
    be more than `MOST`.

    Args:
        scale: lowest and highest stars.
        values: the data's ratings.
    """
    low, high = scale
    whole = low % 1 == 0 and high % 1 == 0 and (not len(values) or float(np.mean(values % 1 != 0)) <= _ODD)
    least = 1.0 if whole else 0.5
    step = next((step for step in STEPS if step >= least and (high - low) / step < MOST), (high - low) / (MOST - 1))
    return np.arange(int((high - low) / step + 1e-9) + 1, dtype=np.float64) * step + low


def histogram(values: NDArray[np.float32], steps: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many stars lie nearest to each step, (len(steps),); the upper one where two are as near."""
    width = steps[1] - steps[0] if len(steps) > 1 else 1.0
    counts = np.zeros(len(steps), dtype=np.int64)
    for start in range(0, len(values), _BLOCK):  # in one go it would take several times the memory of the ratings
        block = values[start : start + _BLOCK].astype(np.float64)
        places = np.floor((block - steps[0]) / width + 0.5).astype(np.int64)
        counts += np.bincount(np.clip(places, 0, len(steps) - 1), minlength=len(steps))
    return counts
