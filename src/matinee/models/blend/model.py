"""Blend: a sum of other models, weighed by how much is known of a user, with a fallback per movie and per user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matinee._util.topk import top_n
from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.vectors import MovieVectors
from matinee.errors import InvalidInputError, MatineeError, SnapshotError
from matinee.models.base import Fallback, Model, ModelConfig, Progress, Query, Scores, Shortlisted, State, Subset
from matinee.models.blend.score_fusion import (
    Known,
    Weighted,
    fill,
    known_movies,
    mean_known,
    standardize,
    unseen,
    weighted_mean,
    without,
)
from matinee.models.blend.shortlist import Shortlist, shortlist_of
from matinee.models.blend.unrated import Estimate, estimate_from_content, estimate_from_mapping
from matinee.models.blend.weights import LENGTHS, Examples, basis, fit_weights, hold_out
from matinee.models.coldstart import ColdStart
from matinee.models.preference import Feedback, StarScale

LEARNING_USERS = 1500
"""Users whose ratings weights are learned from, at most."""
LEARNING_RATINGS = 5_000_000
"""Ratings that parts are refitted on to learn weights, at most: of more, those of a random sample of users."""
LEARNING_MOVIES = 100_000
"""Movies that take part in it, at most: of more, the most rated ones and a random sample of the others."""
MIN_SHARE = 0.05
"""Parts with less of the weight at some length are left out there: they cost more time than they are worth."""
POOL = 50
"""Candidates of each such user."""
_BATCH = 64
_MANY = 100
"""Most popular movies: every collaborative part knows some of them."""
MIN_EVIDENCE = 0.25
"""Share of their weight that parts keep for a history of dislikes alone: it says what not to list, not what to list."""


Curve = float | tuple[float, ...]


def _ease_alone() -> dict[str, Curve]:
    return {"ease": 1.0}


class BlendConfig(ModelConfig):
    """Settings of `Blend`."""

    weights: dict[str, Curve] = Field(
        default_factory=_ease_alone,
        min_length=1,
        description="Usual weight of each part, by name: one number, or one for each of `LENGTHS`. Learned weights are "
        "drawn towards these.",
    )
    curves: dict[str, tuple[float, ...]] | None = Field(
        None, description="Weights learned: of each part at histories of 1, 3, 10, 30 and 100 films."
    )
    learn: bool = Field(True, description="Learn the weights when fitting, unless `curves` are given.")
    feedback: Feedback = Field(
        "signed",
        description="Likes pull and dislikes push; `watched`: what people watch together, whatever their stars.",
    )
    seed: int = Field(0, ge=0, description="Of the choice of the users whose ratings weights are learned from.")
    content: str | None = Field("content", description="Part that ranks films and users unknown to the others.")
    popular: str | None = Field("popular", description="Part that answers users without a usable history.")
    mapping: str | None = Field(None, description="Part (`ColdStart`) that scores movies unknown to the others.")
    mapping_share: float = Field(0.7, ge=0, le=1, description="Its share in the estimate; content has the rest.")
    spread: float = Field(1.5, gt=0, description="How far such guesses stand from the middle; 1: the least squares.")


class Part(NamedTuple):
    """Standardized scores of a part, (n_queries, n_items).

    Attributes:
        known: movies that it scores, see `known_movies`.
        deviation: what its own scores were divided by, (n_queries, 1).
    """

    name: str
    scores: Scores
    known: Known
    deviation: Scores


class Blended(NamedTuple):
    """Blended scores of some histories, (n_queries, n_items), and what they are made of.

    Attributes:
        weights: of each part, (n_queries, 1).
        parts: the parts in the order of their addition, their scores used up.
        estimate: what stands in for movies that no weighted part knows; None where there is nothing to guess, or from.
        similarity: what the content part's scores were divided by for the guess, (n_queries, 1); None: by nothing.
    """

    scores: Scores
    weights: dict[str, Scores]
    parts: list[Part]
    estimate: Estimate | None
    similarity: Scores | None


class Earlier(NamedTuple):
    """What a blend over an earlier state of the catalog had made of its parts."""

    parts: dict[str, Model[Any]]
    warm: Known
    shortlist: Shortlist | None


class Blend(Model[BlendConfig]):
    """Weighted mean of the parts' scores, each standardized per query (late fusion).

    The weights depend on the length of the history: short histories rely on what many users have in common, long ones
    on the user's own movies. They are learned during fitting (`blend.weights`): ratings of a sample of users are held
    out, the parts are refitted without them, and the weights are those that rank the liked movies first. A part that
    does not help gets weight 0 and costs nothing.

    Movies: one that some part does not score is scored by the others. One that no collaborative part knows gets an
    estimate from its content: the least squares regression of the blend's scores on the content scores, with slope ≥ 0,
    over the movies that have both (per query). With a `mapping` the regressor is a mean of content and of the blend's
    own scores transferred by it (`blend.unrated`).

    Users: where no collaborative part knows the history, the content part alone answers; where that does not either,
    the popular part, whose scores are passed on unchanged. Movies without a score come last.

    Parts are bound after fitting or loading: `bind({"ease": ease, …})`; nothing is fitted or stored twice.

    Examples:
        >>> parts = {"ease": matinee.Ease().fit(dataset), "popular": matinee.Popularity().fit(dataset)}
        >>> blend = matinee.Blend(weights={"ease": 1.0, "popular": 0.1}, content=None, learn=False)
        >>> blend = blend.bind(parts).fit(dataset)
        >>> len(blend.top(history, n=3))
        3
    """

    name = "blend"
    Config = BlendConfig

    _parts: dict[str, Model[Any]] | None = None
    _warm: Known | None = None
    """See `_known_movies`."""
    _shortlist: tuple[int, Shortlist | None] | None = None
    """The last one made, and the size asked for."""
    _before: Earlier | None = None
    """Made for an earlier state of the catalog."""
    _learns: bool = False
    _scale: StarScale

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the models it is made of."""
        config = self.config
        others = (name for name in (config.content, config.popular, config.mapping) if name is not None)
        return tuple(dict.fromkeys([*self.config.weights, *others]))

    def without(self, parts: Sequence[str]) -> Self | None:
        """The blend of the other parts; None where no weighted part is left."""
        weights = {name: weight for name, weight in self.config.weights.items() if name not in parts}
        if not weights:
            return None
        removed: dict[str, Any] = {
            n: None for n in ("content", "popular", "mapping") if getattr(self.config, n) in parts
        }
        if self.config.curves is not None:
            removed["curves"] = {name: curve for name, curve in self.config.curves.items() if name not in parts}
        return type(self)(self.config.model_copy(update={"weights": weights, **removed}))

    def bind(self, models: Mapping[str, Model[Any]]) -> Self:
        """This blend over fitted models.

        Raises:
            SnapshotError: a part is missing.
            InvalidInputError: the mapping is no `ColdStart`.
        """
        missing = [name for name in self.parts if name not in models]
        if missing:
            raise SnapshotError(f"The blend's parts {', '.join(missing)} are missing.", "Train these models as well.")
        if self.config.mapping is not None and not isinstance(models[self.config.mapping], ColdStart):
            raise InvalidInputError(f"{self.config.mapping} is not a cold-start model.", "Name one as the mapping.")
        bound = self._copy()
        bound._parts = {name: models[name] for name in self.parts}
        bound._forget(self)
        return bound

    def part(self, name: str) -> Model[Any]:
        """A part by name. Raises MatineeError before `bind`."""
        if self._parts is None:
            raise MatineeError("The blend has no parts yet.", "Call bind(models) with the fitted models first.")
        return self._parts[name]

    def fit(self, dataset: Dataset, *, memory_limit: int | None = None, progress: Progress | None = None) -> Self:
        """Learn the weights and return self; unless they are given, no parts are bound yet, or memory is short."""
        self._learns = self.config.learn and self.config.curves is None and self._parts is not None
        if self._learns and memory_limit is not None:
            self._learns = self.learning_memory(dataset) <= memory_limit
        return super().fit(dataset, memory_limit=memory_limit, progress=progress)

    def refit(
        self,
        dataset: Dataset,
        earlier: Self,
        rows: NDArray[np.int64],
        *,
        memory_limit: int | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """With the weights that the earlier blend of the same parts learned: they were learned on held-out ratings."""
        del rows
        if self.config.curves is None and self.config.weights == earlier.config.weights:
            self.config = self.config.model_copy(update={"curves": earlier.config.curves})
        return self.fit(dataset, memory_limit=memory_limit, progress=progress)

    def learning_memory(self, dataset: Dataset) -> int:
        """Peak bytes that learning the weights takes: what all parts keep and one needs, and the candidates."""
        parts = [self.part(name) for name in self.config.weights]
        sample = self._sample(dataset)
        kept = sum(part.memory_kept(sample) for part in parts)
        candidates = 16 * LEARNING_USERS * POOL * len(parts) + 8 * _BATCH * len(sample.catalog)
        return kept + max(part.memory_needed(sample) for part in parts) + candidates

    def _sample(self, dataset: Dataset) -> Dataset:
        """The part of the data that the weights are learned from."""
        from matinee.data.split import some_movies, some_users  # needs Polars, which serving does not install

        users = dataset.with_ratings(some_users(dataset.ratings, LEARNING_RATINGS, self.config.seed))
        return some_movies(users, LEARNING_MOVIES, self.config.seed)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        self._scale = StarScale.of(dataset)
        curves = self._learn(dataset, progress) if self._learns else None
        if curves is not None:
            self.config = self.config.model_copy(update={"curves": curves})
        progress("blend", 1.0)

    def _learn(self, dataset: Dataset, progress: Progress) -> dict[str, tuple[float, ...]] | None:
        """Weights of the parts by length of history; None where the data are too few to learn from."""
        likes = self.config.feedback == "signed"
        sample = self._sample(dataset)
        held_out = hold_out(
            sample.ratings,
            self._scale,
            seed=self.config.seed,
            max_users=LEARNING_USERS,
            likes_only=likes,
        )
        if len(held_out.queries) < 2 or not len(held_out.train) or not held_out.gains.nnz:
            return None
        # Users wrote the tags, some about movies that are held out here.
        untagged = replace(sample.with_ratings(held_out.train), catalog=sample.catalog.without_tags())
        apart = self._refitted(untagged, dataset.catalog, progress)
        names, batches = list(self.config.weights), []
        opinions: set[str] = set()
        for start in range(0, len(held_out.queries), _BATCH):
            queries = held_out.queries[start : start + _BATCH]
            by_name = {part.name: part.scores for part in apart.standardized(queries, names)}
            opinions |= {name for name, scores in by_name.items() if not np.isnan(scores).all()}
            scores = np.stack([by_name[name] for name in names], axis=2)
            batches.append(_examples(scores, queries, held_out.gains[start : start + _BATCH].toarray()))
        result = fit_weights(Examples.joined(batches), np.stack([_curve(self.config.weights[name]) for name in names]))
        if result is None:
            return None
        result[~np.array([name in opinions for name in names])] = 0.0
        result[result < MIN_SHARE * result.sum(axis=0)] = 0.0
        return {name: tuple(np.round(row, 5).tolist()) for name, row in zip(names, result, strict=True)}

    def _refitted(self, dataset: Dataset, whole: Catalog, progress: Progress) -> Self:
        """This blend over its weighted parts, refitted on other ratings of the same catalog."""
        fitted: dict[str, Model[Any]] = {}
        waiting = list(self.config.weights)
        for number, name in enumerate(waiting):
            part = self.part(name)
            if not part.learns_from_ratings and dataset.catalog is whole:
                fitted[name] = part
                continue
            progress(f"blend: fitting {name} on a part", 0.8 * number / len(waiting))
            fresh = part.draft()
            fitted[name] = (fresh.bind(fitted) if fresh.parts else fresh).fit(dataset)
        apart = self._copy()
        apart.n_items, apart._parts = len(dataset.catalog), fitted
        apart._warm = apart._shortlist = apart._before = None
        return apart

    def weights_for(self, queries: Sequence[Query]) -> dict[str, Scores]:
        """Weight of each part for each query, (n, 1) float32; parts of weight 0 for all are left out."""
        curves = self.config.curves if self.config.curves is not None else self.config.weights
        shares = basis(np.array([self._inside(query).sum() for query in queries], dtype=np.int64))
        knots = _knots(tuple(curves.values()))
        weights = np.einsum("nk,pk->np", shares, knots)  # BLAS raises false floating point flags on such small matrices
        return {name: weights[:, [position]] for position, name in enumerate(curves) if weights[:, position].any()}

    def standardized(self, queries: Sequence[Query], names: Iterable[str]) -> Iterator[Part]:
        """Scores of some parts, each brought to mean 0 and deviation 1 per query, the collaborative ones first.

        Mean and deviation of the other parts are taken over the movies that a collaborative part knows, so that movies
        added while serving change no list. Parts that depend on the history are shrunk towards 0 by its share of
        dislikes.
        """
        names, core = list(names), self.core
        evidence = self.evidence(queries)
        warm = self._known_movies() if any(name not in core for name in names) else None
        for name in sorted(names, key=lambda name: name not in core):
            scores, known, deviation = standardize(self._raw(name, queries), None if name in core else warm)
            if name != self.config.popular and bool((evidence < 1).any()):
                scores *= evidence
                deviation = deviation / evidence
            yield Part(name, scores, known, deviation)

    def _known_movies(self) -> Known | None:
        """Movies that a collaborative part knows, (1, n_items); None where there is no such part.

        A part knows the same movies for everybody, so one history that it knows tells them. They do not depend on which
        parts a query weighs: a list is the same alone and in a batch.
        """
        core = self.core
        before = self._before
        if self._warm is None and before is not None and all(self.part(n).same_fit(before.parts[n]) for n in core):
            self._warm = np.pad(before.warm, ((0, 0), (0, self.n_items - before.warm.shape[1])))
        if self._warm is None and core:
            rated = self.well_known()
            known = [known_movies(self.part(name).score([rated])) for name in core]
            self._warm = np.logical_or.reduce(known)
        return self._warm

    def well_known(self) -> Query:
        """A history that every collaborative part knows: the most popular movies, all liked."""
        rows = np.arange(self.n_items, dtype=np.int64)
        if self.config.popular is not None:
            rows = np.argsort(-self.popularity(), kind="stable")[:_MANY]
        return Query(rows, np.full(len(rows), self._scale.high, dtype=np.float32))

    def _forget(self, earlier: Self) -> None:
        """Drop what was made for another state of the catalog, and keep it to take over what has not changed."""
        made = earlier._shortlist and earlier._shortlist[1]
        if earlier._warm is not None and earlier._parts is not None:
            self._before = Earlier(earlier._parts, earlier._warm, made)
        self._warm = self._shortlist = None

    def warm_movies(self) -> NDArray[np.bool_]:
        """Movies that a collaborative part knows, (n_items,)."""
        known = self._known_movies()
        return np.zeros(self.n_items, dtype=np.bool_) if known is None else known[0]

    def popularity(self) -> NDArray[np.float32]:
        """Scores of the popular part, (n_items,), 0 where it has none."""
        if self.config.popular is None:
            return np.zeros(self.n_items, dtype=np.float32)
        scores: NDArray[np.float32] = np.nan_to_num(self.part(self.config.popular).score([Query()]))[0]
        return scores

    def shortlist(self, query: Query, size: int, subset: Subset | None = None) -> Shortlisted | None:
        """See `blend.shortlist`; None also for histories that no core part knows."""
        shortlist = self._shortlist_of(size)
        if shortlist is None:
            return None
        if subset is not None:
            shortlist = shortlist.within(subset)
        (query,) = self._as_seen([query])
        if (made := query.memo.pop((self, "together"), None)) is None or made[0] is not shortlist:
            made = shortlist, None if self.fallback(query) is not None else shortlist.score(query)
        if made[1] is None:
            return None
        query.memo[self, "shortlisted"] = shortlist, made[1][1]
        result: Shortlisted = made[1][0]
        return result

    def score_together(self, queries: Sequence[Query], size: int) -> None:
        """See `Model.score_together`."""
        shortlist = self._shortlist_of(size)
        if shortlist is None:
            return
        seen = [self._as_seen([query])[0] for query in queries]
        warm = [query for query in seen if self.fallback(query) is None]
        for query, made in zip(warm, shortlist.score_many(warm), strict=True):
            query.memo[self, "together"] = shortlist, made

    def _shortlist_of(self, size: int) -> Shortlist | None:
        """The candidates of this state of the catalog, made on first use; None: all movies are to be scored."""
        if not size:
            return None
        if self._shortlist is None or self._shortlist[0] != size:
            before = self._before  # read once: another thread may be as far
            self._shortlist = size, shortlist_of(self, size, before and before.shortlist)
            self._before = None  # or each would keep all before it
        return self._shortlist[1]

    def _raw(self, name: str, queries: Sequence[Query]) -> Scores:
        if name != self.config.popular:
            return self.part(name).score(queries)
        everyone = np.log1p(np.maximum(self.part(name).score(queries[:1]), 0))  # counts have a long tail
        return np.repeat(everyone, len(queries), axis=0)

    def evidence(self, queries: Sequence[Query]) -> Scores:
        """Share of the liked in all that the movies of each history weigh, (n, 1), at least `MIN_EVIDENCE`."""
        result = np.ones((len(queries), 1), dtype=np.float32)
        for number, query in enumerate(queries):
            weights = self._scale.history_weights(query, self._inside(query), self.config.feedback)
            total = float(np.abs(weights).sum())
            if total:
                result[number] = max(float(np.maximum(weights, 0).sum()) / total, MIN_EVIDENCE)
        return result

    def _inside(self, query: Query) -> NDArray[np.bool_]:
        """Which movies of a history the catalog has."""
        return (query.rows >= 0) & (query.rows < self.n_items)

    def _as_seen(self, queries: Sequence[Query]) -> Sequence[Query]:
        """The queries as the parts shall see them: with equal stars where only what was watched counts."""
        if self.config.feedback == "signed":
            return queries
        if len(queries) == 1:
            return [queries[0].once((self, "watched"), lambda: self._watched(queries[0]))]
        return [self._watched(query) for query in queries]

    def _watched(self, query: Query) -> Query:
        stars = np.full(len(query), self._scale.high, dtype=np.float32)
        return Query(query.rows, stars, query.times, query.user_id)

    @property
    def core(self) -> list[str]:
        """Weighted parts that know a movie by its ratings."""
        side = (self.config.content, self.config.popular)
        return [n for n in self.config.weights if n not in side and not self.part(n).predicts_stars]

    def fallback(self, query: Query) -> Fallback | None:
        """Who answers instead of the blend: "popular", "content", or None where the blend itself can."""
        if any(self.part(name).knows(query) for name in self.core):
            return None
        content = self.config.content
        if content is not None and self.part(content).knows(query):
            return "content"
        return "popular"

    def knows(self, query: Query) -> bool:
        """Whether any part knows the history; the popular part knows every one."""
        names = [name for name in self.parts if name != self.config.mapping]
        return any(self.part(name).knows(query) for name in names)

    def score(self, queries: Sequence[Query]) -> Scores:
        """Blended scores; comparable within one query only."""
        queries = self._as_seen(queries)
        scores = np.full((len(queries), self.n_items), np.nan, dtype=np.float32)
        answers = [self.fallback(query) for query in queries]
        warm = [number for number, answer in enumerate(answers) if answer is None]
        if len(queries) == len(warm) == 1:
            scores[0] = self._blended_once(queries[0]).scores
        elif warm:
            scores[warm] = self._blended([queries[number] for number in warm]).scores
        for answer, part in (("content", self.config.content), ("popular", self.config.popular)):
            numbers = [number for number, result in enumerate(answers) if result == answer]
            if numbers and part is not None:
                scores[numbers] = fill(self.part(part).score([queries[number] for number in numbers]))
        return scores

    def _blended_once(self, query: Query) -> Blended:
        """Of one history; its reasons ask for the same again."""
        return query.once((self, "blended"), lambda: self._blended([query]))

    def _blended_for(self, query: Query, rows: NDArray[np.int64]) -> Blended:
        """What the scores of some movies are made of: those of the shortlist, if they come from one."""
        shortlist: Shortlist
        if (self, "blended") not in query.memo and (made := query.memo.get((self, "shortlisted"))) is not None:
            shortlist, mixed = made
            if shortlist.has(rows):
                nothing = np.zeros((1, 0), dtype=np.float32)
                parts = [
                    Part(name, nothing, shortlist.known(known), np.full((1, 1), deviation, dtype=np.float32))
                    for name, (known, deviation) in mixed.parts.items()
                ]
                return Blended(nothing, mixed.weights, parts, mixed.estimate, None)
        return self._blended_once(query)

    def _blended(self, queries: Sequence[Query]) -> Blended:
        """Blended scores of histories that a core part knows."""
        weights, core = self.weights_for(queries), self.core
        without_core = ~_any_weight(weights, core, len(queries))
        parts = list(self.standardized(queries, weights))
        content = next((part for part in parts if part.name == self.config.content), None)
        similarity = None if content is None else content.scores.copy()  # it serves twice
        mixed = [
            Weighted(part.scores, part.known, weights[part.name], (part.name in core) | without_core) for part in parts
        ]
        scores = weighted_mean(mixed, len(queries), self.n_items)
        cold = np.flatnonzero(np.isnan(scores).any(axis=0))
        estimate = self._estimate(scores, queries, cold, similarity) if len(cold) else None
        if estimate is not None:
            scores[:, cold] = np.where(np.isnan(scores[:, cold]), estimate.scores, scores[:, cold])
        return Blended(scores, weights, parts, estimate, None if content is None else content.deviation)

    def _estimate(
        self, blended: Scores, queries: Sequence[Query], movies: NDArray[np.int64], ready: Scores | None
    ) -> Estimate | None:
        """What stands in for movies that no weighted part knows; None where there is nothing to guess from.

        Args:
            ready: the scores of content, up to a factor and a constant of each query, where they are there already.
        """
        config, mapping = self.config, self.mapping
        content = None if config.content is None else self.part(config.content)
        if mapping is not None and len(mapping.rows):
            return estimate_from_mapping(
                blended, queries, movies, mapping, content, config.mapping_share, config.spread, ready
            )
        if content is None:
            return None
        return estimate_from_content(blended, content.score(queries) if ready is None else ready, movies)

    @property
    def mapping(self) -> ColdStart | None:
        """The part that scores movies unknown to the others; None without one."""
        model = None if self.config.mapping is None else self.part(self.config.mapping)
        return model if isinstance(model, ColdStart) else None  # `bind` lets no other pass

    def contributions(self, query: Query, rows: Sequence[int]) -> NDArray[np.float32]:
        """The parts' shares, scaled as their scores are; additive up to a constant of each movie."""
        total = np.zeros((len(rows), len(query)), dtype=np.float32)
        if not len(rows):
            return total
        (query,) = self._as_seen([query])
        answer, content = self.fallback(query), self.config.content
        if answer == "content" and content is not None:
            return _shares(self.part(content), query, rows)
        if answer is not None:
            return total
        target_rows = np.asarray(rows, dtype=np.int64)
        blended = self._blended_for(query, target_rows)
        scales, warm = self._part_scales(blended, target_rows)
        similarity: NDArray[np.float32] | None = None
        for name, scale in scales.items():
            own = _shares(self.part(name), query, rows)
            if name == content:
                similarity = own[~warm]
            total += own * scale[:, None]
        if not warm.all() and blended.estimate is not None:
            total[~warm] = self._guessed_shares(query, blended, blended.estimate, target_rows[~warm], similarity)
        return total

    def _guessed_shares(
        self,
        query: Query,
        blended: Blended,
        estimate: Estimate,
        movies: NDArray[np.int64],
        similarity: NDArray[np.float32] | None,
    ) -> NDArray[np.float32]:
        """Shares in the guesses about movies that no part knows, (len(movies), len(query)).

        Args:
            similarity: the content part's shares in its scores of them, where they are there already.
        """
        content, mapping, carried = self.config.content, self.mapping, None
        if estimate.by_content is None or content is None:
            similarity = None
        else:
            if similarity is None:
                similarity = _shares(self.part(content), query, movies.tolist())
            similarity = similarity if blended.similarity is None else similarity / blended.similarity
        if estimate.by_mapped is not None and mapping is not None:
            # What the mapping reads of the examples, rather than all of it: they are thousands.
            read = np.zeros((mapping.reader.shape[1], len(query)), dtype=np.float32)
            scales, _ = self._part_scales(blended, mapping.rows)
            for name, scale in scales.items():
                read += self.part(name).mixed_contributions(query, mapping.rows.tolist(), mapping.reader.T * scale)
            carried = mapping.transfer_shares(read, movies)
        return estimate.shares(similarity, carried)

    def _part_scales(
        self, blended: Blended, rows: NDArray[np.int64]
    ) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.bool_]]:
        """What the shares of each part count in the blended scores of one history, and which movies a part knows.

        Returns:
            by part, (len(rows),), 0 for movies that it does not know or that no part knows; (len(rows),).
        """
        scales: dict[str, NDArray[np.float32]] = {}
        weight = np.zeros(len(rows), dtype=np.float32)
        warm = np.zeros(len(rows), dtype=np.bool_)
        core, weights = self.core, blended.weights
        for part in blended.parts:
            here, share = part.known[0, rows], weights[part.name][0]
            if part.name != self.config.popular:
                scales[part.name] = here * (share / part.deviation[0])
            weight += here * share
            if part.name in core or not _any_weight(weights, core, 1).any():
                warm |= here
        weight = np.where(weight > 0, weight, np.float32(1))
        return {name: np.where(warm, scale / weight, np.float32(0)) for name, scale in scales.items()}, warm

    def similar(self, rows: Sequence[int]) -> Scores:
        """Half the collaborative parts, half content, each standardized; whichever knows the movie."""
        empty = np.full((len(rows), self.n_items), np.nan, dtype=np.float32)
        total, weight = np.zeros_like(empty), np.zeros_like(empty)
        for name, share in self._plain_weights().items():
            result = self.part(name).similar(rows)
            if result is not None:
                result, known = _apart(result, rows)
                total += np.where(known, result, np.float32(0)) * np.float32(share)
                weight += known * np.float32(share)
        taste = np.where(weight > 0, total / np.where(weight > 0, weight, 1), np.float32(np.nan))
        content = self.config.content
        own = self.part(content).similar(rows) if content is not None else None
        words = empty if own is None else _apart(own, rows)[0]
        return mean_known(taste, words)

    def _plain_weights(self) -> dict[str, float]:
        """One weight for each collaborative part: learned ones are those for ten movies."""
        curves = self.config.curves if self.config.curves is not None else self.config.weights
        position = LENGTHS.index(10)
        result = {name: float(_curve(curve)[position]) for name, curve in curves.items()}
        return {name: result[name] for name in self.core if result[name] > 0}

    def with_catalog(self, catalog: Catalog, vectors: Mapping[str, MovieVectors] | None = None) -> Self:
        """The blend over a grown catalog; bind it to the grown parts."""
        grown = super().with_catalog(catalog, vectors)
        grown._forget(self)
        if self._parts is not None:
            grown._parts = {
                name: part if part.n_items == len(catalog) else part.with_catalog(catalog, vectors)
                for name, part in self._parts.items()
            }
        return grown

    def state(self) -> State:
        """`star_scale`; the rest is in its settings."""
        return dict(self._scale.state())

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        del catalog
        self._scale = StarScale.from_state(state)


