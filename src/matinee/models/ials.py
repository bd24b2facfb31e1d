"""iALS: latent factors from what was rated at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any, ClassVar, Literal, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee._util.extras import need
from matinee.accelerator.device import current_device
from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.models.base import Model, ModelConfig, Progress, Query, RowScorer, Scores, State
from matinee.models.cholesky import solve
from matinee.models.factorization import (
    Floats,
    Shared,
    batch_pool,
    principal_directions,
    ridge_descend,
    ridge_solve,
    solver_bytes,
)
from matinee.models.preference import Feedback, StarScale
from matinee.models.row_scorers import ProductScorer
from matinee.models.warm_items import WarmItems, Weighting, array, choose_warm, over_history

TARGETS = ((-2.7, -0.5), (-1.7, 0.2), (-0.7, 0.7), (0.3, 0.9), (1.3, 1.0))
"""Target of a movie when folding in, by its stars in deviations from the user's mean. Flatter than what other models
count: every movie of a history is an observation of weight 1 here, so that a small target is a push already."""

DENSITIES = 6.0
"""α in densities of the ratings: in sparse data a movie not rated says less. One number serves 100K, small and 1M."""


LARGE = 500_000
"""Ratings from which on more factors are learned, and, where Numba is installed, by conjugate gradients."""

START_SHARE = 0.25
"""Share of the ratings, where they are many, whose users' principal directions are the start of a descent."""
REFIT_SWEEPS = 3
"""Sweeps from the factors of an earlier state of the data, at most."""

COMPILER_BYTES = 192 << 20
"""What importing Numba and compiling the kernel takes, from above."""

Solver = Literal["exact", "blocks", "cg"]
"""How each row's ridge system is solved: by its Cholesky factor, block by block, or by conjugate gradients."""


def default_solver(n_ratings: int) -> Solver:
    """For small data compiling the kernel takes longer than solving exactly."""
    return "cg" if n_ratings >= LARGE and find_spec("numba") is not None else "exact"


def default_factors(n_ratings: int) -> int:
    """Latent dimensions for this many ratings: more do not help on 100,000 and cost four times the time."""
    return 64 if n_ratings < LARGE else 128


def default_regularization(n_ratings: int) -> float:
    """λ for this many ratings: .018 suits 100,000 (ML-100K, ml-latest-small), .01 a million (ML-1M)."""
    return float(0.018 * (max(n_ratings, 1) / 100_000) ** -0.3)


class ImplicitALSConfig(ModelConfig):
    """Settings of `ImplicitALS`."""

    n_factors: int | None = Field(
        None, ge=1, le=4096, description="Latent dimensions; None: 64, from 500,000 ratings on 128."
    )
    regularization: float | None = Field(
        None,
        gt=0,
        description="λ of the frequency-scaled ridge; None: .018 at 100,000 ratings, falling with their power .3.",
    )
    unobserved: float | None = Field(
        None, gt=0, description="α: weight of a film that was not rated; None: 6 × the share of pairs that are rated."
    )
    exponent: float = Field(1.0, ge=0, le=1, description="ν of the frequency scaling.")
    iterations: int = Field(6, ge=1, le=1000, description="Sweeps over users and films.")
    solver: Solver | None = Field(
        None,
        description="exact; blocks: iALS++, for hundreds of factors; cg: conjugate gradients (Numba); None: exact, "
        "from 500,000 ratings on cg where Numba is installed.",
    )
    block_size: int = Field(64, ge=1, le=4096, description="Factors solved for at a time by blocks.")
    steps: int = Field(1, ge=1, le=100, description="Conjugate gradients for each row in each sweep.")
    weighting: Weighting = Field("binary", description="Target in training: 1, or stars / highest stars.")
    feedback: Feedback = Field(
        "signed", description="Target when folding in: −½ disliked to 1 loved, or as in training."
    )


