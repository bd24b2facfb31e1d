"""Star predictor: mean, biases of users and movies, and latent factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores, State
from matinee.models.cholesky import solve
from matinee.models.factorization import Floats, batch_pool, principal_directions, ridge_solve, solver_bytes
from matinee.models.preference import StarScale
from matinee.models.warm_items import WarmItems, array, choose_warm

_BIAS_SWEEPS = 5


class StarsConfig(ModelConfig):
    """Settings of `Stars`."""

    n_factors: int = Field(32, ge=0, le=1024, description="Latent dimensions; 0 leaves biases only.")
    regularization: float = Field(0.08, gt=0, description="Ridge on factors per rating of the user or film.")
    damping: float = Field(5.0, ge=0, description="Ridge on factors besides, whatever the number of ratings.")
    user_damping: float = Field(4.0, ge=0, description="Ratings' worth of prior on a user's bias.")
    item_damping: float = Field(3.0, ge=0, description="Ratings' worth of prior on a film's bias.")
    iterations: int = Field(10, ge=1, le=1000, description="Sweeps over users and films.")


class Stars(Model[StarsConfig]):
    """Predicted stars μ + b_u + b_i + p_uᵀq_i (Koren, Bell, Volinsky 2009), fitted by alternating least squares.

    Biases and factors of one side are solved together by ridge regression, the ridge growing with the number
    of ratings (Zhou et al. 2008, ALS-WR). A history is folded in by the same solve, so a known, a changed and
    an unknown user are equal. Movies without ratings get μ + b_u, a user without a known movie gets μ + b_i; where
    neither is known the score is NaN.

    Examples:
        >>> model = matinee.Stars(n_factors=4).fit(dataset)
        >>> scores = model.score([history])[0]
        >>> bool(scores.min() > 0 and scores.max() < 6)
        True
    """

    name = "stars"
    Config = StarsConfig
    predicts_stars = True

    _items: WarmItems
    _mean: float
    _scale: tuple[float, float]
    _biases: Floats
    """(k,)"""
    _features: Floats
    """(k, 1 + d): a column of ones, then the factors."""

    def unsuited(self, dataset: Dataset) -> str | None:
        """All stars are equal: there is nothing to predict."""
        return "All ratings are equal, so there are no stars to predict." if StarScale.of(dataset).flat else None

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: both sides' factors, sparse ratings by user and by movie, one batch of ridge systems."""
        ratings, d = dataset.ratings, self.config.n_factors + 1
        longest = int(max(ratings.counts.max(initial=0), np.diff(ratings.indptr).max(initial=0)))
        sides = ratings.n_users + ratings.n_items
        return 64 * len(ratings) + sides * d * 80 + solver_bytes(longest, d) + (1 << 20)

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return f"Raise MATINEE_MEMORY_LIMIT or lower n_factors (now {self.config.n_factors})."

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        ratings = dataset.ratings
        self._scale = dataset.scale
        self._items = WarmItems(choose_warm(ratings.counts, 1, None))
        stars = ratings.matrix()[:, self._items.rows].tocsr()
        # Without any rating the middle of the scale is all that can be said.
        self._mean = float(stars.data.mean(dtype=np.float64)) if stars.nnz else float(np.mean(dataset.scale))
        rest = sp.csr_matrix((stars.data - np.float32(self._mean), stars.indices, stars.indptr), shape=stars.shape)
        with batch_pool() as pool:
            self._sweep(rest, rest.T.tocsr(), pool, progress)

    def _sweep(
        self, by_user: sp.csr_matrix, by_item: sp.csr_matrix, pool: ThreadPoolExecutor, progress: Progress
    ) -> None:
        """Biases alone, then the principal directions of what they leave as a start, then sweeps over both."""
        config = self.config
        n_users, k = by_user.shape
        user_ridge, item_ridge = _ridge(config, by_user, "user"), _ridge(config, by_item, "item")
        ones, user_ones = np.ones((k, 1), dtype=np.float32), np.ones((n_users, 1), dtype=np.float32)
        biases, users = np.zeros(k, dtype=np.float32), np.zeros((n_users, 1), dtype=np.float32)
        features = ones
        factors = config.n_factors > 0
        for sweep in range(_BIAS_SWEEPS + (config.iterations if factors else 0)):
            if sweep == _BIAS_SWEEPS:
                owners = np.repeat(np.arange(n_users), np.diff(by_user.indptr))
                left = by_user.data - biases[by_user.indices] - users[owners, 0]
                unexplained = sp.csr_matrix((left, by_user.indices, by_user.indptr), shape=by_user.shape)
                features = np.hstack([ones, principal_directions(unexplained, config.n_factors)])
            width = features.shape[1]
            targets = by_user.data - biases[by_user.indices]
            users = ridge_solve(by_user.indptr, by_user.indices, targets, features, user_ridge[:, :width], pool)
            targets = by_item.data - users[by_item.indices, 0]
            known = np.hstack([user_ones, users[:, 1:]])
            movies = ridge_solve(by_item.indptr, by_item.indices, targets, known, item_ridge[:, :width], pool)
            biases = movies[:, 0].copy()
            features = np.hstack([ones, movies[:, 1:]])
            progress("stars: sweeps", (sweep + 1) / (_BIAS_SWEEPS + config.iterations))
        self._biases, self._features = biases, np.ascontiguousarray(features)

    def knows(self, query: Query) -> bool:
        """Whether the history holds a rated movie (others get movie means)."""
        return self._items.knows(query)

    def _solve(self, query: Query) -> tuple[NDArray[np.int64], NDArray[np.bool_], Floats]:
        """Places and mask of the known movies, and the system matrix A of the user's ridge regression."""
        positions, mask = self._items.known(query)
        known = self._features[positions]
        left = known.T @ known
        config, n = self.config, len(positions)
        ridge = np.full(left.shape[0], config.damping + config.regularization * n, dtype=np.float32)
        ridge[0] = config.user_damping
        # A tiny floor keeps the system regular where all damping is 0.
        left[np.diag_indices_from(left)] += np.maximum(ridge, np.float32(1e-6))
        return positions, mask, left

    def _fold_in(self, query: Query) -> Floats:
        """(1 + d,): the user's bias and factors."""
        positions, mask, left = self._solve(query)
        if not len(positions):
            return np.zeros(self._features.shape[1], dtype=np.float32)
        targets = query.ratings[mask] - np.float32(self._mean) - self._biases[positions]
        return solve(left, self._features[positions].T @ targets)

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

    def contributions(self, query: Query, rows: Sequence[int]) -> NDArray[np.float32]:
        """Share of each rating in the stars beyond μ + b_j, before clipping, (len(rows), len(query)).

        For a movie without ratings: the shares in the user's bias.
        """
        shares = np.zeros((len(rows), len(query)), dtype=np.float32)
        positions, mask, left = self._solve(query)
        targets = self._items.positions(rows)
        if len(positions):
            surplus = query.ratings[mask] - np.float32(self._mean) - self._biases[positions]
            reach = solve(left, self._features[positions].T * surplus)
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
        k = len(self._items)
        self._features = array(state, "features", np.float32, (k, 1 + self.config.n_factors))
        self._biases = array(state, "biases", np.float32, (k,))
        mean, low, high = (float(value) for value in array(state, "mean_scale", np.float64, (3,)))
        self._mean, self._scale = mean, (low, high)


def _ridge(config: StarsConfig, matrix: sp.csr_matrix, side: str) -> Floats:
    """(n, 1 + d): the ridge of the bias, then of the factors, for each row of the matrix."""
    sizes = np.diff(matrix.indptr).astype(np.float32)
    ridge = np.empty((len(sizes), 1 + config.n_factors), dtype=np.float32)
    ridge[:] = (config.damping + config.regularization * sizes)[:, None]
    ridge[:, 0] = config.user_damping if side == "user" else config.item_damping
    return np.maximum(ridge, np.float32(1e-6))
