"""What is expected of a user before the stars count, by how many ratings are known."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.models.bayesian.gibbs import Sample
from matinee.models.bayesian.side_features import SideFeatures
from matinee.models.warm_items import array

Floats = NDArray[np.float32]

LENGTHS = (1, 3, 10)
"""Numbers of ratings of which there is a prior, besides none at all, and the Markov chain's own from `_WHOLE` on."""
_WHOLE = 30
_RIDGE_FACTORS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)
_LOGS = tuple(math.log1p(n) for n in (0, *LENGTHS, _WHOLE))


@dataclass(frozen=True)
class UserPrior:
    """N(Wᵀx, Λ⁻¹) for the user's bias and factors in each sample, by the number of ratings known.

    The chain's own W and Λ are those of users with all their ratings. What few ratings say of a user is less, and is
    learned from the same users of whom only so many are shown: the user's draw is regressed on the features, and what
    that leaves is the covariance. The ridge is the chain's times a factor that leave-one-out chooses.

    Attributes:
        weights: W, float32 (len(LENGTHS) + 2, s, f, w).
        precision: Λ, float32 (len(LENGTHS) + 2, s, w, w).
    """

    weights: Floats
    precision: Floats

    @classmethod
    def of(cls, samples: Sequence[Sample], ratings: sp.csr_matrix, features: SideFeatures, seed: int) -> Self:
        """Learned from the users of a data set, (n_users, n_items)."""
        rng = np.random.default_rng(seed)
        n, (f, w) = ratings.shape[0], samples[0].user_weights.shape
        weights = np.zeros((len(LENGTHS) + 2, len(samples), f, w), dtype=np.float32)
        precision = np.zeros((len(LENGTHS) + 2, len(samples), w, w), dtype=np.float32)
        nothing = np.zeros((n, f))
        nothing[:, 0] = 1
        parts = [nothing, *(features.of_parts(ratings, length, rng) for length in LENGTHS)]
        for step, x in enumerate(parts):
            gram = x.T @ x
            factor = _ridge_factor(x, gram, samples[0])
            for number, sample in enumerate(samples):
                left = gram + np.diag(factor * sample.user_ridge)
                weights[step, number] = np.linalg.solve(left, x.T @ sample.users)
                rest = sample.users - x @ weights[step, number]
                # Degrees of freedom that the regression used up. The chain's covariance counts as a few users more, so
                # that few users leave it regular.
                used = float(np.trace(np.linalg.solve(left, gram)))
                scatter = rest.T @ rest + 2 * w * np.linalg.inv(sample.user_precision)
                precision[step, number] = np.linalg.inv(scatter / (max(n - used, 1.0) + 2 * w))
        for number, sample in enumerate(samples):
            weights[-1, number], precision[-1, number] = sample.user_weights, sample.user_precision
        return cls(weights, precision)

    def at(self, n: int, x: Floats) -> tuple[Floats, Floats]:
        """Mean, (s, w), and Λ, (s, w, w), for a history of n ratings: linear in log(1 + n) between those there are.

        Args:
            x: features, (f,).
        """
        log = math.log1p(n)
        above = min(max(bisect_left(_LOGS, log), 1), len(_LOGS) - 1)
        share = np.float32(min(max((log - _LOGS[above - 1]) / (_LOGS[above] - _LOGS[above - 1]), 0.0), 1.0))
        if share in (0, 1):
            step = above - 1 + int(share)
            return x @ self.weights[step], self.precision[step]
        mean = (1 - share) * (x @ self.weights[above - 1]) + share * (x @ self.weights[above])
        return mean, (1 - share) * self.precision[above - 1] + share * self.precision[above]

    def state(self) -> dict[str, NDArray[Any]]:
        """`user_weights` and `user_precision`."""
        return {"user_weights": self.weights, "user_precision": self.precision}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]], n_samples: int, n_features: int, width: int) -> Self:
        """From `state`. Raises SnapshotError where an array is missing or of another shape."""
        steps = len(LENGTHS) + 2
        return cls(
            array(state, "user_weights", np.float32, (steps, n_samples, n_features, width)),
            array(state, "user_precision", np.float32, (steps, n_samples, width, width)),
        )


def _ridge_factor(x: NDArray[np.float64], gram: NDArray[np.float64], sample: Sample) -> float:
    """By what the chain's ridge is multiplied: the factor of the least squared leave-one-out error, in units of Λ⁻¹."""
    errors = []
    for factor in _RIDGE_FACTORS:
        inverse = np.linalg.inv(gram + np.diag(factor * sample.user_ridge))
        leverage = ((x @ inverse) * x).sum(axis=1)
        rest = (sample.users - x @ (inverse @ (x.T @ sample.users))) / np.maximum(1 - leverage, 1e-3)[:, None]
        errors.append(float(np.vdot(rest @ sample.user_precision, rest)))
    return _RIDGE_FACTORS[int(np.argmin(errors))]
