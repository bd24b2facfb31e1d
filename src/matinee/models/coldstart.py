"""ColdStart: collaborative factors predicted from content, for movies without ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.linalg import lapack

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.vectors import MovieVectors
from matinee.errors import InvalidInputError, MatineeError, SnapshotError
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores, State
from matinee.models.cholesky import factorize, solve_factored
from matinee.models.content.model import Content
from matinee.models.content.words import changed_rows
from matinee.models.ials import ImplicitALS, default_factors
from matinee.models.warm_items import WarmItems, array, choose_warm

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]

_BLOCK = 512
"""Movies per block of the kernel."""
_SAMPLE = 1000


class ColdStartConfig(ModelConfig):
    """Settings of `ColdStart`; weights are in the unit of the content model's."""

    taste: str = Field("ials", description="Part whose movie factors are predicted.")
    content: str = Field("content", description="Part that says how alike films are.")
    regularization: float = Field(1.0, gt=0, description="λ in units of the examples' mean similarity to themselves.")
    years: float = Field(1.2, ge=0, description="Weight of the year as a field: exp(−|difference| / span).")
    span: float = Field(10.0, gt=0, description="Years.")
    constant: float = Field(0.5, ge=0, description="Weight of what all films have in common.")
    min_ratings: int = Field(5, ge=1, description="Films with fewer ratings are no examples: their factors say little.")
    max_items: int = Field(6000, ge=1, description="Most examples, those with the most ratings.")


