"""Loops over ratings that Numba compiles; imported by training alone. The compiled code is kept beside this file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.integer[Any]]


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def draw_row(a: Doubles, b: Doubles, noise: Doubles, result: Doubles) -> None:
    """One draw of N(A⁻¹b, A⁻¹), using up both: A = UᵀU, Uᵀy = b, and Ux = y + noise is mean and deviation at once.

    For these sizes a call of LAPACK costs more. Rows are subtracted whole, though half of each is not used any more:
    loops of one length are twice as fast.
    """
    w = len(b)
    for k in range(w):
        scale = 1 / np.sqrt(a[k, k])
        for m in range(w):
            a[k, m] *= scale
        b[k] *= scale
        for i in range(k + 1, w):
            share = a[k, i]
            b[i] -= share * b[k]
            for m in range(w):
                a[i, m] -= share * a[k, m]
    for k in range(w - 1, -1, -1):
        total = b[k] + noise[k]
        for m in range(k + 1, w):
            total -= a[k, m] * result[m]
        result[k] = total / a[k, k]


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def sample_rows(
    start: int,
    stop: int,
    indptr: Integers,
    indices: Integers,
    stars: Doubles,
    biases: Doubles,
    alpha: Doubles,
    by_row: bool,
    design: Singles,
    pulls: Doubles,
    precision: Doubles,
    noise: Doubles,
    rows: Doubles,
) -> None:
    """Draw rows start…stop − 1 from N(A⁻¹(Λm + Σ α t d), A⁻¹) with A = Λ + Σ α d dᵀ over their entries.

    Args:
        indptr, indices: sparse rows; `indices` are rows of `design`.
        stars: of each entry; t is these less the other side's bias.
        biases: of the other side, (k,).
        alpha: α, of the rows, (n,), or of the other side, (k,).
        by_row: which of these it is.
        design: d, (k, w).
        pulls: Λm, (n, w).
        precision: Λ, (w, w).
        noise: standard normal, (n, w).
        rows: the result, (n, w).
    """
    w = design.shape[1]
    a, b = np.empty((w, w)), np.empty(w)
    longest = 0
    for row in range(start, stop):
        longest = max(longest, indptr[row + 1] - indptr[row])
    plain, weighted = np.empty((longest, w), np.float32), np.empty((longest, w), np.float32)
    gram = np.empty((w, w), np.float32)
    for row in range(start, stop):
        first, n = indptr[row], indptr[row + 1] - indptr[row]
        b[:] = pulls[row]
        for entry in range(n):
            other = indices[first + entry]
            weight = alpha[row] if by_row else alpha[other]
            target = weight * (stars[first + entry] - biases[other])
            for k in range(w):
                d = design[other, k]
                plain[entry, k] = d
                weighted[entry, k] = weight * d
                b[k] += target * d
        np.dot(plain[:n].T, weighted[:n], gram)
        for k in range(w):
            for m in range(w):
                a[k, m] = precision[k, m] + gram[k, m]
        draw_row(a, b, noise[row], rows[row])


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def squared_errors(left: Doubles, right: Doubles, indptr: Integers, indices: Integers, stars: Doubles) -> Doubles:
    """Sum of the squared errors of each user's stars, (n_users,); rows are a bias and factors."""
    result = np.zeros(len(left))
    for user in range(len(left)):
        for entry in range(indptr[user], indptr[user + 1]):
            other = indices[entry]
            error = stars[entry] - left[user, 0] - right[other, 0]
            for k in range(1, left.shape[1]):
                error -= left[user, k] * right[other, k]
            result[user] += error * error
    return result


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def predictions(left: Doubles, right: Doubles, indptr: Integers, indices: Integers) -> Doubles:
    """What rows say of each entry, (nnz,); rows are a bias and factors."""
    result = np.empty(len(indices))
    for user in range(len(left)):
        for entry in range(indptr[user], indptr[user + 1]):
            other = indices[entry]
            total = left[user, 0] + right[other, 0]
            for k in range(1, left.shape[1]):
                total += left[user, k] * right[other, k]
            result[entry] = total
    return result
