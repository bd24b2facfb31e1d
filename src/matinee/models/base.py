"""The contract of every model: fit on a Dataset, then score batches of queries over all movies.

The history travels in the query, so a known, a changed and an unknown user are one code path (fold-in).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from matinee._util.progress import Progress as Progress
from matinee._util.progress import silent
from matinee._util.topk import top_n
from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.ratings import Ratings
from matinee.data.vectors import MovieVectors
from matinee.errors import InvalidInputError, MemoryLimitError, UnknownUserError
from matinee.models.plot_words import PlotWords

Scores = NDArray[np.float32]
Fallback = Literal["popular", "content"]
State = dict[str, NDArray[Any]]


T = TypeVar("T")


def _no_rows() -> NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Query:
    """A user's history.

    Attributes:
        rows: catalog rows of the movies rated, distinct, any order; rows a model was not fitted on are
            ignored by it.
        ratings: float32 stars, same length.
        times: int64 seconds since 1970, same length; `NO_TIME` where unknown.
        user_id: for the log only; no model may look a user up by it.
        memo: see `once`.

    Examples:
        >>> matinee.Query.of(dataset.ratings, "42").user_id
        '42'
        >>> len(matinee.Query.of_movies(dataset.catalog, {"Toy Story": 5.0, "Shrek (2001)": 4.5}))
        2
    """

    rows: NDArray[np.int64] = field(default_factory=_no_rows)
    ratings: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    times: NDArray[np.int64] | None = None
    user_id: str | None = None
    memo: dict[Hashable, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.ratings):
            raise InvalidInputError("A history needs one rating for each film.")

    def __len__(self) -> int:
        return len(self.rows)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What a model derives of this history and needs again, for a list and for its reasons; as long as this lives.

        Args:
            key: the model and what is derived, e.g. `(self, "factors")`: no other model may share it.
        """
        if key not in self.memo:
            self.memo[key] = make()
        result: T = self.memo[key]
        return result

    @classmethod
    def of(cls, ratings: Ratings, user: int | str) -> Self:
        """The whole history of one user, a row of a ratings matrix or an id.

        Raises:
            UnknownUserError: no such user.
        """
        row = ratings.find_user(user) if isinstance(user, str) else user
        if row is None:
            raise UnknownUserError(str(user))
        rows, values, times = ratings.history(row)
        return cls(rows.astype(np.int64), values, times, str(ratings.user_ids[row]))

    @classmethod
    def of_movies(cls, catalog: Catalog, stars: Mapping[str, float] | Mapping[int, float]) -> Self:
        """The history of anybody: movie id or title (with or without its year) → stars.

        Examples:
            >>> from matinee import Catalog, Movie
            >>> catalog = Catalog.of([Movie(movie_id="7", title="Heat", year=1995), Movie(movie_id="8", title="Big")])
            >>> Query.of_movies(catalog, {"Heat": 5.0, "8": 2.0}).rows.tolist()
            [0, 1]

        Raises:
            UnknownMovieError: no movie has this id or title.
            AmbiguousTitleError: several movies have this title.
        """
        result = {catalog.resolve(name): value for name, value in stars.items()}
        return cls(np.array(list(result), dtype=np.int64), np.array(list(result.values()), dtype=np.float32))


@dataclass(frozen=True, eq=False)
class Subset:
    """Movies that a list may hold, as a filter allows them; the same object for the same movies.

    So what a model makes for it is found again.

    Attributes:
        mask: (n_items,), read-only. Those of filters are of `indexes.frozen_mask`, so that an index knows them again.
    """

    mask: NDArray[np.bool_]


RowScorer = Callable[[Query], NDArray[np.float32]]
"""Scores the movies that it was made for, (n_rows,), NaN where the model has no opinion."""


