"""Ratings side by side, of which imports store millions: an object for each would take longer than storing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from matinee.errors import InvalidInputError
from matinee.stores.base import Rating


class RatingColumns(Sequence[Rating]):
    """Ratings as a store takes them; each pair of user and movie is there once.

    Args:
        user_ids: (n,).
        movie_ids: (n,).
        stars: (n,), finite.
        timestamps: (n,), seconds since 1970.
    """

    def __init__(
        self,
        user_ids: list[str],
        movie_ids: list[str],
        stars: NDArray[np.floating],
        timestamps: NDArray[np.int64],
    ) -> None:
        if not len(user_ids) == len(movie_ids) == len(stars) == len(timestamps):
            raise ValueError("The columns are not of one length.")
        self.user_ids, self.movie_ids, self.stars, self.timestamps = user_ids, movie_ids, stars, timestamps

    def __len__(self) -> int:
        return len(self.user_ids)

    @overload
    def __getitem__(self, place: int) -> Rating: ...
    @overload
    def __getitem__(self, place: slice) -> list[Rating]: ...
    def __getitem__(self, place: int | slice) -> Rating | list[Rating]:
        if isinstance(place, slice):
            return [self[n] for n in range(*place.indices(len(self)))]
        return Rating(
            self.user_ids[place], self.movie_ids[place], float(self.stars[place]), int(self.timestamps[place])
        )

    def lists(self) -> tuple[list[str], list[str], list[float | None], list[int]]:
        """The columns as lists."""
        return self.user_ids, self.movie_ids, self.stars.astype(np.float64).tolist(), self.timestamps.tolist()

    def check(self) -> None:
        """Raise InvalidInputError for ids that are not valid Unicode, stars that are not finite, repeated pairs."""
        finite = np.isfinite(self.stars)
        if not finite.all():
            stars = self.stars[int(np.argmin(finite))]
            raise InvalidInputError(f"A rating of {stars} cannot be stored.", "Send a number of stars.")
        for what, ids in (("user", self.user_ids), ("film", self.movie_ids)):
            try:
                "".join(ids).encode()
            except UnicodeEncodeError as error:
                raise InvalidInputError(f"An id of a {what} is not valid Unicode.", "Send it as UTF-8.") from error
        if len(set(zip(self.user_ids, self.movie_ids, strict=True))) < len(self):
            raise InvalidInputError("A user has rated a film twice.", "Give each pair of user and film once.")
