"""The best of many scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCKS = 8
"""Blocks per wanted row in the first pass of `top_n`."""


def top_n(scores: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """Rows of the n highest scores, best first; fewer where there are fewer.

    NaN and −inf never come; ties go to the lower row. Linear time plus a sort of the n.

    Args:
        scores: (n_items,).
        n: rows wanted, ≥ 0.
    """
    if n <= 0:
        return np.zeros(0, dtype=np.int64)
    # A comparison with NaN is false, so NaN drops out here.
    bound = _lower_bound(scores, n)
    rows = np.flatnonzero(scores > bound if bound == -np.inf else scores >= bound)
    if len(rows) > 4 * n:
        kept = scores[rows]
        last = np.partition(kept, len(kept) - n)[len(kept) - n]
        above, ties = rows[kept > last], rows[kept == last]
        rows = np.concatenate([above, ties[: n - len(above)]])
        rows.sort()
    # Rows ascend, so a stable sort gives ties to the lower row.
    return rows[np.argsort(-scores[rows], kind="stable")[:n]]


def _lower_bound(scores: NDArray[np.float32], n: int) -> float:
    """A value that at least n scores reach, or −inf.

    The n-th highest of many block maxima is such a value. Taking maxima is several times as fast as a partition of
    all scores, and few scores besides the n best reach it.
    """
    size = len(scores) // (_BLOCKS * n)
    if size < 2:
        return -np.inf
    blocks = len(scores) // size
    maxima = np.fmax.reduce(scores[: blocks * size].reshape(size, blocks), axis=0)
    maxima[np.isnan(maxima)] = -np.inf
    return float(np.partition(maxima, blocks - n)[blocks - n])
