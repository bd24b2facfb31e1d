"""A layout in two dimensions that keeps neighbors together: the method of UMAP, compiled by Numba.

McInnes, Healy & Melville 2018, "UMAP: Uniform Manifold Approximation and Projection": a weighted graph of nearest
neighbors, whose edges attract by stochastic gradient descent while random pairs repel. Here it starts from the
principal components, on one thread, so that a seed gives the same map again.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

from matinee.training.nearest_movies import nearest

Floats = NDArray[np.float32]

NEIGHBORS = 15
EPOCHS, EPOCHS_LARGE, LARGE = 150, 80, 20_000
"""Passes over the graph; fewer for more than `LARGE` movies."""
REPELLED = 5
"""Random movies that each attraction is weighed against."""
A = np.float32(1.6)
"""Similarity on the map is 1 / (1 + A·d²). UMAP's own curve for a least distance of 0.1 has d^1.79, which takes a
power for every pair and three times as long."""


def neighbor_layout(vectors: Floats, start: Floats, seed: int = 0, *, k: int = NEIGHBORS) -> Floats:
    """Points (n, 2) whose neighbors are those of the vectors.

    Args:
        vectors: (n, dim), unit length; compared by cosine.
        start: (n, 2), where the movies are at first: their two principal components.
        seed: of the random pairs.
        k: neighbors of a movie in the graph, at most n − 1.
    """
    n = len(vectors)
    k = min(k, n - 1)
    if k < 2:
        return start
    graph = sp.coo_array(neighbor_graph(*nearest(vectors, k)))
    epochs = EPOCHS if n <= LARGE else EPOCHS_LARGE
    # An edge of less than 1/epochs of the greatest weight would never be sampled.
    kept = graph.data >= graph.data.max() / epochs
    order = np.random.default_rng(seed)
    points = 10.0 * start / max(float(np.abs(start).max()), 1e-12) + order.normal(0, 1e-4, start.shape)
    placed: Floats = _descend(
        points.astype(np.float32),
        graph.row[kept].astype(np.int32),
        graph.col[kept].astype(np.int32),
        (graph.data[kept] / graph.data.max()).astype(np.float32),
        epochs,
        seed,
    )
    return placed


def neighbor_graph(rows: NDArray[np.int64], distances: Floats) -> sp.csr_array:
    """The symmetric graph of memberships 0..1: each movie's weights fall with the distance and sum to log₂ k."""
    n, k = rows.shape
    weights = _memberships(distances, np.log2(k))
    one_way = sp.csr_array((weights.ravel(), rows.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    other_way = sp.csr_array(one_way.T)
    return sp.csr_array(one_way + other_way - one_way.multiply(other_way))


@njit(cache=True)
def _memberships(distances, total):  # type: ignore[no-untyped-def]
    """exp(−(d − nearest)/width) with the width, by bisection, that gives each row this total."""
    n, k = distances.shape
    weights = np.empty((n, k), dtype=np.float32)
    floor = 1e-3 * max(distances.mean(), 1e-12)
    for i in range(n):
        beyond = distances[i] - distances[i, 0]
        low, high, width = 0.0, np.inf, 1.0
        for _ in range(64):
            reached = 0.0
            for j in range(k):
                reached += np.exp(-beyond[j] / width)
            if abs(reached - total) < 1e-5:
                break
            if reached > total:
                high = width
                width = (low + high) / 2
            else:
                low = width
                width = width * 2 if high == np.inf else (low + high) / 2
        width = max(width, floor)
        for j in range(k):
            weights[i, j] = np.exp(-beyond[j] / width)
    return weights


@njit(cache=True, fastmath=True)
def _descend(points, heads, tails, weights, epochs, seed):  # type: ignore[no-untyped-def]
    """Attract the ends of each edge in proportion to its weight, repel random movies; the step falls to nothing."""
    n, n_edges = np.uint64(len(points)), len(heads)
    random = np.uint64(2 * seed + 1) * np.uint64(0x9E3779B97F4A7C15)
    most = np.float32(4.0)
    due = np.float32(1.0) / weights
    for epoch in range(1, epochs + 1):
        step = np.float32(1.0 - epoch / (epochs + 1))
        for edge in range(n_edges):
            if due[edge] > epoch:
                continue
            due[edge] += np.float32(1.0) / weights[edge]
            i, j = heads[edge], tails[edge]
            x, y = points[i, 0], points[i, 1]
            dx, dy = x - points[j, 0], y - points[j, 1]
            pull = np.float32(-2.0) * A / (np.float32(1.0) + A * (dx * dx + dy * dy))
            gx, gy = min(max(pull * dx, -most), most) * step, min(max(pull * dy, -most), most) * step
            x, y = x + gx, y + gy
            points[j, 0] -= gx
            points[j, 1] -= gy
            for _ in range(REPELLED):
                # Marsaglia's xorshift: a good generator would take half of the time.
                random ^= random << np.uint64(13)
                random ^= random >> np.uint64(7)
                random ^= random << np.uint64(17)
                other = np.int64((random >> np.uint64(11)) % n)
                dx, dy = x - points[other, 0], y - points[other, 1]
                squared = dx * dx + dy * dy
                push = np.float32(2.0) / ((np.float32(0.001) + squared) * (np.float32(1.0) + A * squared))
                x += min(max(push * dx, -most), most) * step
                y += min(max(push * dy, -most), most) * step
            points[i, 0], points[i, 1] = x, y
    return points
