"""Ridge systems by conjugate gradients, compiled by Numba; import it only while fitting (extra `train`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.integer[Any]]

BLOCK_ROWS = 16
"""Rows that descend together, so that their products with the matrix they share are one call of BLAS."""

_NOTHING = np.float32(1e-20)

# Sums may be taken in another order, which lets the compiler use vector instructions; NaN and infinity stay exact.
_FAST = {"reassoc", "contract", "nsz", "arcp"}


@njit(nogil=True, cache=True, fastmath=_FAST)
def _subtract_products(
    start: int, stop: int, indices: Integers, targets: Floats, features: Floats, vector: Floats, total: Floats
) -> None:
    """total += Σ f (t − fᵀv) over the entries start…stop − 1: four at a time, or loading and storing take longest."""
    d = len(vector)
    entry = start
    while entry + 4 <= stop:
        one, two = features[indices[entry]], features[indices[entry + 1]]
        three, four = features[indices[entry + 2]], features[indices[entry + 3]]
        a = b = c = e = np.float32(0)
        for f in range(d):
            value = vector[f]
            a += one[f] * value
            b += two[f] * value
            c += three[f] * value
            e += four[f] * value
        a, b = targets[entry] - a, targets[entry + 1] - b
        c, e = targets[entry + 2] - c, targets[entry + 3] - e
        for f in range(d):
            total[f] += (a * one[f] + b * two[f]) + (c * three[f] + e * four[f])
        entry += 4
    while entry < stop:
        one = features[indices[entry]]
        a = np.float32(0)
        for f in range(d):
            a += one[f] * vector[f]
        a = targets[entry] - a
        for f in range(d):
            total[f] += a * one[f]
        entry += 1


@njit(nogil=True, cache=True, fastmath=_FAST)
def _first_direction(
    start: int,
    stop: int,
    indices: Integers,
    targets: Floats,
    features: Floats,
    ridge: np.float32,
    solution: Floats,
    residual: Floats,
    direction: Floats,
) -> np.float32:
    """The residual of one row, which holds (base)·w before and is the first direction; its squared length."""
    for f in range(len(residual)):
        residual[f] = -residual[f] - ridge * solution[f]
    _subtract_products(start, stop, indices, targets, features, solution, residual)
    length = np.float32(0)
    for f in range(len(residual)):
        length += residual[f] * residual[f]
    direction[:] = residual
    return length


@njit(nogil=True, cache=True, fastmath=_FAST)
def _step(
    start: int,
    stop: int,
    indices: Integers,
    zeros: Floats,
    features: Floats,
    ridge: np.float32,
    solution: Floats,
    residual: Floats,
    direction: Floats,
    product: Floats,
    length: np.float32,
) -> np.float32:
    """One step of one row; `product` holds (base)·direction before. The squared length of the residual after it."""
    d = len(residual)
    # With targets of 0 the sum is subtracted, hence the signs.
    for f in range(d):
        product[f] = -product[f] - ridge * direction[f]
    _subtract_products(0, stop - start, indices[start:stop], zeros, features, direction, product)
    curvature = np.float32(0)
    for f in range(d):
        curvature -= direction[f] * product[f]
    step = length / curvature
    rest = np.float32(0)
    for f in range(d):
        solution[f] += step * direction[f]
        residual[f] += step * product[f]
        rest += residual[f] * residual[f]
    turn = rest / length
    for f in range(d):
        direction[f] = residual[f] + turn * direction[f]
    return rest


@njit(nogil=True, cache=True, fastmath=_FAST)
def descend_rows(
    start: int,
    stop: int,
    indptr: Integers,
    indices: Integers,
    targets: Floats,
    features: Floats,
    base: Floats,
    ridge: Floats,
    pull: Floats,
    steps: int,
    rows: Floats,
) -> None:
    """Some steps towards the solutions of (base + Σ f fᵀ + ridge_u) w_u = Σ t f + pull_u, rows start…stop − 1.

    Args:
        indptr, indices: sparse rows; `indices` are rows of `features`.
        targets: t of each entry.
        features: f, (k, d).
        base: (d, d).
        ridge: (n,).
        pull: (n, d), or (0, d): none.
        steps: of conjugate gradients.
        rows: w, (n, d), where the descent starts, and where its end is written.
    """
    residuals = np.empty((BLOCK_ROWS, features.shape[1]), dtype=np.float32)
    directions, products = np.empty_like(residuals), np.empty_like(residuals)
    lengths = np.empty(BLOCK_ROWS, dtype=np.float32)
    zeros = np.zeros(len(features), dtype=np.float32)
    for first in range(start, stop, BLOCK_ROWS):
        m = min(BLOCK_ROWS, stop - first)
        np.dot(rows[first : first + m], base, residuals[:m])
        for b in range(m):
            row = first + b
            if len(pull):
                residuals[b] -= pull[row]
            lengths[b] = _first_direction(
                indptr[row],
                indptr[row + 1],
                indices,
                targets,
                features,
                ridge[row],
                rows[row],
                residuals[b],
                directions[b],
            )
        for _ in range(steps):
            np.dot(directions[:m], base, products[:m])
            for b in range(m):
                row = first + b
                if lengths[b] > _NOTHING:
                    lengths[b] = _step(
                        indptr[row],
                        indptr[row + 1],
                        indices,
                        zeros,
                        features,
                        ridge[row],
                        rows[row],
                        residuals[b],
                        directions[b],
                        products[b],
                        lengths[b],
                    )
