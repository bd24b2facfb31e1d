"""What stars say about liking, on each user's own scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from matinee.data.dataset import Dataset
from matinee.data.ratings import Ratings
from matinee.models.base import Query
from matinee.models.warm_items import Weighting, array, weigh

Feedback = Literal["signed", "watched"]
"""Meaning of a history: signed preferences, or only what was watched."""

MEAN_PRIOR, DEVIATION_PRIOR = 3.0, 10.0
"""Pseudo-counts of the global mean and deviation in those of one user."""
LOWEST, HIGHEST = 2.2, 1.0
"""Deviations from the user's mean at which the lowest and the highest stars stand at least."""
FULL = 1.5
"""Deviations from the user's mean at which a preference is full, +1 or −1."""
MILD = 0.5
"""Preference for a movie that was seen and given no stars, or in data whose stars say nothing."""
WEIGHTS = ((-2.7, -0.5), (-1.7, -0.1), (-0.7, 0.35), (0.3, 0.7), (1.3, 1.0))
"""Weight of a movie in a history, by its stars in deviations from the user's mean; linear between, constant beyond.

People choose what they expect to like, so a movie rated at the user's mean is a like already, and the neutral point
lies 1.5 deviations below it. Chosen on validation (ml-1m, ml-latest-small, `likes`): a stronger push lists fewer
dislikes, and costs more of the likes than it is worth (ml-1m nDCG@10 −4 % with a neutral point at −¾)."""

_AT_ONCE = 1 << 20
"""Ratings that are weighed at a time, of whole users."""

ROUNDING = 1e-6
Scale = tuple[float, float]
"""Lowest and highest stars."""


def like_floor(scale: Scale) -> float:
    """Fewest stars of a like: two thirds up the scale (3.5 of ½ to 5; 3.67, hence 4, of 1 to 5 in whole stars)."""
    low, high = scale
    return low + 2 / 3 * (high - low) - ROUNDING


def dislike_ceiling(scale: Scale) -> float:
    """Most stars of a dislike: four ninths up the scale (2.5 of ½ to 5; 2.78, hence 2, of 1 to 5 in whole stars)."""
    low, high = scale
    return low + 4 / 9 * (high - low) + ROUNDING


