"""Ratings as the columns that a network is trained on: user, movie, target, time features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from matinee.data.ratings import Ratings
from matinee.models.neural.session_features import BANDWIDTHS, session_features

Floats = NDArray[np.float32]

_USER_PRIOR, _ITEM_PRIOR = 5.0, 5.0
"""Ratings' worth of the mean in what is usual for a user and for a movie."""


@dataclass(frozen=True)
class Baseline:
    """What is usual: the mean of the targets, and how far each movie is from it, (n_items,)."""

    mean: float
    movies: Floats

    @classmethod
    def of(cls, movies: NDArray[np.integer[Any]], targets: Floats, n_items: int) -> Self:
        """Of ratings; deviations of movies are damped."""
        mean = float(targets.mean(dtype=np.float64)) if len(targets) else 0.5
        sums = np.bincount(movies, weights=targets - np.float32(mean), minlength=n_items)
        counts = np.bincount(movies, minlength=n_items)
        return cls(mean, (sums / (counts + _ITEM_PRIOR)).astype(np.float32))

    def deviations(self, movies: NDArray[np.integer[Any]], targets: Floats) -> Floats:
        """Of one user's ratings from what is usual for the movies and for this user, (n,)."""
        rest = targets - np.float32(self.mean) - self.movies[movies]
        result: Floats = (rest - rest.sum() / np.float32(len(rest) + _USER_PRIOR)).astype(np.float32)
        return result


@dataclass(frozen=True)
class RatingTable:
    """Columns of ratings, (n,) each, by user.

    Attributes:
        targets: y, 0 to 1.
        sessions: time features, (n, 3).
    """

    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    targets: Floats
    times: NDArray[np.int64]
    sessions: Floats

    def __len__(self) -> int:
        return len(self.users)

    def select(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> RatingTable:
        """Some rows."""
        return RatingTable(
            self.users[chosen], self.movies[chosen], self.targets[chosen], self.times[chosen], self.sessions[chosen]
        )

    @classmethod
    def of(cls, ratings: Ratings, targets: Floats) -> Self:
        """Of a ratings matrix, without time features."""
        users = np.repeat(np.arange(ratings.n_users, dtype=np.int32), np.diff(ratings.indptr))
        none = np.zeros((len(users), len(BANDWIDTHS)), dtype=np.float32)
        return cls(users, ratings.indices.astype(np.int32), targets, ratings.times, none)

    def with_sessions(self, known: RatingTable, baseline: Baseline, *, same: bool) -> RatingTable:
        """These ratings with time features of the known ones.

        Args:
            known: sorted by user.
            same: they are these very ratings, none of which may count for itself.
        """
        sessions = np.zeros_like(self.sessions)
        if not len(self) or not len(known):
            return self
        order = np.argsort(self.users, kind="stable")
        n_users = int(max(self.users.max(), known.users.max())) + 1
        mine = np.searchsorted(self.users[order], np.arange(n_users + 1))
        theirs = np.searchsorted(known.users, np.arange(n_users + 1))
        for user in range(n_users):
            rows, span = order[mine[user] : mine[user + 1]], slice(theirs[user], theirs[user + 1])
            if not len(rows) or theirs[user] == theirs[user + 1]:
                continue
            deviations = baseline.deviations(known.movies[span], known.targets[span])
            own = np.arange(len(rows)) if same else None
            sessions[rows] = session_features(self.times[rows], known.times[span], deviations, own)
        return RatingTable(self.users, self.movies, self.targets, self.times, sessions)
