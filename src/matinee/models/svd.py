"""SVD: stars from biases and factors by stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee._util.extras import need
from matinee.data.dataset import Dataset
from matinee.models.base import Progress
from matinee.models.biased_factors import BiasedFactors, BiasedFactorsConfig, Floats
from matinee.models.preference import StarScale
from matinee.models.truncated_svd import column_order
from matinee.models.warm_items import WarmItems, choose_warm

COMPILER_BYTES = 160 << 20
"""What importing Numba and compiling the kernels takes, from above."""


class SvdConfig(BiasedFactorsConfig):
    """Settings of `Svd`: those of Surprise."""

    n_factors: int = Field(100, ge=0, le=1024, description="Latent dimensions; 0 leaves biases only.")
    epochs: int = Field(20, ge=1, le=10_000, description="Passes over the ratings.")
    learning_rate: float = Field(0.005, gt=0, le=1, description="Step of the descent.")
    regularization: float = Field(0.02, ge=0, le=10, description="Of biases and factors, at each step.")
    deviation: float = Field(0.1, ge=0, le=10, description="Standard deviation of the random start of the factors.")
    seed: int = Field(0, ge=0, description="Of the start and of the order of the ratings.")


C = TypeVar("C", bound=SvdConfig)


@dataclass(frozen=True)
class DescentData:
    """What the descent runs over, users and movies in an order that does not depend on their numbers.

    Attributes:
        indptr: (n_users + 1,), each user's span of ratings.
        owners: (n,), user of each rating.
        movies: (n,), movie of each rating, numbered by `places`.
        targets: (n,), stars less their mean.
        places: (k,), place of each movie among the warm ones.
    """

    indptr: NDArray[np.int64]
    owners: NDArray[np.int64]
    movies: NDArray[np.int64]
    targets: Floats
    places: NDArray[np.intp]


class DescentModel(BiasedFactors[C]):
    """What SVD and SVD++ share: order of the data, random start, and the ridge of a fold-in.

    The descent stops long before it has converged, which holds factors back as a ridge does: T passes of rate η over
    a regression equal a ridge of about 1/(η·T) (Ali, Kolter, Tibshirani 2019, "A Continuous-Time View of Early
    Stopping for Least Squares Regression"). A history is folded in with that ridge, and the regularization of each
    of its ratings besides.
    """

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: factors of both sides with their copies, sparse ratings thrice, and the compiler."""
        ratings, d = dataset.ratings, self.config.n_factors + 1
        sides = ratings.n_users + ratings.n_items
        return 160 * len(ratings) + sides * (d * 40 + 200) + COMPILER_BYTES

    def _ridge(self, n: int) -> Floats:
        config = self.config
        ridge = 1 / (config.learning_rate * config.epochs) + config.regularization * n
        return np.full(1 + config.n_factors, ridge, dtype=np.float32)

    def _prepare(self, dataset: Dataset) -> DescentData:
        """Take mean, scale and warm movies from a data set, and lay its stars out for the descent."""
        need("numba", f"Fitting {self.name}", "train")
        ratings = dataset.ratings
        self._scale = dataset.scale
        self._items = WarmItems(choose_warm(ratings.counts, 1, None))
        stars = ratings.matrix()[:, self._items.rows].tocsr()
        self._mean = StarScale.of(dataset).mean
        turned = sp.csr_matrix(stars.T)
        places, owners = column_order(stars, turned), column_order(turned, stars)
        stars = stars[owners][:, places].tocsr()
        stars.sort_indices()
        return DescentData(
            stars.indptr.astype(np.int64),
            np.repeat(np.arange(stars.shape[0]), np.diff(stars.indptr)),
            stars.indices.astype(np.int64),
            stars.data - np.float32(self._mean),
            places,
        )

    def _keep(self, stars: DescentData, biases: Floats, factors: Floats, implicit: Floats) -> None:
        """Store what was fitted, movies in the order of their rows again."""
        back = np.argsort(stars.places)
        self._biases = biases[back]
        self._features = np.hstack([np.ones((len(back), 1), dtype=np.float32), factors[back]])
        self._implicit = implicit[back] if len(implicit) else implicit


class Svd(DescentModel[SvdConfig]):
    """μ + b_u + b_i + p_uᵀq_i by stochastic gradient descent.

    Funk 2006, "Netflix Update: Try This at Home"; Koren, Bell, Volinsky 2009, "Matrix factorization techniques for
    recommender systems". Ratings are visited in a new random order in each pass. Fitting needs Numba (extra `train`).

    Examples:
        >>> model = matinee.Svd(n_factors=8).fit(dataset)
        >>> scores = model.score([history])[0]
        >>> bool(scores.min() > 0 and scores.max() < 6)
        True
    """

    name = "svd"
    Config = SvdConfig

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        stars = self._prepare(dataset)
        from matinee.models.sgd_kernels import svd_epoch

        config, rng = self.config, np.random.default_rng(self.config.seed)
        k, n_users, d = len(stars.places), len(stars.indptr) - 1, config.n_factors
        # Movies first: their start is the same with one user more or less.
        factors = rng.normal(0, config.deviation, (k, d)).astype(np.float32)
        users = rng.normal(0, config.deviation, (n_users, d)).astype(np.float32)
        user_biases, biases = np.zeros(n_users, dtype=np.float32), np.zeros(k, dtype=np.float32)
        rate, regularization = np.float32(config.learning_rate), np.float32(config.regularization)
        for epoch in range(config.epochs):
            order = rng.permutation(len(stars.movies))
            svd_epoch(
                order,
                stars.owners,
                stars.movies,
                stars.targets,
                user_biases,
                biases,
                users,
                factors,
                rate,
                regularization,
            )
            progress("svd: epochs", (epoch + 1) / config.epochs)
        self._keep(stars, biases, factors, np.zeros((0, d), dtype=np.float32))
