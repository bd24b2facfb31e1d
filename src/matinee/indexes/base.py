"""The contract of every vector index: unit vectors under item numbers, nearest first by cosine.

An item number is a catalog row: indexes keep no ids of their own. Indexes in this process and those behind HTTP
(`matinee.remote`) pass the same suite (`tests/contracts/test_indexes.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from matinee.errors import InvalidInputError

Kind = Literal["exact", "faiss", "annoy", "hnsw"]
Items = NDArray[np.int64]
Vectors = NDArray[np.float32]
Mask = NDArray[np.bool_]

MAX_VALUES = 1 << 16
"""Longest vector, in values."""
NORM_TOLERANCE = 1e-12
"""A vector shorter than this has no direction."""
UNIT_TOLERANCE = 1e-6
"""A vector whose length differs from 1 by no more is left as it is, so that doing it twice changes no bit."""
BLOCK_VALUES = 1 << 18
"""Values that are worked on at a time (1 MiB in single precision): they stay in the processor's cache."""


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        items: int64, (n_queries, k), nearest first; −1 where fewer than k items were to be had.
        similarities: float32, (n_queries, k), cosine −1..1; NaN where items is −1.
    """

    items: Items
    similarities: NDArray[np.float32]

    @property
    def distances(self) -> NDArray[np.float32]:
        """Angular distance √(2 − 2·cos), 0..2, which is what Annoy calls `angular`."""
        return np.sqrt(np.maximum(2 - 2 * self.similarities, 0)).astype(np.float32)


class VectorIndex(Protocol):
    """Thread-safe for searches; a search during a change sees the state before or after it.

    Attributes:
        kind: one of `Kind`.
        dim: values in a vector.
    """

    @property
    def kind(self) -> str:
        """One of `Kind`."""
        ...

    @property
    def dim(self) -> int:
        """Values in a vector."""
        ...

    def __len__(self) -> int:
        """Items that can be found."""
        ...

    def items(self) -> Items:
        """Item numbers that can be found, increasing."""
        ...

    def search(self, queries: Vectors, k: int, allowed: Mask | None = None) -> Found:
        """The k nearest items of each query.

        Args:
            queries: (n_queries, dim); brought to length 1 here.
            k: items wanted, ≥ 1; more than there are gives all there are (the answer is never wider than
                the number of items).
            allowed: bool by item number, items beyond its end are not allowed; None: all. Where k allowed items
                exist, k are returned, whatever the index.

        Raises:
            InvalidInputError: vectors of another length, zero, NaN or infinite; k < 1.
        """
        ...

    def add(self, items: Items, vectors: Vectors) -> None:
        """Add or replace items, all or none; they are found by the next search.

        Raises:
            InvalidInputError: as `search`; item numbers negative or repeated.
        """
        ...

    def delete(self, items: Items) -> None:
        """Take items away, all or none.

        Raises:
            NotFoundError: an item that is not there, naming it; nothing is deleted.
        """
        ...

    def vectors(self, items: Items) -> Vectors:
        """Unit vectors of items, (n, dim). Raises NotFoundError for one that is not there."""
        ...


class StoredIndex(VectorIndex, Protocol):
    """An index that can be saved; `indexes.load` reads it back and checks it."""

    def save(self, folder: Path) -> None:
        """Write into an empty folder: the index and `index.json` (kind, dim, count, hash of items and vectors)."""
        ...


def check_vectors(vectors: NDArray[np.generic] | list[list[float]], dim: int) -> Vectors:
    """Vectors as float32 of length 1, (n, dim), contiguous.

    Raises:
        InvalidInputError: another length, zero, NaN, infinite, or not numbers; it names the first faulty vector.
    """
    try:
        given = np.asarray(vectors)
    except ValueError as error:
        raise InvalidInputError(
            "The vectors are not lists of numbers of one length.", f"Send {dim} numbers."
        ) from error
    if given.dtype.kind not in "fiub":
        raise InvalidInputError("The vectors are not made of numbers.", f"Send {dim} numbers.")
    if given.ndim != 2 or given.shape[1] != dim:
        had = given.shape[-1] if given.ndim else 0
        raise InvalidInputError(f"A vector has {had} values, not {dim}.", f"Send {dim} numbers.")
    if given.dtype == np.float32:
        found = given
    else:
        with np.errstate(over="ignore"):  # what single precision cannot hold counts as infinite
            found = given.astype(np.float32)
    # In double precision: the squares of large values overflow single. NaN and infinity show in the length.
    double = found.astype(np.float64)
    lengths = np.sqrt(np.vecdot(double, double))
    if len(lengths) == 1 and abs(float(lengths[0]) - 1) <= UNIT_TOLERANCE:
        return np.ascontiguousarray(found)  # a search by itself: the steps below take as long as those of an index
    # One comparison for the usual case; it is false for NaN.
    if not bool(((lengths > NORM_TOLERANCE) & (lengths < np.inf)).all()):
        finite = np.isfinite(lengths)
        if not finite.all():
            raise InvalidInputError(f"Vector {int(np.argmin(finite))} holds NaN or infinity.", "Send finite numbers.")
        first = int(np.argmax(lengths <= NORM_TOLERANCE))
        raise InvalidInputError(f"Vector {first} is zero and has no direction.", "Send a vector that is not zero.")
    lengths[np.abs(lengths - 1) <= UNIT_TOLERANCE] = 1
    double /= lengths[:, None]
    return double.astype(np.float32)


def unit_rows(vectors: Vectors) -> Vectors:
    """Vectors as contiguous float32 of length 1, (n, dim): the array itself, mapped or not, where it is that already.

    Like `check_vectors` for the many vectors of an index: block by block, so that memory stays small.

    Raises:
        InvalidInputError: not a matrix, too wide, or a vector that is zero, NaN or infinite, naming the first.
    """
    found = np.ascontiguousarray(vectors, dtype=np.float32)
    if found.ndim != 2 or not 1 <= found.shape[1] <= MAX_VALUES:
        raise InvalidInputError(f"An index needs a matrix of vectors of 1 to {MAX_VALUES} values.")
    copied = False
    size = max(1, BLOCK_VALUES // found.shape[1])
    for start in range(0, len(found), size):
        block = found[start : start + size].astype(np.float64)
        lengths = np.sqrt(np.vecdot(block, block))
        unit = np.abs(lengths - 1) <= UNIT_TOLERANCE
        if unit.all():
            continue
        lengths[unit] = 1
        faulty = ~(np.isfinite(lengths) & (lengths > NORM_TOLERANCE))
        if faulty.any():
            first = start + int(np.flatnonzero(faulty)[0])
            raise InvalidInputError(f"Vector {first} of the index is zero or not finite.", "Leave its item out.")
        if not copied:
            found, copied = found.copy(), True
        found[start : start + size] = block / lengths[:, None]
    return found


def whole_numbers(items: Items) -> Items:
    """Item numbers as int64, (n,).

    Raises:
        InvalidInputError: not whole numbers in one row.
    """
    found = np.asarray(items)
    if found.size == 0:
        return np.zeros(0, dtype=np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise InvalidInputError("Item numbers must be whole numbers in one row.", "Send catalog rows.")
    return found.astype(np.int64, copy=False)


def check_k(k: int) -> int:
    """Return k, or raise InvalidInputError where it is below 1."""
    if k < 1:
        raise InvalidInputError(f"k is {k}.", "Ask for 1 item or more.")
    return k
