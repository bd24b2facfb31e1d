"""Recall of an approximate index, measured against exact search on some of its own items, including the worst case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from matinee.indexes.base import Vectors
from matinee.indexes.scoring import Similarities, nearest_rows
from matinee.indexes.updatable import UpdatableIndex

K = 10
"""Number of neighbors compared, without the item itself."""
SAMPLE, MIN_SAMPLE, HUBS = 128, 16, 64
"""Number of probes: a sample of the items (fewer in very large indexes), and the most frequent of their neighbors."""
MAX_PRODUCTS = 1 << 32
"""Maximum number of multiplications to find the true neighbors of the sample (about a second); it limits the sample."""


@dataclass(frozen=True)
class Overlap:
    """Share of the true ten nearest neighbors that is found: the mean, and that of the worst item."""

    mean: float
    worst: float

    def reaches(self, other: Overlap) -> bool:
        """Whether both values are at least as high as the other's."""
        return self.mean >= other.mean and self.worst >= other.worst


LOADED = Overlap(0.99, 0.9)
"""Minimum recall of a loaded index."""
BUILT = Overlap(0.995, 0.9)
"""Target recall when an index is built."""


@dataclass(frozen=True)
class Probes:
    """Queries of a recall measurement.

    Attributes:
        queries: (n_queries, dim), unit length.
        thresholds: (n_queries,), similarity of the last of the true neighbors.
        k: number of neighbors, including the item itself.
    """

    queries: Vectors
    thresholds: Similarities
    k: int

    @classmethod
    def of(cls, vectors: Vectors, as_query: Callable[[Vectors], Vectors] = lambda vectors: vectors) -> Probes:
        """An evenly spaced sample of the items, and the items that are most often among their neighbors.

        Args:
            vectors: (n, dim), the unit vectors of the index.
            as_query: turns vectors of items into query vectors.
        """
        n, dim = vectors.shape
        k = min(K + 1, n)
        count = min(SAMPLE, n, max(MAX_PRODUCTS // max(n * dim, 1), MIN_SAMPLE))
        sample = as_query(vectors[np.unique(np.linspace(0, n - 1, count).astype(np.int64))] if n else vectors)
        rows, similarities = nearest_rows(vectors, sample, k)
        hubs = np.argsort(-np.bincount(rows.ravel(), minlength=n), kind="stable")[:HUBS]
        more = as_query(vectors[np.sort(hubs)])
        queries = np.concatenate([sample, more])
        thresholds = np.concatenate([similarities[:, -1:], nearest_rows(vectors, more, k)[1][:, -1:]])
        return cls(queries, thresholds.ravel(), k)


def overlap(index: UpdatableIndex, probes: Probes) -> Overlap:
    """Recall of an index on its probes. The index must not have been changed since it was built."""
    similarities = index.search(probes.queries, probes.k).similarities
    # Compare similarities, because equal vectors are interchangeable. NaN is not a hit.
    shares = (similarities >= probes.thresholds[:, None]).mean(axis=1)
    return Overlap(float(shares.mean()), float(shares.min()))


def proven(index: UpdatableIndex, probes: Probes, target: Overlap = LOADED, spare: int = 0) -> UpdatableIndex | None:
    """The index with the lowest effort, not below its own, that reaches the target recall; None if none does.

    Args:
        index: not changed since it was built.
        spare: additional steps of effort, a margin for items that are not among the probes.
    """
    approximate = index.approximate
    if approximate is None or not len(probes.queries):
        return index
    for effort in (approximate.effort, *(effort for effort in approximate.efforts if effort > approximate.effort)):
        tried = index.with_effort(effort)
        if overlap(tried, probes).reaches(target):
            more = [effort, *(other for other in approximate.efforts if other > effort)]
            return index.with_effort(more[min(spare, len(more) - 1)]) if spare else tried
    return None
