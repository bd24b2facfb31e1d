"""The search of an index's main part: which rows are scored, exactly or with an approximate index."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from matinee.indexes.approximate import Approximate
from matinee.indexes.base import Vectors
from matinee.indexes.exact import ExactIndex
from matinee.indexes.filter_cache import FilterCache, Gathered
from matinee.indexes.packed_mask import PackedMask
from matinee.indexes.row_subset import GatheredRows
from matinee.indexes.scoring import FEW_ROWS, Rows, Similarities, rescore

EXACT_ROWS = 16
"""An approximate search for m candidates costs about as much as scoring this many times m rows exactly."""
MAX_CANDIDATES = 1 << 20
"""Maximum number of candidates fetched at a time, over all queries of a batch; it limits memory."""
MARGIN = 10
"""Additional candidates fetched where a filter is applied to them afterwards."""
GATHER_ROWS = 1 << 16
"""Number of rows of an index from which rows of filters are gathered; before, that saves little."""
EXACT_USES = 2
"""Queries from which rows are gathered for exact searches, which gather them each time otherwise."""
ROWS_PER_USE = 500
"""Rows whose gathering in inverted lists costs at most what one search saves thereby."""


@dataclass(frozen=True, eq=False)
class MainPart:
    """The rows of an index that do not change, and what searches them.

    Attributes:
        main: their vectors.
        approximate: search structure over them; None: search exactly.
        filters: gathered rows of filters, of other indexes as well.
        exact, lists: by which the cache tells these rows, as they are and in lists, from those of other indexes.
    """

    main: ExactIndex
    approximate: Approximate | None
    filters: FilterCache
    exact: object = field(default_factory=object)
    lists: object = field(default_factory=object)

    def nearest(self, queries: Vectors, k: int, mask: PackedMask | None) -> tuple[Rows, Similarities]:
        """Like `ExactIndex.nearest`, but with the approximate index or with gathered rows if that is faster.

        Queries with too few results, because the filter allows few rows near them, are searched exactly.

        Args:
            queries: (n_queries, dim) unit vectors.
            k: 0..n.
            mask: over (n,) rows; None: all are allowed.
        """
        n, approximate = len(self.main), self.approximate
        if k == 0 or len(queries) == 0:
            return self.main.nearest(queries, k)
        if mask is not None and mask.count == n:
            mask = None
        count = n if mask is None else mask.count
        rank, fetch = float(k), k
        if count < n:
            rank = min(k, count) * n / max(count, 1)  # expected rank among all rows if count of n are allowed
            fetch = int(rank * 1.2) + MARGIN
        if approximate is None or count <= EXACT_ROWS * fetch:
            return self._exactly(queries, k, mask)
        batch = max(1, MAX_CANDIDATES // fetch)
        if len(queries) > batch:
            parts = [queries[start : start + batch] for start in range(0, len(queries), batch)]
            results = [self.nearest(part, k, mask) for part in parts]
            return np.concatenate([rows for rows, _ in results]), np.concatenate([cosines for _, cosines in results])
        effort, matrix = approximate.effort_for(rank), self.main.matrix
        if mask is None:
            candidates = approximate.candidates(queries, fetch, effort)
        elif (gathered := self._in_lists(approximate, mask, len(queries))) is not None:
            candidates = candidates_of(gathered, mask, queries, k, effort)
        elif (found := approximate.filtered(matrix, queries, k, effort, mask.mask)) is not None:
            return self._completed(queries, k, mask, *found)
        else:
            candidates = approximate.candidates(queries, fetch, effort)
            # Row −1 reads the last one, and stays −1 either way.
            candidates = np.where(mask.mask[candidates], candidates, -1)
        return self._completed(queries, k, mask, *rescore(matrix, queries, candidates, k))

    def _completed(
        self, queries: Vectors, k: int, mask: PackedMask | None, rows: Rows, similarities: Similarities
    ) -> tuple[Rows, Similarities]:
        """Results of `rescore`, with those of exact searches where they are too few."""
        if rows.shape[1] == k and not bool((rows[:, -1] < 0).any()):
            return rows, similarities
        incomplete = np.ones(len(rows), dtype=np.bool_) if rows.shape[1] < k else rows[:, -1] < 0
        rows, similarities = padded(rows, similarities, k)
        rows[incomplete], similarities[incomplete] = self._exactly(queries[incomplete], k, mask)
        return rows, similarities

    def _exactly(self, queries: Vectors, k: int, mask: PackedMask | None) -> tuple[Rows, Similarities]:
        n = len(self.main)
        if mask is None or n < GATHER_ROWS or not 0 < mask.count < FEW_ROWS * n:
            return self.main.nearest(queries, k, None if mask is None else mask.mask)
        matrix = self.main.matrix
        size = GatheredRows.size(mask.count, self.main.dim)
        gathered = self.filters.gathered(
            self.exact, mask, len(queries), EXACT_USES, size, lambda: GatheredRows(matrix, mask.mask)
        )
        if gathered is None:
            return self.main.nearest(queries, k, mask.mask)
        return padded(*rescore(matrix, queries, candidates_of(gathered, mask, queries, k, 0), k), k)

    def _in_lists(self, approximate: Approximate, mask: PackedMask, queries: int) -> Gathered | None:
        size = approximate.subset_bytes(mask.count)
        if size is None or len(self.main) < GATHER_ROWS:
            return None
        return self.filters.gathered(
            self.lists,
            mask,
            queries,
            mask.count // ROWS_PER_USE,
            size,
            lambda: approximate.subset(self.main.matrix, mask.mask),
        )


def candidates_of(gathered: Gathered, mask: PackedMask, queries: Vectors, k: int, effort: int) -> Rows:
    """Rows near each query that a filter allows: the k nearest that are gathered, and all that are not."""
    subset, removed, added = gathered.subset, gathered.removed, gathered.added
    candidates = subset.candidates(queries, min(k + len(removed), len(subset)), effort)
    if len(removed):
        candidates = np.where(mask.mask[candidates], candidates, -1)
    if len(added):
        candidates = np.concatenate([candidates, np.broadcast_to(added, (len(queries), len(added)))], axis=1)
    return candidates


def padded(rows: Rows, similarities: Similarities, k: int) -> tuple[Rows, Similarities]:
    """Results as wide as k, padded with −1 and NaN; writable."""
    missing = k - rows.shape[1]
    if missing <= 0:
        return rows, similarities
    return (
        np.pad(rows, ((0, 0), (0, missing)), constant_values=-1),
        np.pad(similarities, ((0, 0), (0, missing)), constant_values=np.nan),
    )
