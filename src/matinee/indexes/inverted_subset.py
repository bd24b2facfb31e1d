"""The rows of a filter in the inverted lists of a FAISS index: its cells, without the other rows.

No cells are learned anew, so gathering takes about as long as copying the vectors. They are held as float16, half the
memory; candidates are scored with the full vectors as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from matinee.indexes.approximate import library
from matinee.indexes.base import Items, Mask, Vectors
from matinee.indexes.cells import MAX_QUERIES, Cells, nearest_cells
from matinee.indexes.reach import LOOKED_INTO, MOST, first_cells, rest_of
from matinee.indexes.row_subset import RowSubset
from matinee.indexes.scoring import Rows, Similarities

BLOCK_ROWS = 1 << 14
"""Rows that are gathered at a time; it limits the memory of their single-precision copies."""
MARGIN = 10
"""Candidates found beyond those asked for; of equally similar ones the lower rows come first."""
HALF_SLACK = np.float32(2.0**-10)
"""Twice the error of a product of unit vectors, one of them in half precision, for each of the two compared."""
ABSENT = np.float32(-4)
"""Above what FAISS gives where there is no row, below every similarity."""
LIST_BYTES = 96
"""What FAISS and the allocator need for an inverted list besides its contents, about."""


class InvertedSubset(RowSubset):
    """Rows of a matrix in inverted lists.

    Args:
        vectors: (n, dim) unit vectors.
        mask: (n,) rows to gather.
        cells: those of the index over all rows.
        reach: for a number of cells, see `reach`; None: search just as many.
    """

    def __init__(self, vectors: Vectors, mask: Mask, cells: Cells, reach: Callable[[int], np.float32 | None]) -> None:
        faiss = self._faiss = library("faiss", "FAISS")
        dim = vectors.shape[1]
        self._cells, self._reach = cells, reach
        # Cells are chosen here, so that the library's own quantizer stays empty.
        self._quantizer = faiss.IndexFlat(dim, faiss.METRIC_INNER_PRODUCT)
        self._index = faiss.IndexIVFScalarQuantizer(
            self._quantizer, dim, len(cells), faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT, False
        )
        self._index.own_fields = False
        self._index.is_trained = True
        chosen = mask.take(cells.order)
        rows = cells.order[chosen].astype(np.int64)
        ends = np.concatenate([[0], np.cumsum(chosen)])[cells.ends]
        self._fill(vectors, rows, ends)
        self._parameters: dict[int, Any] = {}
        self.nbytes = self.size(len(rows), dim, len(cells))

    def _fill(self, vectors: Vectors, rows: Rows, ends: Items) -> None:
        faiss, lists = self._faiss, self._index.invlists
        codes = np.empty((len(rows), vectors.shape[1]), dtype="<f2")
        for start in range(0, len(rows), BLOCK_ROWS):
            codes[start : start + BLOCK_ROWS] = vectors.take(rows[start : start + BLOCK_ROWS], axis=0)
        ids, data, width, start = rows.ctypes.data, codes.ctypes.data, codes.strides[0], 0
        for i, end in enumerate(ends[1:].tolist()):
            if end > start:
                lists.add_entries(
                    i,
                    end - start,
                    faiss.cast_integer_to_idx_t_ptr(ids + 8 * start),
                    faiss.cast_integer_to_uint8_ptr(data + width * start),
                )
            start = end
        self._index.ntotal = len(rows)

    @staticmethod
    def size(count: int, dim: int, cells: int) -> int:
        """Bytes that so many rows take."""
        return count * (8 + 2 * dim) + cells * LIST_BYTES

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def candidates(self, queries: Vectors, k: int, effort: int) -> Rows:
        """See `RowSubset.candidates`; the effort is a number of cells, kept to where the reach is not known."""
        before = self._faiss.omp_get_max_threads()
        if before > 1:
            self._faiss.omp_set_num_threads(1)  # applies to this thread only
        try:
            if len(queries) == 1:
                return self._one(queries, k, effort)
            parts = [queries[start : start + MAX_QUERIES] for start in range(0, len(queries), MAX_QUERIES)]
            return np.concatenate([self._several(part, k, effort) for part in parts])
        finally:
            if before > 1:
                self._faiss.omp_set_num_threads(before)

    def _one(self, query: Vectors, k: int, effort: int) -> Rows:
        scores, rows = self._looked_up(query, self._cells.similarities(query), k, effort)
        # Reading the full vectors of few to score them takes a good part of a search.
        near: Rows = rows[scores >= np.partition(scores, -k)[-k] - HALF_SLACK]
        return near[None]

    def _looked_up(self, query: Vectors, similarities: Similarities, k: int, effort: int) -> tuple[Similarities, Rows]:
        """Similarities and rows of one query, in any order, padded with −1; changes the similarities of cells."""
        reach, width, found = self._reach(effort), k + MARGIN, k + MARGIN
        scores: Similarities = np.empty(3 * width, dtype=np.float32)
        rows: Rows = np.empty(3 * width, dtype=np.int64)
        chosen = nearest_cells(similarities, effort if reach is None else first_cells(effort))[0]
        self._search(query, chosen, scores[:width], rows[:width])
        for last in () if reach is None else (False, True):
            kth = np.partition(scores[:found], -k)[-k] if last else scores[k - 1]
            bound = kth - reach if kth > ABSENT else None
            if last and bound is None:
                break
            chosen = rest_of(similarities[0], chosen, bound, effort)
            if len(chosen):
                self._search(query, chosen, scores[found : found + width], rows[found : found + width])
                found += width
            if bound is not None:
                break
        return scores[:found], rows[:found]

    def _several(self, queries: Vectors, k: int, effort: int) -> Rows:
        """Like `_one` for each, in two calls of the library, and more for those that find too few rows first."""
        similarities, reach = self._cells.similarities(queries), self._reach(effort)
        if reach is None:
            return self._found(queries, k + MARGIN, nearest_cells(similarities, effort))[1]
        first = nearest_cells(similarities, first_cells(effort))
        scores, rows = self._found(queries, k + MARGIN, first)
        lacking = np.flatnonzero(rows[:, k - 1] < 0)
        alone = [self._looked_up(queries[i : i + 1], similarities[i : i + 1].copy(), k, effort) for i in lacking]
        np.put_along_axis(similarities, first, LOOKED_INTO, axis=1)
        bounds = scores[:, k - 1] - reach
        bounds[lacking] = np.inf
        chosen = similarities >= bounds[:, None]
        for i in np.flatnonzero(chosen.sum(axis=1) > MOST * effort):
            chosen[i] = False
            chosen[i, rest_of(similarities[i], first[i], bounds[i], effort)] = True
        counts = chosen.sum(axis=1)
        if counts.any():
            query, cell = chosen.nonzero()
            rest = np.full((len(queries), int(counts.max())), -1, dtype=np.int64)
            rest[query, np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)] = cell
            more, others = self._found(queries, k + MARGIN, rest)
            scores, rows = np.concatenate([scores, more], axis=1), np.concatenate([rows, others], axis=1)
            rows = np.take_along_axis(rows, nearest_cells(scores, k + MARGIN), axis=1)
        for i, (found, some) in zip(lacking, alone, strict=True):
            rows[i] = some[nearest_cells(found[None], k + MARGIN)[0]]
        return rows

    def _search(self, queries: Vectors, cells: Rows, scores: Similarities, rows: Rows) -> None:
        """Find the best rows of some cells, and their similarities, best first, padded with −1.

        The number of cells is a search parameter of the library, and making one takes as long as searching ten cells:
        so cells are padded to a power of two.

        Args:
            queries: (n_queries, dim).
            cells: (n_queries, m) or for one query (m,); −1: none.
            scores, rows: where the results go, (n_queries, width) or for one query (width,).
        """
        faiss, m = self._faiss, cells.shape[-1]
        padded_width = 1 << (m - 1).bit_length()
        parameters = self._parameters.get(padded_width)
        if parameters is None:
            parameters = self._parameters[padded_width] = faiss.SearchParametersIVF(nprobe=padded_width)
        padded = np.empty((len(queries), padded_width), dtype=np.int64)
        padded[:, :m] = cells
        padded[:, m:] = -1
        unused = np.zeros((len(queries), padded_width), dtype=np.float32)  # of codes by residual only
        pointer = faiss.swig_ptr
        self._index.search_preassigned_c(
            len(queries),
            pointer(queries),
            scores.shape[-1],
            pointer(padded),
            pointer(unused),
            pointer(scores),
            pointer(rows),
            False,
            parameters,
        )

    def _found(self, queries: Vectors, k: int, cells: Rows) -> tuple[Similarities, Rows]:
        """Like `_search`, in new arrays."""
        scores = np.empty((len(queries), k), dtype=np.float32)
        rows = np.empty((len(queries), k), dtype=np.int64)
        self._search(queries, cells, scores, rows)
        return scores, rows
