"""Selection of the highest scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCKS = 8
"""Blocks per requested row in the first pass of `top_n`."""


def top_n(scores: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """Rows of the n highest scores, best first; fewer if there are fewer valid scores.

    NaN and −inf are never returned. Ties go to the lower row. Linear time, plus a sort of the n rows.

    Args:
        scores: (n_items,).
        n: number of rows, ≥ 0.
    """
    if n <= 0:
        return np.zeros(0, dtype=np.int64)
    # Comparisons with NaN are false, so NaN is dropped here.
    bound = _lower_bound(scores, n)
    rows = np.flatnonzero(scores > bound if bound == -np.inf else scores >= bound)
    if len(rows) > 4 * n:
        values = scores[rows]
        last = np.partition(values, len(values) - n)[len(values) - n]
        above, ties = rows[values > last], rows[values == last]
        rows = np.concatenate([above, ties[: n - len(above)]])
        rows.sort()
    # Rows ascend, so a stable sort gives ties to the lower row.
    return rows[np.argsort(-scores[rows], kind="stable")[:n]]


def _lower_bound(scores: NDArray[np.float32], n: int) -> float:
    """A lower bound of the n-th highest score, or −inf.

    The n-th highest of many block maxima is such a bound. Computing maxima is several times as fast as partitioning
    all scores, and few scores besides the n best exceed the bound.
    """
    size = len(scores) // (_BLOCKS * n)
    if size < 2:
        return -np.inf
    blocks = len(scores) // size
    maxima = np.fmax.reduce(scores[: blocks * size].reshape(size, blocks), axis=0)
    maxima[np.isnan(maxima)] = -np.inf
    return float(np.partition(maxima, blocks - n)[blocks - n])
