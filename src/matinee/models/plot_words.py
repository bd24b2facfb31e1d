"""Plots compared by their words: cosines of TF-IDF vectors, and the words that make them alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class PlotWords:
    """The columns of plots' words in vectors of movies, where the part of each plot has one and the same length.

    Nothing is copied: the vectors stay the memory-mapped ones of the snapshot.

    Args:
        vectors: (n_items, n_words) TF-IDF vectors.
        words: of all columns, "field:word".
        columns: first and last column of plots' words, the last not included.
    """

    def __init__(self, vectors: sp.csr_matrix, words: Sequence[str], columns: tuple[int, int]) -> None:
        self._vectors, self._words = vectors, words
        self._start, self._stop = columns

    def cosines(self, row: int) -> Floats | None:
        """Cosines of a movie's plot with all plots, (n_items,); NaN where no word is shared, None: it has no words.

        Takes one product of the sparse matrix and a vector.
        """
        plot = self._dense(row)
        square = np.vdot(plot, plot)
        if not square:
            return None
        cosines: Floats = (self._vectors @ plot) / square
        return np.where(cosines > 0, cosines, np.float32(np.nan))

    def shared(self, row: int, others: NDArray[np.int64], most: int) -> list[list[str]]:
        """For each other movie the words that add most to the cosine, most first, `most` at most."""
        plot = self._dense(row)
        found = []
        for other in others.tolist():
            columns, values = self._row(other)
            parts = values * plot[columns]
            order = np.lexsort((columns, -parts))[:most]
            found.append([self._words[columns[i]].partition(":")[2] for i in order.tolist() if parts[i] > 0])
        return found

    def _row(self, row: int) -> tuple[NDArray[np.int32], Floats]:
        """Columns and values of a movie's plot."""
        span = slice(*self._vectors.indptr[row : row + 2].tolist())
        columns, values = self._vectors.indices[span], self._vectors.data[span]
        mask = (columns >= self._start) & (columns < self._stop)
        return columns[mask], values[mask]

    def _dense(self, row: int) -> Floats:
        """(n_words,), 0 in the columns of other words."""
        plot = np.zeros(self._vectors.shape[1], dtype=np.float32)
        columns, values = self._row(row)
        plot[columns] = values
        return plot
