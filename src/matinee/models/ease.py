"""EASE and EDLAE: linear autoencoders over movies, in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.models.base import Model, ModelConfig, Progress, Query, RowScorer, Scores, State
from matinee.models.gram import block_users, gram_matrix, invert
from matinee.models.preference import Feedback, StarScale
from matinee.models.row_sums import row_parts, sum_rows
from matinee.models.warm_items import WarmItems, Weighting, array, choose_warm, over_history

_TILE = 512
"""Rows of the weights gathered at once for one history."""


class EaseConfig(ModelConfig):
    """Settings of `Ease`."""

    regularization: float = Field(600.0, gt=0, description="λ, added to the diagonal of the Gram matrix.")
    dropout: float = Field(0.0, ge=0, lt=1, description="p of EDLAE; adds p/(1−p)·diag(G); 0 is EASE.")
    weighting: Weighting = Field("binary", description="What a rating counts in training: 1, or stars / highest stars.")
    feedback: Feedback = Field("signed", description="Histories: likes pull and dislikes push, or as in training.")
    min_ratings: int = Field(1, ge=1, description="Films with fewer ratings are cold (left to other models).")
    max_items: int | None = Field(None, ge=1, description="At most this many films, the most rated ones.")


class Ease(Model[EaseConfig]):
    """Embarrassingly shallow autoencoder: scores = h·B for a history h, B_ij = −P_ij / P_jj, diag(B) = 0.

    P = (XᵀX + Λ)⁻¹ with Λ = λ (EASE, Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data") or
    Λ = λ + p/(1−p)·diag(XᵀX) (EDLAE, Steck 2020, "Autoencoders that don't overfit towards the Identity").
    The weights are float32, (k, k) over the k warm movies, and memory-mapped when served: a history touches
    only the rows of its own movies.

    Examples:
        >>> model = matinee.Ease(regularization=400.0).fit(dataset)
        >>> dataset.titles(model.top(history, n=1))
        ['Groundhog Day (1993)']
    """

    name = "ease"
    Config = EaseConfig

    _items: WarmItems
    _weights: NDArray[np.float32]
    _scale: StarScale

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: the k×k matrix, one dense block of users, and the sparse ratings of warm movies."""
        counts = dataset.ratings.counts
        items = choose_warm(counts, self.config.min_ratings, self.config.max_items)
        k, n_users = len(items), dataset.ratings.n_users
        block = min(block_users(k), max(n_users, 1))
        # The binary matrix has new values; a cut or weighted one has new indices and values as well (twice while made).
        sparse = int(counts[items].sum()) * 24 + 4 * len(dataset.ratings) + 32 * n_users
        return 4 * k * k + max(4 * block * k + sparse, 16 * _TILE * _TILE) + 64 * len(counts) + (1 << 20)

    def memory_kept(self, dataset: Dataset) -> int:
        """Bytes of the k×k weights."""
        return 4 * len(choose_warm(dataset.ratings.counts, self.config.min_ratings, self.config.max_items)) ** 2

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return (
            f"Raise MATINEE_MEMORY_LIMIT, or leave more films out with min_ratings (now {self.config.min_ratings}) "
            f"or max_items (now {self.config.max_items})."
        )

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        config = self.config
        self._scale = StarScale.of(dataset)
        self._items = WarmItems(choose_warm(dataset.ratings.counts, config.min_ratings, config.max_items))
        if not len(self._items):
            self._weights = np.zeros((0, 0), dtype=np.float32)
            return
        gram = gram_matrix(self._items.training_matrix(dataset, config.weighting), progress, "ease")
        progress("ease: invert", 0.5)
        self._weights = weights_of(gram, config)
        progress("ease: done", 1.0)

    def knows(self, query: Query) -> bool:
        """Whether the history holds a warm movie."""
        return self._items.knows(query)

    def score(self, queries: Sequence[Query]) -> Scores:
        """h·B; NaN for cold movies, and for users without a warm movie."""
        scores = np.full((len(queries), len(self._items)), np.nan, dtype=np.float32)
        for number, query in enumerate(queries):
            positions, mask = self._items.known(query)
            if len(positions):
                scores[number] = self._weighted_rows(positions, self._history(query, mask))
        return self._items.spread(scores, self.n_items)

    def row_scorer(self, rows: NDArray[np.int64]) -> RowScorer:
        """See `Model.row_scorer`; the weights are not copied."""
        targets = self._items.positions(rows)
        cold = targets < 0

        def score(query: Query) -> NDArray[np.float32]:
            positions, mask = self._items.known(query)
            if not len(positions):
                return np.full(len(rows), np.nan, dtype=np.float32)
            scores = self._weighted_rows(positions, self._history(query, mask))[targets]
            scores[cold] = np.nan
            return scores

        return score

    def _history(self, query: Query, known: NDArray[np.bool_]) -> NDArray[np.float32]:
        return self._scale.history_weights(query, known, self.config.feedback, self.config.weighting)

    def _weighted_rows(self, positions: NDArray[np.int64], history: NDArray[np.float32]) -> NDArray[np.float32]:
        return sum_rows(self._weights, positions, history)

    def contributions(self, query: Query, rows: Sequence[int]) -> NDArray[np.float32]:
        """h_i·B_ij, (len(rows), len(query)); 0 for cold movies."""
        positions, mask = self._items.known(query)
        history, targets = self._history(query, mask), self._items.positions(rows)
        shares = np.zeros((len(rows), len(positions)), dtype=np.float32)
        for part in row_parts(len(positions)) if len(self._items) else ():
            shares[:, part] = (self._weights[positions[part]].take(targets, axis=1) * history[part, None]).T
        shares[targets < 0] = 0
        return over_history(shares, mask)

    def mixed_contributions(self, query: Query, rows: Sequence[int], mix: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Model.mixed_contributions`: the mix of all weights is multiplied."""
        positions, mask = self._items.known(query)
        history, targets = self._history(query, mask), self._items.positions(rows)
        warm = targets >= 0
        mixed = np.zeros((len(self._items), len(mix)), dtype=np.float32)
        np.add.at(mixed, targets[warm], mix.T[warm])
        shares = np.zeros((len(mix), len(positions)), dtype=np.float32)
        for part in row_parts(len(positions)):
            shares[:, part] = (self._weights[positions[part]] @ mixed * history[part, None]).T
        return over_history(shares, mask)

    def similar(self, rows: Sequence[int]) -> Scores:
        """The weights from each movie to all others: what liking it says about them."""
        positions = self._items.positions(rows)
        scores = np.full((len(rows), len(self._items)), np.nan, dtype=np.float32)
        scores[positions >= 0] = self._weights[positions[positions >= 0]]
        return self._items.spread(scores, self.n_items)

    def state(self) -> State:
        """`weights`: float32, (k, k), row i holds what movie i adds; `items`: int64, (k,); `star_scale`."""
        return {"weights": self._weights, "items": self._items.rows, **self._scale.state()}

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        self._items = WarmItems.from_state(state, catalog)
        self._weights = array(state, "weights", np.float32, (len(self._items), len(self._items)))
        self._scale = StarScale.from_state(state)


def weights_of(gram: NDArray[np.float32], config: EaseConfig) -> NDArray[np.float32]:
    """The weights B, (k, k), from the lower triangle of XᵀX (Fortran order), in place."""
    diagonal = np.einsum("ii->i", gram)
    diagonal += config.regularization + diagonal * (config.dropout / (1 - config.dropout))
    return _weights(invert(gram))


def _weights(inverse: NDArray[np.float32]) -> NDArray[np.float32]:
    """B_ij = −P_ij / P_jj from the lower triangle of P (Fortran order), in place; the result is C-ordered."""
    upper = inverse.T  # C order; its upper triangle is filled
    scale = -1.0 / np.einsum("ii->i", upper)
    k = len(upper)
    for i in range(0, k, _TILE):
        rows = slice(i, i + _TILE)
        corner = upper[rows, rows]
        mirrored = np.triu(corner) + np.triu(corner, 1).T
        np.multiply(mirrored, scale[rows], out=corner)
        for j in range(i + _TILE, k, _TILE):
            columns = slice(j, j + _TILE)
            tile = upper[rows, columns]
            np.multiply(tile.T, scale[rows], out=upper[columns, rows])
            np.multiply(tile, scale[columns], out=tile)
    np.einsum("ii->i", upper)[:] = 0.0
    return upper
