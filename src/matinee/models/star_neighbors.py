"""Neighbors for stars: what user- and item-kNN share, baselines, similarities and the weighted mean."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.models.base import Model, ModelConfig, Query, Scores, State
from matinee.models.preference import StarScale
from matinee.models.warm_items import WarmItems, array, choose_warm

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Similarity = Literal["cosine", "msd", "pearson", "pearson_baseline"]
Centering = Literal["none", "mean", "baseline"]

_SWEEPS = 10


class StarNeighborsConfig(ModelConfig):
    """Settings of `ItemKnnStars` and `UserKnnStars`; a cosine or msd without shrinkage is that of Surprise."""

    neighbors: int = Field(40, ge=1, description="Nearest that count for one film of one user.")
    min_neighbors: int = Field(1, ge=1, description="With fewer the baseline answers.")
    similarity: Similarity = Field("pearson_baseline", description="Of ratings in common; the last, of residuals.")
    shrinkage: float = Field(100.0, ge=0, description="Mistrust of few ratings in common: × (n − 1)/(n − 1 + this).")
    min_support: int = Field(1, ge=1, description="Ratings in common below which two are not alike.")
    centering: Centering = Field("baseline", description="What is taken off each rating: nothing, a mean, a baseline.")
    user_damping: float = Field(15.0, ge=0, description="Ratings' worth of prior on a user's bias.")
    item_damping: float = Field(10.0, ge=0, description="Ratings' worth of prior on a film's bias.")


C = TypeVar("C", bound=StarNeighborsConfig)


@dataclass(frozen=True)
class Common:
    """Sums over what two users, or two movies, have both rated or been rated by; arrays of one shape, float64."""

    count: Doubles
    xy: Doubles
    xx: Doubles
    yy: Doubles
    x: Doubles
    y: Doubles

    def similarity(self, config: StarNeighborsConfig) -> Doubles:
        """Of each pair, shrunken; 0 where they are not alike, or no more alike than others."""
        if config.similarity == "msd":
            distance = (self.xx + self.yy - 2 * self.xy) / np.maximum(self.count, 1)
            alike = 1 / (1 + np.maximum(distance, 0))
        else:
            top, left, right = self.xy, self.xx, self.yy
            if config.similarity == "pearson":
                top = self.count * top - self.x * self.y
                left, right = self.count * left - self.x**2, self.count * right - self.y**2
            square = np.maximum(left, 0) * np.maximum(right, 0)
            # What is left of equal ratings is rounding.
            sound = square > 1e-9
            alike = np.where(sound, top / np.sqrt(np.where(sound, square, 1)), 0)
        if config.shrinkage:
            others = np.maximum(self.count - 1, 0)
            alike = alike * others / (others + config.shrinkage)
        result: Doubles = np.where(self.count >= config.min_support, np.maximum(alike, 0), 0)
        return result


class StarNeighbors(Model[C]):
    """c_ui + Σ sim·(r − c) / Σ sim over the nearest, c being a baseline or mean (Surprise's KNNBaseline and kin).

    Koren 2010, "Factor in the Neighbors: Scalable and Accurate Collaborative Filtering". Movies without ratings get
    μ + b_u, a user without a known movie gets μ + b_i; where neither is known the score is NaN.
    """

    predicts_stars = True

    _items: WarmItems
    _mean: float
    _scale: tuple[float, float]
    _biases: Floats
    """b_i, (k,)."""
    _means: Floats
    """Mean stars of each movie, (k,)."""

    def unsuited(self, dataset: Dataset) -> str | None:
        """All stars are equal: there is nothing to predict."""
        return "All ratings are equal, so there are no stars to predict." if StarScale.of(dataset).flat else None

    def _baselines(self, dataset: Dataset) -> tuple[sp.csr_matrix, Doubles]:
        """Fit μ and b_i; returns the warm movies' stars, (n_users, k), and b_u, (n_users,)."""
        config = self.config
        self._scale = dataset.scale
        self._items = WarmItems(choose_warm(dataset.ratings.counts, 1, None))
        stars = dataset.ratings.matrix()[:, self._items.rows].tocsr()
        # Without any rating the middle of the scale is all that can be said.
        self._mean = float(stars.data.mean(dtype=np.float64)) if stars.nnz else float(np.mean(dataset.scale))
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
        self._means = (np.bincount(stars.indices, stars.data, k) / np.maximum(counts, 1)).astype(np.float32)
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

    @abstractmethod
    def _surplus(self, query: Query, bias: float) -> tuple[Floats, NDArray[np.bool_], Floats]:
        """Of the warm movies: center c, which have neighbors enough, and the neighbors' weighted mean beyond c."""

    def score(self, queries: Sequence[Query]) -> Scores:
        """Stars, clipped to the data set's scale; NaN for movies without ratings where the user is unknown too."""
        scores = np.empty((len(queries), len(self._items)), dtype=np.float32)
        unrated = np.full((len(queries), 1), np.nan, dtype=np.float32)
        for number, query in enumerate(queries):
            scores[number] = np.float32(self._mean) + self._biases
            if self.knows(query):
                bias = self._user_bias(query)
                center, enough, beyond = self._surplus(query, bias)
                scores[number] = np.where(enough, center + beyond, scores[number] + np.float32(bias))
                unrated[number] = self._mean + bias
        return self._items.spread(np.clip(scores, *self._scale), self.n_items, np.clip(unrated, *self._scale))

    def state(self) -> State:
        """`biases`, `means` float32 (k,), `items` int64 (k,), `mean_scale` float64 (3,)."""
        return {
            "biases": self._biases,
            "means": self._means,
            "items": self._items.rows,
            "mean_scale": np.array([self._mean, *self._scale]),
        }

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        self._items = WarmItems.from_state(state, catalog)
        self._biases = array(state, "biases", np.float32, (len(self._items),))
        self._means = array(state, "means", np.float32, (len(self._items),))
        mean, low, high = (float(value) for value in array(state, "mean_scale", np.float64, (3,)))
        self._mean, self._scale = mean, (low, high)
