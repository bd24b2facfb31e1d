"""Whether an approximate index finds what exact search finds: shown on some of its own items, worst case included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from matinee.indexes.base import Vectors
from matinee.indexes.scoring import Similarities, nearest_rows
from matinee.indexes.updatable import UpdatableIndex

K = 10
"""Neighbors that are compared, beside the item itself."""
SAMPLE, MIN_SAMPLE, HUBS = 128, 16, 64
"""Items asked for: spread over all (fewer of very many), and those most often among the neighbors of these."""
MAX_PRODUCTS = 1 << 32
"""Products of two values that finding the true neighbors of the sample may take (a second): fewer are asked beyond."""


@dataclass(frozen=True)
class Overlap:
    """Share of the true ten nearest that is found: on average, and of the worst item."""

    mean: float
    worst: float

    def reaches(self, other: Overlap) -> bool:
        """Whether both are at least as high as another's."""
        return self.mean >= other.mean and self.worst >= other.worst


LOADED = Overlap(0.99, 0.9)
"""What an index must find to be used."""
BUILT = Overlap(0.995, 0.9)
"""What one is built to find."""


@dataclass(frozen=True)
class Probes:
    """What an index is asked for its proof.

    Attributes:
        queries: (n_queries, dim), unit length.
        least: (n_queries,), similarity of the last of the true neighbors.
        k: neighbors counted, the item itself among them.
    """

    queries: Vectors
    least: Similarities
    k: int

    @classmethod
    def of(cls, vectors: Vectors, asked: Callable[[Vectors], Vectors] = lambda vectors: vectors) -> Probes:
        """Items of an index, spread evenly, and those that come most often among the neighbors of these.

        Args:
            vectors: (n, dim) unit vectors, those of the index.
            asked: what is searched with for the neighbors of some of them.
        """
        n, dim = vectors.shape
        k = min(K + 1, n)
        count = min(SAMPLE, n, max(MAX_PRODUCTS // max(n * dim, 1), MIN_SAMPLE))
        some = asked(vectors[np.unique(np.linspace(0, n - 1, count).astype(np.int64))] if n else vectors)
        rows, similarities = nearest_rows(vectors, some, k)
        hubs = np.argsort(-np.bincount(rows.ravel(), minlength=n), kind="stable")[:HUBS]
        more = asked(vectors[np.sort(hubs)])
        queries = np.concatenate([some, more])
        least = np.concatenate([similarities[:, -1:], nearest_rows(vectors, more, k)[1][:, -1:]])
        return cls(queries, least.ravel(), k)


def overlap(index: UpdatableIndex, probes: Probes) -> Overlap:
    """What an index, unchanged since it was made, finds of the true neighbors of its probes."""
    found = index.search(probes.queries, probes.k).similarities
    # By similarity, for equal vectors are equally right; NaN is no hit.
    shares = (found >= probes.least[:, None]).mean(axis=1)
    return Overlap(float(shares.mean()), float(shares.min()))


def proven(index: UpdatableIndex, probes: Probes, target: Overlap = LOADED, spare: int = 0) -> UpdatableIndex | None:
    """An index, unchanged since it was made, with the least effort, from its own on, that finds enough; else None.

    Args:
        spare: steps of effort beyond that, so that items that were not asked for are found as well.
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
