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
from matinee.models.base import Query, Scores, State
from matinee.models.baseline_stars import BaselineConfig, BaselineStars, Doubles, Floats
from matinee.models.warm_items import array

Similarity = Literal["cosine", "msd", "pearson", "pearson_baseline"]
Centering = Literal["none", "mean", "baseline"]


class StarNeighborsConfig(BaselineConfig):
    """Settings of `ItemKnnStars` and `UserKnnStars`; a cosine or msd without shrinkage is that of Surprise."""

    neighbors: int = Field(40, ge=1, description="Nearest that count for one film of one user.")
    min_neighbors: int = Field(1, ge=1, description="With fewer the baseline answers.")
    similarity: Similarity = Field("pearson_baseline", description="Of ratings in common; the last, of residuals.")
    shrinkage: float = Field(100.0, ge=0, description="Mistrust of few ratings in common: × (n − 1)/(n − 1 + this).")
    min_support: int = Field(1, ge=1, description="Ratings in common below which two are not alike.")
    centering: Centering = Field("baseline", description="What is taken off each rating: nothing, a mean, a baseline.")


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


class StarNeighbors(BaselineStars[C]):
    """c_ui + Σ sim·(r − c) / Σ sim over the nearest, c being a baseline or mean (Surprise's KNNBaseline and kin).

    Koren 2010, "Factor in the Neighbors: Scalable and Accurate Collaborative Filtering". Movies without ratings get
    μ + b_u, a user without a known movie gets μ + b_i; where neither is known the score is NaN.
    """

    _means: Floats
    """Mean stars of each movie, (k,)."""

    def _baselines(self, dataset: Dataset) -> tuple[sp.csr_matrix, Doubles]:
        stars, users = super()._baselines(dataset)
        k = stars.shape[1]
        counts = np.maximum(np.bincount(stars.indices, minlength=k), 1)
        self._means = (np.bincount(stars.indices, stars.data, k) / counts).astype(np.float32)
        return stars, users

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
        """As of `BaselineStars`, and `means` float32 (k,)."""
        return super().state() | {"means": self._means}

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        super()._restore(state, catalog)
        self._means = array(state, "means", np.float32, (len(self._items),))
