"""What is known of movies and users besides their ratings: contents, year, how many ratings, and which ones.

A movie's features are its year, the number of its ratings, principal directions of its contents, and principal
directions of who rated it. A user's are the number of ratings, the mean features of the movies rated, and principal
directions of which movies these are: the implicit feedback of SVD++ (Koren 2008), in both directions. Stars play no
part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.models.bayesian.gibbs import Features
from matinee.models.truncated_svd import truncated_svd
from matinee.models.warm_items import array

Floats = NDArray[np.float32]

_CONTENT, _IMPLICIT = 24, 20
"""Principal directions of contents and of who rated what."""
_SCALARS = 4
"""Year, its square, logarithm of the number of ratings, its square."""
_FARTHEST = 4.0
"""Deviations from the mean at which a movie's contents stand at most: one with a title alone is unlike all others."""
_SHRINK = 3.0
"""Movies of average features that a user's mean features count besides."""


@dataclass(frozen=True)
class SideFeatures:
    """Features of the movies, and what makes those of any user.

    Attributes:
        movies: float32 (n_items, 1 + 4 + c + s): the constant, four numbers, contents, and who rated the movie.
        watched: float32 (n_items, s): a movie's part in the directions of a user.
        directions: float32 (c, n_words): principal directions of the content model's vectors; none without contents.
        content_mean: float32 (c,): where the mean movie is along these.
        movie_scale: float64 (2, 4): means and deviations of the four numbers before they were brought to 0 and 1.
        movie_range: float64 (2, 2): smallest and largest of the decades and of the logarithms of counts in training.
        user_scale: float64 (2, f_u − 1): the same, of the users' features.
        user_range: float64 (2,): smallest and largest logarithm of the number of ratings in training.
    """

    movies: Floats
    watched: Floats
    directions: Floats
    content_mean: Floats
    movie_scale: NDArray[np.float64]
    movie_range: NDArray[np.float64]
    user_scale: NDArray[np.float64]
    user_range: NDArray[np.float64]

    @classmethod
    def of(
        cls, ratings: sp.csr_matrix, years: NDArray[np.float64], contents: sp.csr_matrix | None
    ) -> tuple[Self, Features, Features]:
        """Of a data set; the features of its users and of its movies besides, for the sampler.

        Args:
            ratings: (n_users, n_items); which are there counts, not their stars.
            years: (n_items,), NaN where unknown.
            contents: (n_items, n_words), or None.
        """
        n_users, n_items = ratings.shape
        seen = sp.csr_matrix((np.ones(ratings.nnz, dtype=np.float32), ratings.indices, ratings.indptr), ratings.shape)
        by_movie = np.bincount(seen.indices, minlength=n_items)
        by_user = np.diff(seen.indptr)
        rated = by_movie > 0
        # Beyond what was seen a parabola says anything: years and counts are taken as the nearest that were.
        movie_range = np.stack([_bounds(_decades(years)[rated & ~np.isnan(years)]), _bounds(np.log1p(by_movie[rated]))])
        raw = _numbers(years, by_movie, movie_range)
        movie_scale = _moments(raw)
        rooted = (
            sp.diags_array(1 / np.sqrt(np.maximum(by_user, 1)))
            @ seen
            @ sp.diags_array(1 / np.sqrt(np.maximum(by_movie, 1)))
        )
        user_side, _, movie_side = truncated_svd(sp.csr_matrix(rooted), _IMPLICIT)
        watched = np.ascontiguousarray(movie_side.T * np.float32(np.sqrt(n_items)))
        raters = sp.diags_array(1 / np.sqrt(by_movie + 1)) @ (seen.T @ (user_side * np.sqrt(n_users)))
        directions, content_mean = _content_directions(contents)
        described = np.zeros((n_items, 0)) if contents is None else _described(contents, directions, content_mean)
        columns = np.hstack(
            [np.ones((n_items, 1)), _standardized(raw, movie_scale), described, _standardized(raters, _moments(raters))]
        )
        movies = np.ascontiguousarray(columns, dtype=np.float32)
        bounds = _bounds(np.log1p(by_user))
        made = cls(movies, watched, directions, content_mean, movie_scale, movie_range, np.zeros((2, 0)), bounds)
        users = made._user_numbers(seen, by_user)
        scale = _moments(users)
        made = replace(made, user_scale=scale)
        groups = [[0], np.full(_SCALARS, 1), np.full(described.shape[1], 2), np.full(raters.shape[1], 3)]
        # The mean features are those of contents, year and number of ratings.
        user_groups = [[0], [1] * 2, np.full(users.shape[1] - 2 - watched.shape[1], 2), np.full(watched.shape[1], 3)]
        return (
            made,
            _features(np.hstack([np.ones((n_users, 1)), _standardized(users, scale)]), user_groups),
            _features(movies.astype(np.float64), groups),
        )

    def of_parts(self, ratings: sp.csr_matrix, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Features of users of whom only n random ratings are known (all, where there are fewer), (n_users, f_u)."""
        counts = np.diff(ratings.indptr)
        owners = np.repeat(np.arange(len(counts)), counts)
        order = np.lexsort((rng.random(ratings.nnz), owners))
        chosen = np.sort(order[np.arange(ratings.nnz) - ratings.indptr[owners] < n])
        counts = np.minimum(counts, n)
        indptr = np.concatenate([[0], np.cumsum(counts)])
        seen = sp.csr_matrix((np.ones(len(chosen), np.float32), ratings.indices[chosen], indptr), ratings.shape)
        numbers = _standardized(self._user_numbers(seen, counts), self.user_scale)
        return np.hstack([np.ones((len(counts), 1)), numbers])

    def of_user(self, rows: NDArray[np.int64]) -> Floats:
        """Features of somebody who rated these movies, (f_u,); of nobody in particular without any."""
        result = np.zeros(1 + self.user_scale.shape[1], dtype=np.float32)
        result[0] = 1
        if len(rows):
            # Of the rows alone: features of all movies are not gone through for one history.
            numbers = self._of_sums(np.array([len(rows)]), self._summed[rows].sum(axis=0)[None])
            result[1:] = _standardized(numbers[0], self.user_scale)
        return result

    @cached_property
    def _summed(self) -> Floats:
        """(n_items, m): what is summed over the movies of a user: year, number of ratings, contents; then `watched`."""
        stop = self.movies.shape[1] - self.watched.shape[1]
        return np.hstack([self.movies[:, [1, 3]], self.movies[:, 1 + _SCALARS : stop], self.watched])

    def _user_numbers(self, seen: sp.csr_matrix, counts: NDArray[np.integer[Any]]) -> Floats:
        """Features before standardization of the users of a data set, (n, f_u − 1)."""
        return self._of_sums(counts, seen @ self._summed)

    def _of_sums(self, counts: NDArray[np.integer[Any]], sums: Floats) -> Floats:
        """The same, of the number of movies rated, (n,), and the sums of `_summed` over these, (n, m)."""
        low, high = self.user_range
        result = np.empty((len(counts), 2 + sums.shape[1]), dtype=np.float32)
        result[:, 0] = np.minimum(np.maximum(np.log1p(counts), low), high)
        result[:, 1] = result[:, 0] ** 2
        stop = sums.shape[1] - self.watched.shape[1]
        result[:, 2 : 2 + stop] = sums[:, :stop] / (counts + _SHRINK)[:, None]
        result[:, 2 + stop :] = sums[:, stop:] / np.sqrt(counts + 1)[:, None]
        return result

    def changed(
        self, n_items: int, rows: NDArray[np.int64], years: NDArray[np.float64], contents: sp.csr_matrix | None
    ) -> Self:
        """Over a grown catalog: features of the movies that were added or edited; who rated them does not change.

        Args:
            rows: of these movies.
            years, contents: theirs.
        """
        movies = _grown(self.movies, n_items)
        watched = _grown(self.watched, n_items)
        movies[len(self.movies) :, 0] = 1
        added = rows >= len(self.movies)
        numbers = _standardized(_numbers(years, np.zeros(len(rows)), self.movie_range), self.movie_scale)
        movies[rows, 1:3] = numbers[:, :2]
        movies[rows[added], 3:5] = numbers[added, 2:]
        stop = 1 + _SCALARS + len(self.directions)
        if contents is not None:
            movies[rows, 1 + _SCALARS : stop] = _described(contents, self.directions, self.content_mean)
        return replace(self, movies=movies, watched=watched)

    def state(self) -> dict[str, NDArray[Any]]:
        """The attributes, by name."""
        return {
            "movies": self.movies,
            "watched": self.watched,
            "directions": self.directions,
            "content_mean": self.content_mean,
            "movie_scale": self.movie_scale,
            "movie_range": self.movie_range,
            "user_scale": self.user_scale,
            "user_range": self.user_range,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]], n_items: int) -> Self:
        """From `state`. Raises SnapshotError where an array is missing or of another shape."""
        watched = array(state, "watched", np.float32, (n_items, None))
        directions = array(state, "directions", np.float32, (None, None))
        width = 1 + _SCALARS + len(directions) + watched.shape[1]
        return cls(
            array(state, "movies", np.float32, (n_items, width)),
            watched,
            directions,
            array(state, "content_mean", np.float32, (len(directions),)),
            array(state, "movie_scale", np.float64, (2, _SCALARS)),
            array(state, "movie_range", np.float64, (2, 2)),
            array(state, "user_scale", np.float64, (2, 4 + len(directions) + watched.shape[1])),
            array(state, "user_range", np.float64, (2,)),
        )


def _decades(years: NDArray[np.float64]) -> NDArray[np.float64]:
    """Decades since 1980."""
    return (years - 1980) / 10


def _bounds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([values.min(), values.max()]) if len(values) else np.zeros(2)


def _numbers(years: NDArray[np.float64], counts: NDArray[Any], bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Decade and logarithm of the count, each within its bounds and with its square, (n, 4); 1980 where unknown."""
    decades = np.clip(np.nan_to_num(_decades(years)), *bounds[0])
    logs = np.clip(np.log1p(counts), *bounds[1])
    return np.stack([decades, decades**2, logs, logs**2], axis=1)


def _content_directions(contents: sp.csr_matrix | None) -> tuple[Floats, Floats]:
    """Principal directions over the deviations along them, (c, n_words), and where the mean movie is, (c,)."""
    if contents is None:
        return np.zeros((0, 0), dtype=np.float32), np.zeros(0, dtype=np.float32)
    _, _, right = truncated_svd(contents, _CONTENT)
    places = contents @ right.T
    spread = np.maximum(places.std(axis=0), 1e-6)
    directions = np.ascontiguousarray(right / spread[:, None], dtype=np.float32)
    return directions, (places.mean(axis=0) / spread).astype(np.float32)


def _described(contents: sp.csr_matrix, directions: Floats, mean: Floats) -> Floats:
    """Places of movies along the directions, (n, c), of deviation 1 about 0; 0 of movies without contents."""
    places = np.clip(contents @ directions.T - mean, -_FARTHEST, _FARTHEST)
    places[np.diff(contents.indptr) == 0] = 0
    return np.asarray(places, dtype=np.float32)


def _moments(values: NDArray[Any]) -> NDArray[np.float64]:
    """(2, f): means and deviations; 1 where all values are equal."""
    if not len(values):
        return np.stack([np.zeros(values.shape[1]), np.ones(values.shape[1])])
    deviations = values.std(axis=0)
    return np.stack([values.mean(axis=0), np.where(deviations > 1e-9, deviations, 1.0)]).astype(np.float64)


def _standardized(values: NDArray[Any], moments: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = (values - moments[0]) / moments[1]
    return result


def _features(matrix: NDArray[np.float64], groups: list[Any]) -> Features:
    numbers = np.concatenate(groups).astype(np.int64)
    # Groups without columns would leave a gap.
    return Features(matrix, np.unique(numbers, return_inverse=True)[1].astype(np.int64))


def _grown(rows: Floats, n: int) -> Floats:
    result = np.zeros((n, rows.shape[1]), dtype=np.float32)
    result[: len(rows)] = rows
    return result
