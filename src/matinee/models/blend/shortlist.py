"""Lists in two stages: blended scores of the movies that a list may hold, instead of those of the whole catalog.

The candidates are the most rated movies, and those without ratings that were added last. They are scored exactly, by
the same arithmetic as `Blend.score`. Where a filter allows few of them, the most rated movies that it allows are
candidates as well (`Shortlist.within`). What that takes of all movies, the means and deviations that parts are
standardized by and the slope of the guesses about movies without ratings, is estimated: the most rated movies stand
for themselves, a random sample of the others for the rest (stratified sampling; Cochran 1977, "Sampling Techniques",
chapter 5). The time depends on the number of candidates, not on that of the movies.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from matinee.models.base import Model, Query, RowScorer, Scores, Shortlisted, Subset
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
ALLOWED, ALLOWED_SAMPLE = 2000, 500
"""Most rated movies that a filter allows, which are candidates under it; and a sample of the others that it allows."""
SUBSETS = 16
"""Filters whose candidates are kept, the last ones asked for: up to 4 MB each."""
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
        sampled: (len(rows),), which are of the sample.
    """

    def __init__(self, blend: Blend, size: int, before: Shortlist | None = None) -> None:
        self._blend, self.size = blend, size
        known = blend.warm_movies()
        others, n_sample, self._known = _chosen(blend, known, size)
        unknown = np.flatnonzero(~known)
        self.rows: Rows = np.concatenate([self._known, unknown[-NEWEST:]])
        self._order = np.argsort(self.rows)
        self.sampled = np.arange(len(self.rows)) < n_sample
        self._whole = False
        self._popular: Rows | None = None
        self._subsets: LRUCache[Subset, Shortlist] = LRUCache(SUBSETS)
        self._lock = threading.Lock()
        newest = len(self.rows) - len(self._known)
        self._counts = np.ones(len(self._known), dtype=np.float32)
        """How many of the known movies each stands for."""
        self._counts[:n_sample] = others / max(n_sample, 1)
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
        return Part(model, self._scorer(name, self._known), core)

    def _scorer(self, name: str, rows: Rows) -> RowScorer:
        if name == self._blend.config.popular:
            scores = np.log1p(np.maximum(self._blend.popularity()[rows], 0))
            return lambda _: scores
        return self._blend.part(name).row_scorer(rows)

    def _extra_scorer(self, name: str, rows: Rows) -> RowScorer:
        """A scorer of movies that may be none of a part's: such a part is not asked."""
        scorer = self._scorer(name, rows)
        if self._parts[name].core and np.isnan(scorer(self._blend.well_known())).all():
            nothing = np.full(len(rows), np.nan, dtype=np.float32)
            return lambda _: nothing
        return scorer

    def within(self, subset: Subset) -> Shortlist:
        """One that has enough candidates among some movies, kept for the next time: this one, or one with more of them.

        Movies that are added have no part in moments and slopes, so that all scores are the same.
        """
        with self._lock:
            made = self._subsets.get(subset)
            if made is None:
                made = self._subsets[subset] = self._extended(subset.mask)
            return made

    def _extended(self, allowed: NDArray[np.bool_]) -> Shortlist:
        blend, n = self._blend, len(self._known)
        places = np.full(len(allowed), -1, dtype=np.int64)
        places[self.rows] = np.arange(len(self.rows))
        if self._popular is None:
            rated = np.flatnonzero(blend.warm_movies())
            self._popular = rated[np.argsort(-blend.popularity()[rated], kind="stable")]
        rated = self._popular[allowed[self._popular]]
        candidate = (places[rated] >= 0) & ~self.sampled[places[rated]]
        if len(rated) > ALLOWED and candidate[:ALLOWED].all():
            return self
        rest = rated[ALLOWED:][~candidate[ALLOWED:]]
        sample = np.random.default_rng(0).permutation(rest)[:ALLOWED_SAMPLE]
        if len(rest) <= ALLOWED_SAMPLE:  # so few more that all may as well be candidates
            rated, sample = rated[~candidate], sample[:0]
        else:
            rated = rated[:ALLOWED][~candidate[:ALLOWED]]
        unknown = np.flatnonzero(allowed & ~blend.warm_movies())
        newest = unknown[-NEWEST:]
        more = copy(self)
        more.sampled = self.sampled.copy()
        more.sampled[places[rated[places[rated] >= 0]]] = False
        extra = np.sort(np.concatenate([rated, sample]))
        extra, newest = extra[places[extra] < 0], newest[places[newest] < 0]
        more._whole = len(sample) == 0 and len(unknown) <= NEWEST
        more._known = np.concatenate([self._known, extra])
        more.rows = np.concatenate([more._known, self.rows[n:], newest])
        more._order = np.argsort(more.rows)
        more.sampled = np.concatenate(
            [more.sampled[:n], np.isin(extra, sample), np.zeros(len(more.rows) - n - len(extra), dtype=np.bool_)]
        )
        # They stand for no others, and not for themselves.
        nothing = np.zeros(len(extra), dtype=np.float32)
        more._counts = np.concatenate([self._counts, nothing])
        more._all = np.concatenate([self._all[:n], nothing, self._all[n:], np.zeros(len(newest), dtype=np.float32)])
        more._parts = {
            name: Part(part.model, _joined(part.scorer, self._extra_scorer(name, extra), n), part.core)
            for name, part in self._parts.items()
        }
        if self._content is not None and blend.config.content is not None:
            content = blend.part(blend.config.content)
            scorer = content.row_scorer(np.concatenate([extra, newest]))
            more._content = _joined(self._content, scorer, n, len(extra))
        return more

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
        made = Shortlisted(self.rows, self._order, blended, self.sampled, self._whole, mean, deviation)
        return made, Mixed(columns, parts, estimate)

    def has(self, rows: Rows) -> bool:
        """Whether all these movies are among those that are scored."""
        places = np.searchsorted(self.rows, rows, sorter=self._order)
        places = self._order[np.minimum(places, len(self.rows) - 1)]
        return bool((self.rows[places] == rows).all())

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


def _joined(first: RowScorer, second: RowScorer, n: int, after: int | None = None) -> RowScorer:
    """Scores of the first n movies of one scorer, then those of another, then the rest of the first.

    Args:
        after: movies of the second that come before the rest of the first; None: all.
    """

    def score(query: Query) -> Floats:
        one, other = first(query), second(query)
        return np.concatenate([one[:n], other[:after], one[n:], *([] if after is None else [other[after:]])])

    return score


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
