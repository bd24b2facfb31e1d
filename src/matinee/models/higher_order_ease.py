"""Higher-order EASE: pairs of movies in a history say what neither says alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.errors import SnapshotError
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores, State
from matinee.models.gram import block_users, gram_matrix, invert, symmetric
from matinee.models.preference import Feedback, StarScale
from matinee.models.warm_items import WarmItems, Weighting, array, choose_warm

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

_POPULAR = 1500
"""Pairs are looked for among so many movies, those with the most ratings."""


class HigherOrderEaseConfig(ModelConfig):
    """Settings of `HigherOrderEase`."""

    regularization: float = Field(200.0, gt=0, description="λ of the weights from films.")
    pair_regularization: float = Field(3000.0, gt=0, description="λ of the weights from pairs.")
    dropout: float = Field(0.5, ge=0, lt=1, description="p of EDLAE, of films and of pairs; adds p/(1−p)·diag(G).")
    pairs: int = Field(2000, ge=0, le=20_000, description="At most this many pairs, those that most users rated.")
    weighting: Weighting = Field("stars", description="What a rating counts in training: 1, or stars / highest stars.")
    feedback: Feedback = Field("signed", description="Histories: likes pull and dislikes push, or as in training.")
    min_ratings: int = Field(5, ge=1, description="Films with fewer ratings are cold (left to other models).")
    max_items: int | None = Field(12_000, ge=1, description="At most this many films, the most rated ones.")


class HigherOrderEase(Model[HigherOrderEaseConfig]):
    """EASE with pairs: scores = h·B + z·C, where z_p = h_a·h_b for each pair p = {a, b} of movies liked both.

    B and C minimize |X − XB − ZC|² + λ|B|² + λ_z|C|² where no movie vouches for itself: diag(B) = 0, and C is 0 from a
    pair to its own movies (Steck & Liang 2021, "Negative Interactions for Improved Collaborative Filtering: Don't go
    Deeper, go Higher"). The paper takes ADMM. Here the constraints are met in closed form: with P = (VᵀV + Λ)⁻¹ of
    V = [X Z], and S the movie j and its pairs, column j of the weights is e_j − P_S·(P_SS)⁻¹·e_j, which is EASE's
    −P_ij / P_jj where S is j alone. Λ holds EDLAE's dropout as well. What a pair adds is shared by its two movies.
    Movies without enough ratings are NaN.

    Examples:
        >>> model = matinee.HigherOrderEase(pairs=20, min_ratings=1).fit(dataset)
        >>> model.score([history]).shape
        (1, 40)
    """

    name = "higherease"
    Config = HigherOrderEaseConfig
    search_ranges: ClassVar[Mapping[str, str]] = {
        "regularization": "50:1000",
        "pair_regularization": "100:20000",
        "dropout": "0:0.7",
        "pairs": "100:4000",
    }
    """Settings to search, and where: as `matinee tune --search` takes them."""

    _items: WarmItems
    _weights: Floats
    """(k + m, k): from movies, then from pairs."""
    _pairs: Integers
    """(m, 2), places of the movies."""
    _scale: StarScale

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: the Gram matrix of movies and pairs, the weights, one dense block, and the sparse matrices."""
        config, counts = self.config, dataset.ratings.counts
        items = choose_warm(counts, config.min_ratings, config.max_items)
        k, n_users = len(items), dataset.ratings.n_users
        popular = choose_warm(counts[items], 1, _POPULAR)
        m = min(config.pairs, len(popular) * (len(popular) - 1) // 2)
        sizes = np.sort(counts[items])[::-1]
        pairs = 60 * int(sizes[0] if len(sizes) else 0) * m
        block = min(block_users(k + m), max(n_users, 1))
        sparse = int(counts[items].sum()) * 60 + 4 * len(dataset.ratings) + 64 * n_users
        wide = 4 * (k + m) * (k + m) + 4 * (k + m) * k
        return wide + 4 * block * (k + m) + sparse + pairs + 20 * len(popular) ** 2 + 64 * len(counts) + (4 << 20)

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return (
            f"Raise MATINEE_MEMORY_LIMIT, or leave more films out with min_ratings (now {self.config.min_ratings}) "
            f"or max_items (now {self.config.max_items}), or take fewer pairs (now {self.config.pairs})."
        )

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        config = self.config
        self._scale = StarScale.of(dataset)
        self._items = WarmItems(choose_warm(dataset.ratings.counts, config.min_ratings, config.max_items))
        k = len(self._items)
        matrix = self._items.training_matrix(dataset, config.weighting).tocsr()
        self._pairs = frequent_pairs(matrix, config.pairs)
        if not k:
            self._weights = np.zeros((0, 0), dtype=np.float32)
            progress("higherease: done", 1.0)
            return
        both = sp.csc_matrix(matrix)
        both = both[:, self._pairs[:, 0]].multiply(both[:, self._pairs[:, 1]])
        gram = gram_matrix(sp.hstack([matrix, both], format="csr", dtype=np.float32), progress, "higherease")
        del both
        diagonal = np.einsum("ii->i", gram)
        diagonal *= 1 + config.dropout / (1 - config.dropout)
        diagonal[:k] += config.regularization
        diagonal[k:] += config.pair_regularization
        progress("higherease: invert", 0.5)
        inverse = symmetric(invert(gram)).T
        self._weights = constrained_weights(inverse, self._pairs, k)
        progress("higherease: done", 1.0)

    def knows(self, query: Query) -> bool:
        """Whether the history holds a warm movie."""
        return self._items.knows(query)

    def _inputs(self, query: Query) -> tuple[NDArray[np.int64], NDArray[np.bool_], Floats, Integers, Floats]:
        """Places, mask and counts of the known movies; numbers and counts of the pairs that are liked both."""
        positions, mask = self._items.known(query)
        counts = self._scale.history_weights(query, mask, self.config.feedback, self.config.weighting)
        liked = np.zeros(len(self._items), dtype=np.float32)
        liked[positions] = np.maximum(counts, 0)
        both = liked[self._pairs[:, 0]] * liked[self._pairs[:, 1]]
        numbers = np.flatnonzero(both)
        return positions, mask, counts, numbers, both[numbers]

    def score(self, queries: Sequence[Query]) -> Scores:
        """h·B + z·C; NaN for cold movies, and for users without a warm movie."""
        k = len(self._items)
        scores = np.full((len(queries), k), np.nan, dtype=np.float32)
        for number, query in enumerate(queries):
            positions, _, counts, numbers, both = self._inputs(query)
            if len(positions):
                scores[number] = counts @ self._weights[positions] + both @ self._weights[k + numbers]
        return self._items.spread(scores, self.n_items)

    def contributions(self, query: Query, rows: Sequence[int]) -> Floats:
        """h_i·B_ij and half of what each pair of movie i adds, (len(rows), len(query)); 0 for cold movies."""
        shares = np.zeros((len(rows), len(query)), dtype=np.float32)
        k, targets = len(self._items), self._items.positions(rows)
        known = targets[targets >= 0]
        positions, mask, counts, numbers, both = self._inputs(query)
        parts = self._weights[np.ix_(positions, known)] * counts[:, None]
        halves = self._weights[np.ix_(k + numbers, known)] * (both[:, None] / 2)
        place = np.zeros(k, dtype=np.int64)
        place[positions] = np.arange(len(positions))
        for side in (0, 1):
            np.add.at(parts, place[self._pairs[numbers, side]], halves)
        shares[np.ix_(targets >= 0, mask)] = parts.T
        return shares

    def similar(self, rows: Sequence[int]) -> Scores:
        """The weights from each movie alone to all others."""
        positions = self._items.positions(rows)
        scores = np.full((len(rows), len(self._items)), np.nan, dtype=np.float32)
        scores[positions >= 0] = self._weights[positions[positions >= 0]]
        return self._items.spread(scores, self.n_items)

    def state(self) -> State:
        """`weights` float32 (k + m, k); `pairs` int64 (m, 2), places in `items`; `items` int64 (k,); `star_scale`."""
        return {"weights": self._weights, "pairs": self._pairs, "items": self._items.rows, **self._scale.state()}

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        self._items = WarmItems.from_state(state, catalog)
        k = len(self._items)
        self._pairs = array(state, "pairs", np.int64, (None, 2))
        if self._pairs.size and not 0 <= int(self._pairs.min()) <= int(self._pairs.max()) < k:
            raise SnapshotError("The stored pairs are inconsistent.", "Train again, or promote another snapshot.")
        self._weights = array(state, "weights", np.float32, (k + len(self._pairs), k))
        self._scale = StarScale.from_state(state)


def frequent_pairs(matrix: sp.csr_matrix, most: int) -> Integers:
    """The pairs of columns that most rows have both of, (m, 2), at most so many; equals come or stay together."""
    counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
    popular = choose_warm(counts, 1, _POPULAR)
    chosen = matrix[:, popular]
    binary = sp.csr_matrix((np.ones(chosen.nnz, dtype=np.float32), chosen.indices, chosen.indptr), shape=chosen.shape)
    together = np.triu((binary.T @ binary).toarray(), 1)
    values = together[together > 0]
    if not most or not len(values):
        return np.zeros((0, 2), dtype=np.int64)
    floor = np.float32(1)
    if len(values) > most:
        floor = np.partition(values, len(values) - most - 1)[len(values) - most - 1] + np.float32(1)
    first, second = np.nonzero(together >= floor)
    return np.stack([popular[first], popular[second]], axis=1)


def constrained_weights(inverse: Floats, pairs: Integers, k: int) -> Floats:
    """Weights of the first k columns from all, (k + m, k): 0 from each to itself and from the pairs that hold it.

    Args:
        inverse: P, (k + m, k + m), symmetric.
        pairs: (m, 2), places below k.
    """
    weights = inverse[:, :k] / -np.diagonal(inverse)[:k]
    owners = np.concatenate([pairs[:, 0], pairs[:, 1]])
    numbers = np.tile(np.arange(len(pairs)), 2) + k
    for movie in np.unique(owners):
        bound = np.concatenate([[movie], numbers[owners == movie]])
        first = np.zeros(len(bound))
        first[0] = 1.0
        shares = np.linalg.solve(inverse[np.ix_(bound, bound)].astype(np.float64), first)
        weights[:, movie] = -(inverse[:, bound] @ shares.astype(np.float32))
        weights[bound, movie] = 0.0
    weights[np.arange(k), np.arange(k)] = 0.0
    return weights
