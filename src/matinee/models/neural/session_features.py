"""Time features of a rating: how kindly the user rated around the same time.

Ratings of one sitting resemble each other: of one mood, of films that were listed together. Each feature is the mean
deviation of the user's other ratings from what is usual, weighed by their nearness in time and damped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matinee.data.ratings import NO_TIME

Floats = NDArray[np.float32]

BANDWIDTHS = (600.0, 86_400.0, 2_592_000.0)
"""Seconds after which a rating counts 1/e: ten minutes, a day, a month."""
_DAMPING = 10.0
"""Ratings' worth of a deviation of 0."""
_SCALE = 10.0
"""Brings features to the order of 1."""
_BLOCK = 1 << 20
"""Pairs of ratings that are compared at a time."""


def session_features(
    asked: NDArray[np.int64],
    times: NDArray[np.int64],
    deviations: Floats,
    own: NDArray[np.int64] | None = None,
) -> Floats:
    """Features of ratings of one user, (len(asked), len(BANDWIDTHS)).

    Args:
        asked: seconds since 1970 at which a rating is given; 0 is what a time that is not known gets.
        times: of the user's known ratings, (n,).
        deviations: of these from what is usual, (n,).
        own: position among the known ratings of each asked one, which does not count for itself; None: none is.
    """
    result = np.zeros((len(asked), len(BANDWIDTHS)), dtype=np.float32)
    known = times != NO_TIME
    if not known.any():
        return result
    step = max(_BLOCK // len(times), 1)
    for start in range(0, len(asked), step):
        part = slice(start, start + step)
        apart = np.abs(asked[part, None] - times[None, :]).astype(np.float32)
        for number, width in enumerate(BANDWIDTHS):
            weights = np.exp(-apart / np.float32(width))
            weights[:, ~known] = 0
            if own is not None:
                weights[np.arange(len(weights)), own[part]] = 0
            total = weights.sum(axis=1, dtype=np.float64) + _DAMPING
            result[part, number] = _SCALE * (weights @ deviations) / total
    result[asked == NO_TIME] = 0
    return result
