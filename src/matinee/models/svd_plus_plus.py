"""SVD++: SVD in which the history counts by itself, whatever its stars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.models.base import Progress, State
from matinee.models.svd import DescentModel, SvdConfig
from matinee.models.warm_items import array


class SvdPlusPlusConfig(SvdConfig):
    """Settings of `SvdPlusPlus`: those of Surprise."""

    n_factors: int = Field(20, ge=0, le=1024, description="Latent dimensions; 0 leaves biases only.")
    learning_rate: float = Field(0.007, gt=0, le=1, description="Step of the descent.")


class SvdPlusPlus(DescentModel[SvdPlusPlusConfig]):
    """μ + b_u + b_i + q_iᵀ(p_u + |N(u)|^−½ Σ_{j∈N(u)} y_j) by stochastic gradient descent.

    Koren 2008, "Factorization Meets the Neighborhood: a Multifaceted Collaborative Filtering Model". Users are visited
    in a new random order in each pass, each with all ratings. Fitting needs Numba (extra `train`).

    Examples:
        >>> model = matinee.SvdPlusPlus(n_factors=8).fit(dataset)
        >>> scores = model.score([history])[0]
        >>> bool(scores.min() > 0 and scores.max() < 6)
        True
    """

    name = "svdpp"
    Config = SvdPlusPlusConfig

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        stars = self._prepare(dataset)
        from matinee.models.sgd_kernels import svd_plus_plus_epoch

        config, rng = self.config, np.random.default_rng(self.config.seed)
        k, n_users, d = len(stars.places), len(stars.indptr) - 1, config.n_factors
        # Movies first: their start is the same with one user more or less.
        factors, implicit, users = (
            rng.normal(0, config.deviation, (size, d)).astype(np.float32) for size in (k, k, n_users)
        )
        user_biases, biases = np.zeros(n_users, dtype=np.float32), np.zeros(k, dtype=np.float32)
        rate, regularization = np.float32(config.learning_rate), np.float32(config.regularization)
        for epoch in range(config.epochs):
            svd_plus_plus_epoch(
                rng.permutation(n_users),
                stars.indptr,
                stars.movies,
                stars.targets,
                user_biases,
                biases,
                users,
                factors,
                implicit,
                rate,
                regularization,
            )
            progress("svdpp: epochs", (epoch + 1) / config.epochs)
        self._keep(stars, biases, factors, implicit)

    def state(self) -> State:
        """As of `BiasedFactors`, and `implicit` float32 (k, d)."""
        return super().state() | {"implicit": self._implicit}

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        super()._restore(state, catalog)
        self._implicit = array(state, "implicit", np.float32, (len(self._items), self.config.n_factors))
