"""What a blend says of films that none of its parts knows: guesses from content, on the blend's own scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matinee.models.base import Query, Scores
from matinee.models.coldstart import ColdStart
from matinee.models.fusion import Column, moments, regress, unseen

Shares = NDArray[np.float32]


@dataclass(frozen=True)
class Guess:
    """by_content·content + by_mapped·mapped + offset, for each query.

    Attributes:
        content: likeness to the history, (n, n_items), or None.
        mapped: scores carried from the films that the blend knows, (n, n_items), or None.
        by_content, by_mapped, offset: (n, 1).
    """

    content: Scores | None
    mapped: Scores | None
    by_content: Column
    by_mapped: Column
    offset: Column

    def scores(self) -> Scores:
        """The guesses, (n, n_items); NaN for films without content."""
        if self.mapped is None:
            assert self.content is not None
            return self.by_content * self.content + self.offset
        total = self.by_mapped * self.mapped + self.offset
        if self.content is not None:
            # A user of whose films content knows none has NaN throughout, and the mapping alone.
            total += self.by_content * np.where(np.isnan(self.content) & (self.by_content == 0), 0, self.content)
        return total

    def shares(self, content: Shares | None, mapped: Shares | None) -> Shares:
        """Shares of the films of one query's history in its guesses, from those in the two scores, (n_films, n)."""
        pairs = ((content, self.by_content), (mapped, self.by_mapped))
        parts = [shares * scale[0] for shares, scale in pairs if shares is not None]
        total: Shares = sum(parts[1:], parts[0])
        return total


def by_likeness(blended: Scores, content: Scores) -> Guess:
    """The least squares guess of the blend from content alone, over all films that have both; slope ≥ 0."""
    slope, offset = regress(blended, content)
    return Guess(content, None, slope, np.zeros_like(slope), offset)


def by_mapping(
    blended: Scores, queries: Sequence[Query], content: Scores | None, mapping: ColdStart, share: float, spread: float
) -> Guess:
    """A mean of mapped and content scores, each standardised, brought to the blend's scale by least squares.

    Both steps look at the mapping's examples only, whose mapped scores are foretold from the other examples. The least
    squares leave out the films of the history: the blend knows these by heart, so that they would promise too much.

    Args:
        blended: (n, n_items), NaN for films that no part knows.
        share: of the mapped score in the mean; the rest is content's.
        spread: how far guesses stand from the middle, 1: where the least squares put them.
    """
    rows = mapping.rows
    mapped = mapping.carry(blended)
    terms = [(mapped, np.full((len(queries), 1), share if content is not None else 1.0, dtype=np.float32))]
    if content is not None:
        told = ~np.isnan(content[:, rows]).all(axis=1, keepdims=True)
        terms[0][1][~told] = 1
        terms.append((content, np.where(told, np.float32(1 - share), np.float32(0))))
    mean = np.zeros((len(queries), len(rows)), dtype=np.float32)
    slopes: list[Column] = []
    middle = np.zeros((len(queries), 1), dtype=np.float32)
    for scores, weight in terms:
        known = ~np.isnan(scores[:, rows])
        centre, deviation = moments(scores[:, rows], known)
        slopes.append(weight / deviation)
        mean += np.where(weight > 0, slopes[-1] * (scores[:, rows] - centre), 0)
        middle -= slopes[-1] * centre
    slope, offset = regress(unseen(blended, queries)[:, rows], mean)
    scale = slope * np.float32(spread)
    by_content = scale * slopes[1] if content is not None else np.zeros_like(scale)
    return Guess(content, mapped, by_content, scale * slopes[0], np.float32(spread) * offset + scale * middle)
