"""Coordinate descent for elastic nets, compiled by Numba; import it only while fitting (extra `train`)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@njit(nogil=True, cache=True)
def _candidates(gram: Floats, target: int, most: int) -> Integers:
    """Movies that lower the loss of a target most when they come in alone: by g_ij²/g_ii; equals come in together.

    All others, where `most` is 0: what was never rated together may still weigh, down.
    """
    k = len(gram)
    if not most:
        return np.concatenate((np.arange(target), np.arange(target + 1, k)))
    gains = np.zeros(k, dtype=np.float32)
    n = 0
    for i in range(k):
        if i != target and gram[target, i] != 0:
            gains[i] = gram[target, i] * gram[target, i] / gram[i, i]
            n += 1
    floor = np.float32(0)
    if n > most:
        floor = np.sort(gains)[k - most]
    return np.flatnonzero((gains >= floor) & (gains > 0))


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _descend(
    gram: Floats, rest: Floats, lasso: np.float32, ridge: np.float32, positive: bool, sweeps: int, tolerance: float
) -> Floats:
    """The weights of one elastic net, (m,).

    Args:
        gram: (m, m).
        rest: Xᵀ(x_j − Xw) at w = 0, (m,); at w = the result afterwards.
    """
    m = len(gram)
    weights = np.zeros(m, dtype=np.float32)
    for _ in range(sweeps):
        change = largest = np.float32(0)
        for a in range(m):
            old = weights[a]
            pull = rest[a] + gram[a, a] * old
            new = np.float32(0)
            if pull > lasso:
                new = (pull - lasso) / (gram[a, a] + ridge)
            elif pull < -lasso and not positive:
                new = (pull + lasso) / (gram[a, a] + ridge)
            if new != old:
                weights[a] = new
                step = new - old
                for b in range(m):
                    rest[b] -= step * gram[a, b]
                change = max(change, abs(step))
            largest = max(largest, abs(new))
        if change <= tolerance * largest:
            break
    return weights


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def elastic_nets(
    start: int,
    stop: int,
    gram: Floats,
    lasso: float,
    ridge: float,
    positive: bool,
    most: int,
    sweeps: int,
    tolerance: float,
    columns: Integers,
    values: Floats,
    counts: Integers,
) -> None:
    """For each target j of start…stop − 1 the w that minimizes ½|x_j − Xw|² + lasso·|w|₁ + ½·ridge·|w|², w_j = 0.

    Args:
        gram: XᵀX, (k, k).
        positive: w ≥ 0.
        most: movies that may have a weight; 0: all.
        sweeps: over the coordinates, at most.
        tolerance: the descent ends where no weight changes by more than this share of the largest.
        columns, values: where the weights that are not 0 are written, (stop − start, width).
        counts: how many there are, (stop − start,).
    """
    shrink, damp = np.float32(lasso), np.float32(ridge)
    for target in range(start, stop):
        chosen = _candidates(gram, target, most)
        m = len(chosen)
        own = np.empty((m, m), dtype=np.float32)
        rest = np.empty(m, dtype=np.float32)
        for a in range(m):
            rest[a] = gram[target, chosen[a]]
            for b in range(m):
                own[a, b] = gram[chosen[a], chosen[b]]
        weights = _descend(own, rest, shrink, damp, positive, sweeps, tolerance)
        n = 0
        for a in range(m):
            if weights[a] != 0 and n < columns.shape[1]:
                columns[target - start, n] = chosen[a]
                values[target - start, n] = weights[a]
                n += 1
        counts[target - start] = n
