"""SLIM: sparse weights from movie to movie, an elastic net for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from matinee._util.extras import need
from matinee.data.dataset import Dataset
from matinee.models.base import Progress
from matinee.models.factorization import batch_pool
from matinee.models.gram import block_users, gram_matrix, symmetric
from matinee.models.linked_movies import LinkedMovies, LinkedMoviesConfig, stacked
from matinee.models.preference import StarScale
from matinee.models.warm_items import WarmItems, choose_warm
from matinee.models.work_shares import WORKERS

_TARGETS = 64
"""Movies whose weights one thread learns at a time."""

_COMPILER_BYTES = 160 << 20
"""What importing Numba and compiling the kernels takes, from above."""


class SlimConfig(LinkedMoviesConfig):
    """Settings of `Slim`."""

    lasso: float = Field(0.5, ge=0, description="λ of |w|: the higher, the fewer weights.")
    ridge: float = Field(100.0, gt=0, description="λ of ½·w².")
    non_negative: bool = Field(True, description="Weights push no film down, as in the paper.")
    candidates: int | None = Field(
        500,
        ge=1,
        description="Films that may weigh for a film: those that explain most of it alone; None: all.",
    )
    sweeps: int = Field(30, ge=1, le=10_000, description="Over the coordinates, at most.")
    tolerance: float = Field(1e-3, ge=0, lt=1, description="Change of a weight, of the largest, at which it is done.")
    min_ratings: int = Field(5, ge=1, description="Films with fewer ratings are cold (left to other models).")
    max_items: int | None = Field(12_000, ge=1, description="At most this many films, the most rated ones.")


class Slim(LinkedMovies[SlimConfig]):
    """Sparse linear method: scores = h·W, each column w of W minimizing ½|x_j − Xw|² + lasso·|w|₁ + ½·ridge·|w|².

    w_j = 0, and w ≥ 0 unless told otherwise (Ning & Karypis 2011, "SLIM: Sparse Linear Methods for Top-N Recommender
    Systems"). Coordinate descent runs on the Gram matrix (Friedman, Hastie, Tibshirani 2010, "Regularization Paths for
    Generalized Linear Models via Coordinate Descent", covariance updates), films at the same time on all processors.
    Fitting needs Numba (extra `train`). Movies without enough ratings are NaN.

    Examples:
        >>> model = matinee.Slim(min_ratings=1).fit(dataset)
        >>> model.score([history]).shape
        (1, 40)
    """

    name = "slim"
    Config = SlimConfig
    search_ranges: ClassVar[Mapping[str, str]] = {"lasso": "0.1:30", "ridge": "10:1000"}
    """Settings to search, and where: as `matinee tune --search` takes them."""

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: the Gram matrix, one dense block of users, the weights, each thread's part, and the compiler."""
        counts, config = dataset.ratings.counts, self.config
        items = choose_warm(counts, config.min_ratings, config.max_items)
        k, n_users = len(items), dataset.ratings.n_users
        block = min(block_users(k), max(n_users, 1))
        sparse = int(counts[items].sum()) * 24 + 4 * len(dataset.ratings) + 32 * n_users
        # Candidates that explain as much as the last come in as well: all, at worst, but hardly for every movie.
        most = min(config.candidates or k, k)
        part = WORKERS * (12 * _TARGETS * k + 4 * min(2 * most, k) ** 2 + 32 * k)
        return 4 * k * k + 4 * block * k + sparse + 32 * k * most + part + 64 * len(counts) + _COMPILER_BYTES

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return (
            f"Raise MATINEE_MEMORY_LIMIT, or leave more films out with min_ratings (now {self.config.min_ratings}) "
            f"or max_items (now {self.config.max_items})."
        )

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        need("numba", "Fitting slim", "train")
        from matinee.models.coordinate_descent import elastic_nets

        config = self.config
        self._scale = StarScale.of(dataset)
        self._items = WarmItems(choose_warm(dataset.ratings.counts, config.min_ratings, config.max_items))
        k = len(self._items)
        # Symmetric, so that the order of its axes does not matter: rows are read as they lie.
        gram = symmetric(gram_matrix(self._items.training_matrix(dataset, config.weighting), progress, "slim")).T

        def learn(start: int) -> sp.csr_matrix:
            n = min(_TARGETS, k - start)
            columns, values = np.empty((n, k), dtype=np.int64), np.empty((n, k), dtype=np.float32)
            counts = np.zeros(n, dtype=np.int64)
            elastic_nets(
                start,
                start + n,
                gram,
                config.lasso,
                config.ridge,
                config.non_negative,
                config.candidates or 0,
                config.sweeps,
                config.tolerance,
                columns,
                values,
                counts,
            )
            kept = np.arange(k) < counts[:, None]
            indptr = np.concatenate([[0], np.cumsum(counts)])
            return sp.csr_matrix((values[kept], columns[kept], indptr), shape=(n, k))

        parts: list[sp.csr_matrix] = []
        with batch_pool() as pool:
            for part in pool.map(learn, range(0, k, _TARGETS)):
                parts.append(part)
                progress("slim: elastic nets", 0.5 + 0.5 * min(len(parts) * _TARGETS / k, 1.0))
        if not parts:
            progress("slim: elastic nets", 1.0)
        self._links = stacked(parts).T.tocsr()
        self._links.sort_indices()
