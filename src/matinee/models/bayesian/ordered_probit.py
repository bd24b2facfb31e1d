"""Stars as ranges of a latent value: the ordered probit.

McKelvey and Zavoina 1975; the latent values are sampled as in Albert and Chib 1993, "Bayesian analysis of binary and
polychotomous response data".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Doubles = NDArray[np.float64]

MAX_LEVELS = 64
"""Distinct stars up to which they are levels rather than numbers."""
_TAIL = 1e-12
"""Least probability of a tail that is drawn from: seven deviations."""
_GRID = 256
"""Points between which expected stars are interpolated."""


@dataclass(frozen=True)
class OrderedProbit:
    """Level k is given where the latent value lies between the cuts k − 1 and k.

    The cuts are those by which a normal value with the mean and the variance of all stars has the levels' frequencies.
    They stay: their scale is as good as any, since means and noise are learned on it.

    Attributes:
        levels: the distinct stars, ascending, (k,).
        cuts: latent, ascending, (k − 1,).
        scores: expected latent value of each level where nothing else is known, (k,).
    """

    levels: Doubles
    cuts: Doubles
    scores: Doubles

    @classmethod
    def of(cls, stars: NDArray[np.floating[Any]]) -> Self:
        """Of all stars that were given, at least one."""
        levels, counts = np.unique(stars.astype(np.float64), return_counts=True)
        shares = counts / counts.sum()
        mean = float(levels @ shares)
        deviation = float(np.sqrt(np.square(levels - mean) @ shares))
        bounds = ndtri(np.cumsum(shares)[:-1])
        densities = np.concatenate([[0.0], np.exp(-np.square(bounds) / 2) / np.sqrt(2 * np.pi), [0.0]])
        return cls(levels, mean + deviation * bounds, mean - deviation * np.diff(densities) / shares)

    def positions(self, stars: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Positions of the nearest levels."""
        middles = (self.levels[1:] + self.levels[:-1]) / 2
        return np.searchsorted(middles, stars)

    def bounds(self, positions: NDArray[np.int64]) -> tuple[Doubles, Doubles]:
        """The cuts around levels; infinite at the ends."""
        edges = np.concatenate([[-np.inf], self.cuts, [np.inf]])
        return edges[positions], edges[positions + 1]

    def draw(
        self, rng: np.random.Generator, positions: NDArray[np.int64], mean: Doubles, deviation: Doubles
    ) -> Doubles:
        """Latent values of given levels, normal between the cuts."""
        lower, upper = self.bounds(positions)
        start, stop = ndtr((lower - mean) / deviation), ndtr((upper - mean) / deviation)
        at = np.clip(start + rng.random(len(mean)) * (stop - start), _TAIL, 1 - _TAIL)
        return np.clip(mean + deviation * ndtri(at), lower, upper)

    def expected(self, positions: NDArray[np.int64], mean: Doubles, deviation: Doubles) -> Doubles:
        """Expected latent values of given levels: the mean of a truncated normal distribution.

        Args:
            positions: (n,).
            mean: (…, n).
            deviation: as `mean`, or broadcast.
        """
        lower, upper = self.bounds(positions)
        a, b = (lower - mean) / deviation, (upper - mean) / deviation
        inside = ndtr(b) - ndtr(a)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = mean + deviation * (np.exp(-np.square(a) / 2) - np.exp(-np.square(b) / 2)) / (
                np.sqrt(2 * np.pi) * inside
            )
        return np.clip(np.where(inside > _TAIL, found, mean), lower, upper)

    def stars(self, latent: NDArray[np.floating[Any]], deviation: float) -> NDArray[np.float32]:
        """Expected stars where a latent value is normal with these means and this deviation."""
        if not len(self.cuts):
            return np.full(np.shape(latent), self.levels[0], dtype=np.float32)
        reach = 6 * deviation
        grid = np.linspace(self.cuts[0] - reach, self.cuts[-1] + reach, _GRID)
        above = ndtr((grid[:, None] - self.cuts) / deviation)
        values = self.levels[0] + above @ np.diff(self.levels)
        found: NDArray[np.float32] = np.interp(latent, grid, values).astype(np.float32)
        return found

    def level(self, latent: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """The levels in whose ranges latent values lie."""
        found: NDArray[np.float32] = self.levels[np.searchsorted(self.cuts, latent)].astype(np.float32)
        return found

    def state(self) -> dict[str, Doubles]:
        """`levels`, `cuts`, `scores`, float64."""
        return {"levels": self.levels, "cuts": self.cuts, "scores": self.scores}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """What `state` gave."""
        return cls(*(np.asarray(state[name], dtype=np.float64) for name in ("levels", "cuts", "scores")))