@dataclass(frozen=True)
class StarScale:
    """The stars of a data set: lowest and highest, and mean and deviation of all ratings.

    A preference is how far a rating stands from the user's own mean, in deviations of that user's ratings, −1
    (disliked) to 1 (loved). Mean and deviation are shrunk towards the global ones (empirical Bayes), and a history of
    one value is measured on the global scale alone: a single rating of five stars is a love. The user's mean is clipped
    halfway to the lowest and to the highest stars, so that the highest never count as a dislike.
    """

    low: float
    high: float
    mean: float
    deviation: float

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Of a data set; without ratings the middle of its scale, with deviation 0."""
        low, high = dataset.scale
        stars = dataset.ratings.values
        if not len(stars):
            return cls(low, high, (low + high) / 2, 0.0)
        return cls(low, high, float(stars.mean(dtype=np.float64)), float(stars.std(dtype=np.float64)))

    @property
    def flat(self) -> bool:
        """Whether stars say nothing, as all are equal (implicit data)."""
        return self.deviation <= 1e-6 * max(abs(self.high), 1.0)

    @property
    def mild_like(self) -> float:
        """Stars that stand for "seen, and given none": a mild like on the global scale."""
        return float(min(self.mean + MILD * FULL * self.deviation, self.high))

    def _moments(self, stars: NDArray[np.float64]) -> tuple[float, float]:
        known = stars[~np.isnan(stars)]
        if not len(known) or np.ptp(known) == 0:
            return self.mean, self.deviation
        mean = (float(known.sum()) + MEAN_PRIOR * self.mean) / (len(known) + MEAN_PRIOR)
        mean = float(np.clip(mean, (self.low + self.mean) / 2, (self.high + self.mean) / 2))
        squares = float(np.square(known - mean).sum()) + DEVIATION_PRIOR * self.deviation**2
        return mean, float(np.sqrt(squares / (len(known) + DEVIATION_PRIOR)))

    def standardized(self, ratings: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Ratings of one user less the mean, over the deviation, float32; NaN stars count as a mild like.

        However widely the stars are spread, the lowest stand `LOWEST` deviations below the mean at least and the
        highest `HIGHEST` above it: they are a dislike and a love on any scale.
        Where the data's stars are all equal every movie is a mild like.
        """
        stars = np.asarray(ratings, dtype=np.float64)
        mild = np.float32(MILD * FULL)
        if self.flat:
            return np.full(len(stars), mild, dtype=np.float32)
        mean, deviation = self._moments(stars)
        below = min(deviation, (mean - self.low) / LOWEST) if mean > self.low else deviation
        above = min(deviation, (self.high - mean) / HIGHEST) if mean < self.high else deviation
        result = ((stars - mean) / np.where(stars < mean, below, above)).astype(np.float32)
        return np.where(np.isnan(result), mild, result)

    def preferences(self, ratings: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Preferences of one user's ratings, float32, −1 to 1; above 0 is liked."""
        return _preferences(self.standardized(ratings))

    def history_preferences(self, query: Query) -> NDArray[np.float32]:
        """`preferences` of a history."""
        return _preferences(self._standardized_history(query))

    def _standardized_history(self, query: Query) -> NDArray[np.float32]:
        return query.once((self, "standardized"), lambda: self.standardized(query.ratings))

    def weights(
        self,
        ratings: NDArray[np.floating[Any]],
        feedback: Feedback,
        weighting: Weighting = "binary",
        curve: Sequence[tuple[float, float]] = WEIGHTS,
    ) -> NDArray[np.float32]:
        """What each rating of one user counts in the user's history, float32.

        Args:
            ratings: of the movies that the model knows.
            feedback: "signed": −½ (disliked) to 1 (loved), see `WEIGHTS`; "watched": by `weighting`. In data
                whose stars are all equal every movie counts 1.
            weighting: 1 for each movie, or its share of the highest stars.
            curve: (deviations from the user's mean, weight) of "signed", by increasing deviations.
        """
        if self.flat:
            return np.ones(len(ratings), dtype=np.float32)
        if feedback == "watched":
            counted: NDArray[np.float32] = weigh(np.asarray(ratings, dtype=np.float32), weighting, self.high)
            return counted
        return _on_curve(self.standardized(ratings), curve)

    def history_weights(
        self,
        query: Query,
        known: NDArray[np.bool_],
        feedback: Feedback,
        weighting: Weighting = "binary",
        curve: Sequence[tuple[float, float]] = WEIGHTS,
    ) -> NDArray[np.float32]:
        """`weights` of the known movies of a history, a mask; the same part of the work is done once for all models."""
        if feedback == "signed" and not self.flat and known.all():
            return _on_curve(self._standardized_history(query), curve)
        return self.weights(query.ratings[known], feedback, weighting, curve)

    def training_weights(self, ratings: Ratings) -> NDArray[np.float32]:
        """What each rating of a data set counts where models learn from likes, float32: .3 (disliked) to 1 (loved)."""
        result = np.empty(len(ratings), dtype=np.float32)
        cuts = np.searchsorted(ratings.indptr, np.arange(_AT_ONCE, len(ratings), _AT_ONCE))
        for start, stop in pairwise(np.unique(np.concatenate([[0], cuts, [ratings.n_users]])).tolist()):
            ends = ratings.indptr[start : stop + 1]
            result[ends[0] : ends[-1]] = self._standardized_users(ratings.values[ends[0] : ends[-1]], np.diff(ends))
        return np.interp(result, (-1.5, 0.0, 1.0), (0.3, 0.6, 1.0)).astype(np.float32)

    def _standardized_users(self, ratings: NDArray[np.float32], sizes: NDArray[np.int64]) -> NDArray[np.float32]:
        """`standardized` of many users, one after another: (sum(sizes),), none of them NaN."""
        if self.flat:
            return np.full(len(ratings), MILD * FULL, dtype=np.float32)
        stars, n = ratings.astype(np.float64), len(sizes)
        owners = np.repeat(np.arange(n), sizes)
        mean = (np.bincount(owners, stars, n) + MEAN_PRIOR * self.mean) / (sizes + MEAN_PRIOR)
        mean = np.clip(mean, (self.low + self.mean) / 2, (self.high + self.mean) / 2)
        squares = np.bincount(owners, np.square(stars - mean[owners]), n) + DEVIATION_PRIOR * self.deviation**2
        deviation = np.sqrt(squares / (sizes + DEVIATION_PRIOR))
        begun = (np.cumsum(sizes) - sizes)[owners]
        varied = np.bincount(owners, stars != stars[begun], n) > 0
        mean, deviation = np.where(varied, mean, self.mean), np.where(varied, deviation, self.deviation)
        below = np.where(mean > self.low, np.minimum(deviation, (mean - self.low) / LOWEST), deviation)[owners]
        above = np.where(mean < self.high, np.minimum(deviation, (self.high - mean) / HIGHEST), deviation)[owners]
        apart = stars - mean[owners]
        result: NDArray[np.float32] = (apart / np.where(apart < 0, below, above)).astype(np.float32)
        return result

    def state(self) -> dict[str, NDArray[np.float64]]:
        """`star_scale`: float64, (4,): low, high, mean, deviation."""
        return {"star_scale": np.array([self.low, self.high, self.mean, self.deviation])}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """From `state`. Raises SnapshotError where it is missing or of another shape."""
        low, high, mean, deviation = (float(value) for value in array(state, "star_scale", np.float64, (4,)))
        return cls(low, high, mean, deviation)


def _preferences(deviations: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = np.clip(deviations / np.float32(FULL), -1, 1)
    return result


def _on_curve(deviations: NDArray[np.float32], curve: Sequence[tuple[float, float]]) -> NDArray[np.float32]:
    positions, values = zip(*curve, strict=True)
    weights: NDArray[np.float32] = np.interp(deviations, positions, values).astype(np.float32)
    return weights
