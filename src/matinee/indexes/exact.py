"""Exact search over an immutable, memory-mapped matrix. The default; recall is 1 under every filter."""

from __future__ import annotations

from typing import Literal

import numpy as np

from matinee.errors import InvalidInputError
from matinee.indexes.base import (
    Found,
    Items,
    Mask,
    Vectors,
    check_k,
    check_known,
    check_mask,
    check_vectors,
    unit_rows,
    whole_numbers,
)
from matinee.indexes.scoring import Rows, Similarities, nearest_rows


class ExactIndex:
    """Immutable unit vectors with item numbers. Thread-safe; single queries run on one thread.

    Args:
        items: int64, (n,), increasing, ≥ 0.
        vectors: (n, dim); used without a copy if they are contiguous float32 unit vectors, memory-mapped or not;
            otherwise copied and normalized.

    Raises:
        InvalidInputError: shapes do not match, items do not increase, or vectors are zero or not finite.
    """

    kind: Literal["exact"] = "exact"

    def __init__(self, items: Items, vectors: Vectors) -> None:
        self._set(np.asarray(items), unit_rows(vectors))
        if len(self._items) and (int(self._items[0]) < 0 or bool((np.diff(self._items) <= 0).any())):
            raise InvalidInputError("The item numbers of an index must increase from 0 or later.")

    @classmethod
    def trusted(cls, items: Items, vectors: Vectors) -> ExactIndex:
        """Like the constructor, without checks: the caller guarantees contiguous unit vectors and increasing items."""
        index = cls.__new__(cls)
        index._set(items, vectors)
        return index

    def _set(self, items: Items, vectors: Vectors) -> None:
        if items.ndim != 1 or items.dtype.kind not in "iu" or len(items) != len(vectors):
            raise InvalidInputError("An index needs one item number (a whole number) for each vector.")
        self._items: Items = items.astype(np.int64, copy=False)
        self._vectors = vectors
        # If increasing numbers start at 0 and end at n − 1, items equal rows.
        self._plain = len(items) == 0 or (int(items[0]) == 0 and int(items[-1]) == len(items) - 1)

    @property
    def dim(self) -> int:
        """Number of values in a vector."""
        return int(self._vectors.shape[1])

    @property
    def matrix(self) -> Vectors:
        """(n, dim), the vectors in the order of `items()`. Do not modify."""
        return self._vectors

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> Items:
        """Item numbers, increasing. Do not modify."""
        return self._items

    def search(self, queries: Vectors, k: int, allowed: Mask | None = None) -> Found:
        """See `VectorIndex.search`."""
        queries = check_vectors(queries, self.dim)
        k = min(check_k(k), len(self))
        rows, similarities = self.nearest(queries, k, None if allowed is None else self.mask(allowed))
        return Found(self.items_of(rows), similarities)

    def nearest(self, queries: Vectors, k: int, mask: Mask | None = None) -> tuple[Rows, Similarities]:
        """Search by rows: unit queries, k in 0..n, a mask over rows (see `scoring.nearest_rows`)."""
        return nearest_rows(self._vectors, queries, k, mask)

    def mask(self, allowed: Mask) -> Mask:
        """Convert a mask over item numbers to a mask over rows, (n,).

        Raises:
            InvalidInputError: not a one-dimensional array of booleans.
        """
        allowed = check_mask(allowed)
        if self._plain and len(allowed) >= len(self._items):
            return allowed[: len(self._items)]
        mask = np.zeros(len(self._items), dtype=np.bool_)
        inside = int(np.searchsorted(self._items, len(allowed)))
        mask[:inside] = allowed[self._items[:inside]]
        return mask

    def items_of(self, rows: Rows) -> Items:
        """Items of rows, of any shape; −1 stays −1."""
        if self._plain:
            return rows
        items = self._items.take(rows, mode="clip")
        items[rows < 0] = -1
        return items

    def rows_of(self, items: Items) -> Rows:
        """Rows of items, in their order; −1 for items that are not in the index."""
        if not len(self._items):
            return np.full(len(items), -1, dtype=np.int64)
        rows = np.minimum(np.searchsorted(self._items, items), len(self._items) - 1)
        return np.where(self._items[rows] == items, rows, -1)

    def vectors(self, items: Items) -> Vectors:
        """See `VectorIndex.vectors`."""
        items = whole_numbers(items)
        rows = self.rows_of(items)
        check_known(items, rows >= 0)
        return self._vectors[rows]
