"""Lists in two stages: blended scores of the movies that a list may hold, instead of those of the whole catalog.

The candidates are the most rated movies, and those without ratings that were added last. They are scored exactly, by
the same arithmetic as `Blend.score`. What that takes of all movies, the means and deviations that parts are
standardized by and the slope of the guesses about movies without ratings, is estimated: the most rated movies stand
for themselves, a random sample of the others for the rest (stratified sampling; Cochran 1977, "Sampling Techniques",
chapter 5). The time depends on the number of candidates, not on that of the movies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matinee.models.base import Model, Query, RowScorer, Scores, Shortlisted
from matinee.models.blend.unrated import Estimate, estimate_from_mapping
from matinee.models.row_scorers import scores_of

if TYPE_CHECKING:
    from matinee.models.blend.model import Blend

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]

SAMPLE = 2000
"""Movies that stand for those that are not candidates. On 25 million ratings of 60,000 movies 4,000 change nothing."""
NEWEST = 4000
"""Candidates without ratings, at most."""
CONTENT = ""
"""Stands for what the content part says of all rows, of the unknown movies too."""
NONE: Mapping[str, Floats] = {}
WORTH = 2
"""All movies are scored where they are not at least so many times the most rated candidates and the sample."""


class Part(NamedTuple):
    """A part, what scores the movies of a shortlist by it, and whether it makes movies known."""

    model: Model[Any]
    scorer: RowScorer
    core: bool


class Mixed(NamedTuple):
    """What the scores of one history are made of, for its reasons.

    Attributes:
        weights: of each part.
        parts: which of the known movies each part knows, (n_known,), and what its scores were divided by.
        estimate: what stands in for movies that no part knows, by the content part's own scores; None: nothing.
    """

    weights: dict[str, Scores]
    parts: dict[str, tuple[NDArray[np.bool_], float]]
    estimate: Estimate | None


class Shortlist:
    """The candidates of a blend over one catalog, the sample, and what the parts need to score them.

    Immutable, safe to use from many threads. Keeps copies of factors and vectors of the movies, about 2 KB a movie.

    Args:
        blend: a fitted blend over its parts, with a popular part.
        size: movies with ratings among the candidates, the most rated ones.
        before: that of an earlier state of the catalog; what the same parts have there is taken over.

    Attributes:
        rows: catalog rows: the sample, the candidates that a part knows, those that none does; each in order.
    """

    def __init__(self, blend: Blend, size: int, before: Shortlist | None = None) -> None:
        self._blend, self.size = blend, size
        known = blend.warm_movies()
        self._others, self._n_sample, self._known = _chosen(blend, known, size)
        unknown = np.flatnonzero(~known)
        self.rows: Rows = np.concatenate([self._known, unknown[-NEWEST:]])
        newest = len(self.rows) - len(self._known)
        self._counts = np.ones(len(self._known), dtype=np.float32)
        """How many of the known movies each stands for."""
        self._counts[: self._n_sample] = self._others / max(self._n_sample, 1)
        self._all = np.append(self._counts, np.full(newest, len(unknown) / max(newest, 1), dtype=np.float32))
        """How many of all movies each stands for."""
        again = before is not None and np.array_equal(before._known, self._known)
        self._parts = {name: self._part(name, before if again else None) for name in blend.config.weights}
        content = blend.config.content
        self._content = None if content is None else blend.part(content).row_scorer(self.rows)

    def _part(self, name: str, before: Shortlist | None) -> Part:
        model, core = self._blend.part(name), name in self._blend.core
        made = None if before is None else before._parts.get(name)
        if made is not None and model.same_fit(made.model):
            return Part(model, made.scorer, core)
        if name == self._blend.config.popular:
            scores = np.log1p(np.maximum(self._blend.popularity()[self._known], 0))
            return Part(model, lambda _: scores, core)
        return Part(model, model.row_scorer(self._known), core)

    def score_many(self, queries: Sequence[Query]) -> list[tuple[Shortlisted, Mixed] | None]:
        """`score` of each history; each part scores those that it counts for together, which reads its factors once."""
        ready: list[dict[str, Floats]] = [{} for _ in queries]
        weights = self._blend.weights_for(queries)
        for name, weight in weights.items():
            counts = [place for place, column in enumerate(weight[:, 0].tolist()) if column]
            if len(counts) > 1 and name not in (self._blend.config.content, self._blend.config.popular):
                scores = scores_of(self._parts[name].scorer, [queries[place] for place in counts])
                for place, own in zip(counts, scores, strict=True):
                    ready[place][name] = own
        if self._content is not None:
            for place, own in enumerate(scores_of(self._content, queries)):
                ready[place][CONTENT] = own
        return [self.score(query, own) for query, own in zip(queries, ready, strict=True)]

    def score(self, query: Query, ready: Mapping[str, Floats] = NONE) -> tuple[Shortlisted, Mixed] | None:
        """Blended scores for a history that a core part knows; None where none of them counts.

        Args:
            ready: scores of parts that are there already, by name; those of all rows by content as `CONTENT`.
        """
        config, parts = self._blend.config, dict[str, tuple[NDArray[np.bool_], float]]()
        columns = self._blend.weights_for([query])
        weights = {name: float(weight[0, 0]) for name, weight in columns.items()}
        if not any(self._parts[name].core for name in weights):
            return None
        evidence = float(self._blend.evidence([query])[0, 0])
        n = len(self._known)
        total, divisor = np.zeros(n, dtype=np.float32), np.zeros(n, dtype=np.float32)
        sound = np.zeros(n, dtype=np.bool_)
        content = None if self._content is None else _ready(ready, CONTENT, self._content, query)
        for name, weight in weights.items():
            part = self._parts[name]
            scores = content[:n] if content is not None and name == config.content else None
            if scores is None:
                scores = _ready(ready, name, part.scorer, query)
            known = ~np.isnan(scores)
            everywhere = bool(known.all())
            standard = scores.copy() if everywhere else np.where(known, scores, np.float32(0))
            mean, deviation = _moments(standard, self._counts if everywhere else self._counts * known)
            standard -= np.float32(mean)
            deviation /= 1.0 if name == config.popular else evidence
            standard *= np.float32(weight / deviation)
            parts[name] = known, deviation
            if not everywhere:
                standard *= known
            total += standard
            divisor += np.float32(weight) if everywhere else known * np.float32(weight)
            if part.core:
                sound |= known
        blended = np.full(len(self.rows), np.nan, dtype=np.float32)
        np.divide(total, divisor, out=blended[:n], where=sound)
        estimate = self._estimate(query, blended, content)
        known = ~np.isnan(blended)
        mean, deviation = _moments(np.where(known, blended, np.float32(0)), self._all * known)
        return Shortlisted(self.rows, blended, self._n_sample, mean, deviation), Mixed(columns, parts, estimate)

    def has(self, rows: Rows) -> bool:
        """Whether all these movies are among those that are scored."""
        among = np.zeros(self._blend.n_items, dtype=np.bool_)
        among[self.rows] = True
        return bool(among[rows].all())

    def known(self, movies: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Some of the known movies, (n_known,), as a mask of all, (1, n_items)."""
        result = np.zeros((1, self._blend.n_items), dtype=np.bool_)
        result[0, self._known] = movies
        return result

    def _estimate(self, query: Query, blended: Floats, content: Floats | None) -> Estimate | None:
        """Put guesses in the place of the scores of movies that no part knows, and return them."""
        unknown = np.flatnonzero(np.isnan(blended))
        if not len(unknown):
            return None
        config, mapping = self._blend.config, self._blend.mapping
        if mapping is not None and len(mapping.rows):
            model = None if config.content is None else self._blend.part(config.content)
            ready = None if content is None else self._everywhere(content)
            estimate = estimate_from_mapping(
                self._everywhere(blended),
                [query],
                self.rows[unknown],
                mapping,
                model,
                config.mapping_share,
                config.spread,
                ready,
            )
        elif content is not None and not np.isnan(content[unknown]).all():
            # `score_fusion.regress`, where each movie stands for others.
            n = len(self._known)
            both = ~np.isnan(blended[:n]) & ~np.isnan(content[:n])
            counts = self._counts * both
            left, right = (np.where(both, scores[:n], np.float32(0)) for scores in (blended, content))
            (middle, _), (center, deviation) = _moments(left, counts), _moments(right, counts)
            product = float(counts @ ((left - np.float32(middle)) * (right - np.float32(center))))
            slope = max(product / max(float(counts.sum()), 1.0) / deviation**2, 0.0)
            guesses = np.float32(slope) * (content[None, unknown] - np.float32(center)) + np.float32(middle)
            estimate = Estimate(guesses, np.array([[slope]], dtype=np.float32), None)
        else:
            return None
        blended[unknown] = estimate.scores[0]
        return estimate

    def _everywhere(self, scores: Floats) -> Scores:
        """Scores of all movies, (1, n_items), NaN where they are not known."""
        result = np.full((1, self._blend.n_items), np.nan, dtype=np.float32)
        result[0, self.rows] = scores
        return result


