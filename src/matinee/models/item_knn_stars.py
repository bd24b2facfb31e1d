"""Item-kNN for stars: what the user gave to the movies most like this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.models.base import Progress, Query, Scores, State
from matinee.models.baseline_stars import Floats
from matinee.models.sparse import sparse_rows, sparse_state
from matinee.models.star_neighbors import Common, StarNeighbors, StarNeighborsConfig

_BLOCK_CELLS = 1 << 18
"""Similarities are computed for blocks of targets of about this many cells (targets × movies)."""


class ItemKnnStarsConfig(StarNeighborsConfig):
    """Settings of `ItemKnnStars`."""

    stored: int = Field(1000, ge=1, description="Most similar films kept per film, for histories to choose from.")


class ItemKnnStars(StarNeighbors[ItemKnnStarsConfig]):
    """c_ui + Σ_j sim(i, j)·(r_uj − c_uj) / Σ_j sim(i, j) over the movies j of the history that are nearest to i.

    Sarwar et al. 2001, "Item-based collaborative filtering recommendation algorithms"; Koren 2010, "Factor in the
    Neighbors" (residuals of baselines, shrinkage); Surprise's KNNBaseline with `user_based` off.

    Examples:
        >>> model = matinee.ItemKnnStars(neighbors=20).fit(dataset)
        >>> scores = model.score([history])[0]
        >>> bool(scores.min() > 0 and scores.max() < 6)
        True
    """

    name = "itemknnstars"
    Config = ItemKnnStarsConfig

    _links: sp.csr_matrix
    """(k, k): row j holds the movies that have j among their nearest."""

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: the links (thrice, while turned round), one block of sums, sparse ratings in six forms."""
        k = int((dataset.ratings.counts > 0).sum())
        links = k * min(self.config.stored, k) * 12
        return 3 * links + _block_targets(k) * k * 220 + 220 * len(dataset.ratings) + 200 * k + (1 << 20)

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return f"Raise MATINEE_MEMORY_LIMIT or lower stored (now {self.config.stored})."

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        stars, users = self._baselines(dataset)
        values = stars.data.astype(np.float64)
        if self.config.similarity == "pearson_baseline":
            owners = np.repeat(np.arange(len(users)), np.diff(stars.indptr))
            values -= self._mean + users[owners] + self._biases[stars.indices]
        x, xx, ones = (
            sp.csr_matrix((data, stars.indices, stars.indptr), shape=stars.shape)
            for data in (values, values**2, np.ones(len(values)))
        )
        turned = [matrix.T.tocsr() for matrix in (x, xx, ones)]
        k = len(self._items)
        parts: list[sp.csr_matrix] = [sp.csr_matrix(np.zeros((0, k), dtype=np.float32))]
        size = _block_targets(k)
        for start in range(0, k, size):
            stop = min(start + size, k)
            tx, txx, tones = (matrix[start:stop] for matrix in turned)
            pairs = ((tones, ones), (tx, x), (txx, ones), (tones, xx), (tx, ones), (tones, x))
            common = Common(*((left @ right).toarray() for left, right in pairs))
            parts.append(_nearest(common.similarity(self.config), start, self.config.stored))
            progress("itemknnstars: similarities", stop / k)
        if k == 0:
            progress("itemknnstars: similarities", 1.0)
        self._links = sp.vstack(parts, format="csr").T.tocsr()
        self._links.sort_indices()

    def _weights(self, query: Query) -> Floats:
        """Weights of the nearest, (known movies of the history, k); each column's sum is 1, or 0 without enough.

        Those that are as near as the last one count too, so that the numbers of movies decide nothing.
        """
        config = self.config
        weights = self._links[self._items.known(query)[0]].T.toarray(order="C")
        if weights.shape[1] > config.neighbors:
            floor = np.partition(weights, -config.neighbors, axis=1)[:, -config.neighbors]
            weights[weights < floor[:, None]] = 0
        weights[np.count_nonzero(weights, axis=1) < config.min_neighbors] = 0
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), np.float32(1e-30))
        result: Floats = weights.T
        return result

    def _centers(self) -> Floats:
        """c without the user's bias, (k,)."""
        if self.config.centering == "baseline":
            return np.float32(self._mean) + self._biases
        return self._means if self.config.centering == "mean" else np.zeros_like(self._means)

    def _surplus(self, query: Query, bias: float) -> tuple[Floats, NDArray[np.bool_], Floats]:
        positions, mask = self._items.known(query)
        center = self._centers()
        if self.config.centering == "baseline":
            center = center + np.float32(bias)
        weights = self._weights(query)
        enough: NDArray[np.bool_] = weights.sum(axis=0) > 0
        beyond: Floats = (query.ratings[mask] - center[positions]).astype(np.float32) @ weights
        return center, enough, beyond

    def contributions(self, query: Query, rows: Sequence[int]) -> NDArray[np.float32]:
        """Share of each rating in the stars beyond μ + b_i, before clipping, (len(rows), len(query)).

        Without centering by the baseline: beyond the movie's mean, or beyond 0, where the movie has neighbors.
        """
        shares = np.zeros((len(rows), len(query)), dtype=np.float32)
        positions, mask = self._items.known(query)
        if not len(positions):
            return shares
        surplus = query.ratings[mask] - np.float32(self._mean) - self._biases[positions]
        part = self._bias(surplus, len(positions)).astype(np.float32)  # of the user's bias
        places = self._items.positions(rows)
        found = np.zeros((len(rows), len(positions)), dtype=np.float32)
        found[places >= 0] = self._weights(query)[:, places[places >= 0]].T
        has = found.any(axis=1, keepdims=True)
        if self.config.centering == "baseline":
            # Of b_u nothing is left where there are neighbors: it is taken off each of their ratings.
            shares[:, mask] = np.where(has, found * surplus, part)
        else:
            shares[:, mask] = np.where(has, found * (query.ratings[mask] - self._centers()[positions]), part)
        return shares

    def similar(self, rows: Sequence[int]) -> Scores:
        """Similarity where one movie is among the other's nearest, else 0; NaN for movies without ratings."""
        positions = self._items.positions(rows)
        scores = np.full((len(rows), len(self._items)), np.nan, dtype=np.float32)
        scores[positions >= 0] = self._links[positions[positions >= 0]].toarray()
        return self._items.spread(scores, self.n_items)

    def state(self) -> State:
        """As of `StarNeighbors`, and the links as sparse rows: `indptr` int64, `indices` int32, `data` float32."""
        return super().state() | sparse_state(self._links)

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        super()._restore(state, catalog)
        self._links = sparse_rows(state, len(self._items), len(self._items))


def _block_targets(k: int) -> int:
    return min(max(_BLOCK_CELLS // max(k, 1), 8), max(k, 1))


def _nearest(alike: NDArray[np.float64], start: int, stored: int) -> sp.csr_matrix:
    """The `stored` largest similarities of each row (targets × movies), the movie itself left out."""
    rows = np.arange(len(alike))
    alike[rows, rows + start] = 0
    if stored < alike.shape[1]:
        floor = np.partition(alike, -stored, axis=1)[:, -stored]
        alike[alike < floor[:, None]] = 0
    return sp.csr_matrix(alike.astype(np.float32))
