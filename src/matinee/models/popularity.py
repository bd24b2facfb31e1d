"""Popularity: the IMDb weighted score, the same for everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.errors import SnapshotError
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores, State
from matinee.models.warm import array

PRIOR_QUANTILE = 0.9
"""The default m is this quantile of the counts of the films that have ratings."""


def weighted_score(
    counts: NDArray[np.integer[Any]], sums: NDArray[np.floating[Any]], m: float | None = None
) -> NDArray[np.float64]:
    """IMDb's weighted score v/(v+m)·R + m/(v+m)·C of each film, float64, (n_items,), in stars.

    v is a film's number of ratings, R its mean, C the mean of all ratings. A film without ratings gets C,
    where nothing at all is rated every film gets 0. (IMDb Top 250, help page "IMDb ratings FAQ".)

    Args:
        counts: ratings per film, (n_items,).
        sums: sum of stars per film, (n_items,).
        m: ratings' worth of prior; None: the 0.9 quantile of the counts of rated films, at least 1.
    """
    v = counts.astype(np.float64)
    total = float(v.sum())
    if total == 0:
        return np.zeros(len(v))
    if m is None:
        m = max(float(np.quantile(v[v > 0], PRIOR_QUANTILE)), 1.0)
    mean = float(sums.sum()) / total
    weight = v + m
    # sum = v·R, so that no film is divided by its own count; a film without ratings has C itself, however small m is.
    score: NDArray[np.float64] = np.divide(sums + m * mean, weight, out=np.full(len(v), mean), where=v > 0)
    return score


def rated_score(
    counts: NDArray[np.integer[Any]], sums: NDArray[np.floating[Any]], m: float | None = None
) -> NDArray[np.float32]:
    """`weighted_score` of the films that have ratings, NaN for the others, float32."""
    return np.where(counts > 0, weighted_score(counts, sums, m), np.nan).astype(np.float32)


class PopularityConfig(ModelConfig):
    """Settings of `Popularity`."""

    prior: float | None = Field(None, ge=0, description="m, ratings' worth of prior; None: 0.9 quantile of counts.")


class Popularity(Model[PopularityConfig]):
    """IMDb weighted score for every user, known or not; NaN for films without ratings (no opinion)."""

    name = "popularity"
    Config = PopularityConfig

    _scores: NDArray[np.float32]

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: a handful of float64 vectors over the films."""
        return 64 * len(dataset.catalog) + 8 * len(dataset.ratings) + (1 << 16)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        self._scores = rated_score(dataset.ratings.counts, dataset.ratings.sums, self.config.prior)
        progress("popularity", 1.0)

    def knows(self, query: Query) -> bool:
        """True: popularity needs no history."""
        del query
        return bool(np.isfinite(self._scores).any())

    def score(self, queries: Sequence[Query]) -> Scores:
        """The weighted score in stars, one equal row per query."""
        scores = np.full((len(queries), self.n_items), np.nan, dtype=np.float32)
        scores[:, : len(self._scores)] = self._scores
        return scores

    def state(self) -> State:
        """`scores`: float32, (n_fitted,)."""
        return {"scores": self._scores}

    @classmethod
    def from_state(cls, config: ModelConfig, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> Self:
        """Rebuild from `state`."""
        model = cls(cls.Config.model_validate(config.model_dump()))
        model._scores = array(state, "scores", np.float32, (None,))
        if len(model._scores) > len(catalog):
            raise SnapshotError("The stored model has more films than the catalogue.", "Train again.")
        model.n_items = len(catalog)
        return model