@dataclass(frozen=True)
class Shortlisted:
    """Scores of the movies that a list is chosen from, and what they are measured by.

    Attributes:
        rows: catalog rows, distinct, (m,); the same object for the same movies.
        order: places that sort the rows, (m,).
        scores: of these, (m,).
        sampled: (m,), movies of a random sample of those that are no candidates: where one of them would be listed, so
            might others be that were not scored.
        whole: whether all movies are scored that may be listed.
        mean, deviation: of the scores of all movies, as estimated from these.
    """

    rows: NDArray[np.int64]
    order: NDArray[np.int64]
    scores: NDArray[np.float32]
    sampled: NDArray[np.bool_]
    whole: bool
    mean: float
    deviation: float


class ModelConfig(BaseModel):
    """Base of model settings: frozen, unknown names refused, round-trips through JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


C = TypeVar("C", bound=ModelConfig)


class Model(ABC, Generic[C]):
    """A recommender.

    Scores are float32 of shape (n_queries, n_items), higher is better, NaN where the model has no opinion on
    a movie (cold movie) or on a user (cold user: the whole row is NaN). A fitted model is immutable and safe
    to use from many threads.

    Examples:
        >>> model = matinee.Ease().fit(dataset)
        >>> model
        <Ease(), fitted on 40 films>
        >>> scores = model.score([history, matinee.Query()])  # of all films, for each history
        >>> scores.shape
        (2, 40)
        >>> bool(np.isnan(scores[1]).all())  # no opinion on somebody of whom nothing is known
        True
        >>> len(model.top(history, n=3))
        3
    """

    name: ClassVar[str]
    Config: ClassVar[type[ModelConfig]]
    predicts_stars: ClassVar[bool] = False
    """True where scores are expected stars on the data set's scale."""
    learns_from_ratings: ClassVar[bool] = True
    """False where fitting reads the movies alone."""
    search_ranges: ClassVar[Mapping[str, str]] = {}
    """What `matinee tune` searches unless it is told: setting → "LOW:HIGH" or "A,B,C". Empty: all with bounds."""

    def __init__(self, config: C | None = None, **settings: Any) -> None:
        if config is not None and settings:
            raise InvalidInputError("Give a config or single settings, not both.")
        self.config: C = config if config is not None else self.Config(**settings)  # type: ignore[assignment]
        self.n_items = 0

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Only for attributes that are missing, which those learned are before `fit`."""
            fault = f"{type(self).__name__!r} object has no attribute {name!r}"
            if name.startswith("__") or self.__dict__.get("n_items", 1):
                raise AttributeError(fault)
            raise AttributeError(f"{fault}: it has not been fitted. Call fit(dataset) first.")

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={getattr(self.config, name)!r}" for name in sorted(self.config.model_fields_set))
        learned = f"fitted on {self.n_items:,} films" if self.n_items else "not fitted"
        return f"<{type(self).__name__}({settings}), {learned}>"

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the models that this one is made of (a blend); their state is not in its own `state`."""
        return ()

    def bind(self, models: Mapping[str, Model[Any]]) -> Self:
        """This model with its parts taken from fitted models, by name; a model without parts returns itself."""
        del models
        return self

    def without(self, parts: Sequence[str]) -> Self | None:
        """This model, unfitted, without some of its parts; None where it is nothing without them."""
        del parts
        return None

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes that fitting will allocate beyond the data set; an estimate from above."""
        del dataset
        return 0

    def memory_kept(self, dataset: Dataset) -> int:
        """Bytes that it still holds once it is fitted; an estimate from above."""
        return self.memory_needed(dataset)

    def draft(self) -> Self:
        """This model, unfitted, as a blend fits it to learn how much it counts: a model may do with less work then."""
        return type(self)(self.config)

    def unsuited(self, dataset: Dataset) -> str | None:
        """Why this model has nothing to learn from a data set, as a sentence; None where it has.

        Training and evaluation leave such a model out; `fit` does its best all the same.
        """
        del dataset
        return None

    def fit(self, dataset: Dataset, *, memory_limit: int | None = None, progress: Progress | None = None) -> Self:
        """Learn from a data set and return self.

        Raises:
            MemoryLimitError: before any work, where `memory_needed` exceeds `memory_limit` (bytes).
        """
        self.check_memory(dataset, memory_limit)
        self.n_items = len(dataset.catalog)
        self._fit(dataset, progress or silent)
        return self

    def refit(
        self,
        dataset: Dataset,
        earlier: Self,
        rows: NDArray[np.int64],
        *,
        memory_limit: int | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from a data set like `fit`, in less time where an earlier state of it was learned from already.

        Models that iterate begin with what `earlier` learned and stop sooner; all others learn from the start.

        Args:
            earlier: fitted with the same settings on an earlier state of the data; not changed.
            rows: int64, (earlier.n_items,), where its movies are in the catalog now; −1: no more.

        Raises:
            MemoryLimitError: see `fit`.
        """
        self.check_memory(dataset, memory_limit)
        self.n_items = len(dataset.catalog)
        self._refit(dataset, earlier, rows, progress or silent)
        return self

    def _refit(self, dataset: Dataset, earlier: Self, rows: NDArray[np.int64], progress: Progress) -> None:
        del earlier, rows
        self._fit(dataset, progress)

    def check_memory(self, dataset: Dataset, memory_limit: int | None) -> None:
        """Refuse to fit what would not fit.

        Raises:
            MemoryLimitError: `memory_needed` exceeds the limit (bytes; None: there is none).
        """
        need = self.memory_needed(dataset)
        if memory_limit is not None and need > memory_limit:
            raise MemoryLimitError(
                f"{self.name} would need {need / 2**20:,.0f} MiB for this data, more than the limit of "
                f"{memory_limit / 2**20:,.0f} MiB.",
                self.memory_hint(),
            )

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return "Raise MATINEE_MEMORY_LIMIT or leave this model out."

    @abstractmethod
    def _fit(self, dataset: Dataset, progress: Progress) -> None: ...

    @abstractmethod
    def score(self, queries: Sequence[Query]) -> Scores:
        """Scores of all movies for each query, (n_queries, n_items); seen movies are scored too.

        A fresh array, which the caller may change.
        """

    def score_rows(self, query: Query, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores of some movies only, (len(rows),); a model may do this faster than by scoring them all."""
        result: NDArray[np.float32] = self.score([query])[0][rows]
        return result

    def row_scorer(self, rows: NDArray[np.int64]) -> RowScorer:
        """`score_rows` of the same movies for many histories: what they need of this model is gathered once."""
        return lambda query: self.score_rows(query, rows)

    def shortlist(self, query: Query, size: int, subset: Subset | None = None) -> Shortlisted | None:
        """Scores of the movies that a plain list may hold, where that takes less than scoring all; None: score all.

        Args:
            size: movies that many have rated, which are always among them; 0: none, all movies are to be scored.
            subset: movies that a filter allows; None: all may be listed.
        """
        del query, size, subset
        return None

    def score_together(self, queries: Sequence[Query], size: int) -> None:
        """Make what `shortlist(query, size)` will be asked for soon, where several take less time together than apart.

        It is kept with the histories (`Query.memo`).
        """
        del queries, size

    def score_at(self, query: Query, rows: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores of some movies at the times when they are rated, (len(rows),); `score_rows` where time plays no part.

        Args:
            times: int64 seconds since 1970, `NO_TIME` where unknown, (len(rows),).
        """
        del times
        return self.score_rows(query, rows)

    def score_intervals(
        self, query: Query, rows: NDArray[np.int64], level: float = 0.9
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Ends of intervals that hold the stars given with a probability, each (len(rows),); None: a model without."""
        del query, rows, level
        return None

    def top(self, query: Query, n: int = 10) -> list[int]:
        """Catalog rows of the up to n best movies outside the history, best first; no opinion, not listed."""
        scores = self.score([query])[0].copy()
        scores[query.rows[query.rows < len(scores)]] = np.nan
        return [int(row) for row in top_n(scores, n)]

    def knows(self, query: Query) -> bool:
        """Whether `score` gives any movie a score for this history; False: the user is cold for this model."""
        return not bool(np.isnan(self.score([query])).all())

    def fallback(self, query: Query) -> Fallback | None:
        """Who answers this history instead: "content", "popular", or None where the model itself does."""
        return None if self.knows(query) else "popular"

    def contributions(self, query: Query, rows: Sequence[int]) -> NDArray[np.float32] | None:
        """How much each movie of the history adds to the score of each of `rows`: (len(rows), len(query)).

        Additive: each row sums to the model's score, up to a constant of the movie that no movie of the history owns.
        None where the model has no such decomposition.
        """
        del query, rows
        return None

    def mixed_contributions(self, query: Query, rows: Sequence[int], mix: NDArray[np.float32]) -> NDArray[np.float32]:
        """`mix @ contributions(query, rows)`, (len(mix), len(query)); zeros where there is no decomposition.

        A model whose contributions are a product multiplies from the left, which takes no array of all `rows` by the
        whole history.

        Args:
            mix: (n, len(rows)), without NaN.
        """
        parts = self.contributions(query, rows)
        if parts is None:
            return np.zeros((len(mix), len(query)), dtype=np.float32)
        mixed: NDArray[np.float32] = mix @ parts
        return mixed

    def similar(self, rows: Sequence[int]) -> Scores | None:
        """Similarity of all movies to each of `rows`, (len(rows), n_items), or None where undefined."""
        del rows
        return None

    @property
    def chart(self) -> str | None:
        """What orders the one list that everybody gets, e.g. "trending"; None where the history decides."""
        return None

    @property
    def item_vectors(self) -> sp.csr_matrix | None:
        """What movies are about, (n_items, n_words), to tell how unlike two of them are; None where it is not known."""
        return None

    @property
    def vector_weights(self) -> Mapping[str, float]:
        """Weights of the vectors of texts and posters beside `item_vectors`, by space of `Dataset.vectors`."""
        return {}

    @property
    def plot_words(self) -> PlotWords | None:
        """The words of plots in `item_vectors`; None where it has none."""
        return None

    def has_features(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which rows are movies with features, of `item_vectors` or of a space of `vector_weights`, (len(rows),)."""
        described = np.zeros(self.n_items + 1, dtype=np.bool_)  # the last: rows that are not the model's
        if self.item_vectors is not None:
            described[:-1] = np.diff(self.item_vectors.indptr) > 0
        result: NDArray[np.bool_] = described[np.where((rows >= 0) & (rows < self.n_items), rows, self.n_items)]
        return result

    def factors(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
        """Latent factors of movies, (len(rows), d), and which have any, (len(rows),); None: a model without factors."""
        del rows
        return None

    def user_factors(self, queries: Sequence[Query]) -> NDArray[np.float32] | None:
        """Latent factors of users, (n_queries, d), NaN for cold users; None: a model without factors."""
        del queries
        return None

    def with_catalog(self, catalog: Catalog, vectors: Mapping[str, MovieVectors] | None = None) -> Self:
        """This model over a grown catalog (first rows the same movies, maybe edited): n_items = len(catalog).

        Models that know nothing of new movies score them NaN; content models score them at once.

        Args:
            vectors: of movies that were added or edited, by space; None: none are known.
        """
        del vectors
        grown = self._copy()
        grown.n_items = len(catalog)
        return grown

    def same_fit(self, other: Model[Any]) -> bool:
        """Whether this is the other model over another state of the catalog that changed nothing of what was learned.

        Movies of both catalogs then have the same scores.
        """
        mine, others = self.__dict__, other.__dict__
        return (
            type(self) is type(other)
            and mine.keys() == others.keys()
            and all(value is others[name] for name, value in mine.items() if name != "n_items")
        )

    def _copy(self) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    @abstractmethod
    def state(self) -> State:
        """All fitted parameters, as named arrays (no object dtype); with the config enough to rebuild the model."""

    @classmethod
    def from_state(cls, config: ModelConfig, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> Self:
        """Rebuild a fitted model; arrays may be read-only memory maps and must not be copied needlessly.

        Raises:
            SnapshotError: arrays missing or of the wrong shape for this catalog.
        """
        model = cls(cls.Config.model_validate(config.model_dump()))  # type: ignore[arg-type]
        model.n_items = len(catalog)
        model._restore(state, catalog)
        return model

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        """Take the fitted parameters from `state`. The config is set, and so is the number of movies."""
        raise NotImplementedError
