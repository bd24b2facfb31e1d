"""Gibbs sampling of Bayesian matrix factorization with side features.

r_ui ~ N(μ + b_u + b_i + p_uᵀq_i, 1/α_u), where the row (b_u, p_u) of a user and the row (b_i, q_i) of a movie have the
prior N(Wᵀx, Λ⁻¹): x are the features of the user or movie, W a matrix of coefficients, Λ a precision. All of them are
sampled: rows by blocks (Salakhutdinov and Mnih 2008, "Bayesian probabilistic matrix factorization"), W and the ridge on
each group of its features as in Simm et al. 2015, "Macau", and the noise α_u of each user, with a common gamma prior.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from matinee._util.extras import need
from matinee.models.bayesian.ordered_probit import OrderedProbit
from matinee.models.factorization import batch_pool
from matinee.models.work_shares import WORKERS

Doubles = NDArray[np.float64]

_CHUNKS = 2 * WORKERS
"""Ranges of rows that threads take in turn."""
_BIAS_VARIANCE, _FACTOR_VARIANCE = 0.3, 0.1
"""Prior guesses of the variances of biases and factors, stars²."""
_LEAST_NOISE = 0.01
"""Least variance of a user's noise, in that of all stars: stars that can be predicted exactly have no density."""
_PRIOR_ROWS = 2.0
"""How many rows these guesses count as."""


@dataclass(frozen=True)
class Features:
    """Side features of the users or of the movies.

    Attributes:
        matrix: (n, f); the first column is 1.
        groups: (f,), group of each column, which share a ridge; 0 is the constant's.
    """

    matrix: Doubles
    groups: NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """One draw from the posterior.

    Attributes:
        movies: (n_items, 1 + d), bias and factors.
        movie_weights: (f_i, 1 + d), W of the movies.
        movie_precision: (1 + d, 1 + d), Λ of the movies.
        users: (n_users, 1 + d), bias and factors.
        user_weights: (f_u, 1 + d).
        user_precision: (1 + d, 1 + d).
        user_ridge: (f_u,), ridge on the rows of `user_weights`.
        noise: prior mean of 1/α_u, stars².
    """

    movies: Doubles
    movie_weights: Doubles
    movie_precision: Doubles
    users: Doubles
    user_weights: Doubles
    user_precision: Doubles
    user_ridge: Doubles
    noise: float


class _Rows:
    """The rows of one side, with their prior and its parameters."""

    def __init__(
        self,
        features: Features,
        width: int,
        ratings: sp.csr_matrix,
        is_users: bool,
        rng: np.random.Generator,
    ) -> None:
        self.x, self._groups = features.matrix, features.groups
        n, f = self.x.shape
        self.indptr, self.indices, self._is_users = ratings.indptr, ratings.indices, is_users
        self._stars = ratings.data
        self._ranges = list(_ranges(self.indptr, width))
        self._rng = rng
        self._gram = self.x.T @ self.x
        self.ridge = np.ones(int(self._groups.max()) + 1)
        self.ridge[0] = 1e-3  # the constant is nearly free
        self._scatter = np.diag(np.concatenate([[_BIAS_VARIANCE], np.full(width - 1, _FACTOR_VARIANCE)]))
        self.weights = np.zeros((f, width))
        self.precision = np.diag(1 / np.diag(self._scatter))
        self._prior = np.zeros((n, width))
        self.rows = 0.1 * rng.standard_normal((n, width))

    def set_stars(self, stars: Doubles) -> None:
        """Replace the stars of all entries."""
        self._stars = stars

    def sample(self, others: Doubles, alpha: Doubles, pool: ThreadPoolExecutor) -> None:
        """Draw all rows, given those of the other side, and α of each user."""
        noise = self._rng.standard_normal(self.rows.shape)
        self.rows = np.empty_like(noise)
        design = others.astype(np.float32)
        design[:, 0] = 1  # what multiplies the bias
        entries = self.indptr, self.indices, self._stars, others[:, 0].copy(), alpha, self._is_users
        arguments: tuple[Any, ...] = *entries, design, self._prior @ self.precision, self.precision, noise, self.rows
        draw = _kernels().sample_rows
        work = [pool.submit(draw, start, stop, *arguments) for start, stop in self._ranges]
        for task in work:
            task.result()

    def sample_prior(self) -> None:
        """Draw Λ, W and the ridges, given the rows."""
        rng, (n, width) = self._rng, self.rows.shape
        ridge = self.ridge[self._groups]
        left = self.rows - self._prior
        scatter = _PRIOR_ROWS * self._scatter + left.T @ left + self.weights.T @ (ridge[:, None] * self.weights)
        self.precision = wishart(rng, width + 1 + n + len(ridge), scatter)
        root = np.linalg.cholesky(self._gram + np.diag(ridge))
        mean = solve_triangular(root, self.x.T @ self.rows, lower=True, check_finite=False)
        spread = np.linalg.cholesky(np.linalg.inv(self.precision))
        # W = (XᵀX + D)⁻¹ Xᵀ Z + noise, whose columns are correlated as Λ⁻¹.
        drawn = mean + rng.standard_normal(mean.shape) @ spread.T
        self.weights = solve_triangular(root, drawn, lower=True, trans="T", check_finite=False)
        self._prior = self.x @ self.weights
        sizes = ((self.weights @ self.precision) * self.weights).sum(axis=1)
        for group in range(1, len(self.ridge)):
            members = self._groups == group
            self.ridge[group] = rng.gamma(1 + members.sum() * width / 2) / (1 + sizes[members].sum() / 2)


