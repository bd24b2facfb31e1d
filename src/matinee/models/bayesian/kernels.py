"""Loops over ratings that Numba compiles; imported by training alone. The compiled code is kept beside this file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def factorize(a: Doubles) -> None:
    """Cholesky factor of a small matrix, in its lower triangle: for these sizes a call of LAPACK costs more."""
    for k in range(len(a)):
        for m in range(k + 1):
            total = a[k, m]
            for j in range(m):
                total -= a[k, j] * a[m, j]
            a[k, m] = np.sqrt(total) if k == m else total / a[m, m]


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def sample_rows(
    start: int,
    stop: int,
    indptr: Integers,
    indices: Integers,
    targets: Doubles,
    alpha: Doubles,
    design: Doubles,
    prior: Doubles,
    precision: Doubles,
    noise: Doubles,
    rows: Doubles,
) -> None:
    """Draw rows start…stop − 1 from N(A⁻¹(Λm + Σ α t d), A⁻¹) with A = Λ + Σ α d dᵀ over their entries.

    Args:
        indptr, indices: sparse rows; `indices` are rows of `design`.
        targets, alpha: t and α of each entry.
        design: d, (k, w).
        prior: m, (n, w).
        precision: Λ, (w, w).
        noise: standard normal, (n, w).
        rows: the result, (n, w).
    """
    w = design.shape[1]
    a, b, draw = np.empty((w, w)), np.empty(w), np.empty(w)
    for row in range(start, stop):
        for k in range(w):
            total = 0.0
            for m in range(w):
                a[k, m] = precision[k, m]
                total += precision[k, m] * prior[row, m]
            b[k] = total
        for entry in range(indptr[row], indptr[row + 1]):
            other = indices[entry]
            weight, target = alpha[entry], alpha[entry] * targets[entry]
            for k in range(w):
                d = design[other, k]
                b[k] += d * target
                d *= weight
                for m in range(k + 1):
                    a[k, m] += d * design[other, m]
        factorize(a)
        # L y = b, and Lᵀ x = y + noise gives mean and noise at once.
        for k in range(w):
            total = b[k]
            for j in range(k):
                total -= a[k, j] * draw[j]
            draw[k] = total / a[k, k]
        for k in range(w - 1, -1, -1):
            total = draw[k] + noise[row, k]
            for m in range(k + 1, w):
                total -= a[m, k] * rows[row, m]
            rows[row, k] = total / a[k, k]


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def subtract_products(left: Doubles, right: Doubles, owners: Integers, indices: Integers, values: Doubles) -> None:
    """Subtract from each entry's value the product of its two rows without their first columns."""
    for entry in range(len(values)):
        total = 0.0
        for k in range(1, left.shape[1]):
            total += left[owners[entry], k] * right[indices[entry], k]
        values[entry] -= total
