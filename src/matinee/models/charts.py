"""Charts: one order of movies for all users, by ratings counted, liked, lately, or by IMDb's weighted score."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.data.ratings import NO_TIME

By = Literal["counts", "liked", "top_rated", "trending"]
Floats = NDArray[np.float64]

PRIOR_QUANTILE = 0.9
"""The default m of the weighted score is this quantile of the counts of the movies that have ratings."""
STAR_WEIGHT = 2.0
"""What the highest stars add to the 1 that every rating counts in the chart of liked movies."""
TREND_RATINGS, TREND_DAYS = 5_000, 7.0
"""The default half-life is the time that the newest ratings, this many, took, but never fewer days than these."""
DAY = 86_400
_DECIMALS = 6
"""Scores that differ by less are equal: sums of stars depend on the order in which they were added up."""


def weighted_score(counts: NDArray[np.integer[Any]], sums: NDArray[np.floating[Any]], m: float | None = None) -> Floats:
    """IMDb's weighted score v/(v+m)·R + m/(v+m)·C of each movie, float64, (n_items,), in stars.

    v is a movie's number of ratings, R its mean, C the mean of all ratings. A movie without ratings gets C,
    where nothing at all is rated every movie gets 0. (IMDb Top 250, help page "IMDb ratings FAQ".)

    Args:
        counts: ratings per movie, (n_items,).
        sums: sum of stars per movie, (n_items,).
        m: ratings' worth of prior; None: the 0.9 quantile of the counts of rated movies, at least 1.
    """
    v = counts.astype(np.float64)
    total = float(v.sum())
    if total == 0:
        return np.zeros(len(v))
    if m is None:
        m = max(float(np.quantile(v[v > 0], PRIOR_QUANTILE)), 1.0)
    mean = float(sums.sum()) / total
    weight = v + m
    # sum = v·R, so that no movie is divided by its own count; a movie without ratings has C itself, however small m is.
    score: Floats = np.divide(sums + m * mean, weight, out=np.full(len(v), mean), where=v > 0)
    return score


def liked_score(
    counts: NDArray[np.integer[Any]],
    sums: NDArray[np.floating[Any]],
    scale: tuple[float, float],
    star_weight: float = STAR_WEIGHT,
) -> Floats:
    """Ratings of each movie, (n_items,), where one counts 1 for the lowest stars and 1 + `star_weight` for the highest.

    It is made of counts and sums alone, so it follows new ratings at no cost. Its order is that of the counts where all
    stars are equal.
    """
    low, high = scale
    share = (sums - low * counts) / (high - low) if high > low else np.zeros(len(counts))
    return counts + star_weight * np.maximum(share, 0.0)


def half_life_of(times: NDArray[np.int64]) -> float:
    """Days in which the newest 5,000 dated ratings were given, at least 7: short where much is rated.

    Args:
        times: (n_ratings,) seconds since 1970, `NO_TIME` where unknown.
    """
    dated = times[times != NO_TIME]
    if not len(dated):
        return TREND_DAYS
    position = max(len(dated) - TREND_RATINGS, 0)
    return max(float(dated.max() - np.partition(dated, position)[position]) / DAY, TREND_DAYS)


def decayed_counts(
    rows: NDArray[np.integer[Any]], times: NDArray[np.int64], n_items: int, newest: int, half_life: float
) -> Floats:
    """Ratings of each movie, (n_items,), where one counts ½ for every half-life that it is older than `newest`.

    Args:
        rows: movie of each rating, (n_ratings,).
        times: seconds since 1970, none later than `newest`; ratings without a time (`NO_TIME`) count nothing.
        newest: seconds since 1970.
        half_life: days, above 0.
    """
    with np.errstate(over="ignore"):  # of a half-life of next to nothing
        weights = np.exp2((times - np.int64(newest)) / (DAY * half_life))
    weights[times == NO_TIME] = 0.0
    return np.bincount(rows, weights=weights, minlength=n_items).astype(np.float64)


def years_of(catalog: Catalog) -> Floats:
    """Years of release, (n_items,), −1 where unknown."""
    return np.nan_to_num(catalog.years, nan=-1.0)


@dataclass(frozen=True)
class Chart:
    """An order of movies: by `score`, equal movies by the first of `then` that differs, then by row.

    Attributes:
        score: (n_items,) float64, NaN for movies without ratings, which the chart does not hold.
        then: tie-breakers, each (n_items,) float64, higher is better.
    """

    score: Floats
    then: tuple[Floats, ...]

    def top(self, n: int, allowed: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Rows of the up to n first movies, of those allowed; linear time plus a sort of these and their equals."""
        score = self.score if allowed is None else np.where(allowed, self.score, np.nan)
        rows = np.flatnonzero(~np.isnan(score))
        if len(rows) > n > 0:
            values = score[rows]
            rows = rows[values >= np.partition(values, len(values) - n)[len(values) - n]]
        return rows[self._order(rows)][: max(n, 0)].astype(np.int64)

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        """Scores whose order alone is the chart's, (n_items,) float32: raised a little above those of equal movies.

        Ties have equal scores; NaN for movies without ratings.
        """
        result = np.full(len(self.score), np.nan, dtype=np.float32)
        rows = np.flatnonzero(~np.isnan(self.score))
        rows = rows[self._order(rows)]
        apart = np.zeros(len(rows), dtype=np.bool_)
        for values in (self.score, *self.then):
            apart[:-1] |= np.diff(values[rows]) != 0
        result[rows] = distinguished(self.score[rows], apart)
        result.setflags(write=False)
        return result

    def _order(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.intp]:
        keys = [-values[rows] for values in (self.score, *self.then)]
        return np.lexsort((rows, *reversed(keys)))


