"""Sums of some rows of a large dense matrix, each times its weight."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

Floats = NDArray[np.float32]

_ROWS = 32
"""Rows gathered at once."""
WIDE = 4000
"""Columns from which on rows are added where they lie. Copying them first costs more then, calls less: on one thread
150 rows of 12,000 columns take 1.1 ms gathered and 0.8 ms added, of 2000 columns 0.10 and 0.12 ms."""


def sum_rows(matrix: Floats, rows: NDArray[np.int64], weights: Floats) -> Floats:
    """Σ weights_i · matrix[rows_i], (n_columns,).

    Args:
        matrix: (n, n_columns), C-contiguous; may be a read-only memory map, and is not copied.
        rows: (m,).
        weights: (m,).
    """
    total = np.zeros(matrix.shape[1], dtype=np.float32)
    if matrix.shape[1] >= WIDE:
        for row, weight in zip(rows.tolist(), weights.tolist(), strict=True):
            total = blas.saxpy(matrix[row], total, a=weight)
        return total
    for part in row_parts(len(rows)):
        total += weights[part] @ matrix[rows[part]]
    return total


def row_parts(n: int) -> Iterator[slice]:
    """A few rows at a time: a copy of many would not fit into the cache."""
    return (slice(start, start + _ROWS) for start in range(0, n, _ROWS))
