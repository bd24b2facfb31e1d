"""Popularity: one chart for all users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.ratings import NO_TIME
from matinee.errors import SnapshotError
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores, State
from matinee.models.charts import (
    STAR_WEIGHT,
    By,
    decayed_counts,
    half_life_of,
    make_chart,
    weighted_score,
    years_of,
)
from matinee.models.genre_cover import cover_genres
from matinee.models.warm_items import array

__all__ = ["Popularity", "PopularityConfig", "weighted_score"]


class PopularityConfig(ModelConfig):
    """Settings of `Popularity`."""

    by: By = Field(
        "counts", description="counts: ratings; liked: weighted by stars; top_rated: IMDb's; trending: lately."
    )
    prior: float | None = Field(None, ge=0, description="m, ratings' worth of prior; None: 0.9 quantile of counts.")
    star_weight: float = Field(STAR_WEIGHT, ge=0, description="By liked, what the highest stars add to a rating's 1.")
    half_life: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="By trending, days; None: those of the newest 5,000 ratings, at least 7.",
    )
    cover: float = Field(0.0, ge=0, description="How strongly genres get their shares of the first places; 0: not.")


class Popularity(Model[PopularityConfig]):
    """One order of movies for every user; NaN for movies without ratings (no opinion).

    Scores are numbers of ratings (by "trending" and "liked" weighted ones) or stars (by "top_rated"); those of equal
    movies differ by next to nothing, in the order that `Chart` gives them. With `cover` they are made anew
    (`cover_genres`).

    Examples:
        >>> chart = matinee.Popularity(by="counts").fit(dataset)
        >>> dataset.titles(chart.top(matinee.Query(), n=1))
        ['Blade Runner (1982)']
    """

    name = "popularity"
    Config = PopularityConfig

    _scores: NDArray[np.float32]

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: float64 vectors over the movies, and by trending over the ratings."""
        per_rating = 40 if self.config.by == "trending" else 8
        return 256 * len(dataset.catalog) + per_rating * len(dataset.ratings) + (1 << 16)

    def memory_kept(self, dataset: Dataset) -> int:
        """Bytes of the scores."""
        return 8 * len(dataset.catalog)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        ratings, config = dataset.ratings, self.config
        lately = None
        if config.by == "trending":
            half_life = half_life_of(ratings.times) if config.half_life is None else config.half_life
            newest = int(ratings.times.max(initial=NO_TIME))
            lately = decayed_counts(ratings.indices, ratings.times, len(dataset.catalog), newest, half_life)
        self._scores = scores_of(config, dataset, ratings.counts, ratings.sums, lately)
        progress("popularity", 1.0)

    @property
    def chart(self) -> By:
        """The setting `by`."""
        return self.config.by

    def knows(self, query: Query) -> bool:
        """True where anything is rated: popularity needs no history."""
        del query
        return bool(np.isfinite(self._scores).any())

    def score(self, queries: Sequence[Query]) -> Scores:
        """The scores of the chart, one equal row per query."""
        scores = np.full((len(queries), self.n_items), np.nan, dtype=np.float32)
        scores[:, : len(self._scores)] = self._scores
        return scores

    def state(self) -> State:
        """`scores`: float32, (n_fitted,)."""
        return {"scores": self._scores}

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        self._scores = array(state, "scores", np.float32, (None,))
        if len(self._scores) > len(catalog):
            raise SnapshotError("The stored model has more films than the catalog.", "Train again.")


def scores_of(
    config: PopularityConfig,
    dataset: Dataset,
    counts: NDArray[np.int64],
    sums: NDArray[np.float64],
    lately: NDArray[np.float64] | None,
) -> NDArray[np.float32]:
    """The scores of a chart, (n_items,) float32.

    Args:
        dataset: whose movies and scale are read.
        counts, sums: ratings and sums of stars of each movie, (n_items,).
        lately: by trending, `decayed_counts`.
    """
    catalog = dataset.catalog
    chart = make_chart(
        config.by,
        counts,
        sums,
        years_of(catalog),
        scale=dataset.scale,
        lately=lately,
        prior=config.prior,
        star_weight=config.star_weight,
    )
    result: NDArray[np.float32] = chart.scores.copy()
    if config.cover > 0:
        rows = chart.top(len(catalog))
        rows, scores = cover_genres(rows, chart.score[rows], catalog.column("genres"), config.cover)
        result[rows] = scores
    return result
