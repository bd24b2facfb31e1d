"""The rows of a filter in the inverted lists of a FAISS index: its cells, without the other rows.

No cells are learned anew, so gathering takes about as long as copying the vectors. They are held as float16, half the
memory; candidates are scored with the full vectors as ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.indexes.approximate import library
from matinee.indexes.base import Mask, Vectors
from matinee.indexes.row_subset import RowSubset
from matinee.indexes.scoring import Rows

BLOCK_ROWS = 1 << 14
"""Rows that are gathered at a time; it limits the memory of their single-precision copies."""
MARGIN = 10
"""Candidates found beyond those asked for; of equally similar ones the lower rows come first."""
HALF_SLACK = 2.0**-10
"""Twice the error of a product of unit vectors, one of them in half precision, for each of the two compared."""
SINGLE_SLACK = 2.0**-16
"""The same in single precision, for up to 64 values; of more the error is smaller in practice than its bound."""
LIST_BYTES = 96
"""What FAISS and the allocator need for an inverted list besides its contents, about."""


@dataclass(frozen=True)
class Cells:
    """The cells of an inverted file.

    Attributes:
        quantizer: a FAISS index of their centroids, of its own.
        cell: int32, (n,), by row.
    """

    quantizer: Any
    cell: NDArray[np.int32]

    @classmethod
    def of(cls, index: Any) -> Cells:
        """Those of a FAISS `IndexIVF` whose ids are the rows 0..n − 1."""
        faiss = library("faiss", "FAISS")
        cell = np.empty(index.ntotal, dtype=np.int32)
        for i in range(index.nlist):
            if size := index.invlists.list_size(i):
                cell[faiss.rev_swig_ptr(index.invlists.get_ids(i), size)] = i
        return cls(faiss.clone_index(index.quantizer), cell)


class InvertedSubset(RowSubset):
    """Rows of a matrix in inverted lists.

    Args:
        vectors: (n, dim) unit vectors.
        mask: (n,) rows to gather.
        cells: those of the index over all rows.
    """

    def __init__(self, vectors: Vectors, mask: Mask, cells: Cells) -> None:
        faiss = self._faiss = library("faiss", "FAISS")
        n_cells, dim = int(cells.quantizer.ntotal), vectors.shape[1]
        self._last: tuple[int, Any] | None = None  # effort and parameters of the last search, mostly those of the next
        self._cells = cells  # FAISS does not own the quantizer
        self._index = faiss.IndexIVFScalarQuantizer(
            cells.quantizer, dim, n_cells, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT, False
        )
        self._index.own_fields = False
        self._index.is_trained = True
        rows = np.flatnonzero(mask)
        codes = np.empty((len(rows), dim), dtype="<f2")
        for start in range(0, len(rows), BLOCK_ROWS):
            codes[start : start + BLOCK_ROWS] = vectors.take(rows[start : start + BLOCK_ROWS], axis=0)
        cell = cells.cell.take(rows)
        order = np.argsort(cell, kind="stable")
        rows, codes = rows.take(order), codes.take(order, axis=0)
        ends = np.cumsum(np.bincount(cell, minlength=n_cells)).tolist()
        lists, ids, data, width = self._index.invlists, rows.ctypes.data, codes.ctypes.data, codes.strides[0]
        start = 0
        for i, end in enumerate(ends):
            if end > start:
                lists.add_entries(
                    i,
                    end - start,
                    faiss.cast_integer_to_idx_t_ptr(ids + 8 * start),
                    faiss.cast_integer_to_uint8_ptr(data + width * start),
                )
            start = end
        self._index.ntotal = len(rows)
        self.nbytes = self.size(len(rows), dim, n_cells)

    @staticmethod
    def size(count: int, dim: int, cells: int) -> int:
        """Bytes that so many rows take."""
        return count * (8 + 2 * dim) + cells * LIST_BYTES

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def candidates(self, queries: Vectors, k: int, effort: int) -> Rows:
        """See `RowSubset.candidates`; the effort is a number of lists."""
        last = self._last
        if last is None or last[0] != effort:
            last = self._last = effort, self._faiss.SearchParametersIVF(nprobe=min(effort, int(self._index.nlist)))
        return search_rows(self._faiss, self._index, queries, k, last[1], HALF_SLACK)


def search_rows(faiss: Any, index: Any, queries: Vectors, k: int, parameters: Any, slack: float | None = None) -> Rows:
    """Ids that a FAISS index finds, (n_queries, ≥ k), padded with −1; on one thread.

    Args:
        faiss: the library.
        slack: find a few more, as many as are at most this much less similar than the k-th; None: none. Reading the
            full vectors of those few to score them takes a good part of a search.
    """
    before = faiss.omp_get_max_threads()
    if before > 1:
        faiss.omp_set_num_threads(1)  # applies to this thread only
    try:
        scores, rows = index.search(queries, k if slack is None else k + MARGIN, params=parameters)
        found: Rows = rows
        if slack is not None and len(queries) == 1:
            return found[:, : k + int(np.count_nonzero(scores[0, k:] >= scores[0, k - 1] - slack))]
        return found
    finally:
        if before > 1:
            faiss.omp_set_num_threads(before)
