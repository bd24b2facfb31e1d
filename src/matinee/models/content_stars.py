"""Stars from what movies are about: for each user a regression from features of movies to residuals of their stars."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.models.base import Progress, Query, Scores, State
from matinee.models.baseline_stars import BaselineConfig, BaselineStars, Doubles, Floats
from matinee.models.content.model import Content
from matinee.models.principal_components import principal_components
from matinee.models.truncated_svd import truncated_svd
from matinee.models.warm_items import array

TEXT = "text"
_WORD_DIRECTIONS = 64
"""Of the words' TF-IDF, where there are no vectors of texts."""
_PLAIN = 3
"""Columns of the sparse features before the genres: year, bias, logarithm of the number of ratings."""
Features = Literal["text", "sparse"]


class ContentStarsConfig(BaselineConfig):
    """Settings of `ForestStars` and `RidgeStars`."""

    features: Features = Field("text", description="Vectors of texts, or genres, year, mean and number of ratings.")
    min_ratings: int = Field(20, ge=1, description="With fewer the likest films of the history answer, by cosine.")
    variance: float = Field(0.95, gt=0, le=1, description="Share of the texts' variance that their components hold.")
    strength: float = Field(1.0, ge=0, le=1, description="Part of a prediction that is added to the baseline.")
    prior: float = Field(2.0, ge=0, description="Cosine's worth of prior on the mean of the likest films.")


C = TypeVar("C", bound=ContentStarsConfig)


