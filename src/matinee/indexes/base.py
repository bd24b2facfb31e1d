"""The protocol of vector indexes: search for the nearest unit vectors by cosine.

Vectors are identified by item numbers, which are catalog rows; indexes have no ids of their own. Local indexes and
those behind HTTP (`matinee.remote`) pass the same test suite (`tests/contracts/test_indexes.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from matinee.errors import InvalidInputError, NotFoundError

Kind = Literal["exact", "faiss", "annoy", "hnsw"]
Items = NDArray[np.int64]
Vectors = NDArray[np.float32]
Mask = NDArray[np.bool_]

MAX_VALUES = 1 << 16
"""Maximum number of values in a vector."""
NORM_TOLERANCE = 1e-12
"""Shorter vectors have no direction."""
UNIT_TOLERANCE = 1e-6
"""Vectors whose length differs from 1 by at most this are left unchanged, so that normalizing is idempotent."""
BLOCK_VALUES = 1 << 18
"""Values processed at a time (1 MiB in single precision), so that they stay in the processor's cache."""


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Attributes:
        items: int64, (n_queries, k), nearest first; −1 if fewer than k items are available.
        similarities: float32, (n_queries, k), cosine −1..1; NaN where items is −1.
    """

    items: Items
    similarities: NDArray[np.float32]

    @property
    def distances(self) -> NDArray[np.float32]:
        """Angular distance √(2 − 2·cos), 0..2, as Annoy's `angular`."""
        return np.sqrt(np.maximum(2 - 2 * self.similarities, 0)).astype(np.float32)


class VectorIndex(Protocol):
    """An index that can be searched and changed. Thread-safe: a search during a change sees the state before or after.

    Attributes:
        kind: one of `Kind`.
        dim: number of values in a vector.
    """

    @property
    def kind(self) -> str:
        """One of `Kind`."""
        ...

    @property
    def dim(self) -> int:
        """Number of values in a vector."""
        ...

    def __len__(self) -> int:
        """Number of items."""
        ...

    def items(self) -> Items:
        """All item numbers, increasing."""
        ...

    def search(self, queries: Vectors, k: int, allowed: Mask | None = None) -> Found:
        """The k nearest items of each query.

        Args:
            queries: (n_queries, dim); normalized to length 1 here.
            k: number of items, ≥ 1; capped at the number of items in the index.
            allowed: bool by item number; items beyond its end are not allowed; None: all. If k allowed items exist, k
                are returned, whatever the kind of index. One of `frozen_mask` is recognized when it is given again.

        Raises:
            InvalidInputError: vectors of the wrong length, zero, NaN or infinite; k < 1.
        """
        ...

    def add(self, items: Items, vectors: Vectors) -> None:
        """Add or replace items atomically. The next search finds them.

        Raises:
            InvalidInputError: as `search`, or item numbers are negative or repeated.
        """
        ...

    def delete(self, items: Items) -> None:
        """Delete items atomically.

        Raises:
            NotFoundError: an item is not in the index; the message names it and nothing is deleted.
        """
        ...

    def vectors(self, items: Items) -> Vectors:
        """Unit vectors of items, (n, dim). Raises NotFoundError if an item is not in the index."""
        ...


class StoredIndex(VectorIndex, Protocol):
    """An index that can be saved. `load_index` reads it back and verifies it."""

    def save(self, folder: Path) -> None:
        """Write the index and `index.json` (kind, dim, count, hashes of items and vectors) to an empty folder."""
        ...


def check_vectors(vectors: NDArray[np.generic] | list[list[float]], dim: int) -> Vectors:
    """Vectors normalized to contiguous float32 unit vectors, (n, dim).

    Raises:
        InvalidInputError: wrong length, zero, NaN, infinite, or not numbers. The message names the first bad vector.
    """
    try:
        array = np.asarray(vectors)
    except ValueError as error:
        raise InvalidInputError(
            "The vectors are not lists of numbers of equal length.", f"Send {dim} numbers."
        ) from error
    if array.dtype.kind not in "fiub":
        raise InvalidInputError("The vectors are not made of numbers.", f"Send {dim} numbers.")
    if array.ndim != 2 or array.shape[1] != dim:
        width = array.shape[-1] if array.ndim else 0
        raise InvalidInputError(f"A vector has {width} values, not {dim}.", f"Send {dim} numbers.")
    if array.dtype == np.float32:
        single = array
    else:
        with np.errstate(over="ignore"):  # values beyond single precision become infinite
            single = array.astype(np.float32)
    # In double precision, because squares of large values overflow single. NaN and infinity propagate to the length.
    double = single.astype(np.float64)
    lengths = np.sqrt(np.vecdot(double, double))
    if len(lengths) == 1 and abs(float(lengths[0]) - 1) <= UNIT_TOLERANCE:
        return np.ascontiguousarray(single)  # fast path: the steps below take as long as a search
    # One comparison for the common case. It is false for NaN.
    if not bool(((lengths > NORM_TOLERANCE) & (lengths < np.inf)).all()):
        finite = np.isfinite(lengths)
        if not finite.all():
            raise InvalidInputError(f"Vector {int(np.argmin(finite))} has NaN or infinity.", "Send finite numbers.")
        first = int(np.argmax(lengths <= NORM_TOLERANCE))
        raise InvalidInputError(f"Vector {first} is zero and has no direction.", "Send a vector that is not zero.")
    lengths[np.abs(lengths - 1) <= UNIT_TOLERANCE] = 1
    double /= lengths[:, None]
    return double.astype(np.float32)


