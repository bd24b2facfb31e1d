"""Stars from biases and factors, whatever fitted these: folding in a history, its shares, likeness and state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.models.base import Model, ModelConfig, Query, RowScorer, Scores, State
from matinee.models.cholesky import solve
from matinee.models.preference import StarScale
from matinee.models.row_scorers import ProductScorer
from matinee.models.warm_items import WarmItems, array

Floats = NDArray[np.float32]


class BiasedFactorsConfig(ModelConfig):
    """Base of the settings of models that have `n_factors`."""

    n_factors: int


C = TypeVar("C", bound=BiasedFactorsConfig)


class BiasedFactors(Model[C]):
    """μ + b_u + b_i + q_iᵀ(p_u + |N(u)|^−½ Σ_{j∈N(u)} y_j), N(u) being the movies of the history.

    Subclasses fit the movies' b, q and, where the history counts by itself, y. A user's b and p are the solution of a
    ridge regression on the history (`_ridge`), so a known, a changed and an unknown user are equal. Movies without
    ratings get μ + b_u, a user without a known movie gets μ + b_i; where neither is known the score is NaN.
    """

    predicts_stars = True

    _items: WarmItems
    _mean: float
    _scale: tuple[float, float]
    _biases: Floats
    """(k,)"""
    _features: Floats
    """(k, 1 + d): a column of ones, then the factors q."""
    _implicit: Floats
    """y, (k, d); (0, d) in models without."""

    @abstractmethod
    def _ridge(self, n: int) -> Floats:
        """(1 + d,): the ridge of the bias, then of the factors, of a user with n ratings."""

    def unsuited(self, dataset: Dataset) -> str | None:
        """All stars are equal: there is nothing to predict."""
        return "All ratings are equal, so there are no stars to predict." if StarScale.of(dataset).flat else None

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return f"Raise MATINEE_MEMORY_LIMIT or lower n_factors (now {self.config.n_factors})."

    def knows(self, query: Query) -> bool:
        """Whether the history holds a rated movie (others get movie means)."""
        return self._items.knows(query)

    def _implicit_sum(self, positions: NDArray[np.int64]) -> Floats:
        """(1 + d,): 0, then |N|^−½ Σ y over the places of a history."""
        offset = np.zeros(self._features.shape[1], dtype=np.float32)
        if len(self._implicit) and len(positions):
            offset[1:] = self._implicit[positions].sum(axis=0) / np.float32(np.sqrt(len(positions)))
        return offset

    def _system(self, positions: NDArray[np.int64]) -> Floats:
        """(1 + d, 1 + d): the matrix of a user's ridge regression."""
        known = self._features[positions]
        left: Floats = known.T @ known
        # A tiny floor keeps the system regular where there is no ridge.
        left[np.diag_indices_from(left)] += np.maximum(self._ridge(len(positions)), np.float32(1e-6))
        return left

    def _fold_in(self, query: Query) -> Floats:
        """(1 + d,): the user's bias and factors, those of the history itself included."""
        positions, mask = self._items.known(query)
        offset = self._implicit_sum(positions)
        if not len(positions):
            return offset
        known = self._features[positions]
        targets = query.ratings[mask] - np.float32(self._mean) - self._biases[positions] - known @ offset
        return offset + solve(self._system(positions), known.T @ targets)

    def _user(self, query: Query) -> Floats:
        return query.once((self, "user"), lambda: self._fold_in(query))

    def score(self, queries: Sequence[Query]) -> Scores:
        """Stars, clipped to the data set's scale; NaN for movies without ratings where the user is unknown too."""
        users = np.zeros((len(queries), self._features.shape[1]), dtype=np.float32)
        for number, query in enumerate(queries):
            users[number] = self._user(query) if len(queries) == 1 else self._fold_in(query)
        scores = users @ self._features.T
        scores += self._biases + np.float32(self._mean)
        np.clip(scores, self._scale[0], self._scale[1], out=scores)
        known = np.array([[self.knows(query)] for query in queries], dtype=np.bool_).reshape(-1, 1)
        unrated = np.where(known, np.clip(self._mean + users[:, :1], *self._scale), np.nan)
        return self._items.spread(scores, self.n_items, unrated.astype(np.float32))

    def score_rows(self, query: Query, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Stars of some movies, as `score`."""
        user, positions = self._user(query), self._items.positions(rows)
        rated = positions >= 0
        unrated = self._mean + user[0] if self.knows(query) else np.nan
        stars = np.full(len(positions), unrated, dtype=np.float32)
        stars[rated] = self._features[positions[rated]] @ user + self._biases[positions[rated]] + np.float32(self._mean)
        return np.clip(stars, *self._scale)

    def row_scorer(self, rows: NDArray[np.int64]) -> RowScorer:
        """See `Model.row_scorer`."""
        positions = self._items.positions(rows)
        rated = positions >= 0
        everywhere = bool(rated.all())
        features = np.zeros((len(rows), self._features.shape[1]), dtype=np.float32)
        features[:, 0] = 1  # the user's bias is all there is to a movie without ratings
        features[rated] = self._features[positions[rated]]
        base = np.full(len(rows), self._mean, dtype=np.float32)
        base[rated] += self._biases[positions[rated]]

        def finish(stars: Floats, query: Query) -> Floats:
            stars += base
            np.clip(stars, *self._scale, out=stars)
            if not everywhere and not self.knows(query):
                stars[~rated] = np.nan
            return stars

        return ProductScorer([features], lambda query: [self._user(query)], finish)

    def contributions(self, query: Query, rows: Sequence[int]) -> NDArray[np.float32]:
        """Share of each rating in the stars beyond μ + b_j, before clipping, (len(rows), len(query)).

        For a movie without ratings: the shares in the user's bias. A movie's y counts to its own share.
        """
        shares = np.zeros((len(rows), len(query)), dtype=np.float32)
        positions, mask = self._items.known(query)
        targets = self._items.positions(rows)
        if len(positions):
            known = self._features[positions]
            surplus = query.ratings[mask] - np.float32(self._mean) - self._biases[positions]
            right = known.T * surplus
            system = self._system(positions)
            own = np.zeros_like(right)
            if len(self._implicit):
                own[1:] = self._implicit[positions].T / np.float32(np.sqrt(len(positions)))
                right = right - (known.T @ known) @ own
            reach = own + solve(system, right)
            features = np.zeros((len(rows), self._features.shape[1]), dtype=np.float32)
            features[:, 0] = 1
            features[targets >= 0] = self._features[targets[targets >= 0]]
            shares[:, mask] = features @ reach
        return shares

    def similar(self, rows: Sequence[int]) -> Scores:
        """Cosine of the factors; NaN for movies without ratings."""
        return self._items.cosines(rows, self._features[:, 1:], self.n_items)

    def state(self) -> State:
        """`features` float32 (k, 1 + d), `biases` float32 (k,), `items` int64 (k,), `mean_scale` float64 (3,)."""
        return {
            "features": self._features,
            "biases": self._biases,
            "items": self._items.rows,
            "mean_scale": np.array([self._mean, *self._scale]),
        }

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        self._items = WarmItems.from_state(state, catalog)
        k, d = len(self._items), self.config.n_factors
        self._features = array(state, "features", np.float32, (k, 1 + d))
        self._biases = array(state, "biases", np.float32, (k,))
        self._implicit = np.zeros((0, d), dtype=np.float32)
        mean, low, high = (float(value) for value in array(state, "mean_scale", np.float64, (3,)))
        self._mean, self._scale = mean, (low, high)
