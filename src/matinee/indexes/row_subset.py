"""Rows that a filter allows, gathered, so that searches under the filter read no other rows."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from matinee.indexes.base import Mask, Vectors
from matinee.indexes.scoring import Rows, nearest_rows


class RowSubset(ABC):
    """Some rows of a matrix of unit vectors, searchable. Immutable; thread-safe.

    Attributes:
        nbytes: memory that it takes.
    """

    nbytes: int

    @abstractmethod
    def __len__(self) -> int:
        """Number of rows."""

    @abstractmethod
    def candidates(self, queries: Vectors, k: int, effort: int) -> Rows:
        """Rows of the whole matrix near each query, (n_queries, m), padded with −1; at least k if so many are found.

        Args:
            queries: (n_queries, dim) unit vectors.
            k: 1..len(self).
            effort: as for the index that the rows were taken from.
        """


class GatheredRows(RowSubset):
    """A copy of the rows' vectors, searched exactly; the candidates are the k nearest."""

    def __init__(self, vectors: Vectors, mask: Mask) -> None:
        self._rows = np.flatnonzero(mask)
        self._vectors = vectors.take(self._rows, axis=0)
        self.nbytes = self.size(len(self._rows), vectors.shape[1])

    @staticmethod
    def size(count: int, dim: int) -> int:
        """Bytes that so many rows take."""
        return count * (8 + 4 * dim)

    def __len__(self) -> int:
        return len(self._rows)

    def candidates(self, queries: Vectors, k: int, effort: int) -> Rows:
        """See `RowSubset.candidates`; `effort` has no effect."""
        del effort
        return self._rows.take(nearest_rows(self._vectors, queries, k)[0])
