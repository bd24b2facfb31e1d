"""How much each film of a history counts in the profile of a user."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matinee.data.ratings import NO_TIME
from matinee.models.base import Query
from matinee.models.preference import StarScale


def profile_weights(
    query: Query, known: NDArray[np.bool_], scale: StarScale, half_life: float | None
) -> NDArray[np.float32]:
    """Weights of the known films of a history, (n_known,), absolute values summing to 1.

    Args:
        known: (len(query),), the films that count.
        scale: what stars say; dislikes get negative weights.
        half_life: days in which a rating's weight halves; None: never.
    """
    weights = scale.history_weights(query, known, "signed").astype(np.float64)
    if half_life is not None and query.times is not None:
        times = query.times[known]
        dated = times != NO_TIME
        if dated.any():
            age = np.where(dated, times.max() - times, times.max() - times[dated].min()) / 86_400
            weights = weights * 0.5 ** (age / half_life)
    return (weights / max(float(np.abs(weights).sum()), 1e-12)).astype(np.float32)
