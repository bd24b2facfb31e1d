"""RP3β: random walks of three steps over the graph of users and movies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from matinee.data.dataset import Dataset
from matinee.models.base import Progress
from matinee.models.linked_movies import LinkedMovies, LinkedMoviesConfig, blocks, keep_largest, linking_bytes, stacked
from matinee.models.preference import StarScale
from matinee.models.warm_items import WarmItems, choose_warm


class RP3BetaConfig(LinkedMoviesConfig):
    """Settings of `RP3Beta`."""

    alpha: float = Field(0.7, ge=0, le=3, description="Power of the probabilities of a step.")
    beta: float = Field(0.8, ge=0, le=2, description="Movies are divided by this power of their popularity.")
    shrinkage: float = Field(50.0, ge=0, description="Added to the popularity: mistrust of films of few ratings.")
    neighbors: int = Field(500, ge=1, description="Most probable films kept per film of a history.")


class RP3Beta(LinkedMovies[RP3BetaConfig]):
    """Scores Σ_i h_i·w_ij, w_ij = Σ_u (p_iu·p_uj)^α / (n_j + shrinkage)^β, for the most probable movies j of each i.

    p_iu is the probability to step from movie i to its rater u, by the stars given, p_uj that to step on to j, which
    has n_j ratings
    (Paudel et al. 2017, "Updatable, Accurate, Diverse, and Scalable Recommendations for Interactive Applications"; α:
    Cooper et al. 2014, "Random Walks in Recommender Systems"; the largest weights of each movie alone: Ferrari Dacrema
    et al. 2021, "A Troubling Analysis of Reproducibility and Progress in Recommender Systems Research"). What a movie
    of the history counts takes the place of the first step, from the user to it. Unrated movies are NaN.

    Examples:
        >>> model = matinee.RP3Beta(neighbors=20).fit(dataset)
        >>> dataset.titles(model.top(history, n=2))
        ['Groundhog Day (1993)', 'Clerks (1994)']
    """

    name = "rp3beta"
    Config = RP3BetaConfig
    search_ranges: ClassVar[Mapping[str, str]] = {"alpha": "0.3:2", "beta": "0:1.2", "neighbors": "50:1000"}
    """Settings to search, and where: as `matinee tune --search` takes them."""

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: see `linking_bytes`."""
        return linking_bytes(dataset.ratings, self.config.neighbors)

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return f"Raise MATINEE_MEMORY_LIMIT or lower neighbors (now {self.config.neighbors})."

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        config = self.config
        self._scale = StarScale.of(dataset)
        self._items = WarmItems(choose_warm(dataset.ratings.counts, 1, None))
        k = len(self._items)
        matrix = self._items.training_matrix(dataset, config.weighting)
        popularity = np.bincount(matrix.indices, minlength=k)
        forward = _steps(matrix, config.alpha)
        back = _steps(matrix.T.tocsr(), config.alpha)
        discount = (np.maximum(popularity + config.shrinkage, 1) ** -config.beta).astype(np.float32)
        parts: list[sp.csr_matrix] = []
        for span in blocks(k):
            reached = (back[span] @ forward).tocsr()
            weights = reached.data * discount[reached.indices]
            weights[reached.indices == np.repeat(np.arange(span.start, span.stop), np.diff(reached.indptr))] = 0.0
            parts.append(keep_largest(reached, weights, config.neighbors))
            progress("rp3beta: walks", span.stop / k)
        self._links = stacked(parts)
        self._links.sort_indices()


def _steps(matrix: sp.csr_matrix, alpha: float) -> sp.csr_matrix:
    """Probabilities of a step from each row to its columns, to the power α."""
    sums = np.asarray(matrix.sum(axis=1), dtype=np.float32).ravel()
    rates = np.where(sums > 0, 1 / np.maximum(sums, 1e-9), 0).astype(np.float32)
    data = (matrix.data * np.repeat(rates, np.diff(matrix.indptr))) ** np.float32(alpha)
    return sp.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)
