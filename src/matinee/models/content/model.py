"""Content: movies that share genres, people, tags, words and looks; scores movies without ratings too."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.ratings import NO_TIME
from matinee.data.vectors import MovieVectors
from matinee.errors import SnapshotError
from matinee.models.base import Model, ModelConfig, Progress, Query, RowScorer, Scores, State
from matinee.models.content.vector_field import VectorField, put_state, read_state
from matinee.models.content.words import FIELDS, changed_rows, movie_words, pack, unpack, vectorize
from matinee.models.plot_words import PlotWords
from matinee.models.preference import StarScale
from matinee.models.row_scorers import ProductScorer
from matinee.models.sparse import sparse_rows, sparse_state, weighted_sum
from matinee.models.warm_items import array, over_history

_BATCH = 64
_HEAPS, _READ_AT_ONCE = 100, 1 << 15
"""Distinct words of a letter, of more to the power of .55; and movies whose words are Python objects at a time."""

SPACES = ("text", "poster")
"""Spaces of `Dataset.vectors` that are fields."""


class ContentConfig(ModelConfig):
    """Settings of `Content`; a field's weight is the length of its part of the movie's vector, 0 leaves it out."""

    genres: float = Field(0.4, ge=0, description="Weight of genres.")
    decade: float = Field(0.3, ge=0, description="Weight of the decade.")
    tags: float = Field(1.5, ge=0, description="Weight of tags.")
    directors: float = Field(1.2, ge=0, description="Weight of directors.")
    writers: float = Field(0.8, ge=0, description="Weight of writers.")
    cast: float = Field(1.2, ge=0, description="Weight of the cast.")
    countries: float = Field(0.1, ge=0, description="Weight of countries.")
    languages: float = Field(0.1, ge=0, description="Weight of languages.")
    title: float = Field(0.4, ge=0, description="Weight of words of the title.")
    keywords: float = Field(0.8, ge=0, description="Weight of keywords.")
    overview: float = Field(0.6, ge=0, description="Weight of words of the plot.")
    text: float = Field(1.0, ge=0, description="Vectors of texts, where the data have them.")
    poster: float = Field(0.7, ge=0, description="Vectors of posters, where the data have them.")
    half_life: float | None = Field(None, gt=0, description="Days in which a rating's weight halves; None: never.")


class Content(Model[ContentConfig]):
    """Likeness of a movie and a user's profile, the rating-weighted sum of the movies of the history.

    A movie's vector holds TF-IDF words of each field (Salton & Buckley 1988), each field brought to its weight,
    so that none drowns another by the mere number of its words, and the whole divided by the length that a movie
    with words in every field has. The similarity of two movies is thus Σ_f w_f²·cos_f(i, j) / Σ_f w_f², a field that
    one of them lacks counting 0: a movie of which only the genre is known is like many, but like none much.
    (Brought to length 1 instead, such movies filled the lists: nDCG@10 .004 against .13 on ml-latest-small.)
    Vectors of texts and posters (`Dataset.vectors`), less their mean, are two more fields where there are any.
    Scores are additive over the history: Σ w_i·like(i, j) / Σ|w_i|. Movies without any known word or vector are NaN.

    Examples:
        >>> model = matinee.Content().fit(dataset)
        >>> dataset.titles(model.top(history, n=1))
        ['Toy Story 2 (1999)']
    """

    name = "content"
    Config = ContentConfig
    learns_from_ratings = False

    _words: list[str]
    _idf: NDArray[np.float32]
    _vectors: sp.csr_matrix
    _dense: dict[str, VectorField]
    _scale: StarScale
    _catalog: Catalog

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: the distinct words as Python objects, some movies as well, and the vectors twice."""
        frame = dataset.catalog.frame
        lists = distinct = 0
        for column in (frame[c] for c in frame.columns if frame[c].dtype.is_nested()):
            lists += int(column.list.len().sum() or 0)
            distinct += column.explode().n_unique()
        letters = sum(int(frame[c].str.len_bytes().sum() or 0) for c in ("title", "overview"))
        total = lists + letters // 3 + 4 * len(frame)
        # Distinct words of texts grow with a power of all (Heaps 1978); few texts are nearly all distinct words.
        distinct += min(letters // 3 + 4 * len(frame), int(_HEAPS * max(letters, 1) ** 0.55))
        there = 400 * total * min(1.0, _READ_AT_ONCE / max(len(frame), 1))
        vectors = 8 * sum(movies.vectors.size for name, movies in dataset.vectors.items() if name in SPACES)
        return vectors + int(there) + 400 * distinct + 32 * total + 16 * len(frame) + (4 << 20)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        catalog = dataset.catalog
        self._scale, self._catalog = StarScale.of(dataset), catalog
        for name in ("_number", "whole", "_with_features"):  # of an earlier fit
            self.__dict__.pop(name, None)
        present = {name: movies for name, movies in dataset.vectors.items() if name in SPACES and len(movies)}
        self._dense = {name: VectorField.learn(movies) for name, movies in present.items() if self._weight(name)}
        weights = self.config.model_dump()
        seen: Counter[str] = Counter()
        everything = np.arange(len(catalog), dtype=np.int64)
        for movie in movie_words(catalog, everything):
            for field, values in movie.items():
                if weights[field]:
                    seen.update({f"{field}:{word}" for word in values})
        progress("content: words counted", 0.5)
        # People and tags of a single movie may come again in a new movie; words of one overview only cost memory.
        vocabulary = sorted(word for word, count in seen.items() if count > 1 or word.split(":", 1)[0] in FIELDS)
        counts = np.array([seen[word] for word in vocabulary], dtype=np.float64)
        self._words = vocabulary
        self._idf = (np.log((1 + len(catalog)) / (1 + counts)) + 1).astype(np.float32)
        self._vectors = self._vectorize(catalog, everything)
        progress("content: done", 1.0)

    @property
    def item_vectors(self) -> sp.csr_matrix:
        """Word vectors of all movies, (n_items, n_words), of length 0 (no known word) to at most 1 (in every field)."""
        return self._vectors

    @property
    def plot_words(self) -> PlotWords | None:
        """The columns of the field `overview`; None where no word of it is known, or its weight is 0."""
        # The words are sorted, and ";" is what follows ":".
        start, stop = bisect_left(self._words, "overview:"), bisect_left(self._words, "overview;")
        return PlotWords(self._vectors, self._words, (start, stop)) if start < stop else None

    @property
    def vector_weights(self) -> dict[str, float]:
        """See `Model.vector_weights`; of the spaces that the data had."""
        return {name: self._weight(name) / self.whole for name in SPACES if name in self._dense}

    @cached_property
    def _number(self) -> dict[str, int]:
        """Column of each word; made once and shared by the copies over grown catalogs."""
        return {word: position for position, word in enumerate(self._words)}

    def _weight(self, field: str) -> float:
        weight: float = getattr(self.config, field)
        return weight

    @cached_property
    def whole(self) -> float:
        """Length of a movie's vector that has something in every field that the data have."""
        fields = {word.split(":", 1)[0] for word in self._words} | self._dense.keys()
        return math.sqrt(sum(weight**2 for field, weight in self.config.model_dump().items() if field in fields))

    def _vectorize(self, catalog: Catalog, rows: NDArray[np.int64]) -> sp.csr_matrix:
        """Vectors of movies, (len(rows), n_words), see `item_vectors`."""
        return vectorize(catalog, rows, self._number, self._idf, self.config.model_dump(), self.whole)

    @cached_property
    def _with_features(self) -> NDArray[np.bool_]:
        """(n_items,), which movies have words or a vector."""
        described: NDArray[np.bool_] = np.diff(self._vectors.indptr) > 0
        for field in self._dense.values():
            described |= field.known(self.n_items)
        return described

    def has_features(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which rows are movies that have words or a vector."""
        inside = (rows >= 0) & (rows < self.n_items)
        if not self.n_items:
            return inside
        result: NDArray[np.bool_] = inside & self._with_features[np.where(inside, rows, 0)]
        return result

    def _parts(self, name: str) -> tuple[VectorField, np.float32]:
        """A dense field and its share w_f² / Σ w_f² of the similarity."""
        return self._dense[name], np.float32((self._weight(name) / self.whole) ** 2)

    def _weights(self, query: Query, known: NDArray[np.bool_]) -> NDArray[np.float32]:
        return profile_weights(query, known, self._scale, self.config.half_life)

    def knows(self, query: Query) -> bool:
        """Whether the history holds a movie that has words."""
        return bool(self.has_features(query.rows).any())

    def score(self, queries: Sequence[Query]) -> Scores:
        """Weighted mean similarity to the movies of the history; NaN for movies without words and unknown users."""
        scores = np.full((len(queries), self.n_items), np.nan, dtype=np.float32)
        if not self._with_features.any():  # bare ids: no movie says anything
            return scores
        for start in range(0, len(queries), _BATCH):
            batch = queries[start : start + _BATCH]
            words = np.zeros((self._vectors.shape[1], len(batch)), dtype=np.float32)
            others = {name: np.zeros((field.dim, len(batch)), np.float32) for name, field in self._dense.items()}
            cold = np.zeros(len(batch), dtype=np.bool_)
            for number, query in enumerate(batch):
                profile = self._profile(query)
                cold[number] = profile is None
                if profile is not None:
                    words[:, number] = profile[0]
                    for name, part in profile[1].items():
                        others[name][:, number] = part
            result = self._alike(words, others)
            result[cold] = np.nan
            scores[start : start + len(batch)] = result
        return scores

    def score_rows(self, query: Query, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """As `score`, of some movies; takes time by their number alone."""
        scores = np.full(len(rows), np.nan, dtype=np.float32)
        profile = self._profile(query)
        if profile is not None:
            described = self.has_features(rows)
            movies = rows[described]
            result = self._vectors[movies] @ profile[0]
            for name, part in profile[1].items():
                field, share = self._parts(name)
                result += field.rows(movies) @ (part * share)
            scores[described] = result
        return scores

    def row_scorer(self, rows: NDArray[np.int64]) -> RowScorer:
        """See `Model.row_scorer`."""
        words, described = self._vectors[rows], self.has_features(rows)
        cold = np.flatnonzero(~described)
        fields = {name: self._parts(name)[0].rows(rows) * self._parts(name)[1] for name in self._dense}

        def vectors(query: Query) -> list[NDArray[np.float32]] | None:
            profile = query.once((self, "profile"), lambda: self._profile(query))
            return None if profile is None else [profile[0], *(profile[1][name] for name in fields)]

        def finish(scores: NDArray[np.float32], query: Query) -> NDArray[np.float32]:
            del query
            scores[cold] = np.nan
            return scores

        return ProductScorer([words, *fields.values()], vectors, finish)

    def _profile(self, query: Query) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]] | None:
        """What a user likes, as words (n_words,) and as a vector (dim,) of each space; None where nothing is known."""
        known = self.has_features(query.rows)
        if not known.any():
            return None
        weights, rows = self._weights(query, known), query.rows[known]
        words = weighted_sum(self._vectors, rows, weights).astype(np.float32)
        return words, {name: weights @ f.rows(rows) for name, f in self._dense.items()}

    def _alike(self, words: NDArray[np.float32], others: Mapping[str, NDArray[np.float32]]) -> Scores:
        """Likeness of all movies to profiles, (n, n_items): `words` (n_words, n), `others` (dim, n) by space."""
        result = self._vectors @ words
        for name, profiles in others.items():
            field, share = self._parts(name)
            result += field.products(profiles * share, self.n_items)
        similarity: Scores = result.T
        similarity[:, ~self._with_features] = np.nan
        return similarity

    def similarity(self, rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float32]:
        """Σ_f w_f²·cos_f / Σ_f w_f² of movies, (len(rows), len(others)); 0 for movies without words and vectors.

        Positive semidefinite, as a sum of inner products.
        """
        result: NDArray[np.float32] = (self._vectors[rows] @ self._vectors[others].T).toarray()
        for name in self._dense:
            field, share = self._parts(name)
            result += field.rows(rows) @ (field.rows(others) * share).T
        return result

    def contributions(self, query: Query, rows: Sequence[int]) -> NDArray[np.float32]:
        """w_i·like(i, j) / Σ|w|, (len(rows), len(query)); 0 for movies without words and vectors."""
        known = self.has_features(query.rows)
        asked = np.asarray(rows, dtype=np.int64)
        if not known.any():
            return np.zeros((len(asked), len(query)), dtype=np.float32)
        shares = self.similarity(asked, query.rows[known])
        shares *= self._weights(query, known)
        return over_history(shares, known)

    def mixed_contributions(self, query: Query, rows: Sequence[int], mix: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Model.mixed_contributions`: mixed words and vectors are multiplied."""
        known = self.has_features(query.rows)
        if not known.any():
            return np.zeros((len(mix), len(query)), dtype=np.float32)
        asked, history = np.asarray(rows, dtype=np.int64), query.rows[known]
        shares: NDArray[np.float32] = (self._vectors[history] @ (self._vectors[asked].T @ mix.T)).T
        for name in self._dense:
            field, share = self._parts(name)
            shares += (mix @ field.rows(asked)) @ (field.rows(history) * share).T
        return over_history(shares * self._weights(query, known), known)

    def similar(self, rows: Sequence[int]) -> Scores:
        """Likeness, at most 1; NaN for movies without words and vectors."""
        asked = np.asarray(rows, dtype=np.int64)
        known = self.has_features(asked)
        scores = np.full((len(asked), self.n_items), np.nan, dtype=np.float32)
        movies = asked[known]
        scores[known] = self._alike(
            self._vectors[movies].toarray().T, {name: field.rows(movies).T for name, field in self._dense.items()}
        )
        return scores

    def with_catalog(self, catalog: Catalog, vectors: Mapping[str, MovieVectors] | None = None) -> Self:
        """New and edited movies get vectors over the fitted vocabulary; only these are computed.

        Args:
            vectors: of movies that were added or edited, by space. An edited movie keeps the vector that it had in a
                space of which nothing is said (None says nothing of any), and loses it where it is not among the
                movies.

        Raises:
            DataError: vectors of another width than the fitted ones.
        """
        rows = changed_rows(self._catalog, catalog)
        if len(rows):
            _ = self._number  # before the copy, which shares it
        grown = self._copy()
        grown.__dict__.pop("_with_features", None)
        grown.n_items, grown._catalog = len(catalog), catalog
        grown._dense = {
            name: field.changed(rows, vectors[name]) if vectors is not None and name in vectors else field
            for name, field in self._dense.items()
        }
        if len(rows):
            fresh = self._vectorize(catalog, rows)
            position = np.arange(len(catalog))
            position[rows] = self._vectors.shape[0] + np.arange(len(rows))
            grown._vectors = sp.vstack([self._vectors, fresh], format="csr")[position]
        return grown

    def state(self) -> State:
        """Words as sparse rows (`indptr`, `indices`, `data`), `idf`, the words in UTF-8 with their cuts, and vectors.

        Those of each space that there are: `<space>_rows` int64 (n,), `<space>_vectors` float32 (n, dim).
        """
        buffer, cuts = pack(self._words)
        return {
            **sparse_state(self._vectors),
            "idf": self._idf,
            "words": buffer,
            "cuts": cuts,
            **self._scale.state(),
            **put_state(self._dense),
        }

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        """`catalog` must be the one that the model was fitted on."""
        buffer, cuts = array(state, "words", np.uint8, (None,)), array(state, "cuts", np.int64, (None,))
        try:
            self._words = unpack(buffer, cuts)
        except ValueError as error:
            raise SnapshotError("The stored words of the content model are damaged.", "Train again.") from error
        self._idf = array(state, "idf", np.float32, (len(self._words),))
        self._vectors = sparse_rows(state, len(catalog), len(self._words))
        self._dense = read_state(state, SPACES, len(catalog))
        self._scale, self._catalog = StarScale.from_state(state), catalog


def profile_weights(
    query: Query, known: NDArray[np.bool_], scale: StarScale, half_life: float | None
) -> NDArray[np.float32]:
    """Weights of the known movies of a history, (n_known,), absolute values summing to 1.

    Args:
        known: (len(query),), the movies that count.
        scale: what stars say; dislikes get negative weights.
        half_life: days in which a rating's weight halves; None: never.
    """
    weights = scale.history_weights(query, known, "signed").astype(np.float64)
    if half_life is not None and query.times is not None:
        times = query.times[known]
        dated = times != NO_TIME
        if dated.any():
            age = np.where(dated, times.max() - times, times.max() - times[dated].min()) / 86_400
            weights = weights * 0.5 ** (age / half_life)
    return (weights / max(float(np.abs(weights).sum()), 1e-12)).astype(np.float32)
