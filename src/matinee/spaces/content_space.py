"""The content space: the content model's similarity as inner products of short vectors, a movie's own series first.

The similarity Σ w_f²·cos_f of words, texts and posters (see `models.content`) is an inner product of long vectors; the
space has their projections on the directions with the largest singular values (a truncated SVD). On ml-latest-small
512 dimensions find .82 of the ten nearest neighbors of the 300 most rated movies (128: .38, 256: .60, 1024: .89), which
include as many held-out ratings as those of the exact similarity (.0429, .0414). Lengths are preserved
(`Space.lifted`): with length 1, movies with few features become neighbors of too many others (.033 of the held-out
ratings). Finally the movies of each series are moved towards each other.

A new movie's position is f·Fᵀ·E·s⁻², where f is its long vector, E the positions of the fitted movies, F their long
vectors and s the singular values. So no matrix of words by directions is stored, which would be several times as large
as the space.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.data.vectors import MovieVectors
from matinee.encoders.projection import Projection, unit
from matinee.errors import SnapshotError
from matinee.models.base import Model
from matinee.models.content.vector_field import VectorField
from matinee.models.truncated_svd import truncated_svd
from matinee.snapshots.spaces import Space, lifted

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

MAX_DIM, MIN_DIM = 512, 128
VALUES = 10_000_000
"""Maximum number of values in a space (40 MB). Larger catalogs get fewer dimensions."""
MAX_LEARNED = 100_000
"""Movies that directions are learned from, at most: of more, a random sample; all are projected on them."""
ITERATIONS = 2
"""Power iterations of the SVD: two find .823 of the ten nearest neighbors, four .812."""
SERIES_WEIGHT = 2.0
"""Total weight of the other movies of the series in a movie's position; its own weight is 1. For 1,068 movies in 380
series of ml-latest-small, .975 of a series then rank first (.52 without it; with weight 1: .966), mostly in the order
of their years, and the ten nearest neighbors include as many held-out ratings as before (.0431 and .0429)."""
SERIES_DECAY = 0.6
"""Weight of each further movie of a series, by year, relative to the one before it."""


def content_dim(n_items: int) -> int:
    """Number of dimensions for a catalog of this size."""
    return max(MIN_DIM, min(MAX_DIM, VALUES // max(n_items, 1)))


NOTHING = 1e-6
"""Shorter vectors have no direction."""

_HINT = "Train again, or promote another snapshot."


@dataclass(frozen=True)
class ContentSpace:
    """Positions of movies by content, and the projection of new movies.

    Attributes:
        movies: the space: lifted vectors, after series were drawn together; memory-mapped if loaded from a snapshot.
        series: positions of the movies in series before that, (m, dim), not of length 1.
        labels: int64, (m,): the series of each of these.
        squares: float32, (dim,): squared singular values, or what takes their place where the directions are those of
            a sample: squared lengths of the columns of all positions.
        dense: encoded space → the model's projection of its vectors, and the directions, (n_projected, dim).
    """

    movies: MovieVectors
    series: MovieVectors
    labels: Rows
    squares: Floats
    dense: Mapping[str, tuple[Projection, Floats]]

    @classmethod
    def learn(
        cls,
        content: Model[Any],
        vectors: Mapping[str, MovieVectors],
        series: Iterable[Rows] = (),
        years: Sequence[int | None] = (),
        seed: int = 0,
        dim: int | None = None,
    ) -> ContentSpace:
        """Fit to a fitted model that has `item_vectors`.

        Args:
            vectors: the vectors that it was fitted with, by encoded space.
            series: rows of the movies of each series; disjoint.
            years: year of every movie; needed if there are series.
            dim: number of dimensions; None: `content_dim`.
        """
        shared = _shared(content)
        weights = {name: np.float32(w) for name, w in content.vector_weights.items() if len(vectors.get(name, ()))}
        fields = {name: VectorField.learn(vectors[name]) for name in weights}
        everything = np.arange(content.n_items, dtype=np.int64)
        blocks = [field.rows(everything) * weights[name] for name, field in fields.items()]
        words, others = sp.csr_matrix(_words(content)[:, shared]), np.hstack(blocks) if blocks else None
        some = _sample(content.n_items, seed)
        left, values, right = truncated_svd(
            words if some is None else words[some],
            dim or content_dim(content.n_items),
            seed=seed,
            dense=others if some is None or others is None else others[some],
            iterations=ITERATIONS,
        )
        dense: dict[str, tuple[Projection, Floats]] = {}
        start = int(shared.sum())
        for name, field in fields.items():
            directions = right[:, start : start + field.dim].T * weights[name]
            dense[name] = field.projection, np.ascontiguousarray(directions, dtype=np.float32)
            start += field.dim
        if some is None:
            positions, squares = left * values, values**2
        else:
            positions = np.asarray(words @ np.ascontiguousarray(right[:, : words.shape[1]].T), dtype=np.float32)
            if others is not None:
                positions += others @ right[:, words.shape[1] :].T
            squares = np.einsum("ij,ij->j", positions, positions)
        used = content.has_features(everything) & (np.linalg.norm(positions, axis=1) > NOTHING)
        described = [rows[used[rows]] for rows in series]
        groups = [rows for rows in described if len(rows) > 1]
        members = np.sort(np.concatenate([*groups, np.zeros(0, dtype=np.int64)]))
        apart = MovieVectors(members, positions[members])
        labels = np.zeros(len(members), dtype=np.int64)
        for label, rows in enumerate(groups):
            positions[rows] = drawn_together(positions[rows], [years[row] for row in rows.tolist()])
            labels[np.searchsorted(members, rows)] = label
        final = np.flatnonzero(used).astype(np.int64)
        return cls(MovieVectors(final, lifted(positions[final])), apart, labels, squares, dense)

    def places(self, rows: Rows) -> Floats:
        """Positions before series were drawn together, (len(rows), dim); 0 for movies without one."""
        result = np.zeros((len(rows), len(self.squares)), dtype=np.float32)
        for movies in (self.movies, self.series):
            if len(movies):
                index = np.minimum(np.searchsorted(movies.rows, rows), len(movies) - 1)
                present = movies.rows[index] == rows
                result[present] = movies.vectors[index[present], : len(self.squares)]
        return result

    def placed(
        self,
        learned: Model[Any],
        now: Model[Any],
        rows: Rows,
        before: Mapping[str, Floats],
        after: Mapping[str, Floats],
    ) -> Floats:
        """Positions of added or edited movies, (len(rows), dim), before series are drawn together.

        Args:
            learned: the model that the space was fitted to.
            now: the same model over the current catalog.
            before: raw vectors of the movies in the encoded spaces when the space was fitted; 0 if there was none.
            after: their current ones.
        """
        # Only the difference is projected, so that a movie that is restored gets exactly its former position.
        old = rows < learned.n_items
        fitted = _words(learned)
        words = sp.csr_matrix(
            _words(now)[rows] - sp.diags_array(old.astype(np.float32)) @ fitted[np.where(old, rows, 0)]
        )
        # Words of one movie only are not part of its position. A new movie may share them.
        lone = ~_shared(learned)[words.indices] & np.repeat(old, np.diff(words.indptr))
        words.data[lone] = 0
        alike = sp.csr_matrix(words @ fitted.T)
        dim = len(self.squares)
        product = alike[:, self.movies.rows] @ self.movies.vectors
        inside = np.searchsorted(self.movies.rows, self.series.rows)
        product[:, :dim] += alike[:, self.series.rows] @ (self.series.vectors - self.movies.vectors[inside, :dim])
        result = self.places(rows)
        result += product[:, :dim] / self.squares
        for name, (projection, directions) in self.dense.items():
            if name in before and name in after:
                moved = _projected(after[name], projection) - _projected(before[name], projection)
                result += moved @ directions
        return result

    def groups(self) -> list[Rows]:
        """The series, rows of two or more movies each."""
        order = np.argsort(self.labels, kind="stable")
        cuts = np.flatnonzero(np.diff(self.labels[order])) + 1
        return [rows for rows in np.split(self.series.rows[order], cuts) if len(rows)]

    def extra(self) -> dict[str, NDArray[Any]]:
        """Arrays that `of` needs besides the vectors."""
        state: dict[str, NDArray[Any]] = {
            "squares": self.squares,
            "series": self.series.rows,
            "series_places": self.series.vectors,
            "series_labels": self.labels,
        }
        for name, (projection, directions) in self.dense.items():
            state |= {f"{name}_{part}": values for part, values in projection.state().items()}
            state[f"{name}_directions"] = directions
        return state

    @classmethod
    def of(cls, space: Space) -> ContentSpace:
        """From a space of a snapshot.

        Raises:
            SnapshotError: arrays are missing or do not fit together.
        """
        extra = space.extra
        try:
            dense = {
                name: (Projection(extra[f"{name}_mean"], extra[f"{name}_components"]), extra[f"{name}_directions"])
                for name in (key.removesuffix("_mean") for key in extra if key.endswith("_mean"))
            }
            result = cls(
                space.movies,
                MovieVectors(extra["series"], extra["series_places"]),
                extra["series_labels"],
                extra["squares"],
                dense,
            )
        except KeyError as error:
            raise SnapshotError(f"The space {space.name!r} is damaged: it lacks {error}.", _HINT) from error
        dim = space.dim - 1
        fits = (
            result.squares.shape == (dim,)
            and result.series.dim == dim
            and result.labels.shape == result.series.rows.shape
            and bool(np.isin(result.series.rows, result.movies.rows).all())
            and all(
                projection.components.shape[0] == len(projection.mean) and part.shape == (projection.dim, dim)
                for projection, part in dense.values()
            )
        )
        if not fits:
            raise SnapshotError(f"The arrays of the space {space.name!r} do not fit together.", _HINT)
        return result


def _sample(n_items: int, seed: int) -> Rows | None:
    """Movies whose directions stand for those of all; None: all of them."""
    if n_items <= MAX_LEARNED:
        return None
    return np.sort(np.random.default_rng(seed).choice(n_items, MAX_LEARNED, replace=False)).astype(np.int64)


def _words(content: Model[Any]) -> sp.csr_matrix:
    vectors = content.item_vectors
    assert vectors is not None
    return vectors


def _shared(content: Model[Any]) -> NDArray[np.bool_]:
    """Words of at least two movies, (n_words,); only these make movies similar."""
    words = _words(content)
    result: NDArray[np.bool_] = np.bincount(words.indices, minlength=words.shape[1]) > 1
    return result


def _projected(vectors: Floats, projection: Projection) -> Floats:
    """Vectors projected as in the content model; 0 stays 0."""
    present = (vectors != 0).any(axis=1, keepdims=True)
    return np.where(present, projection.apply(vectors), np.float32(0))


def drawn_together(positions: Floats, years: Sequence[int | None]) -> Floats:
    """Positions of the movies of one series, (m, dim), each moved towards the others, most to the nearest in time.

    So the nearest neighbors of each are its series, in the order of the years. All get the greatest length of the
    series, because features of one movie apply to the others.
    """
    order = np.argsort([(0 if year is None else year) for year in years], kind="stable")
    steps = np.empty(len(order))
    steps[order] = np.arange(len(order))
    apart = np.abs(steps[:, None] - steps[None, :])
    weights = np.where(apart > 0, SERIES_DECAY ** (apart - 1), 0.0)
    weights *= SERIES_WEIGHT / weights.sum(axis=1, keepdims=True)
    weights += np.eye(len(order))
    length = np.linalg.norm(positions, axis=1).max(initial=0.0)
    return unit(weights.astype(np.float32) @ unit(positions)) * np.float32(length)
