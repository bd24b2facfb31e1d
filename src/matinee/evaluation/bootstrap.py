"""Bootstrap intervals over users: how far a figure would move with other users of the same kind.

A user is drawn with all ratings and in all splits at once, since these depend on one another. Models and data splits
stay as they are: what training on other data would change is not in the interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from matinee.evaluation.figures import Floats, Sums, UserFigures

RESAMPLES = 2000
CONFIDENCE = 0.95
_BATCH_CELLS = 1 << 22
"""Resamples × users drawn at a time: 32 MiB of counts."""

Interval = tuple[float, float]


def draw_counts(n_users: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each user is drawn, batches of (some resamples, n_users) that sum to n_users in each row.

    Equal arguments give equal draws, so that figures of several models are resampled in pairs.
    """
    rng = np.random.default_rng(seed)
    size = max(1, _BATCH_CELLS // max(n_users, 1))
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = rng.integers(n_users, size=(rows, n_users))
        drawn += np.arange(rows)[:, None] * n_users
        yield np.bincount(drawn.ravel(), minlength=rows * n_users).reshape(rows, n_users).astype(np.float64)


@dataclass(frozen=True)
class Resampled:
    """Figures of one model, means over the splits, resampled.

    Attributes:
        names: of the m figures.
        estimates: (m,), of the users as they are.
        distribution: (resamples, m); NaN where a resample has nobody who counts.
        acceleration: (m,), of BCa: a sixth of the skewness of the influences of single users.
    """

    names: tuple[str, ...]
    estimates: Floats
    distribution: Floats
    acceleration: Floats

    def interval(self, name: str, confidence: float = CONFIDENCE) -> Interval | None:
        """The interval of a figure (`bca_interval`); None where it is not defined."""
        place = self.names.index(name)
        return bca_interval(
            self.distribution[:, place], float(self.estimates[place]), float(self.acceleration[place]), confidence
        )


def resample(
    splits: Sequence[UserFigures], names: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> Resampled:
    """Resample the users of a model's figures; equal users, resamples and seed give the same draws for any model.

    Args:
        splits: over the same users (`figures.aligned`).
        names: figures that all splits have.
    """
    n_users = len(splits[0].users)
    tables = [_Table.of([split.sums[name] for name in names], n_users) for split in splits]
    distribution = np.full((resamples, len(names)), np.nan)
    start = 0
    if n_users:
        for counts in draw_counts(n_users, resamples, seed):
            stop = start + len(counts)
            distribution[start:stop] = _mean_of_splits([table.figures(counts) for table in tables])
            start = stop
    estimates = _mean_of_splits([table.figures(np.ones((1, n_users))) for table in tables])[0]
    # Each user left out in turn: the sums without one are the sums less one's own.
    left_out = _mean_of_splits([table.left_out() for table in tables])
    return Resampled(tuple(names), estimates, distribution, _acceleration(left_out))


@dataclass(frozen=True)
class _Table:
    """Numerators and denominators of m figures, (n_users, m), and which of them are square roots, (m,)."""

    numerators: Floats
    denominators: Floats
    roots: NDArray[np.bool_]

    @classmethod
    def of(cls, sums: Sequence[Sums], n_users: int) -> _Table:
        shape = (n_users, len(sums))
        numerators, denominators = np.zeros(shape), np.zeros(shape)
        for place, figure in enumerate(sums):
            numerators[:, place], denominators[:, place] = figure.numerators, figure.denominators
        return cls(numerators, denominators, np.array([figure.root for figure in sums], dtype=np.bool_))

    def figures(self, counts: Floats) -> Floats:
        return self._ratio(counts @ self.numerators, counts @ self.denominators)

    def left_out(self) -> Floats:
        return self._ratio(
            self.numerators.sum(axis=0) - self.numerators,
            self.denominators.sum(axis=0) - self.denominators,
        )

    def _ratio(self, numerators: Floats, denominators: Floats) -> Floats:
        result = np.full(numerators.shape, np.nan)
        np.divide(numerators, denominators, out=result, where=denominators > 0)
        return np.where(self.roots, np.sqrt(np.maximum(result, 0.0)), result)


def _mean_of_splits(figures: Sequence[Floats]) -> Floats:
    """The mean over those splits in which a figure is defined; NaN: in none."""
    if len(figures) == 1:
        return figures[0]
    values = np.array(figures)
    known = np.isfinite(values)
    result = np.full(values.shape[1:], np.nan)
    np.divide(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0), out=result, where=known.any(axis=0))
    return result


def _acceleration(left_out: Floats) -> Floats:
    known = np.isfinite(left_out)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, left_out, 0.0).sum(axis=0) / count
    influence = np.where(known, mean - left_out, 0.0)
    cubes, squares = (influence**3).sum(axis=0), (influence**2).sum(axis=0)
    result = np.zeros(left_out.shape[1])
    np.divide(cubes, 6.0 * squares**1.5, out=result, where=squares > 0)
    return result


def bca_interval(
    distribution: Floats, estimate: float, acceleration: float, confidence: float = CONFIDENCE
) -> Interval | None:
    """Bias-corrected and accelerated interval (Efron 1987) of a bootstrap distribution, (resamples,).

    Returns:
        Lower and upper end; the plain percentiles where the correction is not defined (all resamples on one side of the
        estimate); None without an estimate or a finite resample.
    """
    values = distribution[np.isfinite(distribution)]
    if not len(values) or not np.isfinite(estimate):
        return None
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    below = float(((values < estimate).mean() + (values <= estimate).mean()) / 2)
    if 0.0 < below < 1.0:
        bias = float(ndtri(below))
        moved = bias + ndtri(tails)
        shrink = 1 - acceleration * moved
        if (shrink > 0).all():
            tails = ndtr(bias + moved / shrink)
    low, high = np.quantile(values, tails)
    return float(low), float(high)


def percentile_interval(distribution: Floats, confidence: float = CONFIDENCE) -> Interval | None:
    """The middle `confidence` of a bootstrap distribution, (resamples,); None without a finite resample."""
    values = distribution[np.isfinite(distribution)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
