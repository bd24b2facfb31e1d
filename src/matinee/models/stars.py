"""Star predictor: mean, biases of users and movies, and latent factors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.dataset import Dataset
from matinee.models.base import Progress
from matinee.models.biased_factors import BiasedFactors, BiasedFactorsConfig
from matinee.models.factorization import Floats, batch_pool, principal_directions, ridge_solve, solver_bytes
from matinee.models.preference import StarScale
from matinee.models.warm_items import WarmItems, choose_warm

_BIAS_SWEEPS = 5
_REFIT_SWEEPS = 3
"""Sweeps from the factors of an earlier state of the data, at most."""


class StarsConfig(BiasedFactorsConfig):
    """Settings of `Stars`."""

    n_factors: int = Field(32, ge=0, le=1024, description="Latent dimensions; 0 leaves biases only.")
    regularization: float = Field(0.08, gt=0, description="Ridge on factors per rating of the user or film.")
    damping: float = Field(5.0, ge=0, description="Ridge on factors besides, whatever the number of ratings.")
    user_damping: float = Field(4.0, ge=0, description="Ratings' worth of prior on a user's bias.")
    item_damping: float = Field(3.0, ge=0, description="Ratings' worth of prior on a film's bias.")
    iterations: int = Field(10, ge=1, le=1000, description="Sweeps over users and films.")


class Stars(BiasedFactors[StarsConfig]):
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

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: both sides' factors, sparse ratings by user and by movie, one batch of ridge systems."""
        ratings, d = dataset.ratings, self.config.n_factors + 1
        longest = int(max(ratings.counts.max(initial=0), np.diff(ratings.indptr).max(initial=0)))
        sides = ratings.n_users + ratings.n_rated
        return 64 * len(ratings) + sides * d * 80 + solver_bytes(longest, d) + (1 << 20)

    def memory_kept(self, dataset: Dataset) -> int:
        """Bytes of the movies' factors."""
        return dataset.ratings.n_rated * (4 * self.config.n_factors + 56) + 8 * len(dataset.catalog)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        self._learn(dataset, progress)

    def _refit(self, dataset: Dataset, earlier: Self, rows: NDArray[np.int64], progress: Progress) -> None:
        self._learn(dataset, progress, (earlier, rows))

    def _learn(self, dataset: Dataset, progress: Progress, base: tuple[Self, NDArray[np.int64]] | None = None) -> None:
        """Sweeps from the biases and factors of an earlier model, if any (see `Model.refit`)."""
        ratings = dataset.ratings
        self._scale = dataset.scale
        self._items = WarmItems(choose_warm(ratings.counts, 1, None))
        stars = ratings.matrix()[:, self._items.rows].tocsr()
        self._mean = StarScale.of(dataset).mean
        rest = sp.csr_matrix((stars.data - np.float32(self._mean), stars.indices, stars.indptr), shape=stars.shape)
        start = None
        if base is not None:
            earlier, rows = base
            learned = np.column_stack([earlier._biases, earlier._features[:, 1:]])
            start = self._items.carried(earlier._items, learned, rows)
        with batch_pool() as pool:
            self._sweep(rest, rest.T.tocsr(), pool, progress, start)

    def _sweep(
        self,
        by_user: sp.csr_matrix,
        by_item: sp.csr_matrix,
        pool: ThreadPoolExecutor,
        progress: Progress,
        start: Floats | None,
    ) -> None:
        """Biases alone, then the principal directions of what they leave as a start, then sweeps over both.

        Args:
            start: (k, 1 + d), biases and factors that sweeps over both begin with; None: none are known.
        """
        config = self.config
        n_users, k = by_user.shape
        user_ridge, item_ridge = _ridges(config, by_user, "user"), _ridges(config, by_item, "item")
        ones, user_ones = np.ones((k, 1), dtype=np.float32), np.ones((n_users, 1), dtype=np.float32)
        biases, users = np.zeros(k, dtype=np.float32), np.zeros((n_users, 1), dtype=np.float32)
        features = ones
        factors = config.n_factors > 0
        first, last = 0, _BIAS_SWEEPS + (config.iterations if factors else 0)
        if start is not None:
            biases, features = start[:, 0].copy(), np.hstack([ones, start[:, 1:]])
            first = max(last - _REFIT_SWEEPS, _BIAS_SWEEPS + 1 if factors else 0)
        for sweep in range(first, last):
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
        self._implicit = np.zeros((0, config.n_factors), dtype=np.float32)

    def _ridge(self, n: int) -> Floats:
        config = self.config
        ridge = np.full(1 + config.n_factors, config.damping + config.regularization * n, dtype=np.float32)
        ridge[0] = config.user_damping
        return ridge


def _ridges(config: StarsConfig, matrix: sp.csr_matrix, side: str) -> Floats:
    """(n, 1 + d): the ridge of the bias, then of the factors, for each row of the matrix."""
    sizes = np.diff(matrix.indptr).astype(np.float32)
    ridge = np.empty((len(sizes), 1 + config.n_factors), dtype=np.float32)
    ridge[:] = (config.damping + config.regularization * sizes)[:, None]
    ridge[:, 0] = config.user_damping if side == "user" else config.item_damping
    return np.maximum(ridge, np.float32(1e-6))
