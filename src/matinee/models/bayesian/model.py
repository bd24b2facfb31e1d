"""BayesianStars: stars predicted by Bayesian matrix factorization with side features, with credible intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.vectors import MovieVectors
from matinee.errors import MatineeError, SnapshotError
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores, State
from matinee.models.bayesian.gibbs import Sample, gibbs, nothing_known
from matinee.models.bayesian.ordered_probit import MAX_LEVELS, OrderedProbit
from matinee.models.bayesian.side_features import SideFeatures
from matinee.models.bayesian.time_effect import TimeEffect
from matinee.models.bayesian.user_prior import UserPrior
from matinee.models.content.words import changed_rows
from matinee.models.preference import StarScale
from matinee.models.warm_items import array

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]

_RATERS = 5.0
"""Ratings at which half of what the raters of a movie have in common is left, see `BayesianStars`."""
_MEAN_PRIOR = 3.0
"""Ratings' worth of the model's expectation in the mean stars of a movie."""
TIME_EFFECT = TimeEffect()
_DRAFT_SWEEPS = 32
_REFIT_SHARE, _REFIT_BURN_IN = 0.5, 6
"""A chain that begins with a sample of an earlier state of the data takes this share of the sweeps, these left out."""
_LATENT_UPDATES = 2
"""Updates of the latent values of a history that is folded in."""
_NOISE_SAMPLES = 2
"""Samples of which a folded-in user's noise is learned, about: what more of them say is the same. It is updated once,
a second time changes nothing that can be seen."""


class BayesianStarsConfig(ModelConfig):
    """Settings of `BayesianStars`."""

    n_factors: int = Field(16, ge=1, le=256, description="Latent dimensions.")
    sweeps: int | None = Field(
        None, ge=2, le=100_000, description="Length of the Markov chain; None: by the number of ratings."
    )
    burn_in: float = Field(0.15, ge=0, lt=1, description="Share of the sweeps that are left out.")
    n_samples: int = Field(20, ge=1, le=1000, description="Sweeps that are kept, evenly spaced.")
    rank: int = Field(
        48, ge=1, le=4096, description="Dimensions to which the samples of the films' factors are compressed."
    )
    noise_prior: float = Field(8.0, gt=0, description="Ratings' worth of prior on the noise of a user's stars.")
    link: Literal["identity", "probit"] = Field(
        "identity",
        description="What stars are: numbers (`identity`), or levels of a latent value (`probit`, an ordered probit).",
    )
    content: str | None = Field("content", description="Part that describes films; None: by year and ratings alone.")
    seed: int = Field(0, ge=0, description="Of the Markov chain.")


@dataclass(frozen=True)
class _User:
    """A user, folded in.

    Attributes:
        rows: catalog rows of the movies whose ratings count, (n,), and where they stand in the history.
        places: see rows.
        bias: mean over the samples of μ + b_u.
        among_raters: share of a movie's `_raters` in its stars.
        coordinates: what movies' coordinates are multiplied by, float32 (rank,).
        vectors: (b_u, p_u) in each sample, (s, w).
        precision: of these, (s, w, w).
        noise: 1/α_u in each sample, (s,), stars².
        design: movies of the history in each sample, (s, n, w).
        targets: stars less μ and what belongs to the movie, in each sample, (s, n).
    """

    rows: Rows
    places: Rows
    bias: float
    among_raters: np.float32
    coordinates: Floats
    vectors: Floats
    precision: Floats
    noise: Floats
    design: Floats
    targets: Floats

    @cached_property
    def covariance(self) -> Floats:
        """Of `vectors`, (s, w, w): lists do without."""
        result: Floats = np.linalg.inv(self.precision)
        return result


class BayesianStars(Model[BayesianStarsConfig]):
    """Expected stars, averaged over samples from the posterior of a factorization (`matinee.models.bayesian.gibbs`).

    A history is folded in exactly: given a sample of the movies' factors, the user's bias and factors are Gaussian, so
    that a known, a changed and an unknown user are equal. The prior of a user depends on which movies were rated, that
    of a movie on its contents, year and raters (`SideFeatures`), so that a movie without ratings gets what its features
    say. No score is NaN.

    Who rates a movie likes it better than others would. Of somebody with many ratings the model knows how far that
    goes; the less is known, the more stars lean to the mean of the movie's raters (n ratings: by 5 / (5 + n)).

    The samples of all movies, s blocks of w = 1 + d columns, are compressed by a singular value decomposition to `rank`
    coordinates a movie, so that scoring all movies is one product. Histories are folded in without compression.

    Bind the content part before `fit`: `BayesianStars().bind({"content": …})`, or set `content=None`.

    Examples:
        >>> model = matinee.BayesianStars(content=None, n_factors=4, sweeps=40).fit(dataset)
        >>> lower, upper = model.score_intervals(history, np.array([3, 4]))
        >>> bool((lower < upper).all())
        True
    """

    name = "bayes"
    Config = BayesianStarsConfig
    predicts_stars = True

    _content: Model[Any] | None = None
    _catalog: Catalog
    _features: SideFeatures
    _scale: tuple[float, float]
    _mean: float
    _samples: Floats
    """(n_items, s · w): one and the factors of the movies in each sample, side by side, rounded to 16 bits."""
    _biases: Floats
    """(n_items, s): of the movies in each sample, rounded to 16 bits."""
    _movies: Floats
    """(n_items, r): coordinates of these rows in the basis, by which all movies are scored at once."""
    _basis: Floats
    """(r, s · w), orthonormal rows: the mean over the samples and the largest directions of what deviates from it."""
    _spread: Floats
    """(n_items,): variance of the bias and of each factor of a movie without ratings, 0 of the others."""
    _raters: Floats
    """(n_items,): mean stars of a movie, shrunk, less what somebody of whom nothing is known would give it."""
    _movie_weights: Floats
    """(f_i, s · w): from features to the samples of a movie without ratings."""
    _second_moments: Floats | None = None
    _ordinal: OrderedProbit | None = None
    """The latent values that stars are levels of: factors, biases and noise are then of these."""
    _prior: UserPrior
    _noise: Floats
    """(s,): prior mean of 1/α_u, stars²."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The content part, if any."""
        return () if self.config.content is None else (self.config.content,)

    def bind(self, models: Mapping[str, Model[Any]]) -> Self:
        """This model over the fitted content part.

        Raises:
            SnapshotError: it is missing.
        """
        if self.config.content is None:
            return self
        if self.config.content not in models:
            raise SnapshotError(f"The part {self.config.content} of bayes is missing.", "Train this model as well.")
        bound = self._copy()
        bound._content = models[self.config.content]
        return bound

    def without(self, parts: Sequence[str]) -> Self:
        """This model, unfitted, without contents where they are among the parts."""
        if self.config.content not in parts:
            return self
        return type(self)(self.config.model_copy(update={"content": None}))

    def draft(self) -> Self:
        """With a chain of 32 sweeps, whose order of movies is nearly that of a longer one."""
        return type(self)(self.config.model_copy(update={"sweeps": _DRAFT_SWEEPS, "burn_in": 0.3, "n_samples": 8}))

    def unsuited(self, dataset: Dataset) -> str | None:
        """All stars are equal: there is nothing to predict. Or, for the ordered probit, there are too many levels."""
        if StarScale.of(dataset).flat:
            return "All ratings are equal, so there are no stars to predict."
        if self.config.link == "probit" and len(np.unique(dataset.ratings.values)) > MAX_LEVELS:
            return f"An ordered probit takes at most {MAX_LEVELS} distinct ratings; use link=identity."
        return None

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: the kept samples and their decomposition, features, and several values for each rating."""
        ratings, config = dataset.ratings, self.config
        columns = config.n_samples * (1 + config.n_factors)
        n = len(dataset.catalog)
        rank = min(config.rank, columns)
        sides = (n + ratings.n_users) * (90 * 8 * 3 + (1 + config.n_factors) * 8 * 6)
        return 120 * len(ratings) + n * (8 * columns + 8 * rank) + 40 * columns**2 + sides + (24 << 20)

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return f"Raise MATINEE_MEMORY_LIMIT or lower n_samples (now {self.config.n_samples})."

    def _vectors(self) -> sp.csr_matrix | None:
        if self.config.content is None:
            return None
        if self._content is None:
            raise MatineeError("bayes has no content part yet.", "Call bind(models) with the fitted models first.")
        return self._content.item_vectors

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        config = self.config
        sweeps = config.sweeps or default_sweeps(len(dataset.ratings))
        first = int(config.burn_in * sweeps)
        self._learn(dataset, progress, sweeps, first)

    def _refit(self, dataset: Dataset, earlier: Self, rows: Rows, progress: Progress) -> None:
        """With the chain going on from the last sample, which takes less time to forget its start."""
        width = 1 + self.config.n_factors
        near = np.full((self.n_items, width), np.nan)
        near[rows[rows >= 0]] = earlier._blocks()[rows >= 0, -width:]
        whole = self.config.sweeps or default_sweeps(len(dataset.ratings))
        sweeps = max(round(_REFIT_SHARE * whole), min(whole, 2))
        self._learn(dataset, progress, sweeps, min(_REFIT_BURN_IN, sweeps // 2), near)

    def _learn(
        self, dataset: Dataset, progress: Progress, sweeps: int, first: int, near: NDArray[np.float64] | None = None
    ) -> None:
        """Learn from a chain of so many sweeps, samples from `first` on; `near`: what it begins with, see `gibbs`."""
        config, catalog = self.config, dataset.catalog
        contents = self._vectors()
        matrix = dataset.ratings.matrix()
        self._catalog, self._scale = catalog, dataset.scale
        self._mean = StarScale.of(dataset).mean
        self._ordinal = OrderedProbit.of(matrix.data) if config.link == "probit" and matrix.nnz else None
        self._features, users, movies = SideFeatures.of(matrix, catalog.years, contents)
        kept = set(
            np.unique(np.linspace(first, sweeps - 1, min(config.n_samples, sweeps - first)).astype(int)).tolist()
        )
        samples: list[Sample] = []
        if not matrix.nnz:
            samples.append(nothing_known(users, movies, 1 + config.n_factors))
        else:
            chain = gibbs(
                matrix,
                self._mean,
                users,
                movies,
                n_factors=config.n_factors,
                sweeps=sweeps,
                noise_prior=config.noise_prior,
                seed=config.seed,
                ordinal=self._ordinal,
                near=near,
            )
            for number, sample in enumerate(chain):
                if number in kept:
                    samples.append(sample)
                if number % 8 == 0:
                    progress("bayes: sweeps", 0.9 * number / sweeps)
        self._keep(samples, dataset.ratings.counts)
        if self._ordinal is not None:
            matrix = sp.csr_matrix((self._latent(matrix.data), matrix.indices, matrix.indptr), matrix.shape)
        self._prior = UserPrior.of(samples, matrix, self._features, config.seed)
        self._raters = np.zeros(len(catalog), dtype=np.float32)
        nobody, counts = self._fold_in(Query()), dataset.ratings.counts
        sums = dataset.ratings.sums if self._ordinal is None else np.asarray(matrix.sum(axis=0)).ravel()
        apart = sums - counts * (self._movies @ nobody.coordinates + nobody.bias)
        self._raters = (apart / (counts + _MEAN_PRIOR)).astype(np.float32)
        progress("bayes: done", 1.0)

    def _keep(self, samples: Sequence[Sample], counts: NDArray[np.int64]) -> None:
        """Compress the samples of the movies."""
        width, s = 1 + self.config.n_factors, len(samples)
        n, f = len(counts), self._features.movies.shape[1]
        unrated = counts == 0
        blocks = np.empty((n, s * width), dtype=np.float32)
        links = np.empty((f, s * width), dtype=np.float32)
        variance = np.zeros(n)
        for number, sample in enumerate(samples):
            columns = slice(number * width, (number + 1) * width)
            blocks[:, columns] = sample.movies
            # Of movies without ratings the expectation is known; their draws would only be noise.
            blocks[unrated, columns] = self._features.movies[unrated] @ sample.movie_weights
            links[:, columns] = sample.movie_weights
            variance[unrated] += np.trace(np.linalg.inv(sample.movie_precision)) / width / s
        self._basis = _compression(blocks, width, self.config.rank)
        self._movies = blocks @ self._basis.T
        self._hold(blocks.astype(np.float16))
        self._spread = variance.astype(np.float32)
        self._movie_weights = links
        self._noise = np.array([sample.noise for sample in samples], dtype=np.float32)

    def _blocks(self) -> NDArray[np.float16]:
        """What `_hold` was given."""
        blocks = self._samples.astype(np.float16)
        blocks[:, :: 1 + self.config.n_factors] = self._biases
        return blocks

    def knows(self, query: Query) -> bool:
        """Whether the history holds a movie of the catalog with stars (others get what the average user gives)."""
        return bool(len(self._places(query)))

    def _places(self, query: Query) -> Rows:
        """Where the movies of the catalog with stars stand in a history."""
        inside = (query.rows >= 0) & (query.rows < self.n_items) & ~np.isnan(query.ratings)
        return np.flatnonzero(inside)

    def _user(self, query: Query) -> _User:
        return query.once((self, "user"), lambda: self._fold_in(query))

    def _in_samples(self, rows: Rows) -> Floats:
        """One and the factors of movies in each sample, (s, len(rows), w)."""
        blocks = self._samples[rows].reshape(len(rows), len(self._noise), 1 + self.config.n_factors)
        return np.ascontiguousarray(blocks.transpose(1, 0, 2))

    def _hold(self, blocks: NDArray[np.float16]) -> None:
        """Keep samples of biases and factors, (n_items, s · w), as they are multiplied."""
        self._second_moments = None
        self._samples = blocks.astype(np.float32)
        starts = slice(None, None, 1 + self.config.n_factors)
        self._biases = np.ascontiguousarray(self._samples[:, starts])
        self._samples[:, starts] = 1

    def _fold_in(self, query: Query) -> _User:
        """The posterior of the user's bias and factors in each sample."""
        places = self._places(query)
        rows = query.rows[places]
        s, n = len(self._noise), len(rows)
        design = self._in_samples(rows)
        among_raters = np.float32(_RATERS / (_RATERS + n))
        offsets = np.float32(self._mean) + among_raters * self._raters[rows] + self._biases[rows].T
        targets = self._latent(query.ratings[places]) - offsets
        vectors, precision = self._prior.at(n, self._features.of_user(rows))
        noise = self._noise
        if n:
            turned = design.transpose(0, 2, 1)
            gram, right = turned @ design, turned @ targets[:, :, None]
            pull = precision @ vectors[:, :, None]
            some = slice(None, None, max(s // _NOISE_SAMPLES, 1))
            squares = _expected_squares(
                design[some], targets[some], gram[some], right[some], precision[some], pull[some], noise[some]
            )
            worth = self.config.noise_prior
            noise = (worth * noise + squares) / np.float32(worth + n)
            precision = precision + gram / noise[:, None, None]
            vectors = np.linalg.solve(precision, pull + right / noise[:, None, None])[:, :, 0]
            if self._ordinal is not None:
                levels, deviation = self._ordinal.positions(query.ratings[places]), np.sqrt(noise)[:, None]
                for _ in range(_LATENT_UPDATES):
                    said = (design @ vectors[:, :, None])[:, :, 0] + offsets
                    targets = self._ordinal.expected(levels, said, deviation).astype(np.float32) - offsets
                    right = turned @ targets[:, :, None]
                    vectors = np.linalg.solve(precision, pull + right / noise[:, None, None])[:, :, 0]
        multipliers = vectors.copy()
        multipliers[:, 0] = 1  # the movie's bias
        coordinates = (self._basis @ multipliers.ravel()) / np.float32(s)
        bias = self._mean + float(vectors[:, 0].mean())
        return _User(rows, places, bias, among_raters, coordinates, vectors, precision, noise, design, targets)

    def score(self, queries: Sequence[Query]) -> Scores:
        """Expected stars, clipped to the data set's scale."""
        scores = np.empty((len(queries), self.n_items), dtype=np.float32)
        for number, query in enumerate(queries):
            user = self._user(query) if len(queries) == 1 else self._fold_in(query)
            np.dot(self._movies, user.coordinates, out=scores[number])
            scores[number] += np.float32(user.bias) + user.among_raters * self._raters
            if self._ordinal is not None:
                scores[number] = self._ordinal.stars(scores[number], self._deviation(user))
        low, high = self._scale
        np.minimum(np.maximum(scores, low, out=scores), high, out=scores)  # np.clip takes three times as long
        return scores

    def score_rows(self, query: Query, rows: Rows) -> Floats:
        """Stars of some movies, as `score`."""
        user = self._user(query)
        return self._shown(user, self._stars(user, rows))

    def _stars(self, user: _User, rows: Rows) -> Floats:
        stars: Floats = self._movies[rows] @ user.coordinates
        return stars + np.float32(user.bias) + user.among_raters * self._raters[rows]

    def _latent(self, stars: Floats) -> Floats:
        """Stars as factors know them: as they are, or the latent values of an ordered probit."""
        if self._ordinal is None:
            return stars
        latent: Floats = self._ordinal.scores[self._ordinal.positions(stars)].astype(np.float32)
        return latent

    def _deviation(self, user: _User) -> float:
        """Deviation of the latent value of a rating that the user will give to an average movie."""
        moments = self._moments()
        return float(np.sqrt(user.noise.mean() + np.einsum("sij,sij->s", user.covariance, moments).mean()))

    def _moments(self) -> Floats:
        """Second moments of the movies' factors in each sample, (s, w, w)."""
        if self._second_moments is None:
            blocks = self._samples.reshape(self.n_items, len(self._noise), -1).transpose(1, 2, 0)
            self._second_moments = (blocks @ blocks.transpose(0, 2, 1)) / np.float32(max(self.n_items, 1))
        return self._second_moments

    def _shown(self, user: _User, latent: Floats) -> Floats:
        """Expected stars of latent values, clipped to the data set's scale."""
        if self._ordinal is not None:
            return self._ordinal.stars(latent, self._deviation(user))
        return self._clipped(latent)

    def _clipped(self, stars: Floats) -> Floats:
        result: Floats = np.clip(stars, *self._scale).astype(np.float32, copy=False)
        return result

    def score_at(self, query: Query, rows: Rows, times: NDArray[np.int64]) -> Floats:
        """Stars of some movies at the times when they are rated: those rated within minutes lean the same way.

        Args:
            times: int64 seconds since 1970, (len(rows),); `NO_TIME` where unknown.
        """
        user = self._user(query)
        stars = self._stars(user, rows)
        if query.times is not None and len(user.rows):
            errors = (user.targets - np.einsum("snw,sw->sn", user.design, user.vectors)).mean(axis=0)
            stars += TIME_EFFECT.effect(query.times[user.places], errors, times)
        return self._shown(user, stars)

    def score_intervals(self, query: Query, rows: Rows, level: float = 0.9) -> tuple[Floats, Floats]:
        """Credible intervals of the stars that will be given, lower and upper ends, each (len(rows),).

        They hold the uncertainty of the user, of the movie, and the noise of the user's stars.

        Args:
            level: probability, between 0 and 1.
        """
        from scipy.special import ndtri

        user = self._user(query)
        movies = self._in_samples(rows)
        stars = (movies @ user.vectors[:, :, None])[:, :, 0] + self._biases[rows].T
        variance = ((movies @ user.covariance) * movies).sum(axis=2).mean(axis=0)
        tastes = np.square(user.vectors[:, 1:]).sum(axis=1).mean()
        variance += stars.var(axis=0) + user.noise.mean() + self._spread[rows] * (1 + tastes)
        half = np.float32(ndtri((1 + level) / 2)) * np.sqrt(variance)
        middle = self._stars(user, rows)
        if self._ordinal is not None:
            return self._ordinal.level(middle - half), self._ordinal.level(middle + half)
        return self._clipped(middle - half), self._clipped(middle + half)

    def contributions(self, query: Query, rows: Sequence[int]) -> Floats:
        """Share of each rating in the stars beyond what the prior says, before clipping, (len(rows), len(query))."""
        movies = self._movies[np.asarray(rows, dtype=np.int64)]
        return self._pulled(query, movies, np.ones(len(movies), dtype=np.float32))

    def mixed_contributions(self, query: Query, rows: Sequence[int], mix: Floats) -> Floats:
        """See `Model.mixed_contributions`: mixed movies are multiplied."""
        return self._pulled(query, mix @ self._movies[np.asarray(rows, dtype=np.int64)], mix.sum(axis=1))

    def _pulled(self, query: Query, movies: Floats, biases: Floats) -> Floats:
        """What each rating adds for movies (n, d) over the samples' basis, (n, len(query)).

        Args:
            biases: what multiplies the user's bias, (n,).
        """
        shares = np.zeros((len(movies), len(query)), dtype=np.float32)
        user = self._user(query)
        if len(user.rows):
            s, n, width = user.design.shape
            turned = (movies @ self._basis).reshape(len(movies), s, width)
            turned[:, :, 0] = biases[:, None]
            reach = (user.covariance @ turned.transpose(1, 2, 0)).reshape(s * width, len(movies))
            pulls = user.design * (user.targets / (user.noise[:, None] * np.float32(s)))[:, :, None]
            shares[:, user.places] = reach.T @ pulls.transpose(1, 0, 2).reshape(n, s * width).T
        return shares

    def similar(self, rows: Sequence[int]) -> Scores:
        """Cosine of the factors, over all samples."""
        basis = self._basis.reshape(len(self._basis), -1, 1 + self.config.n_factors)[:, :, 1:]
        flat = basis.reshape(len(self._basis), -1)
        values, directions = np.linalg.eigh((flat @ flat.T).astype(np.float64))
        turned = (self._movies @ (directions * np.sqrt(np.maximum(values, 0)))).astype(np.float32)
        turned /= np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), np.float32(1e-12))
        result: Scores = turned[np.asarray(rows, dtype=np.int64)] @ turned.T
        return result

    def with_catalog(self, catalog: Catalog, vectors: Mapping[str, MovieVectors] | None = None) -> Self:
        """Movies without ratings, added or edited, get what their features say; what is learned of the others stays."""
        grown = super().with_catalog(catalog, vectors)
        content = self._content
        if content is not None and content.n_items != len(catalog):
            content = content.with_catalog(catalog, vectors)
        grown._content, grown._catalog = content, catalog
        rows = changed_rows(self._catalog, catalog).astype(np.int64)
        contents = None if content is None or content.item_vectors is None else content.item_vectors[rows]
        grown._features = self._features.changed(len(catalog), rows, catalog.years[rows], contents)
        n_new = len(catalog) - self.n_items
        blocks, movies = self._blocks(), self._movies
        spread = self._spread.max(initial=0)
        if n_new and not spread:  # all movies had ratings: about as far as these are from what their features say
            spread = np.square(blocks - self._features.movies @ self._movie_weights).mean()
        grown._spread = np.concatenate([self._spread, np.full(n_new, spread, dtype=np.float32)])
        grown._raters = np.concatenate([self._raters, np.zeros(n_new, dtype=np.float32)])
        unrated = rows[grown._spread[rows] > 0]
        fresh = grown._features.movies[unrated] @ self._movie_weights
        blocks = np.vstack([blocks, np.zeros((n_new, blocks.shape[1]), dtype=np.float16)])
        movies = np.vstack([movies, np.zeros((n_new, movies.shape[1]), dtype=np.float32)])
        blocks[unrated], movies[unrated] = fresh, fresh @ self._basis.T
        grown._hold(blocks)
        grown._movies = movies
        return grown

    def state(self) -> State:
        """Coordinates of movies and what belongs to the samples, see the attributes' comments; and `SideFeatures`."""
        return {
            "samples": self._blocks(),
            "coordinates": self._movies,
            "basis": self._basis,
            "spread": self._spread,
            "raters": self._raters,
            "movie_weights": self._movie_weights,
            "noise": self._noise,
            "mean_scale": np.array([self._mean, *self._scale]),
            **({} if self._ordinal is None else self._ordinal.state()),
            **self._prior.state(),
            **{f"features_{name}": values for name, values in self._features.state().items()},
        }

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        n, width = len(catalog), 1 + self.config.n_factors
        self._catalog = catalog
        prefix = "features_"
        own = {name.removeprefix(prefix): values for name, values in state.items() if name.startswith(prefix)}
        self._features = SideFeatures.from_state(own, n)
        self._noise = array(state, "noise", np.float32, (None,))
        s = len(self._noise)
        self._prior = UserPrior.from_state(state, s, self._features.user_scale.shape[1] + 1, width)
        self._basis = array(state, "basis", np.float32, (None, s * width))
        rank = len(self._basis)
        self._hold(array(state, "samples", np.float16, (n, s * width)))
        self._movies = array(state, "coordinates", np.float32, (n, rank))
        self._spread = array(state, "spread", np.float32, (n,))
        self._raters = array(state, "raters", np.float32, (n,))
        self._movie_weights = array(state, "movie_weights", np.float32, (self._features.movies.shape[1], s * width))
        mean, low, high = (float(value) for value in array(state, "mean_scale", np.float64, (3,)))
        self._mean, self._scale = mean, (low, high)
        has_levels = self.config.link == "probit" and len(state.get("levels", ())) > 0
        self._ordinal = OrderedProbit.from_state(state) if has_levels else None


