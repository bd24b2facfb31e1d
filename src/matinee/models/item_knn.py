"""Item-kNN: movies that the same users rated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores, State
from matinee.models.preference import Feedback, StarScale
from matinee.models.sparse import sparse_rows, sparse_state
from matinee.models.warm_items import WarmItems, Weighting, choose_warm

_BLOCK_CELLS = 1 << 20
"""Similarities are computed for blocks of targets of about this many cells (targets × movies)."""


class ItemKNNConfig(ModelConfig):
    """Settings of `ItemKNN`."""

    neighbors: int = Field(200, ge=1, description="Most similar films kept per film.")
    shrinkage: float = Field(0.3, ge=0, description="Added to the denominator: mistrust of few common users.")
    asymmetry: float = Field(0.7, ge=0, le=1, description="α: weight of the rated film's norm; ½ is the cosine.")
    user_weight: float = Field(0.5, ge=0, le=2, description="Users with n ratings count 1/n^this: heavy users less.")
    weighting: Weighting = Field("stars", description="What a rating counts in training: 1, or stars / highest stars.")
    feedback: Feedback = Field("signed", description="Histories: likes pull and dislikes push, or as in training.")


class ItemKNN(Model[ItemKNNConfig]):
    """Scores s_j = Σ_i h_i·sim(i, j) over the history's movies i among the k nearest of j.

    sim(i, j) = x_iᵀx_j / (|x_i|^2α · |x_j|^2(1−α) + shrinkage) (asymmetric cosine: Aiolli 2013, "Efficient
    Top-N Recommendation for Very Large Scale Binary Rated Datasets"). Movies of no rating are NaN; a rated
    movie that no movie of the history is near to scores 0.

    Examples:
        >>> model = matinee.ItemKNN(neighbors=20).fit(dataset)
        >>> dataset.titles(model.top(history, n=2))
        ['Groundhog Day (1993)', 'Clerks (1994)']
    """

    name = "itemknn"
    Config = ItemKNNConfig

    _items: WarmItems
    _links: sp.csr_matrix
    """(k, k): row i holds the movies that have i among their nearest."""
    _scale: StarScale

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: the links (twice, while turned round), one block of similarities, two sparse copies."""
        k = int((dataset.ratings.counts > 0).sum())
        links = k * min(self.config.neighbors, k) * 12
        block = _block_targets(k) * k * 60
        return 3 * links + block + 48 * len(dataset.ratings) + 200 * k + 16 * dataset.ratings.n_users + (1 << 20)

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return f"Raise MATINEE_MEMORY_LIMIT or lower neighbors (now {self.config.neighbors})."

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        config = self.config
        self._scale = StarScale.of(dataset)
        self._items = WarmItems(choose_warm(dataset.ratings.counts, 1, None))
        k = len(self._items)
        matrix = self._items.training_matrix(dataset, config.weighting)
        if config.user_weight:
            sizes = np.maximum(np.diff(matrix.indptr), 1)
            scale = (sizes ** (-config.user_weight / 2)).astype(np.float32)
            data = matrix.data * np.repeat(scale, np.diff(matrix.indptr))
            matrix = sp.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)
        squares = np.bincount(matrix.indices, weights=np.square(matrix.data, dtype=np.float64), minlength=k)
        source, target = squares**config.asymmetry, squares ** (1 - config.asymmetry)
        by_movie = matrix.T.tocsr()
        mask = min(config.neighbors, max(k - 1, 0))
        parts: list[sp.csr_matrix] = []
        size = _block_targets(k)
        for start in range(0, k, size):
            stop = min(start + size, k)
            dots = (by_movie[start:stop] @ matrix).tocsr()
            parts.append(_nearest(dots, start, source, target[start:stop], config.shrinkage, mask))
            progress("itemknn: similarities", stop / k)
        if not parts:
            parts.append(sp.csr_matrix(np.zeros((0, 0), dtype=np.float32)))
        near = sp.vstack(parts, format="csr")
        links = near.T.tocsr()
        links.sort_indices()
        self._links = links

    def knows(self, query: Query) -> bool:
        """Whether the history holds a movie with ratings."""
        return self._items.knows(query)

    def _history(self, query: Query, known: NDArray[np.bool_]) -> NDArray[np.float32]:
        return self._scale.history_weights(query, known, self.config.feedback, self.config.weighting)

    def score(self, queries: Sequence[Query]) -> Scores:
        """h·S; NaN for unrated movies, and for users without a rated movie."""
        history = self._items.matrix(queries, self._history)
        scores: NDArray[np.float32] = (history @ self._links).toarray().astype(np.float32, copy=False)
        scores[np.diff(history.indptr) == 0] = np.nan
        return self._items.spread(scores, self.n_items)

    def contributions(self, query: Query, rows: Sequence[int]) -> NDArray[np.float32]:
        """h_i·sim(i, j), (len(rows), len(query)); 0 for unrated movies."""
        shares = np.zeros((len(rows), len(query)), dtype=np.float32)
        positions, mask = self._items.known(query)
        targets = self._items.positions(rows)
        result = self._links[positions][:, targets[targets >= 0]].toarray() * self._history(query, mask)[:, None]
        shares[np.ix_(targets >= 0, mask)] = result.T
        return shares

    def similar(self, rows: Sequence[int]) -> Scores:
        """Similarity where one movie is among the other's nearest, else 0; NaN for movies without ratings."""
        positions = self._items.positions(rows)
        scores = np.full((len(rows), len(self._items)), np.nan, dtype=np.float32)
        scores[positions >= 0] = self._links[positions[positions >= 0]].toarray()
        return self._items.spread(scores, self.n_items)

    def state(self) -> State:
        """`indptr` int64, `indices` int32, `data` float32: the links as sparse rows; `items` int64; `star_scale`."""
        return {
            **sparse_state(self._links),
            "items": self._items.rows,
            **self._scale.state(),
        }

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        self._items = WarmItems.from_state(state, catalog)
        self._links = sparse_rows(state, len(self._items), len(self._items))
        self._scale = StarScale.from_state(state)


def _block_targets(k: int) -> int:
    return min(max(_BLOCK_CELLS // max(k, 1), 16), max(k, 1))


def _nearest(
    dots: sp.csr_matrix,
    start: int,
    source: NDArray[np.floating[Any]],
    target: NDArray[np.floating[Any]],
    shrinkage: float,
    mask: int,
) -> sp.csr_matrix:
    """The `mask` largest similarities of each row of `dots` (targets × movies), the movie itself left out."""
    rows = np.repeat(np.arange(dots.shape[0]), np.diff(dots.indptr))
    sims = dots.data / (source[dots.indices] * target[rows] + shrinkage)
    sims[dots.indices == rows + start] = 0.0
    columns: list[NDArray[np.integer[Any]]] = []
    values: list[NDArray[np.float32]] = []
    indptr = np.zeros(dots.shape[0] + 1, dtype=np.int64)
    for row in range(dots.shape[0]):
        span = slice(int(dots.indptr[row]), int(dots.indptr[row + 1]))
        own, near = sims[span], dots.indices[span]
        if len(own) > mask:
            best = np.argpartition(-own, mask - 1)[:mask] if mask else np.zeros(0, dtype=np.int64)
            own, near = own[best], near[best]
        positive = own > 0
        columns.append(near[positive])
        values.append(own[positive].astype(np.float32))
        indptr[row + 1] = indptr[row] + len(values[-1])
    return sp.csr_matrix((np.concatenate(values), np.concatenate(columns), indptr), shape=dots.shape)