def _apart(scores: Scores, rows: Sequence[int]) -> tuple[Scores, Known]:
    """Standardized scores of similar movies, in which no movie has one of itself, and which are known."""
    scores, known, _ = standardize(without(scores, rows))
    return scores, known


def _curve(curve: Curve) -> NDArray[np.float64]:
    """A weight at each of `LENGTHS`, (len(LENGTHS),). Raises InvalidInputError for another number of weights."""
    if isinstance(curve, tuple) and len(curve) != len(LENGTHS):
        raise InvalidInputError(
            f"A part of the blend has {len(curve)} weights, not {len(LENGTHS)}.", f"Give one for each of {LENGTHS}."
        )
    return np.array(curve if isinstance(curve, tuple) else [curve] * len(LENGTHS), dtype=np.float64)


@lru_cache(16)
def _knots(curves: tuple[Curve, ...]) -> NDArray[np.float32]:
    """Weights of the parts at each of `LENGTHS`, (n_parts, len(LENGTHS)), read-only."""
    result = np.array([_curve(curve) for curve in curves], dtype=np.float32)
    result.flags.writeable = False
    return result


def _any_weight(weights: Mapping[str, Scores], names: Sequence[str], n: int) -> NDArray[np.bool_]:
    """For which of n queries one of some parts has a weight above 0, (n, 1)."""
    result = np.zeros((n, 1), dtype=np.bool_)
    for name in names:
        if name in weights:
            result |= weights[name] > 0
    return result


