"""Sparse matrices of rows: their state, and sums of a few rows without SciPy's copies, which cost more than the sum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.errors import SnapshotError
from matinee.models.warm_items import array


def entries(
    matrix: sp.csr_matrix, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.integer[Any]], NDArray[Any]]:
    """All entries of some rows: place in `rows`, column, value, one each."""
    starts = matrix.indptr[rows]
    lengths = matrix.indptr[rows + 1] - starts
    positions = np.repeat(np.arange(len(rows)), lengths)
    ends = np.cumsum(lengths)
    flat = np.arange(len(positions)) + np.repeat(starts - (ends - lengths), lengths)
    return positions, matrix.indices[flat], matrix.data[flat]


def weighted_sum(
    matrix: sp.csr_matrix, rows: NDArray[np.int64], weights: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Sum of some rows, each times its weight, (n_columns,) float64."""
    positions, columns, values = entries(matrix, rows)
    weighted = weights[positions].astype(np.float64) * values
    return np.bincount(columns, weighted, matrix.shape[1]).astype(np.float64, copy=False)


def sparse_state(matrix: sp.csr_matrix) -> dict[str, NDArray[Any]]:
    """`indptr` int64, `indices` int32, `data` float32: what `sparse_rows` reads."""
    return {
        "indptr": matrix.indptr.astype(np.int64, copy=False),
        "indices": matrix.indices.astype(np.int32, copy=False),
        "data": matrix.data,
    }


def sparse_rows(state: Mapping[str, NDArray[Any]], n_rows: int, n_columns: int) -> sp.csr_matrix:
    """A sparse matrix from `indptr` (int64), `indices` (int32) and `data` (float32), not copied.

    Raises:
        SnapshotError: the arrays are missing or do not make a matrix of this shape.
    """
    indptr = array(state, "indptr", np.int64, (n_rows + 1,))
    data = array(state, "data", np.float32, (None,))
    indices = array(state, "indices", np.int32, (len(data),))
    ordered = int(indptr[0]) == 0 and int(indptr[-1]) == len(data) and not bool((np.diff(indptr) < 0).any())
    if not ordered or (len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < n_columns):
        raise SnapshotError("The stored sparse matrix is inconsistent.", "Train again, or promote another snapshot.")
    if len(data) < 2**31:  # SciPy wants both index arrays of one type; this is the small one
        indptr = indptr.astype(np.int32)
    return sp.csr_matrix((data, indices, indptr), shape=(n_rows, n_columns), copy=False)
