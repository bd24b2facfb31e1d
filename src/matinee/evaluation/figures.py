"""What a figure is made of, user by user: a ratio of two sums over users, or the square root of one.

A mean over users has a denominator of 1 for each user who counts; RMSE has squared errors over numbers of ratings. So
all figures can be resampled by user in one way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Sums:
    """One figure: the sum of the numerators over that of the denominators, both (n_users,).

    Attributes:
        root: the figure is the square root of that.
    """

    numerators: Floats
    denominators: Floats
    root: bool = False

    @classmethod
    def mean(cls, values: NDArray[Any]) -> Self:
        """A mean over users, (n_users,); those with NaN do not count."""
        counts = np.isfinite(values)
        return cls(np.where(counts, values, 0.0).astype(np.float64), counts.astype(np.float64))

    @classmethod
    def by_owner(
        cls,
        owners: Rows,
        n: int,
        values: NDArray[Any],
        counts: NDArray[np.bool_] | None = None,
        *,
        root: bool = False,
    ) -> Self:
        """A mean over ratings.

        Args:
            owners: (n_ratings,), places of their users, of whom there are n.
            values: (n_ratings,).
            counts: (n_ratings,), which of them count; None: all.
        """
        kept = values if counts is None else np.where(counts, values, 0)
        return cls(
            np.bincount(owners, weights=kept, minlength=n).astype(np.float64),
            np.bincount(owners, weights=counts, minlength=n).astype(np.float64),
            root,
        )

    @property
    def value(self) -> float:
        """The figure; NaN where nobody counts."""
        total = float(self.denominators.sum())
        if total == 0.0:
            return float("nan")
        ratio = float(self.numerators.sum()) / total
        return float(np.sqrt(ratio)) if self.root else ratio

    @property
    def per_user(self) -> Floats:
        """The ratio of each user alone, without the root, (n_users,): one's nDCG, one's mean squared error."""
        result = np.full(len(self.numerators), np.nan)
        np.divide(self.numerators, self.denominators, out=result, where=self.denominators > 0)
        return result

    def spread(self, places: Rows, n: int) -> Self:
        """The same over n users, of whom these are at `places`; the others do not count."""
        numerators, denominators = np.zeros(n), np.zeros(n)
        numerators[places], denominators[places] = self.numerators, self.denominators
        return type(self)(numerators, denominators, self.root)


@dataclass(frozen=True)
class UserFigures:
    """The figures of one model on one split.

    Attributes:
        users: (n,), rows of the ratings matrix, increasing.
        sums: figure → what it is made of, over these users.
    """

    users: Rows
    sums: Mapping[str, Sums]

    def over(self, users: Rows) -> Self:
        """The same over more users, which contain these, increasing."""
        places = np.searchsorted(users, self.users)
        return type(self)(users, {name: sums.spread(places, len(users)) for name, sums in self.sums.items()})

    @classmethod
    def joined(cls, parts: Sequence[UserFigures]) -> Self:
        """Figures of several questions to different users as those of all their users; names must differ."""
        users = np.unique(np.concatenate([part.users for part in parts])) if parts else np.zeros(0, dtype=np.int64)
        sums: dict[str, Sums] = {}
        for part in parts:
            sums |= part.over(users).sums
        return cls(users, sums)


def aligned(splits: Sequence[UserFigures]) -> list[UserFigures]:
    """The splits over the users of them all, so that a user who is in several of them is one user."""
    users = np.unique(np.concatenate([split.users for split in splits]))
    return [split.over(users) for split in splits]


def user_means(splits: Sequence[UserFigures], name: str) -> Floats:
    """Each user's own value of a figure, the mean over the splits where there is one, (n,); NaN: in none.

    Args:
        splits: over the same users (`aligned`).
    """
    values = np.array([split.sums[name].per_user for split in splits])
    known = np.isfinite(values)
    result = np.full(values.shape[1], np.nan)
    np.divide(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0), out=result, where=known.any(axis=0))
    return result