class ColdStart(Model[ColdStartConfig]):
    """Movie factors of iALS predicted from content, by kernel ridge regression over movies with ratings.

    Attribute-to-feature mapping (Gantner et al. 2010, "Learning Attribute-to-Feature Mappings for Cold-Start
    Recommendations") with the content model's similarity as the kernel, and the year of release as one more field:
    K(i, j) = Σ_f w_f²·cos_f(i, j) + years²·exp(−|year_i − year_j| / span) + constant². The factors of movie j are
    q̂_j = K(j, examples)·A with A = (K + λI)⁻¹·Q, where Q holds the factors of the examples. A new movie needs nothing
    but its content. The examples themselves get what the others predict, in closed form: q_i − A_i / (K + λI)⁻¹_ii
    (leave-one-out), so that their scores and those of new movies can be compared.

    `transfer` takes any scores of the examples to all movies: it reads the user's factors from them by least squares.
    The model's own scores are those of its taste part, carried. NaN for movies of which content knows nothing, and for
    users unknown to the taste part. Bind the parts before `fit`: `ColdStart().bind({"ials": …, "content": …})`.

    Examples:
        >>> parts = {"ials": matinee.ImplicitALS().fit(dataset), "content": matinee.Content().fit(dataset)}
        >>> matinee.ColdStart().bind(parts).fit(dataset)
        <ColdStart(), fitted on 40 films>
    """

    name = "coldstart"
    Config = ColdStartConfig

    _taste: ImplicitALS | None = None
    _content: Content | None = None
    _examples: WarmItems
    _weights: Floats
    _reader: Floats
    _factors: Floats
    _catalog: Catalog

    @property
    def parts(self) -> tuple[str, ...]:
        """The taste part and the content part."""
        return (self.config.taste, self.config.content)

    def bind(self, models: Mapping[str, Model[Any]]) -> Self:
        """This model over fitted parts.

        Raises:
            SnapshotError: a part is missing.
            InvalidInputError: a part is of another kind.
        """
        missing = [name for name in self.parts if name not in models]
        if missing:
            raise SnapshotError(
                f"The parts {', '.join(missing)} of coldstart are missing.", "Train these models as well."
            )
        taste, content = models[self.config.taste], models[self.config.content]
        if not isinstance(taste, ImplicitALS) or not isinstance(content, Content):
            raise InvalidInputError(
                "coldstart is made of an ials and a content model.", "Name such models as its parts."
            )
        bound = self._copy()
        bound._taste, bound._content = taste, content
        return bound

    def _bound(self) -> tuple[ImplicitALS, Content]:
        if self._taste is None or self._content is None:
            raise MatineeError("coldstart has no parts yet.", "Call bind(models) with the fitted models first.")
        return self._taste, self._content

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: the similarity of all examples to each other while it is factored, and a block of others."""
        k = len(choose_warm(dataset.ratings.counts, self.config.min_ratings, self.config.max_items))
        d = max(default_factors(len(dataset.ratings)), 128)
        return 13 * k * k + 12 * d * (4 * k + len(dataset.catalog)) + 24 * _BLOCK * k + (4 << 20)

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return f"Raise MATINEE_MEMORY_LIMIT or lower max_items (now {self.config.max_items:,})."

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        taste, content = self._bound()
        catalog, config = dataset.catalog, self.config
        chosen = choose_warm(dataset.ratings.counts, config.min_ratings, config.max_items)
        chosen = chosen[taste.factors(chosen)[1] & content.has_features(chosen)]
        self._catalog, self._examples = catalog, WarmItems(chosen)
        known = taste.factors(chosen)[0]
        kernel = self._kernel(content, catalog, chosen)
        progress("coldstart: similarity", 0.3)
        diagonal = np.diag_indices_from(kernel)
        if len(chosen):
            kernel[diagonal] += np.float32(config.regularization * max(float(kernel[diagonal].mean()), 1e-6))
        self._weights, spread = _solve(kernel, known)
        del kernel
        gram = known.T @ known
        gram[np.diag_indices_from(gram)] += np.float32(1e-6 * max(float(np.trace(gram)), 1e-6))
        self._reader = np.linalg.solve(gram, known.T).T.astype(np.float32, copy=False)
        progress("coldstart: mapping", 0.6)
        self._factors = np.full((len(catalog), known.shape[1]), np.nan, dtype=np.float32)
        self._factors[chosen] = known - self._weights / spread[:, None]
        others = np.ones(len(catalog), dtype=np.bool_)
        others[chosen] = False
        rest = np.flatnonzero(others)
        self._factors[rest] = self._predict_factors(content, catalog, rest)
        progress("coldstart: done", 1.0)

    def _kernel(self, content: Content, catalog: Catalog, rows: Rows) -> Floats:
        """K(rows, examples), (len(rows), k) float32."""
        examples = self._examples.rows
        result = np.empty((len(rows), len(examples)), dtype=np.float32)
        years = catalog.years
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            part = content.similarity(block, examples) * np.float32(content.whole**2)
            apart = np.abs(years[block][:, None] - years[examples]).astype(np.float32)
            era = np.exp(apart / np.float32(-self.config.span)) * np.float32(self.config.years**2)
            part += np.where(np.isnan(era), np.float32(0), era)
            result[start : start + len(block)] = part + np.float32(self.config.constant**2)
        return result

    def _predict_factors(self, content: Content, catalog: Catalog, rows: Rows) -> Floats:
        """Factors of movies that are no examples, (len(rows), d); NaN where content knows nothing."""
        result = np.full((len(rows), self._weights.shape[1]), np.nan, dtype=np.float32)
        if not len(self._examples):
            return result
        described = np.flatnonzero(content.has_features(rows))
        for start in range(0, len(described), _BLOCK):
            block = described[start : start + _BLOCK]
            result[block] = self._kernel(content, catalog, rows[block]) @ self._weights
        return result

    @property
    def rows(self) -> Rows:
        """Catalog rows of the examples, whose scores `transfer` reads, (k,)."""
        return self._examples.rows

    def knows(self, query: Query) -> bool:
        """Whether the taste part knows the user, and there are examples."""
        return bool(len(self._examples)) and self._bound()[0].knows(query)

    @property
    def sample(self) -> Rows:
        """Rows of some of the examples, evenly spread, enough for means and slopes."""
        positions = np.linspace(0, len(self.rows) - 1, min(len(self.rows), _SAMPLE))
        return self.rows[positions.astype(np.int64)]

    def transfer(self, scores: Scores, rows: Rows | None = None) -> Scores:
        """Scores of movies (None: of all) predicted from those of the examples in `scores`, (n, n_items).

        Linear in the scores. An example without a score counts 0; queries without any score get NaN.
        """
        read = scores[:, self.rows]
        missing = np.isnan(read)
        users = np.where(missing, np.float32(0), read) @ self._reader
        users[missing.all(axis=1)] = np.nan
        return users @ (self._factors if rows is None else self._factors[rows]).T

    @property
    def reader(self) -> Floats:
        """How `transfer` reads the scores of the examples, (k, d)."""
        return self._reader

    def transfer_shares(self, shares: Floats, rows: Rows) -> Floats:
        """What `transfer` makes of shares in scores, for some movies, (len(rows), n).

        Args:
            shares: `reader.T @ shares in the examples' scores`, (d, n).
        """
        factors = np.where(np.isnan(self._factors[rows]), np.float32(0), self._factors[rows])
        carried: Floats = factors @ shares
        return carried

    def score(self, queries: Sequence[Query]) -> Scores:
        """The taste part's scores, carried; NaN for movies without content and users unknown to the taste part."""
        return self.transfer(self._bound()[0].score(queries))

    def contributions(self, query: Query, rows: Sequence[int]) -> Floats:
        """The taste part's shares, carried, (len(rows), len(query))."""
        shares = self._bound()[0].mixed_contributions(query, self.rows.tolist(), self._reader.T)
        return self.transfer_shares(shares, np.asarray(rows, dtype=np.int64))

    def similar(self, rows: Sequence[int]) -> Scores:
        """Cosine of the predicted factors; NaN for movies without content."""
        unit = self._factors / np.maximum(np.linalg.norm(self._factors, axis=1, keepdims=True), np.float32(1e-12))
        result: Scores = unit[np.asarray(rows, dtype=np.int64)] @ unit.T
        return result

    def with_catalog(self, catalog: Catalog, vectors: Mapping[str, MovieVectors] | None = None) -> Self:
        """New and edited movies get factors from their content at once; examples keep the fitted ones."""
        grown = super().with_catalog(catalog, vectors)
        if self._content is None:
            raise MatineeError("coldstart has no parts yet.", "Call bind(models) with the fitted models first.")
        content = self._content
        if content.n_items != len(catalog):
            content = content.with_catalog(catalog, vectors)
        rows = changed_rows(self._catalog, catalog)
        rows = np.union1d(rows, np.concatenate([movies.rows for movies in (vectors or {}).values()] or [rows]))
        rows = rows[self._examples.positions(rows) < 0].astype(np.int64)
        factors = np.full((len(catalog), self._factors.shape[1]), np.nan, dtype=np.float32)
        factors[: len(self._factors)] = self._factors
        factors[rows] = self._predict_factors(content, catalog, rows)
        grown._factors, grown._catalog, grown._content = factors, catalog, content
        return grown

    def state(self) -> State:
        """`items` int64 (k,), the examples; `weights` A and `reader` float32 (k, d); `factors` float32 (n_items, d)."""
        return {
            "items": self._examples.rows,
            "weights": self._weights,
            "reader": self._reader,
            "factors": self._factors,
        }

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        self._examples = WarmItems.from_state(state, catalog)
        self._weights = array(state, "weights", np.float32, (len(self._examples), None))
        self._reader = array(state, "reader", np.float32, self._weights.shape)
        self._factors = array(state, "factors", np.float32, (len(catalog), self._weights.shape[1]))
        self._catalog = catalog


def _solve(matrix: Floats, right: Floats) -> tuple[Floats, Floats]:
    """M⁻¹·right, (k, d), and the diagonal of M⁻¹, (k,), of a positive definite M, which is overwritten."""
    if not len(matrix):
        return right, np.ones(0, dtype=np.float32)
    factor = factorize(
        matrix, "The similarity of the films cannot be inverted.", "Raise the regularization of coldstart."
    )
    solution = solve_factored(factor, right)
    inverse, _ = lapack.spotri(factor, lower=True, overwrite_c=True)
    return solution, np.diagonal(inverse).astype(np.float32)
