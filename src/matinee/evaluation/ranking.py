"""From scores to ranked rows."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
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


def rank(scores: NDArray[np.float32], seen: sp.csr_matrix, k: int) -> NDArray[np.int64]:
    """The k best unseen films of each user, over **all** films.

    Args:
        scores: (n_users, n_items); left as it is.
        seen: (n_users, n_items), stored entries are seen.

    Returns:
        (n_users, k) rows, best first, −1 where a user has fewer films with a score.
    """
    users = np.repeat(np.arange(len(scores)), np.diff(seen.indptr))
    scores = scores.copy()
    scores[users, seen.indices] = np.nan
    ranked = np.full((len(scores), k), -1, dtype=np.int64)
    for user, row in enumerate(scores):
        best = top_n(row, k)
        ranked[user, : len(best)] = best
    return ranked