def _examples(scores: Scores, queries: Sequence[Query], gains: Scores) -> Examples:
    """The candidates that the parts like best on the whole; a part without an opinion takes that of the others."""
    known = ~np.isnan(scores)
    count = known.sum(axis=2)
    mean = np.where(known, scores, 0).sum(axis=2) / np.maximum(count, 1)
    scores = np.where(known, scores, mean[:, :, None])
    rank = unseen(np.where(count > 0, mean, np.float32(np.nan)).astype(np.float32), queries)
    size = min(POOL, rank.shape[1])
    rows = np.zeros((len(queries), size), dtype=np.int64)
    missing = np.ones((len(queries), size), dtype=np.bool_)
    for number, row in enumerate(rank):
        best = top_n(row, size)
        rows[number, : len(best)], missing[number, : len(best)] = best, False
    chosen = np.take_along_axis(scores, rows[:, :, None], axis=1).astype(np.float32)
    chosen[missing] = -10.0  # fewer candidates than places: far behind, and nobody's
    gained = np.where(missing, np.float32(0), np.take_along_axis(gains, rows, axis=1))
    return Examples(chosen, gained, np.array([len(query) for query in queries], dtype=np.int64))


def _shares(model: Model[Any], query: Query, rows: Sequence[int]) -> NDArray[np.float32]:
    result = model.contributions(query, rows)
    return np.zeros((len(rows), len(query)), dtype=np.float32) if result is None else result