def settings_for(config: ImplicitALSConfig, n_ratings: int, n_users: int, n_movies: int) -> tuple[int, float, float]:
    """Latent dimensions, λ and α for data of a size, where the configuration leaves them open."""
    return (
        config.n_factors or default_factors(n_ratings),
        config.regularization or default_regularization(n_ratings),
        config.unobserved or DENSITIES * n_ratings / max(n_users * n_movies, 1),
    )


def ridge_of(n_ratings: NDArray[Any], n_others: int, regularization: float, alpha: float, exponent: float) -> Floats:
    """λ(n + α·N)^ν of users or movies of n ratings, (n,), where the other side has N."""
    return np.asarray(regularization * (n_ratings + alpha * n_others) ** exponent, dtype=np.float32)


class ImplicitALS(Model[ImplicitALSConfig]):
    """Minimizes Σ_rated (t − pᵀq)² + α Σ_all (pᵀq)² + ridge (Hu, Koren, Volinsky 2008).

    The ridge is λ(n + α·N)^ν for a user or movie of n ratings and N of the other side (Rendle et al. 2021,
    "Revisiting the Performance of iALS"). Rows are solved for exactly, by blocks of factors (Rendle et al. 2021,
    "iALS++: Speeding up Matrix Factorization with Subspace Optimization"), or by a step of preconditioned conjugate
    gradients (Takács, Pilászy, Tikk 2011), or several, from where the sweep before ended. A history is folded in by
    one ridge solve, exactly. NaN for unrated movies.

    Examples:
        >>> model = matinee.ImplicitALS(n_factors=8).fit(dataset)
        >>> len(model.top(history, n=5))
        5
    """

    name = "ials"
    Config = ImplicitALSConfig
    search_ranges: ClassVar[Mapping[str, str]] = {
        "n_factors": "32:512",
        "regularization": "1e-3:1e-1",
        "unobserved": "1e-2:1",
        "iterations": "4:16",
    }
    """Settings to search, and where: as `matinee tune --search` takes them."""

    _items: WarmItems
    _factors: Floats
    _gram: Floats
    _scale: StarScale
    _alpha: float
    _ridge_scale: float
    _width: int

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: both sides' factors, sparse ratings by user and by movie, one batch of ridge systems."""
        ratings = dataset.ratings
        d = self.config.n_factors or default_factors(len(ratings))
        longest = int(max(ratings.counts.max(initial=0), np.diff(ratings.indptr).max(initial=0)))
        sides = ratings.n_users + ratings.n_rated
        solver = self.config.solver or default_solver(len(ratings))
        solving = COMPILER_BYTES if solver == "cg" else solver_bytes(longest, d)
        return 64 * len(ratings) + sides * d * 80 + solving + (1 << 20)

    def memory_kept(self, dataset: Dataset) -> int:
        """Bytes of the movies' factors."""
        width = self.config.n_factors or default_factors(len(dataset.ratings))
        return dataset.ratings.n_rated * (4 * width + 16) + 8 * len(dataset.catalog)

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return f"Raise MATINEE_MEMORY_LIMIT or lower n_factors (now {self.config.n_factors or 'by data'})."

    def _ridge(self, n_ratings: NDArray[Any], n_others: int) -> Floats:
        """(n,)"""
        return ridge_of(n_ratings, n_others, self._ridge_scale, self._alpha, self.config.exponent)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        self._learn(dataset, progress, lambda: None)

    def _refit(self, dataset: Dataset, earlier: Self, rows: NDArray[np.int64], progress: Progress) -> None:
        def start() -> Floats | None:
            same = earlier._width == self._width
            return self._items.carried(earlier._items, earlier._factors, rows) if same else None

        self._learn(dataset, progress, start)

    def _learn(self, dataset: Dataset, progress: Progress, start: Callable[[], Floats | None]) -> None:
        """Sweeps from the factors of `start`; None: all sweeps, from the principal directions."""
        config = self.config
        self._scale = StarScale.of(dataset)
        self._items = WarmItems(choose_warm(dataset.ratings.counts, 1, None))
        matrix = self._items.training_matrix(dataset, config.weighting).tocsr()
        turned = matrix.T.tocsr()
        self._width, self._ridge_scale, self._alpha = settings_for(config, matrix.nnz, *matrix.shape)
        # A GPU solves rows exactly in less time than it takes to descend towards the solution.
        solver = "exact" if current_device() else config.solver or default_solver(matrix.nnz)
        if solver == "cg":
            need("numba", "Conjugate gradients", "train")
        of_users, of_movies = np.diff(matrix.indptr), np.diff(turned.indptr)
        by_user = self._ridge(of_users, matrix.shape[1])
        by_item = self._ridge(of_movies, matrix.shape[0])
        prior = self._prior_of(dataset, by_item)
        pull = None
        with batch_pool() as pool:
            movies, sweeps = start(), min(REFIT_SWEEPS, config.iterations)
            if movies is None:
                movies = self._start(matrix) if solver == "cg" else principal_directions(matrix, self._width)
                sweeps = config.iterations
            users = np.zeros((matrix.shape[0], self._width), dtype=np.float32)
            for sweep in range(sweeps):
                users = self._solve(solver, matrix, movies, of_movies, by_user, users, pool)
                movies = self._solve(solver, turned, users, of_users, by_item, movies, pool, pull)
                pull = None if prior is None else by_item[:, None] * prior(movies)
                progress("ials: sweeps", (sweep + 1) / sweeps)
        self._set(movies)

    def _start(self, matrix: sp.csr_matrix) -> Floats:
        """Factors of the movies to descend from, (k, d): principal directions of the users with the most ratings.

        A start need not be exact: where sweeps are quick, one of all users would take half as long as they do. Users
        of equal numbers of ratings stay together, so that their order does not matter.
        """
        sizes = np.diff(matrix.indptr)
        falling = np.sort(sizes)[::-1]
        enough = int(np.searchsorted(np.cumsum(falling), START_SHARE * matrix.nnz))
        some = matrix if matrix.nnz < LARGE else matrix[sizes >= falling[enough]]
        # The values of all users are about so much larger.
        scale = (matrix.nnz / max(some.nnz, 1)) ** 0.25
        return principal_directions(some, self._width, 1) * np.float32(scale)

    def _prior_of(self, dataset: Dataset, ridge: Floats) -> Callable[[Floats], Floats] | None:
        """What the ridge of the movies draws their factors towards, as a function of them, both (k, d); None: to 0."""
        del dataset, ridge
        return None

    def _solve(
        self,
        solver: Solver,
        matrix: sp.csr_matrix,
        others: Floats,
        counts: NDArray[np.integer[Any]],
        ridge: Floats,
        start: Floats,
        pool: ThreadPoolExecutor,
        pull: Floats | None = None,
    ) -> Floats:
        """Factors of the rows of a matrix, (n, d), those of its columns fixed.

        Args:
            counts: entries of each of these, (k,).
            ridge: (n,).
            start: (n, d), the factors of the sweep before.
            pull: (n, d), added to the right sides.
        """
        base = np.float32(self._alpha) * (others.T @ others)
        entries = (matrix.indptr, matrix.indices, matrix.data)
        if solver == "cg":
            shared = Shared.of(others, base, counts, pool)
            return ridge_descend(*entries, shared, ridge, pool, start, pull=pull, steps=self.config.steps)
        block = self.config.block_size if solver == "blocks" else None
        wide = np.broadcast_to(ridge[:, None], start.shape)
        return ridge_solve(*entries, others, wide, pool, base, pull=pull, start=start, block=block)

    def _set(self, factors: Floats) -> None:
        self._factors, self._width = factors, factors.shape[1]
        self._gram = np.float32(self._alpha) * (factors.T @ factors)

    def knows(self, query: Query) -> bool:
        """Whether the history holds a movie with ratings."""
        return self._items.knows(query)

    def factors(self, rows: NDArray[np.int64]) -> tuple[Floats, NDArray[np.bool_]]:
        """Factors of movies, (len(rows), d), 0 for unrated ones, and which are rated, (len(rows),)."""
        positions = self._items.positions(rows)
        known = positions >= 0
        result = np.zeros((len(positions), self._width), dtype=np.float32)
        result[known] = self._factors[positions[known]]
        return result, known

    def _system(self, query: Query) -> tuple[NDArray[np.bool_], Floats, Floats]:
        """Which movies of the history are known, the ridge system (d, d), and its right side of each movie, (d, n)."""
        config = self.config
        positions, mask = self._items.known(query)
        known = self._factors[positions]
        left = self._gram + known.T @ known
        left[np.diag_indices_from(left)] += self._ridge(np.array([len(positions)]), len(self._items))
        return (
            mask,
            left,
            known.T * self._scale.history_weights(query, mask, config.feedback, config.weighting, TARGETS),
        )

    def user_factors(self, queries: Sequence[Query]) -> Floats:
        """Factors p of users, folded in, (n_queries, d); NaN for those without a rated movie."""
        users = np.full((len(queries), self._width), np.nan, dtype=np.float32)
        for number, query in enumerate(queries):
            if self.knows(query):
                _, left, right = self._system(query)
                users[number] = solve(left, right.sum(axis=1))
        return users

    def score(self, queries: Sequence[Query]) -> Scores:
        """pᵀq; NaN for unrated movies, and for users without a rated movie."""
        users = self.user_factors(queries)
        return self._items.spread(users @ self._factors.T, self.n_items)

    def row_scorer(self, rows: NDArray[np.int64]) -> RowScorer:
        """See `Model.row_scorer`."""
        factors, known = self.factors(rows)
        factors[~known] = np.nan
        # Scorers of other movies, as those of a filter, ask for the same user.
        return ProductScorer(
            [factors], lambda query: [query.once((self, "user"), lambda: self.user_factors([query])[0])]
        )

    def contributions(self, query: Query, rows: Sequence[int]) -> NDArray[np.float32]:
        """q_jᵀA⁻¹q_i of each movie of the history, (len(rows), len(query)); 0 for unrated movies."""
        return self._carried(query, self.factors(np.asarray(rows, dtype=np.int64))[0])

    def mixed_contributions(self, query: Query, rows: Sequence[int], mix: Floats) -> Floats:
        """See `Model.mixed_contributions`: mixed factors are multiplied."""
        return self._carried(query, mix @ self.factors(np.asarray(rows, dtype=np.int64))[0])

    def _carried(self, query: Query, factors: Floats) -> Floats:
        """What each movie of the history adds in the direction of some factors, (len(factors), len(query))."""
        mask, left, right = self._system(query)
        return over_history(factors @ solve(left, right), mask)

    def similar(self, rows: Sequence[int]) -> Scores:
        """Cosine of the factors; NaN for unrated movies."""
        return self._items.cosines(rows, self._factors, self.n_items)

    def state(self) -> State:
        """`factors` float32 (k, d), `items` int64 (k,), `star_scale`, `alpha`, `ridge`: α and λ as used."""
        return {
            "factors": self._factors,
            "items": self._items.rows,
            **self._scale.state(),
            "alpha": np.array([self._alpha]),
            "ridge": np.array([self._ridge_scale]),
        }

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        self._items = WarmItems.from_state(state, catalog)
        self._alpha = float(array(state, "alpha", np.float64, (1,))[0])
        self._ridge_scale = float(array(state, "ridge", np.float64, (1,))[0])
        self._set(array(state, "factors", np.float32, (len(self._items), self.config.n_factors)))
        self._scale = StarScale.from_state(state)
