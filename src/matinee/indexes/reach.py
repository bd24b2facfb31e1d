"""How far a search looks into cells under a filter: measured on a sample of vectors, not one number for all queries.

A query first looks into a few cells; the similarity of the k-th row found there bounds that of the k-th nearest from
below. It then looks into all cells whose centroid is at most a *reach* less similar than that. Queries with near
neighbors look into few cells so, and those in thin regions into many: for a recall of .985 a third of the rows that a
fixed number of cells holds where vectors are clustered, a tenth fewer where they are one cloud.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matinee.indexes.base import Mask, Vectors
from matinee.indexes.cells import nearest_cells
from matinee.indexes.scoring import Rows, Similarities, nearest_rows

SAMPLE = 128
"""Vectors in the sample, half of them rows that the filter allows where there are so many."""
RANKS = (4, 6, 8, 10, 12, 16, 24, 32, 48, 64, 96)
"""Ranks for which a reach is measured; a search for k takes the next."""
MISSES = 0.75
"""Neighbors missed, of those that the fixed number of cells misses, if that takes no more cells."""
FIRST = 8
"""The first cells are so small a part of the fixed number."""
MIN_EFFORT = 16
"""Fixed numbers of cells below this are kept: there is little to save."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Vectors as queries, and what they should find.

    Attributes:
        queries: (s, dim) unit vectors.
        inside: (s,), whether the query is a row of the filter itself; it does not count as its own neighbor.
        cells: (s, m), of the nearest other rows that the filter allows, best first.
    """

    queries: Vectors
    inside: Mask
    cells: Rows


def sample_rows(mask: Mask, seed: int) -> Rows:
    """Rows for a sample, increasing: as many that a filter allows as others, where there are so many."""
    rng = np.random.default_rng(seed)
    allowed, others = np.flatnonzero(mask), np.flatnonzero(~mask)
    parts = [rng.choice(rows, min(SAMPLE // 2, len(rows)), replace=False) for rows in (allowed, others)]
    return np.sort(np.concatenate(parts))


def nearest_others(vectors: Vectors, rows: Rows, mask: Mask) -> Rows:
    """The nearest rows of each row that a mask allows, itself left out, (len(rows), ≤ the greatest rank)."""
    k = min(RANKS[-1] + 1, int(np.count_nonzero(mask)))
    found, _ = nearest_rows(vectors, vectors.take(rows, axis=0), k, mask)
    # A stable sort puts the row itself last, or where it is not found leaves the farthest there.
    order = np.argsort(found == rows[:, None], axis=1, kind="stable")[:, :-1]
    return np.take_along_axis(found, order, axis=1)


def first_cells(effort: int) -> int:
    """Number of cells that a search looks into first."""
    return effort // FIRST + 1


def rank_for(k: int) -> int | None:
    """The rank whose similarity a search for k starts from; None: look into the fixed number of cells."""
    return next((rank for rank in RANKS if rank >= k), None)


def measured(sample: Sample, similarities: Similarities, bounds: Similarities, rank: int, effort: int) -> float | None:
    """The reach that misses no more neighbors than a fixed number of cells; None where the sample does not tell.

    Args:
        similarities: (s, n_cells), of the queries and the centroids.
        bounds: (s,), similarity of the row at `rank` in the first cells, the query itself left out; −inf: not so many.
        rank: number of neighbors to find.
        effort: the fixed number.
    """
    known = bounds > -np.inf
    if not known.any() or sample.cells.shape[1] < rank:
        return None
    similarities, bounds = similarities[known], bounds[known]
    near = np.take_along_axis(similarities, sample.cells[known, :rank], axis=1)
    last = _lowest(similarities, effort)
    gaps = np.where(near >= _lowest(similarities, first_cells(effort)), -np.inf, bounds[:, None] - near).ravel()
    gaps.sort()
    missed = int((near < last).sum())
    as_good = max(0.0, float(gaps[-1 - missed]))
    better = float(gaps[-1 - int(MISSES * missed)])
    if better <= as_good:
        return as_good
    cells = len(bounds) * effort
    distances = (bounds[:, None] - similarities).ravel()
    as_long = float(np.partition(distances, cells - 1)[cells - 1])
    return max(as_good, min(better, as_long))


def _lowest(similarities: Similarities, count: int) -> Similarities:
    """The least similarity of so many nearest cells, (s, 1)."""
    cells = nearest_cells(similarities, count)
    return np.take_along_axis(similarities, cells, axis=1).min(axis=1, keepdims=True)
