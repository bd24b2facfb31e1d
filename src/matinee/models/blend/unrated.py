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
class Guess:
    """by_content·content + by_mapped·mapped + a constant, for each query.

    Attributes:
        scores: the guesses about the films asked for, (n, n_films); NaN for those without content.
        by_content, by_mapped: (n, 1); None: not looked at.
    """

    scores: Scores
    by_content: Column | None
    by_mapped: Column | None

    def shares(self, content: Shares | None, mapped: Shares | None) -> Shares:
        """Shares of the films of one query's history in its guesses, from those in the two scores, (n_films, n)."""
        pairs = ((content, self.by_content), (mapped, self.by_mapped))
        parts = [shares * scale[0] for shares, scale in pairs if shares is not None and scale is not None]
        total: Shares = sum(parts[1:], parts[0])
        return total


def by_likeness(blended: Scores, content: Scores, films: NDArray[np.int64]) -> Guess | None:
    """The least squares guess of the blend from content alone, over all films that have both; slope ≥ 0.

    None where content says nothing of the films asked for.
    """
    if np.isnan(content[:, films]).all():
        return None
    slope, offset = regress(blended, content)
    return Guess(slope * content[:, films] + offset, slope, None)


def by_mapping(
    blended: Scores,
    queries: Sequence[Query],
    films: NDArray[np.int64],
    mapping: ColdStart,
    content: Model[Any] | None,
    share: float,
    spread: float,
    ready: Scores | None = None,
) -> Guess:
    """A mean of mapped and content scores, each standardised, brought to the blend's scale by least squares.

    Both steps use examples of the mapping only, whose mapped scores are predicted from the other examples
    (leave-one-out). The regression leaves out the movies of the history, which the blend overfits.

    Args:
        blended: (n, n_items), NaN for films that no part knows.
        films: rows that are asked for.
        share: of the mapped score in the mean; the rest is content's.
        spread: how far guesses stand from the middle, 1: where the least squares put them.
        ready: the content's scores of all films, up to a factor and a constant of each query; None: they are made here,
            and `Guess.by_content` goes with the content's own scores.
    """
    sample = mapping.sample
    rows = np.concatenate([sample, films])
    weight = np.full((len(queries), 1), share if content is not None else 1.0, dtype=np.float32)
    terms = [(mapping.carry(blended, rows), weight)]
    if content is not None:
        likeness = np.stack([content.score_rows(query, rows) for query in queries]) if ready is None else ready[:, rows]
        told = ~np.isnan(likeness).all(axis=1, keepdims=True)
        weight[~told] = 1  # no content is known of this history
        terms.append((np.where(told, likeness, 0), 1 - weight))
    total = np.zeros((len(queries), len(rows)), dtype=np.float32)
    scales: list[Column] = []
    for scores, weight in terms:
        among = scores[:, : len(sample)]
        centre, deviation = moments(among, ~np.isnan(among))
        scales.append(weight / deviation)
        total += scales[-1] * (scores - centre)
    slope, offset = regress(unseen(blended, queries)[:, sample], total[:, : len(sample)])
    slope, offset = slope * np.float32(spread), offset * np.float32(spread)
    found = slope * total[:, len(sample) :] + offset
    return Guess(found, slope * scales[1] if content is not None else None, slope * scales[0])
