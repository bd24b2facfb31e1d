"""What a user liked and disliked among the movies asked for."""

from __future__ import annotations

from typing import Literal

import numpy as np

from matinee.data.ratings import Ratings
from matinee.data.split import Mask, users_of
from matinee.models.preference import ROUNDING, Scale, dislike_ceiling, like_floor

Relevance = Literal["all", "likes"]
"""Which test ratings make a movie relevant: every one, or those of movies that the user liked."""


def is_flat(*parts: Ratings) -> bool:
    """Whether all stars are equal, so that they say nothing (implicit data)."""
    values = [part.values for part in parts if len(part)]
    return not values or min(float(v.min()) for v in values) == max(float(v.max()) for v in values)


def at_least_liked(ratings: Ratings, scale: Scale) -> Mask:
    """Ratings from `like_floor` up, (n_ratings,); all of them where stars say nothing."""
    return np.ones(len(ratings), dtype=np.bool_) if is_flat(ratings) else ratings.values >= like_floor(scale)


def liked(history: Ratings, test: Ratings, scale: Scale) -> Mask:
    """Test ratings above the user's mean and from `like_floor` up, (n_test,); all where stars say nothing.

    Args:
        history: of the same users; its stars make a user's mean. A user without any gets the global mean.
    """
    if is_flat(history, test):
        return np.ones(len(test), dtype=np.bool_)
    counts = np.diff(history.indptr)
    sums = np.bincount(users_of(history), weights=history.values, minlength=history.n_users)
    everybody = float((history if len(history) else test).values.mean(dtype=np.float64))
    means = np.divide(sums, counts, out=np.full(len(counts), everybody), where=counts > 0)
    mask: Mask = (test.values > means[users_of(test)] + ROUNDING) & (test.values >= like_floor(scale))
    return mask


def disliked(history: Ratings, test: Ratings, scale: Scale) -> Mask:
    """Test ratings up to `dislike_ceiling`, (n_test,); none where stars say nothing."""
    if is_flat(history, test):
        return np.zeros(len(test), dtype=np.bool_)
    return test.values <= dislike_ceiling(scale)
