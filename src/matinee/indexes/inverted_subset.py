"""The rows of a filter in the inverted lists of a FAISS index: its cells, without the other rows.

No cells are learned anew, so gathering takes about as long as copying the vectors. They are held as float16, half the
memory; candidates are scored with the full vectors as ever.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from matinee.indexes.approximate import library
from matinee.indexes.base import Items, Mask, Vectors
from matinee.indexes.cells import MAX_QUERIES, Cells, nearest_cells
from matinee.indexes.reach import (
    MIN_EFFORT,
    Sample,
    first_cells,
    measured,
    nearest_others,
    rank_for,
    sample_rows,
)
from matinee.indexes.row_subset import RowSubset
from matinee.indexes.scoring import Rows, Similarities

BLOCK_ROWS = 1 << 14
"""Rows that are gathered at a time; it limits the memory of their single-precision copies."""
MARGIN = 10
"""Candidates found beyond those asked for; of equally similar ones the lower rows come first."""
HALF_SLACK = np.float32(2.0**-10)
"""Twice the error of a product of unit vectors, one of them in half precision, for each of the two compared."""
LIST_BYTES = 96
"""What FAISS and the allocator need for an inverted list besides its contents, about."""
LOOKED_INTO = np.float32(-2)
"""Below every cosine."""
MOST = 8
"""No query looks into more than this many times the fixed number of cells."""
MAX_MEASURED = 64
"""Maximum number of reaches held, by rank and effort."""


class InvertedSubset(RowSubset):
    """Rows of a matrix in inverted lists.

    Args:
        vectors: (n, dim) unit vectors.
        mask: (n,) rows to gather.
        cells: those of the index over all rows.
        seed: of the sample with which it is measured how far searches look.
    """

    def __init__(self, vectors: Vectors, mask: Mask, cells: Cells, seed: int = 0) -> None:
        faiss = self._faiss = library("faiss", "FAISS")
        dim = vectors.shape[1]
        self._cells = cells
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
        self._reaches: dict[tuple[int, int], float | None] = {}
        self._sample = _sample(vectors, mask, rows, ends, seed)
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
        """See `RowSubset.candidates`; the effort is a number of cells, which only single queries keep to."""
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
        similarities = self._cells.similarities(query)
        rank, reach = self._reach(k, effort)
        if reach is None:
            scores, rows = self._search(query, k + MARGIN, nearest_cells(similarities, effort))
            kth = scores[0, k - 1]
        else:
            first = nearest_cells(similarities, first_cells(effort))
            scores, rows = self._search(query, rank + MARGIN, first)
            flat = similarities[0]
            if rows[0, rank - 1] < 0:
                rest = nearest_cells(similarities, effort)[0]
                rest = rest[~np.isin(rest, first)]
            else:
                flat[first[0]] = LOOKED_INTO
                rest = (flat >= scores[0, rank - 1] - reach).nonzero()[0]
                if len(rest) > MOST * effort:
                    rest = rest[nearest_cells(flat[None, rest], MOST * effort)[0]]
            kth = scores[0, k - 1]
            if len(rest):
                more, others = self._search(query, rank + MARGIN, rest[None])
                scores, rows = np.concatenate([scores, more], axis=1), np.concatenate([rows, others], axis=1)
                kth = np.partition(scores[0], -k)[-k]
        # Reading the full vectors of those few to score them takes a good part of a search.
        return rows[:, scores[0] >= kth - HALF_SLACK]

    def _several(self, queries: Vectors, k: int, effort: int) -> Rows:
        similarities = self._cells.similarities(queries)
        rank, reach = self._reach(k, effort)
        if reach is None:
            return self._search(queries, k + MARGIN, nearest_cells(similarities, effort))[1]
        first = nearest_cells(similarities, first_cells(effort))
        scores, rows = self._search(queries, rank + MARGIN, first)
        np.put_along_axis(similarities, first, LOOKED_INTO, axis=1)
        bounds = scores[:, rank - 1] - np.float32(reach)
        lacking = rows[:, rank - 1] < 0
        most = min(MOST * effort, similarities.shape[1])
        chosen = similarities >= bounds[:, None]
        for i in np.flatnonzero(lacking | (chosen.sum(axis=1) > most)):
            count = effort - first.shape[1] if lacking[i] else most
            chosen[i] = False
            chosen[i, nearest_cells(similarities[i : i + 1], count)[0]] = True
        counts = chosen.sum(axis=1)
        if not counts.any():
            return rows
        query, cell = chosen.nonzero()
        rest = np.full((len(queries), int(counts.max())), -1, dtype=np.int64)
        rest[query, np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)] = cell
        more, others = self._search(queries, rank + MARGIN, rest)
        scores, rows = np.concatenate([scores, more], axis=1), np.concatenate([rows, others], axis=1)
        best = nearest_cells(scores, k + MARGIN)
        return np.take_along_axis(rows, best, axis=1)

    def _search(self, queries: Vectors, k: int, cells: Rows) -> tuple[Similarities, Rows]:
        """Similarities and rows in some cells, (n_queries, k), best first, padded with −1; cells −1 are none.

        The number of cells is a search parameter of the library, and making one takes as long as searching ten cells:
        so they are padded.
        """
        faiss, width = self._faiss, 1 << (cells.shape[1] - 1).bit_length()
        parameters = self._parameters.get(width)
        if parameters is None:
            parameters = self._parameters[width] = faiss.SearchParametersIVF(nprobe=width)
        padded = np.full((len(queries), width), -1, dtype=np.int64)
        padded[:, : cells.shape[1]] = cells
        unused = np.zeros((len(queries), width), dtype=np.float32)  # of codes by residual only
        scores = np.empty((len(queries), k), dtype=np.float32)
        rows = np.empty((len(queries), k), dtype=np.int64)
        pointer = faiss.swig_ptr
        self._index.search_preassigned_c(
            len(queries),
            pointer(queries),
            k,
            pointer(padded),
            pointer(unused),
            pointer(scores),
            pointer(rows),
            False,
            parameters,
        )
        return scores, rows

    def _reach(self, k: int, effort: int) -> tuple[int, np.float32 | None]:
        """The rank to start from and the reach; see `reach`."""
        rank = rank_for(k)
        if rank is None or effort < MIN_EFFORT or effort >= len(self._cells):
            return k, None
        key = rank, effort
        if key not in self._reaches:
            if len(self._reaches) >= MAX_MEASURED:
                return k, None
            self._reaches[key] = self._measure(rank, effort)
        reach = self._reaches[key]
        return rank, None if reach is None else np.float32(reach)

    def _measure(self, rank: int, effort: int) -> float | None:
        sample = self._sample
        similarities = self._cells.similarities(sample.queries)
        scores, rows = self._search(sample.queries, rank + 1, nearest_cells(similarities, first_cells(effort)))
        place = np.where(sample.inside, rank, rank - 1)[:, None]
        bounds = np.take_along_axis(scores, place, axis=1)
        bounds[np.take_along_axis(rows, place, axis=1) < 0] = -np.inf
        return measured(sample, similarities, bounds[:, 0], rank, effort)


def _sample(vectors: Vectors, mask: Mask, rows: Rows, ends: Items, seed: int) -> Sample:
    """A sample of queries for rows that are sorted by cell."""
    chosen = sample_rows(mask, seed)
    places = np.empty(len(vectors), dtype=np.int32)
    places[rows] = np.arange(len(rows), dtype=np.int32)
    nearest = places[nearest_others(vectors, chosen, mask)]
    cells = np.searchsorted(ends, nearest, side="right") - 1
    return Sample(np.ascontiguousarray(vectors.take(chosen, axis=0)), mask.take(chosen), cells)
