"""User kernel: kernel ridge regression from histories to lists, over the users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.errors import MatineeError
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores, State
from matinee.models.cholesky import factorize, solve_factored
from matinee.models.preference import Feedback, StarScale
from matinee.models.sparse import sparse_rows, sparse_state
from matinee.models.warm_items import WarmItems, array, choose_warm

Floats = NDArray[np.float32]

_EDGE = np.float32(1 - 1e-6)
"""Cosines are kept this far from ±1, where the kernel's slope is infinite."""


class UserKernelConfig(ModelConfig):
    """Settings of `UserKernel`."""

    regularization: float = Field(5.0, gt=0, description="λ, in units of the kernel's mean diagonal.")
    feedback: Feedback = Field("signed", description="Likes pull and dislikes push, or every film counts 1.")
    max_users: int = Field(8000, ge=1, description="More users than that are refused: the kernel is users × users.")


class UserKernel(Model[UserKernelConfig]):
    """Scores |h|·κ(h, H)·(K + λI)⁻¹·H of a history h, over the histories H of all users, brought to length 1.

    κ is the neural tangent kernel of a network with one hidden layer of infinite width (Jacot et al. 2018; as a
    recommender: Sachdeva et al. 2022, "Infinite Recommendation Networks"): κ(c) = κ₁(c) + c·κ₀(c) of the cosine c,
    with κ₀ = (π − θ)/π, κ₁ = (√(1 − c²) + (π − θ)·c)/π and θ = arccos c (Cho & Saul 2009). Unlike item models it is
    not linear in the history: what a movie says depends on the others. Scores are homogeneous in h, so that by Euler's
    theorem h_i·∂s/∂h_i are shares that add up. Movies without ratings are NaN.

    Examples:
        >>> model = matinee.UserKernel().fit(dataset)
        >>> dataset.titles(model.top(history, n=2))
        ['Groundhog Day (1993)', 'Clerks (1994)']
    """

    name = "userkernel"
    Config = UserKernelConfig

    _items: WarmItems
    _histories: sp.csr_matrix
    """(n_users, k), rows of length 1."""
    _weights: Floats
    """(n_users, k)"""
    _scale: StarScale

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: the kernel twice, the dense histories twice, and the sparse ones."""
        n, k = dataset.ratings.n_users, int((dataset.ratings.counts > 0).sum())
        return 32 * n * n + 12 * n * k + 64 * len(dataset.ratings) + (1 << 20)

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return "Raise MATINEE_MEMORY_LIMIT or leave this model out: it is for some thousands of users."

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        config, ratings = self.config, dataset.ratings
        if ratings.n_users > config.max_users:
            raise MatineeError(
                f"userkernel takes {config.max_users:,} users at most, these are {ratings.n_users:,}.",
                "Leave it out, or raise max_users.",
            )
        self._scale = StarScale.of(dataset)
        self._items = WarmItems(choose_warm(ratings.counts, 1, None))
        matrix = ratings.matrix(binary=True)
        if config.feedback == "signed":
            weights = self._scale.training_weights(ratings)
            matrix = sp.csr_matrix((weights, matrix.indices, matrix.indptr), shape=matrix.shape)
        matrix = sp.csr_matrix(matrix[:, self._items.rows], dtype=np.float32)
        lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
        self._histories = sp.csr_matrix(sp.diags_array(1 / np.maximum(lengths, 1e-9)) @ matrix, dtype=np.float32)
        self._histories.sort_indices()
        kernel = _kernel((self._histories @ self._histories.T).toarray())[0]
        n = len(kernel)
        kernel[np.diag_indices(n)] += np.float32(config.regularization * max(float(np.trace(kernel)) / max(n, 1), 1e-6))
        progress("userkernel: solving", 0.3)
        histories = matrix.toarray()
        if histories.size:
            fault = "The kernel of the users cannot be inverted."
            histories = solve_factored(factorize(kernel, fault, "Raise the regularization of userkernel."), histories)
        self._weights = histories
        progress("userkernel: done", 1.0)

    def knows(self, query: Query) -> bool:
        """Whether the history holds a rated movie."""
        return self._items.knows(query)

    def _history(self, query: Query, known: NDArray[np.bool_]) -> Floats:
        return self._scale.history_weights(query, known, self.config.feedback)

    def score(self, queries: Sequence[Query]) -> Scores:
        """Scores; NaN for unrated movies, and for users without a rated movie."""
        histories = self._items.matrix(queries, self._history)
        lengths = np.sqrt(np.asarray(histories.multiply(histories).sum(axis=1)).ravel())
        scaled = sp.csr_matrix(sp.diags_array(1 / np.maximum(lengths, 1e-9)) @ histories, dtype=np.float32)
        cosines = (self._histories @ scaled.T.toarray()).T
        scores: Scores = np.ascontiguousarray(_kernel(cosines)[0] * lengths[:, None].astype(np.float32)) @ self._weights
        scores[np.diff(histories.indptr) == 0] = np.nan
        return self._items.spread(scores, self.n_items)

    def contributions(self, query: Query, rows: Sequence[int]) -> Floats:
        """h_i·∂s_j/∂h_i of each movie of the history, (len(rows), len(query)); 0 for unrated movies."""
        shares = np.zeros((len(rows), len(query)), dtype=np.float32)
        positions, mask = self._items.known(query)
        targets = self._items.positions(rows)
        known = targets[targets >= 0]
        history = self._history(query, mask)
        length = float(np.linalg.norm(history))
        if length == 0 or not len(known):
            return shares
        others = self._histories[:, positions].toarray()
        cosines = others @ (history / np.float32(length))
        value, slope = _kernel(cosines)
        weights = self._weights[:, known]
        common = (value - cosines * slope) @ weights
        own = (others * history).T @ (slope[:, None] * weights)
        shares[np.ix_(targets >= 0, mask)] = (np.square(history)[:, None] / np.float32(length) * common + own).T
        return shares

    def similar(self, rows: Sequence[int]) -> Scores:
        """Scores of histories of one movie."""
        loved = np.array([self._scale.high], dtype=np.float32)
        return self.score([Query(np.array([row], dtype=np.int64), loved) for row in rows])

    def state(self) -> State:
        """`weights` float32 (n_users, k), sparse histories (`indptr`, `indices`, `data`), `items`, `star_scale`."""
        return {
            "weights": self._weights,
            **sparse_state(self._histories),
            "items": self._items.rows,
            **self._scale.state(),
        }

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        self._items = WarmItems.from_state(state, catalog)
        self._weights = array(state, "weights", np.float32, (None, len(self._items)))
        self._histories = sparse_rows(state, len(self._weights), len(self._items))
        self._scale = StarScale.from_state(state)


def _kernel(cosines: Floats) -> tuple[Floats, Floats]:
    """κ and its slope at cosines, of any shape."""
    cosines = np.clip(cosines, -_EDGE, _EDGE)
    sine = np.sqrt(1 - cosines * cosines)
    zero = 1 - np.arccos(cosines) / np.float32(np.pi)
    value = sine / np.float32(np.pi) + 2 * cosines * zero
    return value.astype(np.float32), (2 * zero + cosines / (np.float32(np.pi) * sine)).astype(np.float32)
