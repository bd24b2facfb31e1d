"""User-kNN for stars: what the users most like this one gave to the movie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.models.base import Progress, Query, Scores, State
from matinee.models.baseline_stars import Doubles, Floats
from matinee.models.sparse import entries, sparse_rows, sparse_state
from matinee.models.star_neighbors import Common, StarNeighbors, StarNeighborsConfig
from matinee.models.warm_items import array

_DIGITS = 9
"""Similarities that are equal to so many decimals are equal, however the sums were taken."""


class UserKnnStarsConfig(StarNeighborsConfig):
    """Settings of `UserKnnStars`."""


class UserKnnStars(StarNeighbors[UserKnnStarsConfig]):
    """c_ui + Σ_v sim(u, v)·(r_vi − c_vi) / Σ_v sim(u, v) over the users v nearest to u who rated i.

    Herlocker et al. 1999, "An algorithmic framework for performing collaborative filtering"; Koren 2010, "Factor in
    the Neighbors" (residuals of baselines, shrinkage); Surprise's KNNBaseline. The history is compared with all users
    when it asks: a few milliseconds for every 100,000 ratings of the data.

    Examples:
        >>> model = matinee.UserKnnStars(neighbors=20).fit(dataset)
        >>> scores = model.score([history])[0]
        >>> bool(scores.min() > 0 and scores.max() < 6)
        True
    """

    name = "userknnstars"
    Config = UserKnnStarsConfig

    _compared: sp.csr_matrix
    """(k, n_users): stars, or their residuals, that similarities are taken of."""
    _centered: Floats
    """r_vi − c_vi of the same entries."""

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: sparse ratings in both orders, and their residuals."""
        return 120 * len(dataset.ratings) + 200 * (dataset.ratings.n_items + dataset.ratings.n_users) + (1 << 20)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        stars, users = self._baselines(dataset)
        by_movie = stars.T.tocsr()
        by_movie.sort_indices()
        movies = np.repeat(np.arange(by_movie.shape[0]), np.diff(by_movie.indptr))
        residuals = by_movie.data - self._mean - users[by_movie.indices] - self._biases[movies]
        centered = residuals if self.config.centering == "baseline" else by_movie.data.astype(np.float64)
        if self.config.centering == "mean":
            sizes = np.maximum(np.diff(stars.indptr), 1)
            owners = np.repeat(np.arange(len(users)), np.diff(stars.indptr))
            centered = centered - (np.bincount(owners, stars.data, len(users)) / sizes)[by_movie.indices]
        compared = residuals if self.config.similarity == "pearson_baseline" else by_movie.data
        shape = by_movie.shape
        self._compared = sp.csr_matrix((compared.astype(np.float32), by_movie.indices, by_movie.indptr), shape=shape)
        self._centered = centered.astype(np.float32)
        progress("userknnstars: baselines", 1.0)

    def _alike(self, query: Query, bias: float) -> Doubles:
        """Similarity of each user of the data to a history, (n_users,)."""
        positions, mask = self._items.known(query)
        own = query.ratings[mask].astype(np.float64)
        if self.config.similarity == "pearson_baseline":
            own -= self._mean + bias + self._biases[positions]
        places, users, values = entries(self._compared, positions)
        x, y, n = own[places], values.astype(np.float64), self._compared.shape[1]
        sums = (None, x * y, x**2, y**2, x, y)
        return Common(*(np.bincount(users, each, n).astype(np.float64) for each in sums)).similarity(self.config)

    def _surplus(self, query: Query, bias: float) -> tuple[Floats, NDArray[np.bool_], Floats]:
        k, config = len(self._items), self.config
        if config.centering == "baseline":
            center = np.float32(self._mean + bias) + self._biases
        else:
            known = query.ratings[self._items.known(query)[1]]
            center = np.full(k, known.mean() if config.centering == "mean" else 0, dtype=np.float32)
        alike = self._alike(query, bias)
        # Users that are equally near have one rank: their numbers must decide nothing.
        levels, level = np.unique(np.round(alike, _DIGITS), return_inverse=True)
        ranks = (len(levels) - 1 - level)[self._compared.indices]
        inside = (alike > 0)[self._compared.indices]
        indptr = np.concatenate([[0], np.cumsum(inside)])[self._compared.indptr]
        near = sp.csr_matrix((self._centered[inside], ranks[inside], indptr), shape=(k, len(levels)))
        near.sort_indices()  # the nearest of each movie first
        movies = np.repeat(np.arange(k), np.diff(near.indptr))
        kept = _nearest(near, config.neighbors)
        movies, values, weights = movies[kept], near.data[kept], levels[::-1][near.indices[kept]]
        count, total = np.bincount(movies, minlength=k), np.bincount(movies, weights, k)
        enough = count >= config.min_neighbors
        beyond = np.bincount(movies, weights * values, k) / np.where(enough, total, 1)
        return center, enough, beyond.astype(np.float32)

    def similar(self, rows: Sequence[int]) -> Scores:
        """Cosine of the movies' centered ratings, those that are missing counting 0; NaN for movies without ratings."""
        matrix = sp.csr_matrix((self._centered, self._compared.indices, self._compared.indptr), self._compared.shape)
        lengths = np.sqrt(np.maximum(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel(), 1e-12))
        positions = self._items.positions(rows)
        known = positions[positions >= 0]
        scores = np.full((len(rows), len(self._items)), np.nan, dtype=np.float32)
        dots = (matrix[known] @ matrix.T).toarray()
        scores[positions >= 0] = dots / lengths[known][:, None] / lengths
        return self._items.spread(scores, self.n_items)

    def state(self) -> State:
        """As of `StarNeighbors`; sparse rows `indptr`, `indices`, `data` (k, n_users), `centered` and `users` (1,)."""
        users = np.array([self._compared.shape[1]], dtype=np.int64)
        return super().state() | sparse_state(self._compared) | {"centered": self._centered, "users": users}

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        super()._restore(state, catalog)
        users = int(array(state, "users", np.int64, (1,))[0])
        self._compared = sparse_rows(state, len(self._items), users)
        self._centered = array(state, "centered", np.float32, (len(self._compared.data),))


def _nearest(near: sp.csr_matrix, limit: int) -> NDArray[np.bool_]:
    """Which entries are among the first `limit` of their row, or as near as the last of these; rows are sorted."""
    sizes = np.diff(near.indptr)
    filled = sizes > 0
    last = near.indptr[:-1][filled] + np.minimum(sizes[filled], limit) - 1
    kept: NDArray[np.bool_] = near.indices <= np.repeat(near.indices[last], sizes[filled])
    return kept