class ContentStars(BaselineStars[C]):
    """μ + b_u + b_i + f_u(features of i), f_u being fitted to one history when it asks.

    A history of fewer than `min_ratings` known movies gets Σ cos·(r − baseline) / (Σ cos + prior) in the place of
    f_u. Features are the principal components of the vectors of texts (directions of the words' TF-IDF where there
    are none), or sparse ones. Movies that are added later get μ + b_u, a user without a known movie gets μ + b_i.
    """

    _plain: Floats
    """Year, bias, log number of ratings, then genres, (n, 3 + g), of the movies of the catalog at fitting."""
    _content: Floats
    """What cosine and regression go by, (n, d)."""
    _all_biases: Floats
    """b_i, 0 for movies without ratings, (n,)."""

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: features in a few copies, the words' TF-IDF, sparse ratings."""
        n = len(dataset.catalog)
        text = dataset.vectors.get(TEXT)
        width = text.dim if text is not None else 4 * _WORD_DIRECTIONS
        words = 0 if text is not None or self.config.features == "sparse" else Content().memory_needed(dataset)
        return words + n * (40 * width + 2000) + 120 * len(dataset.ratings) + 200 * dataset.ratings.n_users + (8 << 20)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        self._baselines(dataset)
        self._spread_biases(len(dataset.catalog))
        self._plain = self._plain_features(dataset)
        self._content = self._plain[:, _PLAIN:] if self.config.features == "sparse" else self._text_features(dataset)
        self._content = np.ascontiguousarray(self._content)
        progress(f"{self.name}: features", 1.0)

    def _spread_biases(self, n: int) -> None:
        self._all_biases = np.zeros(n, dtype=np.float32)
        self._all_biases[self._items.rows] = self._biases

    def _plain_features(self, dataset: Dataset) -> Floats:
        frame = dataset.catalog.frame
        years = frame["year"].to_numpy().astype(np.float64)
        known = np.isfinite(years)
        years = np.where(known, years, np.median(years[known]) if known.any() else 0)
        genres = frame["genres"].to_list()
        number = {genre: place for place, genre in enumerate(sorted({g for each in genres for g in each or ()}))}
        table = np.zeros((len(years), _PLAIN + len(number)), dtype=np.float32)
        table[:, 0], table[:, 1], table[:, 2] = years, self._all_biases, np.log1p(dataset.ratings.counts)
        for row, each in enumerate(genres):
            table[row, [_PLAIN + number[genre] for genre in each or ()]] = 1
        return table

    def _text_features(self, dataset: Dataset) -> Floats:
        text = dataset.vectors.get(TEXT)
        if text is not None:
            vectors = text.dense(len(dataset.catalog))
        else:
            words = Content().fit(dataset).item_vectors
            left, values, _ = truncated_svd(words, _WORD_DIRECTIONS)
            vectors = left * values
        return principal_components(vectors, self.config.variance)[0]

    @abstractmethod
    def _learn(self, rows: NDArray[np.int64], residuals: Doubles) -> Any:
        """f_u from the residuals of the movies of a history."""

    @abstractmethod
    def _predict(self, learned: Any, rows: NDArray[np.int64]) -> Floats:
        """f_u of some movies, (len(rows),)."""

    def _learned(self, query: Query) -> tuple[float, Any, NDArray[np.int64], Doubles]:
        """b_u, f_u (None: too few ratings), and rows and residuals of the known movies in an order of their own."""
        positions, mask = self._items.known(query)
        rows, bias = self._items.rows[positions], self._user_bias(query)
        residuals = query.ratings[mask].astype(np.float64) - self._mean - bias - self._biases[positions]
        # The order must depend on the movies alone, neither on the history's nor on the numbers of rows.
        order = np.lexsort((query.ratings[mask], *np.round(self._plain[rows].T, 4)))
        rows, residuals = rows[order], residuals[order]
        enough = len(rows) >= self.config.min_ratings
        return bias, self._learn(rows, residuals) if enough else None, rows, residuals

    def score_rows(self, query: Query, rows: NDArray[np.int64]) -> Floats:
        """Stars of some movies, as `score`."""
        rows = np.asarray(rows, dtype=np.int64)
        stars = np.full(len(rows), np.nan, dtype=np.float32)
        fitted = rows < len(self._content)
        inside = rows[fitted]
        if not self.knows(query):
            rated = self._items.positions(inside) >= 0
            stars[fitted] = np.where(rated, self._mean + self._all_biases[inside], np.nan)
            return np.clip(stars, *self._scale)
        bias, learned, seen, residuals = query.once((self, "learned"), lambda: self._learned(query))
        stars[:] = self._mean + bias
        beyond = self._predict(learned, inside) if learned is not None else self._likest(inside, seen, residuals)
        stars[fitted] += self._all_biases[inside] + np.float32(self.config.strength) * beyond
        return np.clip(stars, *self._scale)

    def _likest(self, rows: NDArray[np.int64], seen: NDArray[np.int64], residuals: Doubles) -> Floats:
        weights = np.maximum(self._cosines(rows, seen), 0)
        total = weights.sum(axis=1) + self.config.prior
        beyond: Floats = (weights @ residuals / np.maximum(total, 1e-9)).astype(np.float32)
        return beyond

    def _cosines(self, rows: NDArray[np.int64], others: NDArray[np.int64]) -> Floats:
        one, other = self._content[rows], self._content[others]
        lengths = np.outer(np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1))
        cosines: Floats = np.divide(one @ other.T, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        return cosines

    def score(self, queries: Sequence[Query]) -> Scores:
        """Stars, clipped to the data set's scale; NaN for movies without ratings where the user is unknown too."""
        rows = np.arange(self.n_items)
        scores = np.empty((len(queries), self.n_items), dtype=np.float32)
        for number, query in enumerate(queries):
            scores[number] = self.score_rows(query, rows)
        return scores

    def similar(self, rows: Sequence[int]) -> Scores:
        """Cosine of the components, or of the genres; NaN for movies that were added since."""
        scores = np.full((len(rows), self.n_items), np.nan, dtype=np.float32)
        given = np.asarray(rows, dtype=np.int64)
        fitted = given < len(self._content)
        everything = np.arange(len(self._content))
        scores[np.ix_(fitted, everything)] = self._cosines(given[fitted], everything)
        return scores

    def state(self) -> State:
        """As of `BaselineStars`; `plain` float32 (n, 3 + g) and `content` float32 (n, d)."""
        return super().state() | {"plain": self._plain, "content": self._content}

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        super()._restore(state, catalog)
        n = len(catalog)
        self._plain = array(state, "plain", np.float32, (n, None))
        self._content = array(state, "content", np.float32, (n, None))
        self._spread_biases(n)