def distinguished(descending: Floats, apart: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Scores, best first, as float32 in which those that float32 cannot tell apart differ by the least step.

    Args:
        descending: (n,), finite, never increasing.
        apart: (n,) whether a movie must stand above the next; None: all.
    """
    bits = descending.astype(np.float32).view(np.int32).astype(np.int64)
    # Floats in order have integers in order, the negative ones turned round.
    bits = np.where(bits < 0, -(2**31) - bits, bits)[::-1]
    steps = np.ones(len(bits), dtype=np.int64) if apart is None else apart[::-1].astype(np.int64)
    climbed = np.cumsum(steps)
    bits = np.maximum.accumulate(bits - climbed) + climbed if len(bits) else bits
    bits = np.where(bits < 0, -(2**31) - bits, bits)[::-1]
    return bits.astype(np.int32).view(np.float32)


def make_chart(
    by: By,
    counts: NDArray[np.integer[Any]],
    sums: NDArray[np.floating[Any]],
    years: Floats,
    *,
    scale: tuple[float, float],
    lately: Floats | None = None,
    prior: float | None = None,
    star_weight: float = STAR_WEIGHT,
) -> Chart:
    """The chart of one kind.

    Equal movies stand by the weighted score, then the newer first; by "top_rated" those with more ratings come first,
    so that where all stars are equal it is the chart of counts.

    Args:
        counts: ratings per movie, (n_items,).
        sums: sum of stars per movie, (n_items,).
        years: of release, (n_items,).
        scale: lowest and highest stars.
        lately: decayed counts, for "trending"; None, or nothing at all: no ratings have times, so all count alike.
        prior: m of the weighted score.
        star_weight: of "liked".
    """
    number = counts.astype(np.float64)
    weighted = weighted_score(counts, sums, prior).round(_DECIMALS)
    score: Floats = number
    then: tuple[Floats, ...] = (weighted, years)
    if by == "liked":
        score = liked_score(counts, sums, scale, star_weight).round(_DECIMALS)
    elif by == "top_rated":
        score, then = weighted, (number, years)
    elif by == "trending" and lately is not None and lately.any():
        score, then = lately.round(_DECIMALS), (number, weighted, years)
    return Chart(np.where(counts > 0, score, np.nan), then)
