"""Plain counts of ratings, which every model has to beat: of all time, or of the last days before the newest rating."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores, State
from matinee.models.warm_items import array

_DAY = 86_400


class CountsConfig(ModelConfig):
    """Settings of `Counts`."""

    days: float | None = Field(None, gt=0, description="Ratings of the last so many days count; None: all.")


class Counts(Model[CountsConfig]):
    """Number of ratings of each movie, the same for all users; NaN for movies without ratings in that time."""

    name = "counts"
    Config = CountsConfig

    _counts: NDArray[np.float32]

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        ratings, days = dataset.ratings, self.config.days
        if days is not None and len(ratings):
            ratings = ratings.select(ratings.times >= int(ratings.times.max()) - days * _DAY)
        self._counts = np.where(ratings.counts > 0, ratings.counts, np.nan).astype(np.float32)
        progress(self.name, 1.0)

    def score(self, queries: Sequence[Query]) -> Scores:
        """The counts, one equal row per query."""
        return np.tile(self._counts, (len(queries), 1))

    def state(self) -> State:
        """`counts`: float32, (n_items,)."""
        return {"counts": self._counts}

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        self._counts = array(state, "counts", np.float32, (len(catalog),))


def last_month() -> dict[str, Model[Any]]:
    """What was rated most in the 30 days before the newest training rating, as `last-month`."""
    return {"last-month": Counts(days=30)}