def _chosen(blend: Blend, known: NDArray[np.bool_], size: int) -> tuple[int, int, Rows]:
    """Number of known movies that are no candidates, number of those sampled, and the sample with the candidates."""
    rated, popularity = np.flatnonzero(known), blend.popularity()
    certain = np.sort(rated[np.argsort(-popularity[rated], kind="stable")[:size]])
    if blend.mapping is not None:  # reads the scores of all its examples
        certain = np.union1d(certain, blend.mapping.rows)
    others = np.setdiff1d(rated, certain)
    sample = np.random.default_rng(0).choice(others, min(SAMPLE, len(others)), replace=False)
    return len(others), len(sample), np.concatenate([np.sort(sample), certain]).astype(np.int64)


def shortlist_of(blend: Blend, size: int, before: Shortlist | None = None) -> Shortlist | None:
    """The candidates of a blend; None where scoring all movies takes hardly longer. Arguments as of `Shortlist`."""
    if blend.config.popular is None or blend.n_items < WORTH * (size + SAMPLE):
        return None
    return Shortlist(blend, size, before)


def _ready(ready: Mapping[str, Floats], name: str, scorer: RowScorer, query: Query) -> Floats:
    scores = ready.get(name)
    return scorer(query) if scores is None else scores


def _moments(values: Floats, counts: Floats) -> tuple[float, float]:
    """Mean and deviation of values that stand for so many each; 1 where all are equal, as in `score_fusion`."""
    n = max(float(counts.sum()), 1.0)
    mean = float(counts @ values) / n
    rest = values - np.float32(mean)
    rest *= rest
    deviation = math.sqrt(float(counts @ rest) / n)
    return mean, 1.0 if deviation <= 1e-9 + 1e-6 * abs(mean) else deviation
