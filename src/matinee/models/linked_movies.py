"""What models share whose weights from movie to movie are sparse: choice of the largest, scores, reasons, state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.ratings import Ratings
from matinee.models.base import Model, ModelConfig, Query, Scores, State
from matinee.models.preference import Feedback, StarScale
from matinee.models.sparse import sparse_rows, sparse_state
from matinee.models.warm_items import WarmItems, Weighting

BLOCK_CELLS = 1 << 20
"""Links are computed for blocks of movies of about this many cells (movies × movies)."""


class LinkedMoviesConfig(ModelConfig):
    """Settings that these models share."""

    weighting: Weighting = Field("stars", description="What a rating counts in training: 1, or stars / highest stars.")
    feedback: Feedback = Field("signed", description="Histories: likes pull and dislikes push, or as in training.")


C = TypeVar("C", bound=LinkedMoviesConfig)


class LinkedMovies(Model[C]):
    """Scores s_j = Σ_i h_i·w_ij of a history h. Unrated movies are NaN; those that nothing in it leads to score 0."""

    _items: WarmItems
    _links: sp.csr_matrix
    """(k, k): row i holds what movie i adds to others."""
    _scale: StarScale

    def knows(self, query: Query) -> bool:
        """Whether the history holds a movie with ratings."""
        return self._items.knows(query)

    def _history(self, query: Query, known: NDArray[np.bool_]) -> NDArray[np.float32]:
        return self._scale.history_weights(query, known, self.config.feedback, self.config.weighting)

    def score(self, queries: Sequence[Query]) -> Scores:
        """h·W; NaN for unrated movies, and for users without a rated movie."""
        history = self._items.matrix(queries, self._history)
        scores: NDArray[np.float32] = (history @ self._links).toarray().astype(np.float32, copy=False)
        scores[np.diff(history.indptr) == 0] = np.nan
        return self._items.spread(scores, self.n_items)

    def contributions(self, query: Query, rows: Sequence[int]) -> NDArray[np.float32]:
        """h_i·w_ij, (len(rows), len(query)); 0 for unrated movies."""
        shares = np.zeros((len(rows), len(query)), dtype=np.float32)
        positions, mask = self._items.known(query)
        targets = self._items.positions(rows)
        result = self._links[positions][:, targets[targets >= 0]].toarray() * self._history(query, mask)[:, None]
        shares[np.ix_(targets >= 0, mask)] = result.T
        return shares

    def similar(self, rows: Sequence[int]) -> Scores:
        """The links from each movie, 0 where there is none; NaN for movies without ratings."""
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


def linking_bytes(ratings: Ratings, neighbors: int) -> int:
    """Peak bytes of linking each movie: the links (twice, while turned round), one block, and sparse copies."""
    k = int((ratings.counts > 0).sum())
    links = k * min(neighbors, k) * 12
    return 3 * links + block_size(k) * k * 60 + 72 * len(ratings) + 200 * k + 16 * ratings.n_users + (1 << 20)


def block_size(k: int) -> int:
    """Movies of a block, of k."""
    return min(max(BLOCK_CELLS // max(k, 1), 16), max(k, 1))


def blocks(k: int) -> Iterator[slice]:
    """Spans of movies that are worked on at a time."""
    size = block_size(k)
    for start in range(0, k, size):
        yield slice(start, min(start + size, k))


def stacked(parts: list[sp.csr_matrix]) -> sp.csr_matrix:
    """Blocks of rows as one square matrix; none are a matrix of no movies."""
    links: sp.csr_matrix = sp.vstack(
        parts or [sp.csr_matrix(np.zeros((0, 0), dtype=np.float32))], format="csr", dtype=np.float32
    )
    return links


def keep_largest(matrix: sp.csr_matrix, values: NDArray[np.floating[Any]], n: int) -> sp.csr_matrix:
    """The n largest entries of each row that are positive, float32; `values` stand in for the entries of `matrix`."""
    columns: list[NDArray[np.integer[Any]]] = [np.zeros(0, dtype=matrix.indices.dtype)]
    kept: list[NDArray[np.float32]] = [np.zeros(0, dtype=np.float32)]
    indptr = np.zeros(matrix.shape[0] + 1, dtype=np.int64)
    for row in range(matrix.shape[0]):
        span = slice(int(matrix.indptr[row]), int(matrix.indptr[row + 1]))
        own, near = values[span], matrix.indices[span]
        if len(own) > n:
            best = np.argpartition(-own, n - 1)[:n] if n else np.zeros(0, dtype=np.int64)
            own, near = own[best], near[best]
        positive = own > 0
        columns.append(near[positive])
        kept.append(own[positive].astype(np.float32))
        indptr[row + 1] = indptr[row] + len(kept[-1])
    return sp.csr_matrix((np.concatenate(kept), np.concatenate(columns), indptr), shape=matrix.shape)
