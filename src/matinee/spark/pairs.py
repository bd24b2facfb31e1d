"""Products of pairs of each user's movies, compiled by Numba; import it only while fitting."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True)
def add_pairs(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    values: NDArray[np.float32],
    first: int,
    total: NDArray[np.float32],
) -> None:
    """total[i − first, j] += v_i·v_j over all pairs of movies of each user.

    Args:
        indptr, indices, values: sparse rows, the movies of a user in increasing order.
        first: the movie of the first row of `total`.
        total: (n, k).
    """
    last = first + total.shape[0]
    for user in range(len(indptr) - 1):
        start, stop = indptr[user], indptr[user + 1]
        for one in range(start, stop):
            movie = indices[one]
            if movie < first or movie >= last:
                continue
            row, weight = total[movie - first], values[one]
            for two in range(start, stop):
                row[indices[two]] += weight * values[two]
