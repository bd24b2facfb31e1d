"""The nearest other movies of every movie, by cosine: exact, or of a large catalog among the cells around each."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

EXACT_PRODUCTS = 1 << 38
"""Multiplications of all pairs, up to which all pairs are compared (60,000 movies in 64 dimensions)."""
PROBED = 24
"""Cells looked into for the movies of one, of √n. Of the 15 nearest .999 are found (60,000 movies, content and blend
spaces of synthetic data, 1,500 probes; with 12 cells .997)."""
ROUNDS = 4
"""Passes of k-means over the movies."""
BLOCK_BYTES = 64 << 20
"""Cosines held at a time. Smaller blocks cost more: BLAS lays out the right side again for each."""
GROUP = 16
"""Cosines of which only the greatest is looked at first."""


def nearest(vectors: Floats, k: int) -> tuple[Rows, Floats]:
    """The k nearest other movies of each, (n, k), nearest first, and their cosine distances 0..2.

    Args:
        vectors: (n, dim), unit length.
        k: 1..n − 1.
    """
    n, dim = vectors.shape
    everything = np.arange(n)
    if n * n * dim <= EXACT_PRODUCTS:
        return _nearest_among(vectors, everything, everything, k)
    members, near = _cells(vectors)
    rows, distances = np.empty((n, k), dtype=np.int64), np.empty((n, k), dtype=np.float32)
    for cell, mine in enumerate(members):
        order = [cell, *near[cell][near[cell] != cell].tolist()]  # of equal centers, another may be the nearest
        probed = PROBED
        while len(others := np.concatenate([members[i] for i in order[:probed]])) <= k:
            probed *= 2
        rows[mine], distances[mine] = _nearest_among(vectors, mine, others, k)
    return rows, distances


def _nearest_among(vectors: Floats, asked: Rows, others: Rows, k: int) -> tuple[Rows, Floats]:
    """The k nearest of each asked movie among others, which begin with the asked ones; see `nearest`."""
    rows, distances = np.empty((len(asked), k), dtype=np.int64), np.empty((len(asked), k), dtype=np.float32)
    among = vectors if len(others) == len(vectors) else vectors[others]
    groups = max(-(-len(others) // GROUP), min(k, len(others)))
    depth = -(-len(others) // groups)
    size = max(1, BLOCK_BYTES // (4 * groups * depth))
    cosines = np.full((min(size, len(asked)), groups * depth), -np.inf, dtype=np.float32)
    for begin in range(0, len(asked), size):
        block = cosines[: min(size, len(asked) - begin)]
        np.matmul(vectors[asked[begin : begin + len(block)]], among.T, out=block[:, : len(others)])
        block[np.arange(len(block)), np.arange(begin, begin + len(block))] = -np.inf
        # Every one of the k greatest is in one of the k groups with the greatest maxima.
        tops = block.reshape(len(block), depth, groups).max(axis=1)
        best = np.argpartition(tops, groups - k, axis=1)[:, groups - k :]
        places = (best[:, :, None] + groups * np.arange(depth)).reshape(len(block), -1)
        found = np.take_along_axis(block, places, axis=1)
        order = np.argpartition(found, found.shape[1] - k, axis=1)[:, -k:]
        found = np.take_along_axis(found, order, axis=1)
        places = np.take_along_axis(places, order, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        rows[begin : begin + len(block)] = others[np.take_along_axis(places, order, axis=1)]
        distances[begin : begin + len(block)] = np.maximum(1.0 - np.take_along_axis(found, order, axis=1), 0.0)
    return rows, distances


def _cells(vectors: Floats) -> tuple[list[Rows], Rows]:
    """Spherical k-means with √n cells: the movies of each, and all cells by the cosine of the centers, nearest first.

    Dhillon & Modha 2001, "Concept decompositions for large sparse text data using clustering".
    """
    n = len(vectors)
    count = int(np.sqrt(n))
    centers = vectors[np.linspace(0, n - 1, count).astype(np.int64)]
    for last in (*[False] * ROUNDS, True):
        size = max(1, BLOCK_BYTES // (4 * count))
        cell = np.concatenate([(vectors[i : i + size] @ centers.T).argmax(axis=1) for i in range(0, n, size)])
        if last:
            break
        of_cells = sp.csr_array((np.ones(n, dtype=np.float32), cell, np.arange(n + 1)), shape=(n, count)).T
        sums = of_cells @ vectors
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centers = np.where(lengths > 0, sums / np.where(lengths > 0, lengths, 1), centers).astype(np.float32)
    order = np.argsort(cell, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(cell, minlength=count))[:-1])
    return members, np.argsort(-(centers @ centers.T), axis=1, kind="stable")
