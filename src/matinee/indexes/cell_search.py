"""Searches in the cells of an index under a filter that is new to it: rows are selected before any is read."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from matinee._util.topk import top_n
from matinee.indexes.base import Mask, Vectors
from matinee.indexes.cells import MAX_QUERIES, Cells, nearest_cells
from matinee.indexes.reach import Reach, first_cells, rest_of
from matinee.indexes.scoring import Rows, Similarities, similarities_of


@dataclass(frozen=True)
class Surveyed:
    """The cells of an index and its reach."""

    cells: Cells
    reach: Reach


class Survey:
    """Makes `Surveyed` of a FAISS `IndexIVF` at first use, which takes about as long as 500 searches. Thread-safe."""

    def __init__(self, index: Any, seed: int) -> None:
        self._index, self._seed = index, seed
        self._lock = threading.Lock()
        self._made: Surveyed | None = None

    def of(self, vectors: Vectors) -> Surveyed:
        """Of the index over these vectors, (n, dim)."""
        if self._made is None:
            with self._lock:
                if self._made is None:
                    cells = Cells.of(self._index)
                    self._made = Surveyed(cells, Reach(vectors, cells, self._seed))
        return self._made


def search_cells(
    vectors: Vectors, cells: Cells, queries: Vectors, k: int, effort: int, reach: np.float32 | None, mask: Mask
) -> tuple[Rows, Similarities]:
    """The k nearest rows that a mask allows, as far as they are found, best first; ties go to the lower row.

    FAISS asks at each row whether it may come and reads it, which takes twice as long under 10 %.

    Args:
        vectors: (n, dim) unit vectors.
        queries: (n_queries, dim) unit vectors.
        k: 1..n.
        effort: number of cells, ≥ 1, where the reach is not known.
        reach: see `reach`.
        mask: (n,) rows.

    Returns:
        Rows and exact similarities, (n_queries, k); −1 and NaN where fewer are found.
    """
    found = np.full((len(queries), k), -1, dtype=np.int64)
    similarities = np.full((len(queries), k), np.nan, dtype=np.float32)
    for start in range(0, len(queries), MAX_QUERIES):
        near = cells.similarities(queries[start : start + MAX_QUERIES])
        for i, (query, of_cells) in enumerate(zip(queries[start:], near, strict=False), start):
            chosen = nearest_cells(of_cells[None], effort if reach is None else first_cells(effort))[0]
            rows, scores = _allowed(vectors, cells, query, chosen, mask)
            for last in () if reach is None else (False, True):
                bound = np.partition(scores, -k)[-k] - reach if len(rows) >= k else None
                if last and bound is None:
                    break
                chosen = rest_of(of_cells, chosen, bound, effort)
                more, others = _allowed(vectors, cells, query, chosen, mask)
                rows, scores = np.concatenate([rows, more]), np.concatenate([scores, others])
                if bound is not None:
                    break
            order = rows.argsort()  # so that ties go to the lower row
            rows, scores = rows[order], scores[order]
            best = top_n(scores, k)
            found[i, : len(best)], similarities[i, : len(best)] = rows[best], scores[best]
    return found, np.clip(similarities, -1, 1, out=similarities)


def _allowed(vectors: Vectors, cells: Cells, query: Vectors, chosen: Rows, mask: Mask) -> tuple[Rows, Similarities]:
    held = cells.rows(chosen)
    rows = held[mask.take(held)].astype(np.int64)
    return rows, similarities_of(vectors, query, rows)