def unit_rows(vectors: Vectors) -> Vectors:
    """Vectors as contiguous float32 unit vectors, (n, dim). An array that already is one is returned without a copy.

    Like `check_vectors`, but block by block, so that many vectors need little memory.

    Raises:
        InvalidInputError: not a matrix, too wide, or a vector is zero, NaN or infinite; the message names the first.
    """
    result = np.ascontiguousarray(vectors, dtype=np.float32)
    if result.ndim != 2 or not 1 <= result.shape[1] <= MAX_VALUES:
        raise InvalidInputError(f"An index needs a matrix of vectors of 1 to {MAX_VALUES} values.")
    copied = False
    size = max(1, BLOCK_VALUES // result.shape[1])
    for start in range(0, len(result), size):
        block = result[start : start + size].astype(np.float64)
        lengths = np.sqrt(np.vecdot(block, block))
        unit = np.abs(lengths - 1) <= UNIT_TOLERANCE
        if unit.all():
            continue
        lengths[unit] = 1
        invalid = ~(np.isfinite(lengths) & (lengths > NORM_TOLERANCE))
        if invalid.any():
            first = start + int(np.flatnonzero(invalid)[0])
            raise InvalidInputError(f"Vector {first} of the index is zero or not finite.", "Leave its item out.")
        if not copied:
            result, copied = result.copy(), True
        result[start : start + size] = block / lengths[:, None]
    return result


def whole_numbers(items: Items) -> Items:
    """Item numbers as int64, (n,).

    Raises:
        InvalidInputError: not a one-dimensional array of integers.
    """
    numbers = np.asarray(items)
    if numbers.size == 0:
        return np.zeros(0, dtype=np.int64)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise InvalidInputError("Item numbers must be a flat list of whole numbers.", "Send catalog rows.")
    return numbers.astype(np.int64, copy=False)


def check_added(items: Items, vectors: Vectors, dim: int) -> tuple[Items, Vectors]:
    """Item numbers as int64 and their unit vectors, as given to `VectorIndex.add`.

    Raises:
        InvalidInputError: see `VectorIndex.add`.
    """
    items = whole_numbers(items)
    if len(items) == 0:
        return items, np.zeros((0, dim), dtype=np.float32)
    added = check_vectors(vectors, dim)
    if int(items.min()) < 0:
        raise InvalidInputError(f"The item number {int(items.min())} is negative.", "Send catalog rows.")
    if len(items) != len(added):
        raise InvalidInputError(f"{len(items)} items came with {len(added)} vectors.", "Send one vector per item.")
    if len(np.unique(items)) != len(items):
        raise InvalidInputError("An item number is repeated.", "Send each item once.")
    return items, added


def check_known(items: Items, known: NDArray[np.bool_]) -> None:
    """Raise NotFoundError, which names the first, where items are not known to the index.

    Args:
        items: (n,).
        known: (n,), whether the index has them.
    """
    if not known.all():
        raise NotFoundError(
            f"The index has no item {int(items[int(np.argmin(known))])}.",
            "Nothing was changed; GET /items lists those that there are.",
        )


def check_mask(allowed: Mask) -> Mask:
    """Return a mask over item numbers.

    Raises:
        InvalidInputError: not a one-dimensional array of booleans.
    """
    allowed = np.asarray(allowed)
    if allowed.dtype != np.bool_ or allowed.ndim != 1:
        raise InvalidInputError("A mask must be a one-dimensional array of booleans, by item number.")
    return allowed


def frozen_mask(allowed: Mask) -> Mask:
    """A copy of a mask that nobody can change, so that an index that is given it again need not read it again.

    It is an array over a `bytes` object, which NumPy cannot make writable.

    Raises:
        InvalidInputError: not a one-dimensional array of booleans.
    """
    return np.frombuffer(check_mask(allowed).tobytes(), dtype=np.bool_)


def check_k(k: int) -> int:
    """Return k, or raise InvalidInputError if it is below 1."""
    if k < 1:
        raise InvalidInputError(f"k is {k}.", "Ask for at least 1 item.")
    return k