def _expected_squares(
    design: Floats, targets: Floats, gram: Floats, right: Floats, precision: Floats, pull: Floats, noise: Floats
) -> np.float32:
    """Sum of a user's squared errors expected of these samples, in their mean.

    Args:
        design: D, (k, n, w).
        targets: t, (k, n).
        gram, right: DᵀD, (k, w, w), and Dᵀt, (k, w, 1).
        precision, pull: Λ, (k, w, w), and Λ times the prior mean, (k, w, 1).
        noise: variances, (k,).
    """
    noise = noise[:, None, None]
    covariance = np.linalg.inv(precision + gram / noise)
    vectors = covariance @ (pull + right / noise)
    left = targets - (design @ vectors)[:, :, 0]
    result: np.float32 = (np.vdot(left, left) + np.vdot(gram, covariance)) / np.float32(len(noise))
    return result


def _compression(blocks: Floats, width: int, rank: int) -> Floats:
    """An orthonormal basis of samples side by side: their mean, whole, and the largest directions of the deviations.

    Args:
        blocks: (n, s · width).

    Returns:
        (r, s · width), r at most the larger of `rank` and `width`.
    """
    s = blocks.shape[1] // width
    whole = np.tile(np.eye(width), s) / np.sqrt(s)
    apart = blocks - ((blocks @ whole.T) @ whole).astype(np.float32)
    directions = np.linalg.eigh((apart.T @ apart).astype(np.float64))[1].T[::-1]
    directions = directions[: max(min(rank, s * width) - width, 0)]
    if len(directions):  # a fixed sign, so that equal data give equal coordinates
        directions = (
            directions * np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])[:, None]
        )
    return np.ascontiguousarray(np.vstack([whole, directions]), dtype=np.float32)


def default_sweeps(n_ratings: int) -> int:
    """Length of the Markov chain: 130 up to 100,000 ratings, then less, 80 from 264,000 on.

    Twice as many gain about .001 of RMSE (ml-100k and ml-latest-small, validation).
    """
    return int(np.clip(130 * (1e5 / max(n_ratings, 1)) ** 0.5, 80, 130))
