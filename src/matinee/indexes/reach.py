"""How far a search looks into cells under a filter: as far as the query needs, not into one number of cells for all.

A query first looks into a few cells. The similarity of the k-th row that it finds there bounds that of the k-th nearest
from below. It then looks into all cells whose centroids are at most the *reach* less similar than that: few where its
neighbors are near, many in thin regions, or far from what the filter allows. The reach is measured once for an index,
on some of its vectors as queries and others as rows.
"""

from __future__ import annotations

import threading

import numpy as np

from matinee.indexes.base import Vectors
from matinee.indexes.cells import Cells, nearest_cells
from matinee.indexes.scoring import Rows, Similarities, nearest_rows

QUERIES = 256
"""Vectors in the sample of queries."""
ROWS = 1 << 17
"""Vectors in the sample of rows, at most."""
DEPTH = 160
"""Nearest rows of the sample that are known of each query; neighbors of higher ranks have no reach."""
MISSES = 0.8
"""Neighbors to be missed, as a share of those that a fixed number of cells misses."""
FIRST = 8
"""The first cells are so small a part of that number."""
MOST = 16
"""No query looks into more than this many times that number."""
MIN_EFFORT = 16
"""Of so few cells nothing is to be saved."""
LOOKED_INTO = np.float32(-np.inf)
"""Below every cosine."""


class Reach:
    """Measures the reach of an index. Thread-safe.

    Args:
        vectors: (n, dim), those of the index, n ≥ 2.
        cells: their cells.
        seed: of the samples.
    """

    def __init__(self, vectors: Vectors, cells: Cells, seed: int) -> None:
        n = len(vectors)
        n_queries, n_rows = min(QUERIES, n // 2), min(ROWS, n // 2)
        sample = np.random.default_rng(seed).choice(n, n_queries + n_rows, replace=False)
        rows = np.sort(sample[n_queries:])
        self._cells, self._share = cells, n_rows / n
        self._queries = vectors.take(sample[:n_queries], axis=0)
        near, self._similarities = nearest_rows(vectors.take(rows, axis=0), self._queries, min(DEPTH, n_rows))
        self._near = cells.of_rows(rows.take(near))
        self._lock = threading.Lock()
        self._measured: dict[tuple[float, int], np.float32 | None] = {}

    def of(self, rank: float, effort: int) -> np.float32 | None:
        """The reach with which about as many neighbors are found as in a fixed number of cells; None: use that number.

        Args:
            rank: the number of neighbors, among all rows of the index.
            effort: the number of cells.
        """
        key = rank, effort
        if key not in self._measured:  # once set, entries never change
            with self._lock:
                if key not in self._measured:
                    self._measured[key] = self._measure(max(1, round(rank * self._share)), effort)
        return self._measured[key]

    def _measure(self, rank: int, effort: int) -> np.float32 | None:
        if rank > self._similarities.shape[1] or not MIN_EFFORT <= effort < len(self._cells):
            return None
        similarities = self._cells.similarities(self._queries)
        near = np.take_along_axis(similarities, self._near, axis=1)  # the similarity of a neighbor's cell
        first = near >= _lowest(similarities, first_cells(effort))
        # Where the first cells hold fewer rows, the last one known is nearer than the one looked for: that errs on
        # the side of a longer reach.
        place = np.where(first.sum(axis=1) >= rank, (first.cumsum(axis=1) >= rank).argmax(axis=1), first.shape[1] - 1)
        bounds = np.take_along_axis(self._similarities, place[:, None], axis=1)
        missed = int((near[:, :rank] < _lowest(similarities, effort)).sum())
        gaps = np.where(first, -np.inf, bounds - near)[:, :rank].ravel()
        gaps.sort()
        return max(np.float32(0), np.float32(gaps[-1 - int(MISSES * missed)]))


def _lowest(similarities: Similarities, count: int) -> Similarities:
    """The least similarity of so many nearest cells, (n_queries, 1)."""
    cells = nearest_cells(similarities, count)
    lowest: Similarities = np.take_along_axis(similarities, cells, axis=1).min(axis=1, keepdims=True)
    return lowest


def first_cells(effort: int) -> int:
    """Number of cells that a search looks into first."""
    return effort // FIRST + 1


def rest_of(similarities: Similarities, first: Rows, bound: np.float32 | None, effort: int) -> Rows:
    """Cells to look into after the first ones, in any order.

    Args:
        similarities: (n_cells,), of the query and the centroids; changed.
        first: the first cells.
        bound: the least similarity of a cell to look into; None, where too few rows were found: the fixed number.
        effort: that number.
    """
    similarities[first] = LOOKED_INTO
    if bound is None:
        rest: Rows = nearest_cells(similarities[None], min(effort, len(similarities)) - len(first))[0]
        return rest
    rest = (similarities >= bound).nonzero()[0]
    if len(rest) > MOST * effort:
        rest = rest[nearest_cells(similarities[None, rest], MOST * effort)[0]]
    return rest
