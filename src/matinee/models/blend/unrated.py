"""Estimated blend scores of movies that no collaborative part knows, from their content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.models.base import Model, Query, Scores
from matinee.models.blend.score_fusion import Column, moments, regress, unseen
from matinee.models.coldstart import ColdStart

Shares = NDArray[np.float32]


@dataclass(frozen=True)
class Estimate:
    """by_content·content + by_mapped·mapped + a constant, for each query.

    Attributes:
        scores: the guesses about the movies asked for, (n, n_movies); NaN for those without content.
        by_content, by_mapped: (n, 1); None: not looked at.
    """

    scores: Scores
    by_content: Column | None
    by_mapped: Column | None

    def shares(self, content: Shares | None, mapped: Shares | None) -> Shares:
        """Shares of the movies of one query's history in its guesses, from those in the two scores, (n_movies, n)."""
        pairs = ((content, self.by_content), (mapped, self.by_mapped))
        parts = [shares * scale[0] for shares, scale in pairs if shares is not None and scale is not None]
        total: Shares = sum(parts[1:], parts[0])
        return total


def estimate_from_content(blended: Scores, content: Scores, movies: NDArray[np.int64]) -> Estimate | None:
    """The least squares guess of the blend from content alone, over all movies that have both; slope ≥ 0.

    None where content says nothing of the movies asked for.
    """
    if np.isnan(content[:, movies]).all():
        return None
    slope, offset = regress(blended, content)
    return Estimate(slope * content[:, movies] + offset, slope, None)


def estimate_from_mapping(
    blended: Scores,
    queries: Sequence[Query],
    movies: NDArray[np.int64],
    mapping: ColdStart,
    content: Model[Any] | None,
    share: float,
    spread: float,
    ready: Scores | None = None,
) -> Estimate:
    """A mean of mapped and content scores, each standardized, brought to the blend's scale by least squares.

    Both steps use examples of the mapping only, whose mapped scores are predicted from the other examples
    (leave-one-out). The regression leaves out the movies of the history, which the blend overfits.

    Args:
        blended: (n, n_items), NaN for movies that no part knows.
        movies: rows that are asked for.
        share: of the mapped score in the mean; the rest is content's.
        spread: how far guesses stand from the middle, 1: where the least squares put them.
        ready: the content's scores of all movies, up to a factor and a constant of each query; None: they are made
            here, and `Estimate.by_content` goes with the content's own scores.
    """
    sample = mapping.sample
    rows = np.concatenate([sample, movies])
    weight = np.full((len(queries), 1), share if content is not None else 1.0, dtype=np.float32)
    terms = [(mapping.transfer(blended, rows), weight)]
    if content is not None:
        similarity = (
            np.stack([content.score_rows(query, rows) for query in queries]) if ready is None else ready[:, rows]
        )
        described = ~np.isnan(similarity).all(axis=1, keepdims=True)
        weight[~described] = 1  # no content is known of this history
        terms.append((np.where(described, similarity, 0), 1 - weight))
    total = np.zeros((len(queries), len(rows)), dtype=np.float32)
    scales: list[Column] = []
    for scores, weight in terms:
        among = scores[:, : len(sample)]
        center, deviation = moments(among, ~np.isnan(among))
        scales.append(weight / deviation)
        total += scales[-1] * (scores - center)
    slope, offset = regress(unseen(blended, queries)[:, sample], total[:, : len(sample)])
    slope, offset = slope * np.float32(spread), offset * np.float32(spread)
    result = slope * total[:, len(sample) :] + offset
    return Estimate(result, slope * scales[1] if content is not None else None, slope * scales[0])
