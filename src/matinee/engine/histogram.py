"""Stars counted in the steps of the data's scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STEPS = (0.5, 1.0, 2.0, 5.0, 10.0)
MOST = 21
"""Bars of a histogram, at most: a scale of 0 to 10 in halves."""
_ODD = 0.001
_BLOCK = 1 << 20


def star_steps(scale: tuple[float, float], values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The steps of a scale, increasing, e.g. .5, 1 … 5.

    Whole stars where the scale's ends are whole and (nearly) all ratings are, else halves; coarser where these would
    be more than `MOST`.

    Args:
        scale: lowest and highest stars.
        values: the data's ratings.
    """
    low, high = scale
    whole = low % 1 == 0 and high % 1 == 0 and (not len(values) or float(np.mean(values % 1 != 0)) <= _ODD)
    least = 1.0 if whole else 0.5
    step = next((step for step in STEPS if step >= least and (high - low) / step < MOST), (high - low) / (MOST - 1))
    return np.arange(int((high - low) / step + 1e-9) + 1, dtype=np.float64) * step + low


def histogram(values: NDArray[np.float32], steps: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many stars lie nearest to each step, (len(steps),); the upper one where two are as near."""
    width = steps[1] - steps[0] if len(steps) > 1 else 1.0
    counts = np.zeros(len(steps), dtype=np.int64)
    for start in range(0, len(values), _BLOCK):  # in one go it would take several times the memory of the ratings
        block = values[start : start + _BLOCK].astype(np.float64)
        places = np.floor((block - steps[0]) / width + 0.5).astype(np.int64)
        counts += np.bincount(np.clip(places, 0, len(steps) - 1), minlength=len(steps))
    return counts
