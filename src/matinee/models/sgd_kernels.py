"""Stochastic gradient descent for stars, compiled by Numba; import it only while fitting (extra `train`)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# Sums may be taken in another order, which lets the compiler use vector instructions; NaN and infinity stay exact.
_FAST = {"reassoc", "contract", "nsz", "arcp"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def svd_epoch(
    order: Ints,
    owners: Ints,
    movies: Ints,
    targets: Floats,
    user_biases: Floats,
    biases: Floats,
    users: Floats,
    factors: Floats,
    rate: np.float32,
    regularization: np.float32,
) -> float:
    """One pass over the ratings, in the order given; biases and factors are changed in place.

    Args:
        order: (n,), numbers of ratings.
        owners: (n,), user of each rating.
        movies: (n,), movie of each rating.
        targets: (n,), stars less their mean.
        user_biases: (n_users,).
        biases: (k,).
        users: (n_users, d).
        factors: (k, d).
        rate: of learning.
        regularization: of biases and factors.

    Returns:
        Sum of the squared errors, each taken before its step.
    """
    d = users.shape[1]
    total = 0.0
    for number in order:
        u, i = owners[number], movies[number]
        own, other = users[u], factors[i]
        predicted = user_biases[u] + biases[i]
        for f in range(d):
            predicted += own[f] * other[f]
        error = targets[number] - predicted
        total += error * error
        user_biases[u] += rate * (error - regularization * user_biases[u])
        biases[i] += rate * (error - regularization * biases[i])
        for f in range(d):
            p, q = own[f], other[f]
            own[f] += rate * (error * q - regularization * p)
            other[f] += rate * (error * p - regularization * q)
    return total


@njit(cache=True, nogil=True, fastmath=_FAST)
def svd_plus_plus_epoch(
    order: Ints,
    indptr: Ints,
    movies: Ints,
    targets: Floats,
    user_biases: Floats,
    biases: Floats,
    users: Floats,
    factors: Floats,
    implicit: Floats,
    rate: np.float32,
    regularization: np.float32,
) -> float:
    """One pass over the users, in the order given, and over each one's ratings; parameters are changed in place.

    Every rating moves the y of all movies of its user by the same step, so that their sum and the common step are all
    that is carried along: the same arithmetic as a step on each y, at the cost of SVD.

    Args:
        order: (n_users,), numbers of users.
        indptr: (n_users + 1,), each user's span of ratings.
        movies: (n,), movie of each rating.
        targets: (n,), stars less their mean.
        user_biases: (n_users,).
        biases: (k,).
        users: (n_users, d).
        factors: (k, d), q.
        implicit: (k, d), y.
        rate: of learning.
        regularization: of biases and factors.

    Returns:
        Sum of the squared errors, each taken before its step.
    """
    d = users.shape[1]
    total = 0.0
    keep = np.float32(1) - rate * regularization
    for u in order:
        start, stop = indptr[u], indptr[u + 1]
        if start == stop:
            continue
        norm = np.float32(1 / np.sqrt(stop - start))
        own = users[u]
        summed = np.zeros(d, dtype=np.float32)
        step = np.zeros(d, dtype=np.float32)
        for number in range(start, stop):
            y = implicit[movies[number]]
            for f in range(d):
                summed[f] += norm * y[f]
        for number in range(start, stop):
            i = movies[number]
            other = factors[i]
            predicted = user_biases[u] + biases[i]
            for f in range(d):
                predicted += other[f] * (own[f] + summed[f])
            error = targets[number] - predicted
            total += error * error
            user_biases[u] += rate * (error - regularization * user_biases[u])
            biases[i] += rate * (error - regularization * biases[i])
            for f in range(d):
                p, q = own[f], other[f]
                own[f] += rate * (error * q - regularization * p)
                other[f] += rate * (error * (p + summed[f]) - regularization * q)
                summed[f] = keep * summed[f] + rate * error * q
                step[f] = keep * step[f] + rate * norm * error * q
        decay = keep ** (stop - start)
        for number in range(start, stop):
            y = implicit[movies[number]]
            for f in range(d):
                y[f] = decay * y[f] + step[f]
    return total
