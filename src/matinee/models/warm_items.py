"""What the collaborative models share: the movies they know, their part of a history, and reading state back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import DTypeLike, NDArray

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.errors import SnapshotError
from matinee.models.base import Query, Scores

Weighting = Literal["binary", "stars"]
"""What a rating counts in a history: 1, or its share of the highest stars."""


def array(state: Mapping[str, NDArray[Any]], name: str, dtype: DTypeLike, shape: Sequence[int | None]) -> NDArray[Any]:
    """One array of a stored state, checked; `None` in `shape` stands for any length.

    Raises:
        SnapshotError: missing, or of another type or shape.
    """
    result = state.get(name)
    hint = "Train again, or promote another snapshot."
    if result is None:
        raise SnapshotError(f"The stored model lacks the array {name!r}.", hint)
    fits = len(result.shape) == len(shape) and all(
        expected is None or expected == have for expected, have in zip(shape, result.shape, strict=True)
    )
    if result.dtype != np.dtype(dtype) or not fits:
        raise SnapshotError(
            f"The stored array {name!r} is {result.dtype}{list(result.shape)}, not {np.dtype(dtype)}{list(shape)}.",
            hint,
        )
    return result


def weigh(ratings: NDArray[np.float32], weighting: Weighting, highest: float) -> NDArray[np.float32]:
    """What each rating of a history counts, float32: 1, or stars / highest stars."""
    if weighting == "binary":
        return np.ones(len(ratings), dtype=np.float32)
    return (ratings / np.float32(highest)).astype(np.float32)


def choose_warm(counts: NDArray[np.int64], min_ratings: int, max_items: int | None) -> NDArray[np.int64]:
    """Rows of the movies with at least `min_ratings` ratings, at most `max_items` of them.

    Movies of equal count stay or go together, so that the choice does not depend on the order of the movies.
    """
    floor = max(min_ratings, 1)
    if max_items is not None and int((counts >= floor).sum()) > max_items:
        floor = int(np.sort(counts)[::-1][max_items]) + 1
    return np.flatnonzero(counts >= floor).astype(np.int64)


class WarmItems:
    """The movies that a model was fitted on, numbered 0…k−1 ("places") in order of their catalog rows.

    Args:
        rows: int64, (k,), increasing catalog rows.
    """

    def __init__(self, rows: NDArray[np.int64]) -> None:
        self.rows = rows
        self._place = np.full(int(rows[-1]) + 1 if len(rows) else 0, -1, dtype=np.int64)
        self._place[rows] = np.arange(len(rows))
        self._dense = len(rows) == len(self._place)

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> WarmItems:
        """Read `items` back. Raises SnapshotError where the rows are not increasing rows of the catalog."""
        rows = array(state, "items", np.int64, (None,))
        if len(rows) and (int(rows[0]) < 0 or int(rows[-1]) >= len(catalog) or bool((np.diff(rows) <= 0).any())):
            raise SnapshotError(
                "The stored model names films that the catalog does not have.",
                "Train again, or promote another snapshot.",
            )
        return cls(rows)

    def positions(self, rows: Iterable[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """Place of each row, −1 for movies that the model does not know."""
        rows = np.asarray(rows, dtype=np.int64).reshape(-1)
        if not len(self._place):
            return np.full(len(rows), -1, dtype=np.int64)
        inside = (rows >= 0) & (rows < len(self._place))
        return np.where(inside, self._place[np.where(inside, rows, 0)], -1)

    def carried(self, earlier: WarmItems, values: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """What an earlier model learned of its movies, (k', d), for these, (k, d); 0 for movies that it did not know.

        Args:
            earlier: its movies.
            rows: see `Model.refit`.
        """
        places = self.positions(rows[earlier.rows])
        result = np.zeros((len(self), values.shape[1]), dtype=np.float32)
        result[places[places >= 0]] = values[places >= 0]
        return result

    def knows(self, query: Query) -> bool:
        """Whether the history holds one of these movies."""
        return bool((self.positions(query.rows) >= 0).any())

    def cosines(self, rows: Sequence[int], factors: NDArray[np.float32], n_items: int) -> Scores:
        """Cosine of the factors (k, d) of all movies to those of `rows`, (len(rows), n_items); NaN for other movies."""
        unit = factors / np.maximum(np.linalg.norm(factors, axis=1, keepdims=True), np.float32(1e-12))
        positions = self.positions(rows)
        scores = np.full((len(rows), len(self)), np.nan, dtype=np.float32)
        scores[positions >= 0] = unit[positions[positions >= 0]] @ unit.T
        return self.spread(scores, n_items)

    def known(self, query: Query) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Places of a history's known movies, and which movies of the history these are."""
        positions = self.positions(query.rows)
        mask = positions >= 0
        return positions[mask], mask

    def matrix(
        self, queries: Sequence[Query], weigh: Callable[[Query, NDArray[np.bool_]], NDArray[np.float32]]
    ) -> sp.csr_matrix:
        """The histories as a sparse matrix, (n_queries, k) float32.

        Args:
            weigh: what the known movies of a history, given as a mask, count.
        """
        indices: list[NDArray[np.int64]] = []
        values: list[NDArray[np.float32]] = []
        indptr = np.zeros(len(queries) + 1, dtype=np.int64)
        for number, query in enumerate(queries):
            positions, mask = self.known(query)
            indices.append(positions)
            values.append(weigh(query, mask))
            indptr[number + 1] = indptr[number] + len(positions)
        if not queries:
            values, indices = [np.zeros(0, dtype=np.float32)], [np.zeros(0, dtype=np.int64)]
        return sp.csr_matrix((np.concatenate(values), np.concatenate(indices), indptr), shape=(len(queries), len(self)))

    def training_matrix(self, dataset: Dataset, weighting: Weighting) -> sp.csr_matrix:
        """The data set's users × warm movies, float32."""
        matrix = dataset.ratings.matrix(binary=weighting == "binary")
        if len(self) != matrix.shape[1]:
            matrix = matrix[:, self.rows]
        if weighting == "stars":
            matrix = sp.csr_matrix(
                (matrix.data / np.float32(dataset.scale[1]), matrix.indices, matrix.indptr), shape=matrix.shape
            )
        return matrix

    def spread(self, scores: NDArray[np.float32], n_items: int, others: NDArray[np.float32] | float = np.nan) -> Scores:
        """Scores of the warm movies, (n, k), as scores of all movies, (n, n_items).

        Args:
            others: score of the other movies, one or (n, 1).
        """
        if self._dense and len(self) == n_items:
            return scores
        full = np.empty((len(scores), n_items), dtype=np.float32)
        full[:] = others
        if self._dense:
            full[:, : len(self)] = scores
        else:
            full[:, self.rows] = scores
        return full


def over_history(shares: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Shares of the known movies of a history, (n, n_known), as shares of all its movies, 0 for the others."""
    if known.all():
        return shares
    full = np.zeros((len(shares), len(known)), dtype=np.float32)
    full[:, known] = shares
    return full
