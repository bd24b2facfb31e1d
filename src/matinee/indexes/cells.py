"""The cells of an inverted file: their centroids, and the rows in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.indexes.approximate import library
from matinee.indexes.base import Items, Vectors
from matinee.indexes.scoring import Rows, Similarities

ONE_THREAD = 9000
"""Values of a matrix whose product with a vector OpenBLAS takes on one thread (fewer than 9,216)."""
MAX_QUERIES = 256
"""Maximum number of queries whose similarities to all centroids should be held."""


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
        """Of each query and each centroid, (n_queries, n_cells); a new array."""
        similarities: Similarities
        if len(queries) == 1:
            similarities = (self.blocks @ queries[0]).reshape(1, -1)[:, : len(self)]
        else:
            similarities = queries @ self.blocks.reshape(-1, self.blocks.shape[2])[: len(self)].T
        return similarities

    def rows(self, cells: Rows) -> NDArray[np.int32]:
        """All rows in some cells, in any order."""
        bounds = zip(self.ends.take(cells).tolist(), self.ends.take(cells + 1).tolist(), strict=True)
        parts = [self.order[start:end] for start, end in bounds]
        return np.concatenate(parts) if parts else self.order[:0]

    def of_rows(self, rows: Rows) -> Rows:
        """The cells of rows, of any shape."""
        places = np.empty(len(self.order), dtype=np.int32)
        places[self.order] = np.arange(len(self.order), dtype=np.int32)
        return np.searchsorted(self.ends, places.take(rows), side="right") - 1


def nearest_cells(similarities: Similarities, count: int) -> Rows:
    """So many cells with the highest similarities to each query, in any order, (n_queries, ≤ count)."""
    n_cells = similarities.shape[1]
    if count >= n_cells:
        return np.broadcast_to(np.arange(n_cells), similarities.shape)
    return similarities.argpartition(n_cells - max(count, 1), axis=1)[:, n_cells - count :]
