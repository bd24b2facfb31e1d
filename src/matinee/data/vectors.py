"""Vectors of movies: the unit vectors of one space, with their catalog rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matinee.errors import DataError


@dataclass(frozen=True)
class MovieVectors:
    """Unit vectors of movies of a catalog.

    Attributes:
        rows: int64, (n,), increasing catalog rows.
        vectors: float32, (n, dim), of length 1; vector i belongs to rows[i].

    Raises:
        DataError: shapes or types do not match, or the rows do not increase.
    """

    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def __post_init__(self) -> None:
        fits = self.rows.ndim == 1 and self.vectors.ndim == 2 and len(self.rows) == len(self.vectors)
        if not fits or self.rows.dtype != np.int64 or self.vectors.dtype != np.float32:
            raise DataError("Film vectors need one row number (int64) for each vector (float32).")
        if len(self.rows) and (int(self.rows[0]) < 0 or bool((np.diff(self.rows) <= 0).any())):
            raise DataError("The rows of film vectors must increase from 0 or later.")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def dim(self) -> int:
        """Number of values in a vector."""
        return int(self.vectors.shape[1])

    def dense(self, n_items: int) -> NDArray[np.float32]:
        """(n_items, dim), 0 for movies without a vector."""
        full = np.zeros((n_items, self.dim), dtype=np.float32)
        full[self.rows] = self.vectors
        return full

    def known(self, n_items: int) -> NDArray[np.bool_]:
        """Mask of movies that have a vector, (n_items,)."""
        mask = np.zeros(n_items, dtype=np.bool_)
        mask[self.rows] = True
        return mask

    def put(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> MovieVectors:
        """A copy with vectors replaced or added; `rows` are distinct, in any order."""
        unchanged = ~np.isin(self.rows, rows)
        all_rows = np.concatenate([self.rows[unchanged], rows])
        order = np.argsort(all_rows, kind="stable")
        return MovieVectors(all_rows[order], np.concatenate([self.vectors[unchanged], vectors])[order])

    def without(self, rows: NDArray[np.int64]) -> MovieVectors:
        """A copy without the vectors of the given rows."""
        remaining = ~np.isin(self.rows, rows)
        return self if bool(remaining.all()) else MovieVectors(self.rows[remaining], self.vectors[remaining])
