"""Feature-aware iALS: factors of movies drawn towards what their genres, decades and people say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.vectors import MovieVectors
from matinee.errors import SnapshotError
from matinee.models.base import Progress, Query, Scores, State
from matinee.models.cholesky import factorize, solve_factored
from matinee.models.content.words import changed_rows, movie_words, pack, unpack
from matinee.models.factorization import Floats
from matinee.models.ials import ImplicitALS, ImplicitALSConfig
from matinee.models.warm_items import array

FIELDS = ("genres", "decade", "directors", "writers", "cast", "countries", "languages", "keywords")
"""What is known of a movie without anybody having seen it."""


class FeatureALSConfig(ImplicitALSConfig):
    """Settings of `FeatureALS`."""

    feature_regularization: float = Field(
        10.0, gt=0, description="λ of what features say, in mean ridges of a film: so many films' worth of doubt."
    )
    max_features: int = Field(2000, ge=1, le=20_000, description="The most frequent ones.")
    min_films: int = Field(3, ge=1, description="Features of fewer rated films are left out.")


class FeatureALS(ImplicitALS):
    """iALS whose ridge is λ_i|q_i − Wᵀf_i|² for a movie with features f: towards what they say, not towards 0.

    W is learned in turns with the factors, by ridge regression of these on the features (Gantner et al. 2010,
    "Learning Attribute-to-Feature Mappings for Cold-Start Recommendations"; as a prior: Agarwal & Chen 2009,
    "Regression-based Latent Factor Models"). Movies of few ratings lean on their features, those of many go their own
    way, and a movie without ratings has Wᵀf at once, so that it is scored; NaN where it has no known feature either.

    Examples:
        >>> model = matinee.FeatureALS(n_factors=8, min_films=2).fit(dataset)
        >>> len(model.top(history, n=5))
        5
    """

    name = "featureals"
    Config = FeatureALSConfig
    config: FeatureALSConfig
    search_ranges: ClassVar[Mapping[str, str]] = {
        **ImplicitALS.search_ranges,
        "feature_regularization": "0.3:300",
    }

    _words: list[str]
    _mapping: Floats
    """W, (1 + f, d): the first row is what all movies have."""
    _predicted: Floats
    """(n_items, d), NaN of movies without a known feature."""
    _catalog: Catalog

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: those of iALS, the Gram matrix of the features twice, and the words while they are counted."""
        n = len(dataset.catalog)
        frame = dataset.catalog.frame
        lists = sum(int(frame[c].list.len().sum() or 0) for c in frame.columns if frame[c].dtype.is_nested())
        features = min(self.config.max_features, lists + n)
        width = 4096 if self.config.n_factors is None else self.config.n_factors
        wide = 24 * n * min(width, 128 if self.config.n_factors is None else width)
        return super().memory_needed(dataset) + 16 * features * features + 400 * (lists + 4 * n) + wide

    def _prior_of(self, dataset: Dataset, ridge: Floats) -> Callable[[Floats], Floats] | None:
        catalog, config = dataset.catalog, self.config
        self._catalog = catalog
        seen: Counter[str] = Counter()
        for _, names in _features(catalog, self._items.rows):
            seen.update(names)
        # Equals stand by their names, so that the numbering of the movies does not matter.
        common = sorted((name for name in seen if seen[name] >= config.min_films), key=lambda name: (-seen[name], name))
        self._words = sorted(common[: config.max_features])
        matrix = self._matrix(catalog, self._items.rows)
        weighted = sp.csr_matrix(sp.diags_array(ridge) @ matrix, dtype=np.float32)
        gram = np.asarray((matrix.T @ weighted).toarray(), dtype=np.float32)
        if len(ridge):
            gram[np.diag_indices_from(gram)] += config.feature_regularization * max(float(ridge.mean()), 1e-6)
            factor = factorize(gram, "The features cannot be regressed on.", "Raise feature_regularization.")
        self._mapping = np.zeros((matrix.shape[1], self._width), dtype=np.float32)

        def prior(movies: Floats) -> Floats:
            if len(movies):
                self._mapping = solve_factored(factor, np.asarray(weighted.T @ movies, dtype=np.float32))
            return np.asarray(matrix @ self._mapping, dtype=np.float32)

        return prior

    def _learn(self, dataset: Dataset, progress: Progress, start: Callable[[], Floats | None]) -> None:
        super()._learn(dataset, progress, start)
        self._predicted = self._predict(dataset.catalog, np.arange(len(dataset.catalog)))

    def _matrix(self, catalog: Catalog, rows: NDArray[np.int64]) -> sp.csr_matrix:
        """Features of movies, (len(rows), 1 + f): 1 in the first column, 1/√n in those of the n known features."""
        number = {word: position + 1 for position, word in enumerate(self._words)}
        columns: list[int] = []
        values: list[float] = []
        indptr = np.zeros(len(rows) + 1, dtype=np.int64)
        for place, names in _features(catalog, rows):
            own = [number[name] for name in names if name in number]
            columns += [0, *own]
            values += [1.0, *([max(len(own), 1) ** -0.5] * len(own))]
            indptr[place + 1] = len(columns)
        data = np.array(values, dtype=np.float32)
        return sp.csr_matrix((data, np.array(columns, dtype=np.int64), indptr), shape=(len(rows), 1 + len(number)))

    def _predict(self, catalog: Catalog, rows: NDArray[np.int64]) -> Floats:
        """Wᵀf, (len(rows), d); NaN of movies without a known feature."""
        matrix = self._matrix(catalog, rows)
        predicted = np.asarray(matrix @ self._mapping, dtype=np.float32)
        predicted[np.diff(matrix.indptr) < 2] = np.nan
        return predicted

    def factors(self, rows: NDArray[np.int64]) -> tuple[Floats, NDArray[np.bool_]]:
        """Factors of movies, (len(rows), d), of unrated ones what features say; and which have any, (len(rows),)."""
        rows = np.asarray(rows, dtype=np.int64)
        result, known = super().factors(rows)
        others = np.flatnonzero(~known & (rows >= 0) & (rows < len(self._predicted)))
        others = others[np.isfinite(self._predicted[rows[others], 0])]
        result[others] = self._predicted[rows[others]]
        known[others] = True
        return result, known

    def _all_factors(self) -> Floats:
        """(n_items, d), NaN where nothing is known."""
        factors = self._predicted.copy()
        factors[self._items.rows] = self._factors
        return factors

    def score(self, queries: Sequence[Query]) -> Scores:
        """pᵀq; NaN for movies with neither ratings nor features, and for users without a rated movie."""
        users = self.user_factors(queries)
        scores = self._items.spread(users @ self._factors.T, self.n_items)
        others = np.isfinite(self._predicted[:, 0])
        others[self._items.rows] = False
        scores[:, others] = users @ self._predicted[others].T
        return scores

    def similar(self, rows: Sequence[int]) -> Scores:
        """Cosine of the factors; NaN for movies with neither ratings nor features."""
        factors = self._all_factors()
        unit = factors / np.maximum(np.linalg.norm(factors, axis=1, keepdims=True), np.float32(1e-12))
        result: Scores = unit[np.asarray(rows, dtype=np.int64)] @ unit.T
        return result

    def with_catalog(self, catalog: Catalog, vectors: Mapping[str, MovieVectors] | None = None) -> Self:
        """New and edited movies get what their features say at once; rated ones keep their factors."""
        grown = super().with_catalog(catalog, vectors)
        rows = changed_rows(self._catalog, catalog)
        predicted = np.full((len(catalog), self._width), np.nan, dtype=np.float32)
        predicted[: len(self._predicted)] = self._predicted
        predicted[rows] = self._predict(catalog, rows)
        grown._predicted, grown._catalog = predicted, catalog
        return grown

    def state(self) -> State:
        """That of iALS; features in UTF-8 with their cuts, `mapping` float32 (1 + f, d), `predicted` (n_items, d)."""
        buffer, cuts = pack(self._words)
        return {
            **super().state(),
            "words": buffer,
            "cuts": cuts,
            "mapping": self._mapping,
            "predicted": self._predicted,
        }

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        super()._restore(state, catalog)
        buffer, cuts = array(state, "words", np.uint8, (None,)), array(state, "cuts", np.int64, (None,))
        try:
            self._words = unpack(buffer, cuts)
        except ValueError as error:
            raise SnapshotError("The stored features of featureals are damaged.", "Train again.") from error
        self._mapping = array(state, "mapping", np.float32, (1 + len(self._words), self._width))
        self._predicted = array(state, "predicted", np.float32, (len(catalog), self._width))
        self._catalog = catalog


def _features(catalog: Catalog, rows: NDArray[np.int64]) -> Any:
    """Number and features, "field:word", of each of some movies, each feature once, in order of their names."""
    for place, movie in enumerate(movie_words(catalog, rows)):
        yield place, sorted({f"{field}:{word}" for field in FIELDS for word in movie.get(field, ())})
