"""RecommenderNet: stars by a network of embeddings, trained with Keras and served with NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.errors import SnapshotError
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores, State
from matinee.models.neural.backend import import_keras
from matinee.models.neural.dense import Floats, sigmoid
from matinee.models.neural.keras_network import WHAT, Parameters, Shape, movie_side
from matinee.models.neural.keras_training import Plan, entropy, shape_of, train
from matinee.models.neural.logistic_fold_in import fold_in
from matinee.models.neural.movie_features import movie_features
from matinee.models.neural.rating_table import Baseline, RatingTable
from matinee.models.neural.schedule import Schedule
from matinee.models.neural.session_features import BANDWIDTHS, session_features
from matinee.models.preference import StarScale
from matinee.models.warm_items import WarmItems, array, choose_warm

_ENOUGH = 50
"""Ratings below which none are held out to stop by."""
_RIDGES = tuple((constant, growth) for constant in (0.1, 1.0, 3.0) for growth in (1.0, 2.0, 4.0))
"""Ridges of the fold-in that are tried on the validation part: a constant, and a multiple of what training had."""
_BIAS_FLOOR = 0.3
"""Ridge of a user's bias besides."""


class RecommenderNetConfig(ModelConfig):
    """Settings of `RecommenderNet`."""

    dim: int = Field(64, ge=1, le=1024, description="Size of the embeddings.")
    hidden: tuple[int, ...] = Field(
        (), max_length=8, description="Widths of the hidden layers between a movie's embedding and its vector."
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="Share of a movie's vector that is left out in training.")
    l1: float = Field(0.0, ge=0, description="Penalty on the absolute values of the vectors, for each rating.")
    l2: float = Field(8e-3, ge=0, description="Penalty on the squares of the vectors, for each rating.")
    bias_l2: float = Field(3e-4, ge=0, description="Penalty on the squares of the biases, for each rating.")
    feature_l2: float = Field(3e-6, ge=0, description="Penalty on the squares of the weights of genres and years.")
    learning_rate: float = Field(3e-3, gt=0, le=1, description="Highest learning rate (Adam).")
    schedule: Schedule = Field("cosine", description="How the learning rate falls over the epochs.")
    batch_size: int = Field(1024, ge=1, description="Ratings a step; fewer where an epoch would have few steps.")
    epochs: int = Field(16, ge=1, le=1000, description="Passes over the ratings, at most.")
    patience: int = Field(3, ge=1, description="Passes without a lower validation loss after which training ends.")
    validation: float = Field(0.1, ge=0, lt=1, description="Share of the ratings to stop by; 0: all epochs are run.")
    members: int = Field(2, ge=1, le=32, description="Networks, of other seeds, whose logits are averaged.")
    genres: bool = Field(True, description="Whether the network knows the genres.")
    years: bool = Field(True, description="Whether the network knows when a movie was released.")
    sessions: bool = Field(True, description="Whether it knows how kindly the user rated around the same time.")
    seed: int = Field(0, ge=0, le=2**31, description="Of the weights to begin with, the order and the dropout.")


class _Fixed(NamedTuple):
    """What the movies' side of one network says of some ratings: features of the user's parameters, and the rest."""

    features: Floats
    offsets: Floats


