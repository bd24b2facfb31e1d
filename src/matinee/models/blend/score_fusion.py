"""Arithmetic of scores with unknown (NaN) entries, row by row: what a blend is made with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matinee.models.base import Query, Scores

Column = NDArray[np.float32]
Known = NDArray[np.bool_]


def moments(scores: Scores, known: NDArray[np.bool_]) -> tuple[Column, Column]:
    """Mean and deviation of the known scores of each row, (n, 1); deviation 1 where all are equal."""
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = np.where(known, scores, 0).sum(axis=1, keepdims=True, dtype=np.float64) / count
    rest = np.where(known, scores - mean, 0)
    deviation = np.sqrt((rest * rest).sum(axis=1, keepdims=True) / count)
    flat = deviation <= 1e-9 + 1e-6 * np.abs(mean)
    return mean.astype(np.float32), np.where(flat, 1.0, deviation).astype(np.float32)


def known_movies(scores: Scores) -> Known:
    """Which scores are known, (1, n_items) where these are the same in every row, else (n, n_items)."""
    known = ~np.isnan(scores)
    alike = len(known) > 1 and bool((known == known[0]).all())  # models leave the same movies out for everybody
    return known[:1] if alike else known


def standardize(scores: Scores, movies: Known | None = None) -> tuple[Scores, Known, Column]:
    """Scores less the mean of their row, over the deviation, in place; which are known; and the deviations, (n, 1).

    Args:
        movies: (1 or n, n_items), the known ones of these make mean and deviation; None: all that are known.
    """
    known = known_movies(scores)
    among = known if movies is None else known & movies
    if len(among) > 1:
        mean, deviation = moments(scores, among)
    else:
        whole = bool(among.all())
        part = scores if whole else np.take(scores, np.flatnonzero(among[0]), axis=1)  # twice as fast as by a mask
        count = np.float32(max(part.shape[1], 1))
        mean = part.sum(axis=1, keepdims=True, dtype=np.float32) / count
        rest = np.subtract(part, mean, out=None if whole else part)
        deviation = np.sqrt(np.einsum("ij,ij->i", rest, rest) / count)[:, None]
        deviation[deviation <= 1e-9 + 1e-6 * np.abs(mean)] = 1
        if whole:
            return np.divide(rest, deviation, out=scores), known, deviation
    scores -= mean
    scores /= deviation
    return scores, known, deviation


class Weighted(NamedTuple):
    """Standardized scores of a part, (n, n_items), and what they count.

    Attributes:
        known: see `known_movies`.
        weight: (n, 1), ≥ 0.
        counts: (n, 1), whether a movie is known that this part knows.
    """

    scores: Scores
    known: Known
    weight: Column
    counts: NDArray[np.bool_]


def weighted_mean(parts: Sequence[Weighted], n_queries: int, n_items: int) -> Scores:
    """The weighted mean of the parts, (n_queries, n_items), whose scores are used up.

    A movie that some parts do not know is the mean of the others; NaN where no part that counts knows it.
    """
    total: Scores = np.zeros((n_queries, n_items), dtype=np.float32)
    for scores, known, weight, _ in parts:
        scores *= weight
        if len(known) == 1:
            scores[:, ~known[0]] = 0
        else:
            scores[~known] = 0
        total += scores
    if not parts:
        return np.full_like(total, np.nan)
    if n_queries == 1 or any(len(part.known) > 1 for part in parts):
        total /= _divisor(parts, [part.known for part in parts])
        return total
    # Few patterns of parts that know a movie, each with many movies: one divisor a query for each.
    codes = np.zeros(n_items, dtype=np.int64)
    for position, part in enumerate(parts):
        codes += part.known[0].astype(np.int64) << position
    for pattern in np.flatnonzero(np.bincount(codes)).tolist():
        columns = np.flatnonzero(codes == pattern)
        knowing = [np.array([[bool(pattern >> position & 1)]]) for position in range(len(parts))]
        total[:, slice(None) if len(columns) == n_items else columns] /= _divisor(parts, knowing)
    return total


def _divisor(parts: Sequence[Weighted], known: Sequence[NDArray[np.bool_]]) -> Scores:
    """Summed weights of the parts that know a movie, NaN where none counts; `known` is (1 or n, 1 or n_items) each."""
    weights: NDArray[np.float32] = np.zeros((1, 1), dtype=np.float32)
    sound: NDArray[np.bool_] = np.zeros((1, 1), dtype=np.bool_)
    for here, part in zip(known, parts, strict=True):
        weights = (weights + here * part.weight).astype(np.float32, copy=False)
        sound = sound | (here & (part.counts & (part.weight > 0)))
    return np.where(sound, weights, np.float32(np.nan))


def regress(blended: Scores, content: Scores) -> tuple[Column, Column]:
    """Slope (≥ 0) and offset of the regression of the blend on content, per row, (n, 1)."""
    both = ~np.isnan(blended) & ~np.isnan(content)
    mean_b, _ = moments(blended, both)
    mean_c, deviation = moments(content, both)
    count = np.maximum(both.sum(axis=1, keepdims=True), 1)
    product = np.where(both, (blended - mean_b) * (content - mean_c), 0).sum(axis=1, keepdims=True) / count
    slope = np.maximum(product / deviation**2, 0).astype(np.float32)
    return slope, (mean_b - slope * mean_c).astype(np.float32)


def fill(scores: Scores) -> Scores:
    """Movies without an opinion put a little below the lowest score of their row."""
    known = ~np.isnan(scores)
    lowest = np.where(known, scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    lowest[np.isinf(lowest)] = np.nan  # nobody has an opinion: none is made up
    return np.where(known, scores, lowest - (0.01 + 0.001 * np.abs(lowest))).astype(np.float32)


def without(scores: Scores, rows: Sequence[int]) -> Scores:
    """A copy in which no movie has an opinion on itself (it would stretch the deviation)."""
    scores = scores.copy()
    scores[np.arange(len(rows)), np.asarray(rows, dtype=np.int64)] = np.nan
    return scores


def mean_known(first: Scores, second: Scores) -> Scores:
    """Mean of two scores, or the one that is known."""
    mean = (first + second) / 2
    mean = np.where(np.isnan(first), second, mean)
    return np.where(np.isnan(second), first, mean).astype(np.float32)


def unseen(scores: Scores, queries: Sequence[Query]) -> Scores:
    """A copy in which the movies of each history have no score."""
    scores = scores.copy()
    for row, query in zip(scores, queries, strict=True):
        row[query.rows[(query.rows >= 0) & (query.rows < len(row))]] = np.nan
    return scores
