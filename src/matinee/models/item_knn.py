"""Item-kNN: movies that the same users rated."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.dataset import Dataset
from matinee.models.base import Progress
from matinee.models.gram import compiles
from matinee.models.linked_movies import LinkedMovies, LinkedMoviesConfig, blocks, keep_largest, linking_bytes, stacked
from matinee.models.preference import StarScale
from matinee.models.warm_items import WarmItems, choose_warm

_STEP = "itemknn: similarities"


class ItemKNNConfig(LinkedMoviesConfig):
    """Settings of `ItemKNN`."""

    neighbors: int = Field(200, ge=1, description="Most similar films kept per film.")
    shrinkage: float = Field(0.3, ge=0, description="Added to the denominator: mistrust of few common users.")
    asymmetry: float = Field(0.7, ge=0, le=1, description="α: weight of the rated film's norm; ½ is the cosine.")
    user_weight: float = Field(0.5, ge=0, le=2, description="Users with n ratings count 1/n^this: heavy users less.")


class ItemKNN(LinkedMovies[ItemKNNConfig]):
    """Scores s_j = Σ_i h_i·sim(i, j) over the history's movies i among the k nearest of j.

    sim(i, j) = x_iᵀx_j / (|x_i|^2α · |x_j|^2(1−α) + shrinkage) (asymmetric cosine: Aiolli 2013, "Efficient
    Top-N Recommendation for Very Large Scale Binary Rated Datasets"). Movies of no rating are NaN; a rated
    movie that no movie of the history is near to scores 0.

    Examples:
        >>> model = matinee.ItemKNN(neighbors=20).fit(dataset)
        >>> dataset.titles(model.top(history, n=2))
        ['Groundhog Day (1993)', 'Clerks (1994)']
    """

    name = "itemknn"
    Config = ItemKNNConfig

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: see `linking_bytes`."""
        return linking_bytes(dataset.ratings, self.config.neighbors)

    def memory_kept(self, dataset: Dataset) -> int:
        """Bytes of the links."""
        k = dataset.ratings.n_rated
        return k * (12 * min(self.config.neighbors, k) + 16) + 8 * len(dataset.catalog)

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return f"Raise MATINEE_MEMORY_LIMIT or lower neighbors (now {self.config.neighbors})."

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        config = self.config
        self._scale = StarScale.of(dataset)
        self._items = WarmItems(choose_warm(dataset.ratings.counts, 1, None))
        k = len(self._items)
        matrix = self._items.training_matrix(dataset, config.weighting)
        if config.user_weight:
            sizes = np.maximum(np.diff(matrix.indptr), 1)
            scale = (sizes ** (-config.user_weight / 2)).astype(np.float32)
            data = matrix.data * np.repeat(scale, np.diff(matrix.indptr))
            matrix = sp.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)
        squares = np.bincount(matrix.indices, weights=np.square(matrix.data, dtype=np.float64), minlength=k).astype(
            np.float64
        )
        if compiles(matrix):
            source, target = squares**config.asymmetry, squares ** (1 - config.asymmetry)
            parts = [_compiled(matrix, source, target, config, progress)]
        else:
            by_movie = matrix.T.tocsr()
            parts = []
            for span in blocks(k):
                dots = (by_movie[span] @ matrix).tocsr()
                parts.append(nearest(dots, span.start, squares, config))
                progress(_STEP, span.stop / k)
        self._links = links_of(parts)


def _compiled(
    matrix: sp.csr_matrix,
    source: NDArray[np.float64],
    target: NDArray[np.float64],
    config: ItemKNNConfig,
    progress: Progress,
) -> sp.csr_matrix:
    """`nearest` of all movies by Numba."""
    from matinee.models.co_ratings import nearest as nearest_of_all

    k = matrix.shape[1]
    return nearest_of_all(
        matrix, source, target, config.shrinkage, min(config.neighbors, k), lambda share: progress(_STEP, share)
    )


def nearest(dots: sp.csr_matrix, first: int, squares: NDArray[np.float64], config: ItemKNNConfig) -> sp.csr_matrix:
    """Similarities of some movies to their nearest, (n, k) float32.

    Args:
        dots: products x_iᵀx_j of the movies from `first` on, (n, k).
        squares: x_iᵀx_i, (k,).
    """
    rows = np.repeat(np.arange(first, first + dots.shape[0]), np.diff(dots.indptr))
    source, target = squares**config.asymmetry, squares ** (1 - config.asymmetry)
    similarities = dots.data / (source[dots.indices] * target[rows] + config.shrinkage)
    similarities[dots.indices == rows] = 0.0
    return keep_largest(dots, similarities, config.neighbors)


def links_of(parts: list[sp.csr_matrix]) -> sp.csr_matrix:
    """What each movie adds to others, (k, k), from the nearest of all movies in their order."""
    links = stacked(parts).T.tocsr()
    links.sort_indices()
    return links
