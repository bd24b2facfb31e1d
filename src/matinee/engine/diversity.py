"""Lists of movies unlike each other: maximal marginal relevance."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.errors import InvalidInputError

Vectors = sp.csr_matrix | NDArray[np.float32]
_TOGETHER = 16
"""Movies whose similarities are computed together: one pass over the vectors takes hardly longer than for one."""
_KEPT = 512
"""Columns of similarities kept at most; more are computed anew."""


def diversify(
    candidates: NDArray[np.int64], scores: NDArray[np.float32], vectors: Vectors, n: int, diversity: float
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
    gain = (1.0 - diversity) * relevance  # −inf for those chosen
    value, loss = gain.copy(), np.zeros(len(candidates))
    chosen, nearest = np.zeros(n, dtype=np.int64), np.zeros(len(candidates))
    similarities = _Similarities(vectors)
    # By unlikeness alone the first would be any movie; the best one is the sensible start.
    best = int(np.argmax(relevance))
    for i in range(n):
        if i:
            best = int(np.argmax(value))
        chosen[i], gain[best] = best, -np.inf
        np.maximum(nearest, similarities.to(best, value), out=nearest)
        np.multiply(nearest, diversity, out=loss)
        np.subtract(gain, loss, out=value)
    return candidates[chosen].astype(np.int64)


class _Similarities:
    """Similarities of all candidates to one after another; those that come next, by their values, are made together."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = _shared_words(vectors.tocsr()) if sp.issparse(vectors) else vectors
        self._ready: dict[int, NDArray[np.float32]] = {}

    def to(self, candidate: int, value: NDArray[np.float64]) -> NDArray[np.float32]:
        """Similarity of each candidate to this one.

        Args:
            value: of the candidates, −inf for those that were asked for before.
        """
        found = self._ready.pop(candidate, None)
        if found is not None:
            return found
        size = min(_TOGETHER, len(value))
        next_ones = np.argpartition(value, len(value) - size)[len(value) - size :]
        known = [candidate, *self._ready]
        together = [candidate, *next_ones[np.isfinite(value[next_ones]) & ~np.isin(next_ones, known)].tolist()]
        if len(self._ready) > _KEPT:
            self._ready.clear()
        columns = self._vectors @ _columns(self._vectors, together)
        self._ready.update(zip(together, columns.T, strict=True))
        return self._ready.pop(candidate)


def _shared_words(vectors: sp.csr_matrix) -> sp.csr_matrix:
    """The dimensions that at least two rows have: the others say nothing about similarities between them."""
    shared = np.bincount(vectors.indices, minlength=vectors.shape[1]) > 1
    kept = shared[vectors.indices]
    indices = (np.cumsum(shared) - 1)[vectors.indices[kept]].astype(vectors.indices.dtype)
    starts = np.concatenate([[0], np.cumsum(kept)])[vectors.indptr].astype(vectors.indptr.dtype)
    return sp.csr_matrix((vectors.data[kept], indices, starts), shape=(vectors.shape[0], int(shared.sum())))


def _columns(vectors: Vectors, rows: list[int]) -> NDArray[np.float32]:
    """Rows as dense columns; by hand, because indexing a sparse matrix costs more than the product that follows."""
    if not sp.issparse(vectors):
        return np.asarray(vectors[rows], dtype=np.float32).T
    dense = np.zeros((vectors.shape[1], len(rows)), dtype=np.float32)
    for column, row in enumerate(rows):
        span = slice(vectors.indptr[row], vectors.indptr[row + 1])
        dense[vectors.indices[span], column] = vectors.data[span]
    return dense
