"""From scores to ranked lists of unseen films."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee._util.topk import top_n


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
