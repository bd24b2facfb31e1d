"""What is rated lately, ratings of the store included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from matinee.data.ratings import NO_TIME, Ratings
from matinee.engine.merged_ratings import MergedRatings, RatingColumns
from matinee.models.charts import DAY, decayed_counts, half_life_of


@dataclass(frozen=True)
class Trend:
    """Decayed counts of a snapshot's ratings, to which those of the store are added when asked.

    Every rating fades by the same factor with time, so the snapshot's are counted once and only scaled after that.

    Attributes:
        half_life: days.
        newest: time of the newest rating, seconds since 1970, `NO_TIME` where none is known.
        counts: (n_items,) decayed to `newest`.
    """

    half_life: float
    newest: int
    counts: NDArray[np.float64]

    @classmethod
    def of(cls, ratings: Ratings) -> Self:
        """Of a snapshot's ratings."""
        half_life, newest = half_life_of(ratings.times), int(ratings.times.max(initial=NO_TIME))
        counts = decayed_counts(ratings.indices, ratings.times, ratings.n_items, newest, half_life)
        return cls(half_life, newest, counts)

    def over(self, effective: MergedRatings, now: int) -> NDArray[np.float64]:
        """Decayed counts of all effective ratings, (n_items,); a rating dated after `now` counts as given now."""
        base, added, gone = effective.base, effective.added, effective.dropped
        times = self._dated(added.times, now)
        newest = int(times.max(initial=self.newest))
        n_items = len(effective.active)
        counts = decayed_counts(added.rows, times, n_items, newest, self.half_life)
        if self.newest != NO_TIME:
            faded = np.exp2((self.newest - newest) / (DAY * self.half_life))
            counts[: len(self.counts)] += self.counts * faded
            counts -= decayed_counts(base.indices[gone], base.times[gone], n_items, newest, self.half_life)
        return np.maximum(counts, 0.0)

    def of_ratings(self, ratings: RatingColumns, n_items: int, now: int) -> NDArray[np.float64]:
        """Decayed counts of some ratings, (n_items,)."""
        times = self._dated(ratings.times, now)
        return decayed_counts(ratings.rows, times, n_items, int(times.max(initial=NO_TIME)), self.half_life)

    def _dated(self, times: NDArray[np.int64], now: int) -> NDArray[np.int64]:
        return np.minimum(times, max(now, self.newest))
