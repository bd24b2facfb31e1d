"""The cells of an inverted file: their centroids, and the rows in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee._util.topk import top_n
from matinee.indexes.approximate import library
from matinee.indexes.base import Items, Mask, Vectors
from matinee.indexes.scoring import Rows, Similarities, similarities_of

ONE_THREAD = 9000
"""Values of a matrix whose product with a vector OpenBLAS takes on one thread (fewer than 9,216)."""
MAX_QUERIES = 256
"""Maximum number of queries whose similarities to all centroids are held."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of rows 0..n − 1. Immutable; thread-safe.

    Attributes:
        blocks: float32, (n_blocks, size, dim), the centroids, of so few values each that a product with one query runs
            on one thread; the last ends in zeros.
        order: int32, (n,), rows by cell.
        ends: int64, (n_cells + 1,), where each cell begins in `order`, and the end.
    """

    blocks: Vectors
    order: NDArray[np.int32]
    ends: Items

    @classmethod
    def of(cls, index: Any) -> Cells:
        """Those of a FAISS `IndexIVF` whose ids are the rows 0..n − 1."""
        faiss = library("faiss", "FAISS")
        n_cells, dim = int(index.nlist), int(index.d)
        size = max(1, ONE_THREAD // dim)
        centroids = np.zeros((-(-n_cells // size) * size, dim), dtype=np.float32)
        centroids[:n_cells] = index.quantizer.reconstruct_n(0, n_cells)
        lists = index.invlists
        ends = np.zeros(n_cells + 1, dtype=np.int64)
        np.cumsum([lists.list_size(i) for i in range(n_cells)], out=ends[1:])
        order = np.empty(ends[-1], dtype=np.int32)
        for i in range(n_cells):
            start, end = int(ends[i]), int(ends[i + 1])
            if end > start:
                order[start:end] = faiss.rev_swig_ptr(lists.get_ids(i), end - start)
        return cls(centroids.reshape(-1, size, dim), order, ends)

    def __len__(self) -> int:
        """Number of cells."""
        return len(self.ends) - 1

    def similarities(self, queries: Vectors) -> Similarities:
        """Of each query and each centroid, (n_queries, n_cells)."""
        if len(queries) == 1:
            return (self.blocks @ queries[0]).reshape(1, -1)[:, : len(self)]
        return queries @ self.blocks.reshape(-1, self.blocks.shape[2])[: len(self)].T

    def rows(self, cells: Rows) -> NDArray[np.int32]:
        """All rows in some cells, (n,), in any order."""
        ends = self.ends
        bounds = zip(ends.take(cells).tolist(), ends.take(cells + 1).tolist(), strict=True)
        return np.concatenate([self.order[start:end] for start, end in bounds])

    def search(self, vectors: Vectors, queries: Vectors, k: int, count: int, mask: Mask) -> tuple[Rows, Similarities]:
        """The k nearest rows that a mask allows among those in so many cells nearest to each query, best first.

        Rows are selected before any is read. FAISS asks at each row, which takes twice as long under 10 %.

        Args:
            vectors: (n, dim) unit vectors.
            queries: (n_queries, dim) unit vectors.
            k: 1..n.
            count: number of cells, ≥ 1.
            mask: (n,) rows.

        Returns:
            Rows and exact similarities, (n_queries, k); −1 and NaN where the cells have fewer rows.
        """
        found = np.full((len(queries), k), -1, dtype=np.int64)
        similarities = np.full((len(queries), k), np.nan, dtype=np.float32)
        for start in range(0, len(queries), MAX_QUERIES):
            near = nearest_cells(self.similarities(queries[start : start + MAX_QUERIES]), count)
            for i, cells in enumerate(near, start):
                rows = self.rows(cells)
                rows = rows[mask.take(rows)]
                rows.sort()  # so that ties go to the lower row; and memory is read in order
                scores = similarities_of(vectors, queries[i], rows)
                best = top_n(scores, k)
                found[i, : len(best)], similarities[i, : len(best)] = rows[best], scores[best]
        return found, np.clip(similarities, -1, 1, out=similarities)


def nearest_cells(similarities: Similarities, count: int) -> Rows:
    """So many cells with the highest similarities to each query, in any order, (n_queries, ≤ count)."""
    n_cells = similarities.shape[1]
    if count >= n_cells:
        return np.broadcast_to(np.arange(n_cells), similarities.shape)
    return similarities.argpartition(n_cells - count, axis=1)[:, n_cells - count :]
