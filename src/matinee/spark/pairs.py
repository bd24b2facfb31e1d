"""Products of pairs of each user's movies, compiled by Numba; import it only while fitting."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matinee.models.co_ratings import ROOM, keep_largest


@njit(cache=True)
def add_pairs(
    starts: NDArray[np.int32],
    users: NDArray[np.int32],
    weights: NDArray[np.float32],
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    values: NDArray[np.float32],
    total: NDArray[np.float32],
) -> None:
    """total[i, j] += Σ w_ui·v_uj over the users u of some movies i: movie by movie, so that a row stays in the cache.

    Args:
        starts, users, weights: the n movies × users, sparse rows.
        indptr, indices, values: users × k movies, sparse rows.
        total: (n, k).
    """
    for movie in range(len(starts) - 1):
        row = total[movie]
        for entry in range(starts[movie], starts[movie + 1]):
            user, weight = users[entry], weights[entry]
            for other in range(indptr[user], indptr[user + 1]):
                row[indices[other]] += weight * values[other]


@njit(cache=True)
def nearest(
    dots: NDArray[np.float32],
    first: int,
    source: NDArray[np.float64],
    target: NDArray[np.float64],
    shrinkage: float,
    n: int,
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]:
    """The n largest x_iᵀx_j / (source_i·target_j + shrinkage) > 0 of some movies j with others i, as sparse rows.

    Args:
        dots: x_jᵀx_i of the movies from `first` on with all, (m, k).
        source, target: (k,).
    """
    m, k = dots.shape
    similar, movie = np.empty(ROOM * n, np.float64), np.empty(ROOM * n, np.int32)
    near, values = np.empty(m * n, np.int32), np.empty(m * n, np.float32)
    indptr = np.zeros(m + 1, np.int64)
    for row in range(m):
        j, start = first + row, indptr[row]
        filled, least = 0, 0.0
        for i in range(k):
            dot = dots[row, i]
            if dot <= 0 or i == j:
                continue
            value = dot / (source[i] * target[j] + shrinkage)
            if value <= least:
                continue
            similar[filled], movie[filled] = value, i
            filled += 1
            if filled == len(similar):
                filled = keep_largest(similar, movie, filled, n)
                least = similar[:filled].min()
        filled = keep_largest(similar, movie, filled, n)
        near[start : start + filled], values[start : start + filled] = movie[:filled], similar[:filled]
        indptr[row + 1] = start + filled
    return values[: indptr[m]].copy(), near[: indptr[m]].copy(), indptr
