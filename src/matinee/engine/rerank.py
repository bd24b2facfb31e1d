"""From scores to a list: calibrated to the user's tastes, as adventurous as is wished, and of movies unlike each other.

How: `matinee.models.calibration`. Here is what the engine adds to it: one re-ranker for each state of the catalog,
and maximal marginal relevance.
"""

from __future__ import annotations

import threading

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.errors import InvalidInputError
from matinee.models.calibration import Reranker
from matinee.models.preference import StarScale


class Rerankers:
    """The re-ranker of each state of a catalog, made on first use. Thread-safe.

    Popularity is the snapshot's: with current counts every answer would change with everybody's ratings.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._lock = threading.Lock()
        self._made: Reranker | None = None

    def __call__(self, catalog: Catalog) -> Reranker:
        """The re-ranker over this state's movies; only what changed since the last state is recomputed."""
        with self._lock:
            made = self._made
            if made is not None and made.catalog is catalog:
                return made
            if made is None or len(made.catalog) > len(catalog):
                made = Reranker(catalog, self._dataset.ratings.counts, StarScale.of(self._dataset))
            else:
                made = made.with_catalog(catalog)
            self._made = made
            return made


def diversify(
    candidates: NDArray[np.int64],
    scores: NDArray[np.float32],
    vectors: sp.csr_matrix | NDArray[np.float32],
    n: int,
    diversity: float,
) -> NDArray[np.int64]:
    """Greedy maximal marginal relevance (Carbonell & Goldstein 1998).

    Each next movie is the one with the highest `(1 − diversity) · relevance − diversity · max similarity to those
    chosen`; relevance is the score scaled to 0..1 over the candidates, so that any model's scores will do.

    Args:
        candidates: (n_candidates,) movie rows, best first, distinct.
        scores: (n_candidates,), finite; entry i belongs to candidates[i].
        vectors: (n_candidates, n_dimensions), sparse or dense; row i belongs to candidates[i] and has unit length
            (or is zero: unlike everything).
        n: number of rows.
        diversity: 0 returns the first n candidates; 1 looks at unlikeness only (from the best movie on).

    Returns:
        Up to n of the candidates, in the order in which they were chosen.

    Raises:
        InvalidInputError: diversity outside 0..1, or scores or vectors not one a candidate.
    """
    if len(scores) != len(candidates) or vectors.shape[0] != len(candidates):
        raise InvalidInputError("Diversifying needs one score and one vector for each candidate.")
    if not 0.0 <= diversity <= 1.0:
        raise InvalidInputError(f"diversity is {diversity}, outside 0..1.", "Give a number from 0 to 1.")
    n = min(n, len(candidates))
    if diversity == 0.0 or n <= 1:
        return candidates[: max(n, 0)].astype(np.int64)
    relevance = np.asarray(scores, dtype=np.float64)
    span = relevance.max() - relevance.min()
    relevance = (relevance - relevance.min()) / span if span > 0 else np.ones(len(candidates))
    vectors = vectors.tocsr() if sp.issparse(vectors) else vectors
    chosen = np.zeros(n, dtype=np.int64)
    nearest = np.zeros(len(candidates))
    free = np.ones(len(candidates), dtype=np.bool_)
    for i in range(n):
        if i == 0:
            # By unlikeness alone the first would be any movie; the best one is the sensible start.
            best = int(np.argmax(relevance))
        else:
            value = (1.0 - diversity) * relevance - diversity * nearest
            best = int(np.argmax(np.where(free, value, -np.inf)))
        chosen[i], free[best] = best, False
        np.maximum(nearest, vectors @ _dense_row(vectors, best), out=nearest)
    return candidates[chosen].astype(np.int64)


def _dense_row(vectors: sp.csr_matrix | NDArray[np.float32], row: int) -> NDArray[np.float32]:
    """One row as a dense array; by hand, because indexing a sparse matrix costs more than the product that follows."""
    if not sp.issparse(vectors):
        return np.asarray(vectors[row], dtype=np.float32)
    dense = np.zeros(vectors.shape[1], dtype=np.float32)
    span = slice(vectors.indptr[row], vectors.indptr[row + 1])
    dense[vectors.indices[span]] = vectors.data[span]
    return dense