def gibbs(
    ratings: sp.csr_matrix,
    mean: float,
    users: Features,
    movies: Features,
    *,
    n_factors: int,
    sweeps: int,
    noise_prior: float,
    seed: int,
    ordinal: OrderedProbit | None = None,
    near: Doubles | None = None,
) -> Iterator[Sample]:
    """A Markov chain: one sample a sweep, from the first on (leave the first ones out).

    Args:
        ratings: (n_users, n_items), stars, at least one.
        mean: μ.
        noise_prior: how many ratings the common prior of a user's noise counts as.
        seed: the same seed, data and number of factors give the same chain, whatever the number of threads.
        ordinal: stars are levels, whose latent values are sampled, too; the samples are of these.
        near: (n_items, 1 + d), biases and factors of the movies that the chain begins with; NaN: drawn.

    Raises:
        MissingExtraError: Numba is not installed.
    """
    rng = np.random.default_rng(seed)
    n_users = ratings.shape[0]
    levels = np.zeros(0, dtype=np.int64) if ordinal is None else ordinal.positions(ratings.data)
    stars = (ratings.data.astype(np.float64) if ordinal is None else ordinal.scores[levels]) - mean
    by_user = sp.csr_matrix((stars, ratings.indices, ratings.indptr), ratings.shape)
    by_movie = sp.csr_matrix(by_user.T)
    by_movie.sort_indices()
    order = _order_by_column(by_user) if ordinal is not None else None
    width = 1 + n_factors
    left = _Rows(users, width, by_user, True, rng)
    right = _Rows(movies, width, by_movie, False, rng)
    if near is not None:
        right.rows = np.where(np.isnan(near), right.rows, near)
    variance = max(float(stars.var()), 1e-3)
    noise, precise = variance / 1.5, 1 / (_LEAST_NOISE * variance)
    alpha = np.full(n_users, 1 / noise)
    counts = np.diff(ratings.indptr)
    with batch_pool() as pool:
        for _ in range(sweeps):
            left.sample(right.rows, alpha, pool)
            left.sample_prior()
            right.sample(left.rows, alpha, pool)
            right.sample_prior()
            if ordinal is not None:
                said = _kernels().predictions(left.rows, right.rows, left.indptr, left.indices)
                deviation = np.repeat(1 / np.sqrt(alpha), counts)
                stars = ordinal.draw(rng, levels, said + mean, deviation) - mean
                left.set_stars(stars)
                right.set_stars(stars[order])
            squares = _kernels().squared_errors(left.rows, right.rows, left.indptr, left.indices, stars)
            alpha = rng.gamma((noise_prior + counts) / 2) / ((noise_prior * noise + squares) / 2)
            alpha = np.minimum(alpha, precise)
            noise = rng.gamma(1 + n_users * noise_prior / 2) / (noise_prior / 2 * alpha.sum() + 1e-6)
            ridge = left.ridge[users.groups]
            yield Sample(
                right.rows, right.weights, right.precision, left.rows, left.weights, left.precision, ridge, noise
            )


def _order_by_column(matrix: sp.csr_matrix) -> NDArray[np.int64]:
    """Where the entries of the transposed matrix stand in this one, (nnz,)."""
    numbered = sp.csr_matrix((np.arange(matrix.nnz), matrix.indices, matrix.indptr), matrix.shape)
    turned = sp.csr_matrix(numbered.T)
    turned.sort_indices()
    order: NDArray[np.int64] = turned.data
    return order


def nothing_known(users: Features, movies: Features, width: int) -> Sample:
    """A sample without any ratings: zeros, and precisions of the prior guesses."""
    precision = np.diag(1 / np.concatenate([[_BIAS_VARIANCE], np.full(width - 1, _FACTOR_VARIANCE)]))
    (n, f_i), (n_users, f_u) = movies.matrix.shape, users.matrix.shape
    return Sample(
        np.zeros((n, width)),
        np.zeros((f_i, width)),
        precision,
        np.zeros((n_users, width)),
        np.zeros((f_u, width)),
        precision,
        np.ones(f_u),
        1.0,
    )


def wishart(rng: np.random.Generator, degrees: float, scatter: Doubles) -> Doubles:
    """A draw of a precision matrix from the Wishart distribution with scale scatter⁻¹ (Bartlett's decomposition)."""
    width = len(scatter)
    lower = np.tril(rng.standard_normal((width, width)), -1)
    lower[np.diag_indices(width)] = np.sqrt(rng.chisquare(degrees - np.arange(width)))
    root = np.linalg.cholesky(np.linalg.inv(scatter)) @ lower
    precision: Doubles = root @ root.T
    return precision


def _ranges(indptr: NDArray[np.integer[Any]], width: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows of about equal work."""
    n = len(indptr) - 1
    cost = indptr[1:] + np.arange(1, n + 1, dtype=np.float64) * width
    bounds = np.searchsorted(cost, cost[-1] * np.arange(1, _CHUNKS) / _CHUNKS) if n else np.zeros(0, dtype=np.int64)
    edges = np.unique(np.concatenate([[0], bounds, [n]]))
    yield from zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)


def _kernels() -> Any:
    need("numba", "Training `bayes`", "train")
    from matinee.models.bayesian import kernels

    return kernels
