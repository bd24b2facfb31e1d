"""What ratings given within minutes of one another have in common beyond taste: the mood, and what a page showed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matinee.data.ratings import NO_TIME

_NEAREST = 64
"""Ratings of the history that count: about those nearest in time."""
_STEP = 16
"""The windows of so many ratings start at every 16th, so that moments share their systems."""


@dataclass(frozen=True)
class TimeEffect:
    """A Gaussian process over the time of a user's ratings, with two exponential kernels (Ornstein–Uhlenbeck).

    Variances are in units of the variance of what the factors leave unexplained. Chosen on the validation parts of
    ml-100k and ml-latest-small.

    Attributes:
        variances: of the two parts.
        spans: seconds over which they fade.
    """

    variances: tuple[float, float] = (0.15, 0.05)
    spans: tuple[float, float] = (20.0, 1000.0)

    def effect(
        self, times: NDArray[np.int64], errors: NDArray[np.float32], at: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Expected error of predictions at some times, (len(at),), given those of a history; 0 where a time is unknown.

        Args:
            times: of the history, seconds, (n,).
            errors: stars less prediction, (n,).
            at: seconds, (m,).
        """
        result = np.zeros(len(at), dtype=np.float32)
        timed = times != NO_TIME
        times, errors = times[timed].astype(np.float64), errors[timed]
        order = np.argsort(times, kind="stable")
        times, errors = times[order], errors[order]
        asked = np.flatnonzero(at != NO_TIME)
        if not len(times) or not len(asked):
            return result
        moments = at[asked].astype(np.float64)
        n = min(_NEAREST, len(times))
        first = np.clip((np.searchsorted(times, moments) - n // 2) // _STEP * _STEP, 0, len(times) - n)
        starts, window = np.unique(first, return_inverse=True)
        rows = starts[:, None] + np.arange(n)
        near = times[rows]
        system = self._kernel(near[:, :, None] - near[:, None, :]) + np.eye(n)
        weights = np.linalg.solve(system, errors[rows][:, :, None].astype(np.float64))[:, :, 0]
        reach = self._kernel(near[window] - moments[:, None])
        result[asked] = np.einsum("mn,mn->m", reach, weights[window])
        return result

    def _kernel(self, apart: NDArray[np.float64]) -> NDArray[np.float64]:
        apart = np.abs(apart)
        total = np.zeros_like(apart)
        for variance, span in zip(self.variances, self.spans, strict=True):
            total += variance * np.exp(-apart / span)
        return total
