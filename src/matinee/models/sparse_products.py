"""Products of sparse matrices with dense blocks, compiled by Numba: SciPy's take twice as long, on one thread.

Import this only while fitting (extra `train`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

from matinee.models.work_shares import WORKERS, row_cuts

Floats = NDArray[np.float32]

_SHARES = 8
"""Shares of the rows for each thread: whoever is done early takes another."""


def product(matrix: sp.csr_matrix, block: Floats) -> Floats:
    """matrix @ block, (n, w) float32, of a float32 matrix (n, m) and an array (m, w)."""
    block = np.ascontiguousarray(block, dtype=np.float32)
    total = np.zeros((matrix.shape[0], block.shape[1]), dtype=np.float32)
    arrays = matrix.indptr, matrix.indices, matrix.data, block, total

    def add(span: tuple[int, int]) -> None:
        _add_rows(*(*span, *arrays))

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(add, pairwise(row_cuts(matrix.indptr, _SHARES * WORKERS))))
    return total


# Sums may be taken in another order, which lets the compiler use vector instructions; NaN and infinity stay exact.
@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _add_rows(start: int, stop: int, indptr: Any, indices: Any, data: Floats, block: Floats, total: Floats) -> None:
    for row in range(start, stop):
        sums = total[row]
        entry, end = indptr[row], indptr[row + 1]
        while entry + 8 <= end:  # eight at a time, or loading and storing the sums take longest
            a, b, c, d = data[entry], data[entry + 1], data[entry + 2], data[entry + 3]
            e, f, g, h = data[entry + 4], data[entry + 5], data[entry + 6], data[entry + 7]
            one, two = block[indices[entry]], block[indices[entry + 1]]
            three, four = block[indices[entry + 2]], block[indices[entry + 3]]
            five, six = block[indices[entry + 4]], block[indices[entry + 5]]
            seven, eight = block[indices[entry + 6]], block[indices[entry + 7]]
            for k in range(len(sums)):
                near = (a * one[k] + b * two[k]) + (c * three[k] + d * four[k])
                sums[k] += near + ((e * five[k] + f * six[k]) + (g * seven[k] + h * eight[k]))
            entry += 8
        while entry < end:
            a, one = data[entry], block[indices[entry]]
            for k in range(len(sums)):
                sums[k] += a * one[k]
            entry += 1