class RecommenderNet(Model[RecommenderNetConfig]):
    """Stars low + (high − low)·σ(μ + b_u + b_i + p_uᵀq_i + wᵀs), trained on binary cross-entropy.

    q_i and b_i are an embedding of the movie and weights of its genres and decade, q_i followed by hidden layers where
    `hidden` has any; s says how kindly the user rated around the same time (`session_features`).

    A history is folded in: p_u and b_u are the ridge logistic regression of its ratings, the movies fixed, so that
    known, changed and unknown users are equal. What is asked is a sitting of its own (s = 0); `predict` takes times.
    A movie without ratings is known by its features, one that was added since fitting gets μ + b_u; a user without a
    known movie gets μ + b_i, and where neither is known the score is NaN.

    Examples:
        >>> matinee.RecommenderNet(dim=4, members=1, epochs=2).fit(dataset)
        <RecommenderNet(dim=4, epochs=2, members=1), fitted on 40 films>
    """

    name = "recommendernet"
    Config = RecommenderNetConfig
    predicts_stars = True
    search_ranges: ClassVar[Mapping[str, str]] = {
        "dim": "8:128",
        "dropout": "0:0.6",
        "l2": "1e-4:3e-2",
        "bias_l2": "1e-5:3e-3",
        "feature_l2": "1e-7:1e-4",
        "learning_rate": "5e-4:1e-2",
        "schedule": "constant,cosine,exponential",
        "batch_size": "256,512,1024,2048",
    }

    _items: WarmItems
    _scale: tuple[float, float]
    _vectors: Floats
    """(members, n, dim)"""
    _biases: Floats
    """(members, n)"""
    _intercepts: Floats
    """(members,)"""
    _session_weights: Floats
    """(members, 3)"""
    _baseline: Baseline
    _ridge: Floats
    """(2,), of a user's vector: a constant, and for each rating."""

    def unsuited(self, dataset: Dataset) -> str | None:
        """All stars are equal: there is nothing to predict."""
        return "All ratings are equal, so there are no stars to predict." if StarScale.of(dataset).flat else None

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: weights, gradients and moments, the columns of the ratings, and the members' vectors."""
        config, ratings = self.config, dataset.ratings
        sides = ratings.n_users + ratings.n_items + 512
        weights = 4 * sides * (config.dim + 48) * 16 + 8 * config.members * ratings.n_items * (config.dim + 1)
        wide = sum(config.hidden) + config.dim
        return weights + 8 * ratings.n_items * wide + 8 * wide**2 + 200 * len(ratings) + (128 << 20)

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return f"Raise MATINEE_MEMORY_LIMIT or lower dim (now {self.config.dim})."

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        config, ratings = self.config, dataset.ratings
        shape, features, table = self._prepare(dataset)
        self._items = WarmItems(choose_warm(ratings.counts, 1, None))
        self._baseline = Baseline.of(ratings.indices, table.targets, len(dataset.catalog))
        if not len(table):
            self._without_ratings(features)
            progress("recommendernet: done", 1.0)
            return
        held_out = self._hold_out(len(table))
        rounds = config.members + bool(held_out.any())

        def report(number: int) -> Callable[[int, float | None], None]:
            def on_epoch(epoch: int, _loss: float | None) -> None:
                progress("recommendernet: epochs", (number + epoch / config.epochs) / rounds)

            return on_epoch

        epochs, growth = config.epochs, (1.0, 1.0)
        if held_out.any():
            epochs, growth, _ = self._validate(shape, features, table, held_out, report(0))
        self._ridge = np.array([growth[0], growth[1] * 2 * config.l2], dtype=np.float32)
        if config.sessions:
            table = table.with_sessions(table, self._baseline, same=True)
        members = []
        for member in range(config.members):
            plan = self._plan(config.seed + member, epochs)
            trained = train(shape, plan, features, table, None, report(member + bool(held_out.any())))
            members.append(trained.weights)
        self._take(members, features, ratings.counts > 0)
        progress("recommendernet: done", 1.0)

    def _prepare(self, dataset: Dataset) -> tuple[Shape, Floats, RatingTable]:
        """Shape of the network, features of the movies, and the ratings as columns."""
        import_keras(WHAT)
        config, ratings = self.config, dataset.ratings
        self._scale = dataset.scale
        features = movie_features(dataset.catalog, genres=config.genres, years=config.years)
        shape = shape_of(
            ratings.n_users,
            ratings.n_items,
            features.shape[1],
            **config.model_dump(include={"dim", "hidden", "dropout", "l1", "l2", "bias_l2", "feature_l2"}),
        )
        return shape, features, RatingTable.of(ratings, self._targets(ratings.values))

    def validation_loss(self, dataset: Dataset, on_epoch: Callable[[int, float | None], None]) -> float:
        """Binary cross-entropy of the validation part that training stops by, of users folded in: for a search.

        Args:
            dataset: with 50 ratings or more.
            on_epoch: called with the number of epochs done and the loss so far; what it raises ends the training.
        """
        shape, features, table = self._prepare(dataset)
        return self._validate(shape, features, table, self._hold_out(len(table)), on_epoch)[2]

    def _plan(self, seed: int, stop: int | None = None) -> Plan:
        c = self.config
        return Plan(c.epochs, c.batch_size, c.learning_rate, c.schedule, c.patience, seed, stop)

    def _targets(self, stars: Floats) -> Floats:
        low, high = self._scale
        if high <= low:
            return np.ones(len(stars), dtype=np.float32)
        shares: Floats = np.clip((stars - np.float32(low)) / np.float32(high - low), 0, 1).astype(np.float32)
        return shares

    def _hold_out(self, n: int) -> NDArray[np.bool_]:
        """Ratings to stop by, (n,)."""
        held_out = np.zeros(n, dtype=np.bool_)
        if n >= _ENOUGH:
            rng = np.random.default_rng([self.config.seed, n])
            held_out[rng.permutation(n)[: int(self.config.validation * n)]] = True
        return held_out

    def _validate(
        self,
        shape: Shape,
        features: Floats,
        table: RatingTable,
        held_out: NDArray[np.bool_],
        on_epoch: Callable[[int, float | None], None],
    ) -> tuple[int, tuple[float, float], float]:
        """How many epochs are best without the part, which ridge then folds users in best, and the loss."""
        fit, validation = table.select(~held_out), table.select(held_out)
        n_items = len(features)
        baseline = Baseline.of(fit.movies, fit.targets, n_items)
        if self.config.sessions:
            validation = validation.with_sessions(fit, baseline, same=False)
            fit = fit.with_sessions(fit, baseline, same=True)
        trained = train(shape, self._plan(self.config.seed), features, fit, validation, on_epoch)
        rated = np.bincount(fit.movies, minlength=n_items) > 0
        vectors, biases = movie_side(trained.weights, features, rated, len(self.config.hidden))
        losses = []
        for constant, growth in _RIDGES:
            ridge = np.array([constant, growth * 2 * self.config.l2], dtype=np.float32)
            losses.append(self._folded_loss(fit, validation, vectors, biases, trained.weights, ridge))
        return max(trained.epochs, 1), _RIDGES[int(np.argmin(losses))], min(losses)

    def _folded_loss(
        self,
        fit: RatingTable,
        validation: RatingTable,
        vectors: Floats,
        biases: Floats,
        weights: Parameters,
        ridge: Floats,
    ) -> float:
        """Loss on the validation part of users who are folded in."""
        sessions, intercept = weights["sessions_bias/kernel"][:, 0], weights["sessions_bias/bias"][0]
        predicted = np.empty(len(validation), dtype=np.float32)
        known = np.searchsorted(fit.users, np.arange(fit.users.max(initial=0) + 2))
        for user in np.unique(validation.users):
            asked = np.flatnonzero(validation.users == user)
            span = slice(*known[user : user + 2]) if user + 1 < len(known) else slice(0)
            seen = fit.select(np.arange(len(fit))[span])
            offsets = intercept + biases[seen.movies] + seen.sessions @ sessions
            weight = self._solve(_Fixed(vectors[seen.movies], offsets), seen.targets, ridge)
            movies = validation.movies[asked]
            logit = intercept + biases[movies] + validation.sessions[asked] @ sessions
            predicted[asked] = sigmoid(logit + weight[0] + vectors[movies] @ weight[1:])
        return entropy(validation.targets, predicted)

    def _solve(self, fixed: _Fixed, targets: Floats, ridge: Floats) -> Floats:
        """(1 + dim,): bias and vector of a user."""
        n, d = fixed.features.shape
        penalty = np.full(1 + d, ridge[0] + ridge[1] * n, dtype=np.float32)
        penalty[0] = _BIAS_FLOOR + 2 * self.config.bias_l2 * n
        if not n:
            return np.zeros(1 + d, dtype=np.float32)
        features = np.hstack([np.ones((n, 1), dtype=np.float32), fixed.features])
        return fold_in(features, targets, fixed.offsets, penalty)

    def _without_ratings(self, features: Floats) -> None:
        members, n = self.config.members, len(features)
        self._vectors = np.zeros((members, n, self.config.dim), dtype=np.float32)
        self._biases = np.zeros((members, n), dtype=np.float32)
        self._intercepts = np.zeros(members, dtype=np.float32)
        self._session_weights = np.zeros((members, len(BANDWIDTHS)), dtype=np.float32)
        self._ridge = np.ones(2, dtype=np.float32)

    def _take(self, members: Sequence[Parameters], features: Floats, rated: NDArray[np.bool_]) -> None:
        """Keep of the trained weights what answers need: the movies' side."""
        sides = [movie_side(weights, features, rated, len(self.config.hidden)) for weights in members]
        self._vectors = np.stack([vectors for vectors, _ in sides])
        self._biases = np.stack([biases for _, biases in sides])
        self._intercepts = np.stack([weights["sessions_bias/bias"][0] for weights in members])
        kernels = np.stack([weights["sessions_bias/kernel"][:, 0] for weights in members])
        self._session_weights = kernels if self.config.sessions else np.zeros_like(kernels)

    def knows(self, query: Query) -> bool:
        """Whether the history holds a rated movie (others get movie means)."""
        return self._items.knows(query)

    def _users(self, query: Query) -> Floats:
        """(members, 1 + dim): bias and vector of a user, folded in by each network."""
        return query.once((self, "users"), lambda: self._fold_in(query))

    def _fold_in(self, query: Query) -> Floats:
        positions, mask = self._items.known(query)
        rows, targets = self._items.rows[positions], self._targets(query.ratings[mask])
        sessions = np.zeros((len(rows), len(BANDWIDTHS)), dtype=np.float32)
        if self.config.sessions and query.times is not None and len(rows):
            times = query.times[mask]
            deviations = self._baseline.deviations(rows, targets)
            sessions = session_features(times, times, deviations, np.arange(len(times)))
        users = np.zeros((len(self._vectors), 1 + self.config.dim), dtype=np.float32)
        for member in range(len(users)):
            offsets = self._intercepts[member] + self._biases[member, rows] + sessions @ self._session_weights[member]
            users[member] = self._solve(_Fixed(self._vectors[member, rows], offsets), targets, self._ridge)
        return users

    def _stars(self, logits: Floats) -> Floats:
        low, high = self._scale
        stars: Floats = np.clip(low + (high - low) * sigmoid(logits), low, high).astype(np.float32)
        return stars

    def score(self, queries: Sequence[Query]) -> Scores:
        """Stars; NaN for movies without ratings where the user is unknown too."""
        scores = np.empty((len(queries), self.n_items), dtype=np.float32)
        for number, query in enumerate(queries):
            scores[number] = self._stars(self._logits(query))
            if not self.knows(query):
                cold = np.ones(self.n_items, dtype=np.bool_)
                cold[self._items.rows] = False
                scores[number, cold] = np.nan
        return scores

    def _logits(self, query: Query) -> Floats:
        """Mean logits of all movies, (n_items,), at a time that is far from the history."""
        users, n = self._users(query), self._vectors.shape[1]
        total = np.full(self.n_items, np.mean(self._intercepts + users[:, 0]), dtype=np.float32)
        for vectors, biases, user in zip(self._vectors, self._biases, users, strict=True):
            total[:n] += (vectors @ user[1:] + biases) / np.float32(len(users))
        return total

    def predict(self, query: Query, rows: NDArray[np.int64], times: NDArray[np.int64] | None = None) -> Floats:
        """Stars of some movies, given at some times (seconds since 1970), (len(rows),); NaN as in `score`.

        Movies of the history itself count for their own time features: ask for others.
        """
        scores: Floats = self.score([query])[0][rows]
        positions, mask = self._items.known(query)
        if times is None or query.times is None or not self.config.sessions or not len(positions):
            return scores
        known, targets = self._items.rows[positions], self._targets(query.ratings[mask])
        deviations = self._baseline.deviations(known, targets)
        sessions = session_features(times, query.times[mask], deviations)
        logits = self._logits(query)[rows] + sessions @ self._session_weights.mean(axis=0)
        stars: Floats = np.where(np.isnan(scores), scores, self._stars(logits))
        return stars

    def similar(self, rows: Sequence[int]) -> Scores:
        """Mean cosine of the networks' vectors; NaN for movies without ratings."""
        scores = [self._items.cosines(rows, member[self._items.rows], self.n_items) for member in self._vectors]
        cosines: Scores = np.mean(scores, axis=0, dtype=np.float32)
        return cosines

    def state(self) -> State:
        """`vectors` (members, n, dim), `biases` (members, n), `intercepts`, `sessions` (members, 3), `usual` (n,),
        `ridge` (2,), all float32; `items` int64 (k,); `mean_scale` float64 (3,).
        """
        return {
            "vectors": self._vectors,
            "biases": self._biases,
            "intercepts": self._intercepts,
            "sessions": self._session_weights,
            "usual": self._baseline.movies,
            "ridge": self._ridge,
            "items": self._items.rows,
            "mean_scale": np.array([self._baseline.mean, *self._scale]),
        }

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        config = self.config
        self._items = WarmItems.from_state(state, catalog)
        self._vectors = array(state, "vectors", np.float32, (config.members, None, config.dim))
        n = self._vectors.shape[1]
        last = int(self._items.rows[-1]) if len(self._items) else -1
        if not last < n <= len(catalog):
            raise SnapshotError("The stored model was fitted on another catalog.", "Train again.")
        self._biases = array(state, "biases", np.float32, (config.members, n))
        self._intercepts = array(state, "intercepts", np.float32, (config.members,))
        self._session_weights = array(state, "sessions", np.float32, (config.members, len(BANDWIDTHS)))
        self._ridge = array(state, "ridge", np.float32, (2,))
        mean, low, high = (float(value) for value in array(state, "mean_scale", np.float64, (3,)))
        self._baseline = Baseline(mean, array(state, "usual", np.float32, (n,)))
        self._scale = (low, high)
