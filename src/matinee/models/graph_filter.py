"""Graph filter: a history smoothed over the graph of users and movies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.models.base import Model, ModelConfig, Progress, Query, RowScorer, Scores, State
from matinee.models.preference import Feedback, StarScale
from matinee.models.row_scorers import ProductScorer
from matinee.models.truncated_svd import OVERSAMPLING, truncated_svd
from matinee.models.warm_items import WarmItems, array, choose_warm

Floats = NDArray[np.float32]

REFIT_ITERATIONS = 1
"""Of the decomposition, where it starts from that of an earlier state of the data."""

LENGTHS = (1, 3, 10, 50, 200)
EXPONENTS = (2.0, 1.3, 1.0, 0.6, 0.5)
"""Exponent of the singular values for histories of so many movies (linear in the logarithm between): few movies say
little, so what is common to many users is trusted more. Chosen on validation users of ml-1m (1 to 20 likes) and
ml-latest-small."""


class GraphFilterConfig(ModelConfig):
    """Settings of `GraphFilter`."""

    rank: int = Field(256, ge=1, le=4096, description="Directions kept.")
    shrinkage: float = Field(3.0, ge=0, description="Added to the films' degrees: mistrust of films of few ratings.")
    feedback: Feedback = Field("signed", description="Likes pull and dislikes push, or every film counts 1.")


class GraphFilter(Model[GraphFilterConfig]):
    """Scores h·D^−½ V f(σ) Vᵀ D^½, a linear low-pass filter on the graph of co-rated movies.

    R̂ = D_u^−½ R D_i^−½ is the rating matrix (likes weigh more) divided by the roots of the users' and the movies'
    degrees; V and σ are its `rank` largest right singular vectors and values, f(σ) = σ^γ with γ falling with the
    length of the history. γ = 2 is the linear filter of GF-CF (Shen et al. 2021, "How Powerful is Graph Convolution for
    Recommendation?"), γ = 0 its ideal low-pass filter; BSPM (Choi et al. 2023, "Blurring-Sharpening Process Models")
    chooses between them as this does. Costs rank × movies a history, so it serves large catalogs. Movies without
    ratings are NaN.

    Examples:
        >>> model = matinee.GraphFilter(rank=8).fit(dataset)
        >>> model.score([history]).shape
        (1, 40)
    """

    name = "graph"
    Config = GraphFilterConfig

    _items: WarmItems
    _directions: Floats
    """(k, r)"""
    _values: Floats
    _roots: Floats
    """(k,), roots of the movies' shrunken degrees."""
    _scale: StarScale

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: three sparse copies of the ratings, and blocks of the decomposition on both sides."""
        ratings = dataset.ratings
        width = self.config.rank + OVERSAMPLING
        sides = ratings.n_users + ratings.n_rated
        return 64 * len(ratings) + 20 * width * sides + 40 * width * width + 64 * sides + (1 << 20)

    def memory_kept(self, dataset: Dataset) -> int:
        """Bytes of the directions."""
        return dataset.ratings.n_rated * (4 * self.config.rank + 16) + 8 * len(dataset.catalog)

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return f"Raise MATINEE_MEMORY_LIMIT or lower rank (now {self.config.rank})."

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        self._learn(dataset, progress)

    def _refit(self, dataset: Dataset, earlier: Self, rows: NDArray[np.int64], progress: Progress) -> None:
        self._learn(dataset, progress, lambda: self._items.carried(earlier._items, earlier._directions, rows))

    def _learn(self, dataset: Dataset, progress: Progress, near: Callable[[], Floats] | None = None) -> None:
        """Decompose the ratings, from directions that are near to theirs where such are known."""
        config, ratings = self.config, dataset.ratings
        self._scale = StarScale.of(dataset)
        self._items = WarmItems(choose_warm(ratings.counts, 1, None))
        if not len(self._items):
            self._values, self._roots = np.zeros(0, np.float32), np.zeros(0, np.float32)
            self._directions = np.zeros((0, 0), dtype=np.float32)
            progress("graph: done", 1.0)
            return
        weights = self._scale.training_weights(ratings) if config.feedback == "signed" else None
        matrix = ratings.matrix(binary=True)
        if weights is not None:
            matrix = sp.csr_matrix((weights, matrix.indices, matrix.indptr), shape=matrix.shape)
        matrix = matrix[:, self._items.rows]
        squares = matrix.multiply(matrix).tocsr()
        users = np.asarray(squares.sum(axis=1)).ravel()
        movies = np.asarray(squares.sum(axis=0)).ravel() + config.shrinkage
        self._roots = np.sqrt(movies).astype(np.float32)
        scaled = sp.csr_matrix(
            sp.diags_array(1 / np.sqrt(np.maximum(users, 1e-9))) @ matrix @ sp.diags_array(1 / np.sqrt(movies))
        )
        progress("graph: decomposition", 0.1)
        if near is None:
            _, values, right = truncated_svd(scaled, config.rank)
        else:
            _, values, right = truncated_svd(scaled, config.rank, near=near(), iterations=REFIT_ITERATIONS)
        self._values, self._directions = values, np.ascontiguousarray(right.T)
        progress("graph: done", 1.0)

    def _exponent(self, n: int) -> float:
        return float(np.interp(np.log(max(n, 1)), np.log(LENGTHS), EXPONENTS))

    def _weights(self, query: Query) -> tuple[NDArray[np.int64], NDArray[np.bool_], Floats, Floats]:
        """Places and mask of the known movies, what each counts over the root of its degree, and f(σ)."""
        positions, mask = self._items.known(query)
        counts = self._scale.history_weights(query, mask, self.config.feedback) / self._roots[positions]
        return positions, mask, counts, self._values ** np.float32(self._exponent(len(positions)))

    def knows(self, query: Query) -> bool:
        """Whether the history holds a rated movie."""
        return self._items.knows(query)

    def score(self, queries: Sequence[Query]) -> Scores:
        """Filtered histories; NaN for unrated movies, and for users without a rated movie."""
        users = np.zeros((len(queries), len(self._values)), dtype=np.float32)
        for number, query in enumerate(queries):
            users[number] = self._filtered(query)
        scores = users @ self._directions.T
        scores *= self._roots
        return self._items.spread(scores, self.n_items)

    def _filtered(self, query: Query) -> Floats:
        """A history in the directions, (r,); NaN without a rated movie."""
        positions, _, counts, passed = self._weights(query)
        if not len(positions):
            return np.full(len(self._values), np.nan, dtype=np.float32)
        return np.asarray((counts @ self._directions[positions]) * passed, dtype=np.float32)

    def row_scorer(self, rows: NDArray[np.int64]) -> RowScorer:
        """See `Model.row_scorer`."""
        positions = self._items.positions(rows)
        scaled = np.full((len(rows), len(self._values)), np.nan, dtype=np.float32)
        known = positions[positions >= 0]
        scaled[positions >= 0] = self._directions[known] * self._roots[known, None]
        return ProductScorer([scaled], lambda query: [query.once((self, "filtered"), lambda: self._filtered(query))])

    def contributions(self, query: Query, rows: Sequence[int]) -> Floats:
        """What each movie of the history adds, (len(rows), len(query)); 0 for unrated movies."""
        shares = np.zeros((len(rows), len(query)), dtype=np.float32)
        positions, mask, counts, passed = self._weights(query)
        targets = self._items.positions(rows)
        known = targets[targets >= 0]
        reach = (self._directions[known] * passed) @ self._directions[positions].T
        shares[np.ix_(targets >= 0, mask)] = reach * counts * self._roots[known, None]
        return shares

    def similar(self, rows: Sequence[int]) -> Scores:
        """Cosine of V·σ; NaN for unrated movies."""
        return self._items.cosines(rows, self._directions * self._values, self.n_items)

    def state(self) -> State:
        """`directions` (k, r), `values` (r,), `roots` (k,), all float32; `items` int64 (k,); `star_scale`."""
        return {
            "directions": self._directions,
            "values": self._values,
            "roots": self._roots,
            "items": self._items.rows,
            **self._scale.state(),
        }

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        self._items = WarmItems.from_state(state, catalog)
        self._values = array(state, "values", np.float32, (None,))
        self._directions = array(state, "directions", np.float32, (len(self._items), len(self._values)))
        self._roots = array(state, "roots", np.float32, (len(self._items),))
        self._scale = StarScale.from_state(state)
