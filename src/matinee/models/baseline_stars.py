"""Baselines of stars: the mean and the biases of movies and users, which star models correct."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.models.base import Model, ModelConfig, Query, State
from matinee.models.preference import StarScale
from matinee.models.warm_items import WarmItems, array, choose_warm

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_SWEEPS = 10


class BaselineConfig(ModelConfig):
    """Settings of the baselines: those of Surprise's ALS."""

    user_damping: float = Field(15.0, ge=0, description="Ratings' worth of prior on a user's bias.")
    item_damping: float = Field(10.0, ge=0, description="Ratings' worth of prior on a film's bias.")


C = TypeVar("C", bound=BaselineConfig)


class BaselineStars(Model[C]):
    """Base of models that correct μ + b_u + b_i, the baseline of Koren 2010, "Factor in the Neighbors"."""

    predicts_stars = True

    _items: WarmItems
    _mean: float
    _scale: tuple[float, float]
    _biases: Floats
    """b_i, (k,)."""

    def unsuited(self, dataset: Dataset) -> str | None:
        """All stars are equal: there is nothing to predict."""
        return "All ratings are equal, so there are no stars to predict." if StarScale.of(dataset).flat else None

    def _baselines(self, dataset: Dataset) -> tuple[sp.csr_matrix, Doubles]:
        """Fit μ and b_i; returns the warm movies' stars, (n_users, k), and b_u, (n_users,)."""
        config = self.config
        self._scale = dataset.scale
        self._items = WarmItems(choose_warm(dataset.ratings.counts, 1, None))
        stars = dataset.ratings.matrix()[:, self._items.rows].tocsr()
        self._mean = StarScale.of(dataset).mean
        n, k = stars.shape
        owners = np.repeat(np.arange(n), np.diff(stars.indptr))
        left = stars.data.astype(np.float64) - self._mean
        sizes, counts = np.diff(stars.indptr), np.bincount(stars.indices, minlength=k)
        users, movies = np.zeros(n), np.zeros(k)
        for _ in range(_SWEEPS):
            rest = np.bincount(stars.indices, left - users[owners], k)
            movies = rest / np.maximum(config.item_damping + counts, 1e-9)
            users = self._bias(np.bincount(owners, left - movies[stars.indices], n), sizes)
        self._biases = movies.astype(np.float32)
        return stars, users

    def _bias(self, surplus: Any, n: Any) -> Any:
        """b_u of a user whose n ratings lie above μ + b_i by `surplus` in all."""
        return surplus / np.maximum(self.config.user_damping + n, 1e-9)

    def _user_bias(self, query: Query) -> float:
        positions, mask = self._items.known(query)
        surplus = query.ratings[mask] - np.float32(self._mean) - self._biases[positions]
        return float(self._bias(surplus.sum(dtype=np.float64), len(positions)))

    def knows(self, query: Query) -> bool:
        """Whether the history holds a rated movie (others get movie means)."""
        return self._items.knows(query)

    def state(self) -> State:
        """`biases` float32 (k,), `items` int64 (k,), `mean_scale` float64 (3,)."""
        return {
            "biases": self._biases,
            "items": self._items.rows,
            "mean_scale": np.array([self._mean, *self._scale]),
        }

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        self._items = WarmItems.from_state(state, catalog)
        self._biases = array(state, "biases", np.float32, (len(self._items),))
        mean, low, high = (float(value) for value in array(state, "mean_scale", np.float64, (3,)))
        self._mean, self._scale = mean, (low, high)
