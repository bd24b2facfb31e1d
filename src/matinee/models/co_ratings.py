"""Products of movies over their users, compiled by Numba: each user costs the square of what this user rated.

A dense product costs users × movies², and SciPy's sparse one runs on one thread and makes an array of every product.
Import this only while fitting (extra `train`).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

from matinee.models.work_shares import WORKERS, row_cuts

Floats = NDArray[np.float32]

_SHARES = 32
"""Shares of the movies for each thread: whoever is done early takes another."""
ROOM = 4
"""Candidates that are collected, in neighbors asked for, before the best of them are chosen."""
_ENTRIES = 1 << 20
"""Weights that a thread holds of movies that it has linked."""


def add_gram(matrix: sp.csr_matrix, gram: Floats, done: Callable[[float], None]) -> None:
    """Add the lower triangle of XᵀX to `gram`, (k, k) float32 in Fortran order, of sparse users × movies.

    Args:
        done: called with the share that is done.
    """
    matrix.sort_indices()
    turned = matrix.T.tocsr()
    arrays = turned.indptr, turned.indices, turned.data, matrix.indptr, matrix.indices, matrix.data, gram.T
    cuts = _cuts(turned)

    def add(span: tuple[int, int]) -> None:
        _add_gram(*(*span, *arrays))

    with ThreadPoolExecutor(WORKERS) as pool:
        for number, _ in enumerate(pool.map(add, pairwise(cuts))):
            done((number + 1) / (len(cuts) - 1))


def nearest(
    matrix: sp.csr_matrix,
    source: NDArray[np.float64],
    target: NDArray[np.float64],
    shrinkage: float,
    n: int,
    done: Callable[[float], None],
) -> sp.csr_matrix:
    """The n largest x_iᵀx_j / (source_i·target_j + shrinkage) > 0 of each movie j with others i, in row j, (k, k)."""
    matrix.sort_indices()
    turned, k = matrix.T.tocsr(), matrix.shape[1]
    arrays = turned.indptr, turned.indices, turned.data, matrix.indptr, matrix.indices, matrix.data
    cuts = _cuts(turned, max(_ENTRIES // max(n, 1), 1))

    def link(span: tuple[int, int]) -> tuple[Any, Any, Any]:
        return _nearest(*(*span, *arrays, source, target, shrinkage, n))  # type: ignore[no-any-return]

    parts = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for number, part in enumerate(pool.map(link, pairwise(cuts))):
            parts.append(part)
            done((number + 1) / (len(cuts) - 1))
    sizes, movies, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return sp.csr_matrix((values, movies, np.concatenate([[0], np.cumsum(sizes)])), shape=(k, k))


def _cuts(turned: sp.csr_matrix, most: int | None = None) -> list[int]:
    """Where to cut the movies into shares of about as many ratings, of at most so many movies."""
    k = turned.shape[0]
    cuts = np.concatenate([row_cuts(turned.indptr, _SHARES * WORKERS), np.arange(0, k, most or max(k, 1))])
    return np.unique(cuts).tolist()  # type: ignore[no-any-return]


@njit(nogil=True, cache=True)
def _add_gram(start, stop, indptr, users, counted, ends, movies, weights, upper):  # type: ignore[no-untyped-def]
    for j in range(start, stop):
        row = upper[j]
        for entry in range(indptr[j], indptr[j + 1]):
            user, weight = users[entry], counted[entry]
            for other in range(ends[user + 1] - 1, ends[user] - 1, -1):  # movies increase within a user
                i = movies[other]
                if i < j:
                    break
                row[i] += weight * weights[other]


@njit(nogil=True, cache=True)
def keep_largest(similar, movie, filled, n):  # type: ignore[no-untyped-def]
    """Move the n largest of the filled places to the front, of equal ones the first; how many there are."""
    if filled <= n:
        return filled
    least = np.partition(similar[:filled], filled - n)[filled - n]
    ties = n - (similar[:filled] > least).sum()
    kept = 0
    for place in range(filled):
        if similar[place] < least or (similar[place] == least and ties <= 0):
            continue
        if similar[place] == least:
            ties -= 1
        similar[kept], movie[kept] = similar[place], movie[place]
        kept += 1
    return kept


@njit(nogil=True, cache=True)
def _nearest(start, stop, indptr, users, counted, ends, movies, weights, source, target, shrinkage, n):  # type: ignore[no-untyped-def]
    k = len(indptr) - 1
    dots, seen = np.zeros(k, np.float32), np.full(k, -1, np.int64)
    touched = np.empty(k, np.int32)
    sizes = np.zeros(stop - start, np.int64)
    similar, movie = np.empty(ROOM * n, np.float64), np.empty(ROOM * n, np.int32)
    near, values, kept = np.empty((stop - start) * n, np.int32), np.empty((stop - start) * n, np.float32), 0
    for j in range(start, stop):
        found = 0
        for entry in range(indptr[j], indptr[j + 1]):
            user, weight = users[entry], counted[entry]
            for other in range(ends[user], ends[user + 1]):
                i = movies[other]
                if seen[i] != j:
                    seen[i], dots[i], touched[found] = j, np.float32(0), i
                    found += 1
                dots[i] += weight * weights[other]
        # The best so far, with room for more: what is no better than the n-th of them is not looked at again.
        filled, least = 0, 0.0
        for place in range(found):
            i = touched[place]
            value = 0.0 if i == j else dots[i] / (source[i] * target[j] + shrinkage)
            if value <= least:
                continue
            similar[filled], movie[filled] = value, i
            filled += 1
            if filled == len(similar):
                filled = keep_largest(similar, movie, filled, n)
                least = similar[:filled].min()
        filled = keep_largest(similar, movie, filled, n)
        near[kept : kept + filled], values[kept : kept + filled] = movie[:filled], similar[:filled]
        kept += filled
        sizes[j - start] = filled
    return sizes, near[:kept].copy(), values[:kept].copy()
