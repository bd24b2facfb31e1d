"""Movies that may be on one list: those that a filter allows, less those of the history and others."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from matinee.models.base import Subset

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Allowed:
    """A subset of the movies less some rows, looked up for the movies asked for alone where these are few.

    Args:
        subset: what a filter allows.
        left_out: rows that may not be listed, in any order, repeated or not.
    """

    def __init__(self, subset: Subset, left_out: Rows) -> None:
        self.subset, self.left_out = subset, left_out

    @cached_property
    def mask(self) -> Mask:
        """Of all movies, (n_items,)."""
        mask: Mask = self.subset.mask.copy()
        mask[self.left_out] = False
        return mask

    def among(self, rows: Rows, order: Rows) -> Mask:
        """Of some movies, (len(rows),), in a time that depends on their number alone.

        Args:
            rows: distinct.
            order: places that sort them.
        """
        allowed: Mask = self.subset.mask[rows]
        if len(self.left_out) and len(rows):
            places = order[np.minimum(np.searchsorted(rows, self.left_out, sorter=order), len(rows) - 1)]
            allowed[places[rows[places] == self.left_out]] = False
        return allowed


class Ranked:
    """Scores of the movies that a list is chosen from; the others have none.

    Args:
        scores: of `rows`, NaN for movies that may not be listed.
        rows: distinct, (m,), and the places that sort them; None: all movies.
    """

    def __init__(self, scores: NDArray[np.float32], rows: tuple[Rows, Rows] | None = None) -> None:
        self._scores, self._rows = scores, rows

    def of(self, rows: Rows) -> NDArray[np.float32]:
        """Scores of some of the movies, (len(rows),)."""
        if self._rows is None:
            return self._scores[rows]
        all_rows, order = self._rows
        return self._scores[order[np.searchsorted(all_rows, rows, sorter=order)]]

    def by_row(self) -> tuple[Rows, NDArray[np.float32]]:
        """The movies, rows increasing, and their scores."""
        if self._rows is None:
            return np.arange(len(self._scores)), self._scores
        all_rows, order = self._rows
        return all_rows[order], self._scores[order]
