"""From scores to a list: calibrated to the tastes of a history, and as well-known or as little known as is wished.

Calibration is the greedy algorithm of Steck, "Calibrated Recommendations" (RecSys 2018): a list is good where its
movies have high scores and its traits the shares that they have in the history, Σ p·log q̃. Here each trait counts by
what it says about a history: by the square of p·log(p/b), b its share in everybody's ratings. What is common everywhere
(English, the 1990s) then weighs nothing, and three French movies still mean "French". Plain KL divergence, which pulls
every list towards p, lost accuracy on validation and brought fewer small tastes.

How well-known: a popularity penalty in the logarithm of the scores, so that a movie that the model says nothing of does
not come for being unknown. Constants were chosen on the `likes` of every fifth user of ml-latest-small and on the
profiles of `benchmarks/tastes.py --tuning`.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee._util.topk import top_n
from matinee.data.catalog import Catalog
from matinee.data.packed import Coded
from matinee.models.base import Query, Scores
from matinee.models.content.words import changed_rows
from matinee.models.preference import StarScale
from matinee.models.sparse import entries, weighted_sum

ADVENTUROUS, STRENGTH = 0.5, 0.5
"""Defaults."""
PRIOR = 2.0
"""Pseudo-count: the background shares count as so many movies of the history."""
SMOOTHING = 0.1
"""Steck's α: q̃ = (1 − α)·q + α·p."""
LENGTH = 10
"""Movies over which shares are counted, however long the list, so that a longer list begins as a shorter one."""
RELEVANCE = 3.0
"""What a score e times as high is worth, against `LENGTH` times the gain in Σ p·log q̃."""
MIN_TRAIT_WEIGHT, MAX_TRAITS = 1e-3, 24
"""Traits that count: at least this weight, at most so many."""
POOL, POOL_EACH, POOL_TRAITS, MIN_POOL_WEIGHT = 100, 30, 8, 0.02
"""Candidates: the best by score, and the best of each of the weightiest traits."""
CALIBRATED = 100
"""Places of a list that are calibrated; the rest follow by score."""
PENALTIES = (-0.15, 0.1, 0.35)
"""Popularity penalty of adventurous 0, 0.5 and 1."""
HALF_PENALTY_LIKES = 10.0
"""Likes at which the penalty of 0.5 reaches half of its full size: short histories get well-known movies."""
MIN_POPULARITY = -2.0
"""Least popularity, in deviations."""
MIN_STANDARD_SCORE = 1e-3
"""Standardized score under which a movie is not worth listing, however little known."""


LIKES, MIN_KEPT_STRENGTH = (6.0, 14.0), 0.2
"""Likes up to which calibration has its full strength, likes from which only a share of it is kept, and that share. On
validation users of ml-latest-small the full strength costs 7 % of nDCG@10 of likes, this and the penalty 3 %."""


KINDS = ("genres", "countries", "languages", "decade")
WEIGHTS = np.array([1.0, 1.0, 0.5, 0.5])
"""How much each kind counts: languages say the countries over again, and most people like movies of all decades."""


@dataclass(frozen=True)
class Traits:
    """Movies × traits; a movie's traits of one kind share 1 equally, and a kind that its data lack has none.

    Attributes:
        names: kind (a place in `KINDS`) and word of each trait; words are lower case.
        kinds: kind of each trait, int64 (n_traits,).
        matrix: float32 (n_items, n_traits).
        by_trait: the same, column by column.
    """

    names: tuple[tuple[int, str], ...]
    kinds: NDArray[np.int64]
    matrix: sp.csr_matrix
    by_trait: sp.csc_matrix

    @classmethod
    def of(cls, catalog: Catalog) -> Self:
        """Of every movie of a catalog."""
        rows, traits, shares, found = _entries(catalog, np.arange(len(catalog)))
        names = sorted(found)
        return cls._made(names, len(catalog), rows, _numbers(names, found)[traits], shares)

    def with_catalog(self, catalog: Catalog, rows: NDArray[np.int64]) -> Self:
        """Over a grown catalog.

        Args:
            rows: of the movies that were added or edited.
        """
        entry_rows, traits, shares, found = _entries(catalog, rows)
        names = list(self.names)
        names += sorted(set(found) - set(names))
        old = self.matrix.tocoo()
        unchanged = ~np.isin(old.row, rows)
        return self._made(
            names,
            len(catalog),
            np.concatenate([old.row[unchanged], entry_rows]),
            np.concatenate([old.col[unchanged], _numbers(names, found)[traits]]),
            np.concatenate([old.data[unchanged], shares]),
        )

    @classmethod
    def _made(
        cls,
        names: list[tuple[int, str]],
        n_items: int,
        rows: NDArray[np.integer[Any]],
        traits: NDArray[np.integer[Any]],
        shares: NDArray[np.float32],
    ) -> Self:
        matrix = sp.csr_matrix((shares, (rows, traits)), shape=(n_items, len(names)), dtype=np.float32)
        matrix.sort_indices()
        return cls(tuple(names), np.array([kind for kind, _ in names], dtype=np.int64), matrix, matrix.tocsc())

    def entries(
        self, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.integer[Any]], NDArray[np.float32]]:
        """Every trait of some movies: place in `rows`, trait, share, one entry each."""
        return entries(self.matrix, rows)

    def total(self, rows: NDArray[np.int64], weights: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Sum of the traits of some movies, float64 (n_traits,); `weights` has one entry a movie."""
        return weighted_sum(self.matrix, rows, weights)

    def movies(self, trait: int) -> NDArray[np.integer[Any]]:
        """Rows of the movies that have a trait, increasing."""
        start, end = self.by_trait.indptr[trait : trait + 2]
        result: NDArray[np.integer[Any]] = self.by_trait.indices[start:end]
        return result


def _numbers(names: list[tuple[int, str]], found: list[tuple[int, str]]) -> NDArray[np.int64]:
    """Places in `names` of those found."""
    number = {name: position for position, name in enumerate(names)}
    return np.array([number[name] for name in found], dtype=np.int64)


def _entries(
    catalog: Catalog, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], list[tuple[int, str]]]:
    """Row, place among the last, and share of every trait of some movies; kind and word of each trait there is."""
    entry_rows: list[NDArray[np.int64]] = []
    traits: list[NDArray[np.int64]] = []
    shares: list[NDArray[np.float32]] = []
    names: list[tuple[int, str]] = []
    for kind, name in enumerate(KINDS):
        words, codes, cuts = _decades(catalog, rows) if kind == len(KINDS) - 1 else catalog.table.coded(name, rows)
        lower = {word: place for place, word in enumerate(dict.fromkeys(map(str.lower, words)))}
        lowered = np.array([lower[word.lower()] for word in words], dtype=np.int64)
        # Words that differ in case alone are one.
        owners = np.repeat(np.arange(len(rows)), np.diff(cuts))
        pairs = np.sort(owners * max(len(lower), 1) + lowered[codes])
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]  # nearly in order: `np.unique` hashes, which takes far longer
        owners, words_of = np.divmod(pairs, max(len(lower), 1))
        there = np.flatnonzero(np.bincount(words_of, minlength=len(lower)))
        entry_rows.append(rows[owners])
        traits.append(len(names) + np.searchsorted(there, words_of))
        shares.append((1.0 / np.bincount(owners, minlength=len(rows))[owners]).astype(np.float32))
        texts = list(lower)
        names += [(kind, texts[word]) for word in there.tolist()]
    return np.concatenate(entry_rows), np.concatenate(traits), np.concatenate(shares), names


def _decades(catalog: Catalog, rows: NDArray[np.int64]) -> Coded:
    """Decades of movies, as lists of at most one."""
    years = catalog.years[rows]
    dated = ~np.isnan(years)
    decades, codes = np.unique(years[dated] // 10 * 10, return_inverse=True)
    words = [f"{int(decade)}s" for decade in decades]
    return Coded(words, codes.astype(np.int32), np.concatenate([[0], np.cumsum(dated)]))


class Taste(NamedTuple):
    """Traits by which a history differs from the background: index, share in the history, and weight of each."""

    traits: NDArray[np.int64]
    shares: NDArray[np.float64]
    weights: NDArray[np.float64]


def penalty(adventurous: float, likes: float) -> float:
    """What a movie loses in log score for each deviation of its log popularity; below 0 at "well known"."""
    low, middle, high = PENALTIES
    return float(np.interp(adventurous, (0.0, 0.5, 1.0), (low, middle * likes / (likes + HALF_PENALTY_LIKES), high)))


def kept_strength(likes: float) -> float:
    """Share of the strength of calibration that is kept for so many likes, 1 to `MIN_KEPT_STRENGTH`.

    After few likes, calibration has to supply what they have in common. The scores of a long history reflect its tastes
    already, and full calibration would cost more accuracy than it is worth.
    """
    return float(np.interp(np.log(max(likes, 1.0)), np.log(LIKES), (1.0, MIN_KEPT_STRENGTH)))


def popularity(counts: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """log(1 + ratings) of each movie, less the mean and over the deviation of the rated movies, (n_items,).

    At least `MIN_POPULARITY`: where all rated movies are known alike, those without ratings would be worlds away.
    """
    logs = np.log1p(counts.astype(np.float64))
    rated = logs[counts > 0]
    deviation = float(rated.std()) if len(rated) else 0.0
    if deviation < 1e-9:
        return np.zeros(len(logs))
    result: NDArray[np.float64] = np.maximum((logs - rated.mean()) / deviation, MIN_POPULARITY)
    return result


def log_scores(scores: NDArray[np.floating[Any]], moments: tuple[float, float] | None = None) -> NDArray[np.float32]:
    """Logarithm of the standardized scores, float32, NaN where a score is not finite; keeps the order.

    Scores at or below the mean come after all others: `log(MIN_STANDARD_SCORE)` and down.

    Args:
        scores: (n,).
        moments: mean and deviation to standardize by; None: those of the scores.
    """
    finite = np.isfinite(scores)
    known = scores if finite.all() else scores[finite]
    if not len(known):
        return np.full(len(scores), np.nan, dtype=np.float32)
    # In float64 the mean of equal scores is exactly these scores.
    rest = known - np.float64(known.mean(dtype=np.float64) if moments is None else moments[0])
    deviation = float(np.sqrt(rest @ rest / len(rest))) if moments is None else moments[1]
    standard = (rest / deviation if deviation > 0 else rest).astype(np.float32)
    logs: NDArray[np.float32] = np.log(np.maximum(standard, np.float32(MIN_STANDARD_SCORE)))
    logs += np.minimum(standard - np.float32(MIN_STANDARD_SCORE), np.float32(0))
    if len(known) == len(scores):
        return logs
    result = np.full(len(scores), np.nan, dtype=np.float32)
    result[finite] = logs
    return result


def calibrate(
    relevance: NDArray[np.floating[Any]],
    shares: NDArray[np.floating[Any]],
    taste: Taste,
    n: int,
    strength: float,
) -> NDArray[np.int64]:
    """The greedy algorithm, which is within 1 − 1/e of the best list (Steck 2018, section 5.1).

    Each next movie is the one that adds most to
    `(1 − strength) · Σ relevance + strength · LENGTH · Σ_t weight_t · log(α·p_t + (1 − α)·q_t)`,
    q_t being the trait's sum over the list divided by `LENGTH`.

    Args:
        relevance: (n_candidates,), finite; ties go to the first.
        shares: (n_traits, n_candidates), of the traits of the taste.
        taste: its traits, as in `shares`.
        n: length of the list.
        strength: 0 (relevance alone) .. 1 (taste alone).

    Returns:
        Up to n places of candidates, in the order in which they were chosen.
    """
    n = max(min(n, len(relevance)), 0)
    chosen = np.zeros(n, dtype=np.int64)
    sums = SMOOTHING / (1.0 - SMOOTHING) * LENGTH * taste.shares
    scale = strength * LENGTH * taste.weights
    gains = scale[:, None] * np.log(1.0 + shares / sums[:, None])
    worth = (1.0 - strength) * np.asarray(relevance, dtype=np.float64) + gains.sum(axis=0)
    for position in range(n):
        best = int(worth.argmax())
        chosen[position], worth[best] = best, -np.inf
        for trait in shares[:, best].nonzero()[0].tolist():  # the gain of others has not changed
            sums[trait] += shares[trait, best]
            new = scale[trait] * np.log(1.0 + shares[trait] / sums[trait])
            worth += new - gains[trait]
            gains[trait] = new
    return chosen


class Reranker:
    """Makes lists of scores; immutable, safe to use from many threads.

    Args:
        catalog: the movies.
        counts: ratings of each movie, (n_items,) or fewer: movies after them have none.
        scale: of the stars in the histories.
    """

    def __init__(
        self,
        catalog: Catalog,
        counts: NDArray[np.integer[Any]],
        scale: StarScale,
        *,
        traits: Traits | None = None,
    ) -> None:
        self.scale = scale
        self.traits = Traits.of(catalog) if traits is None else traits
        self.catalog, self._counts = catalog, counts
        counts = np.pad(counts, (0, max(len(catalog) - len(counts), 0)))
        self.popularity = popularity(counts).astype(np.float32)
        self._listed, self._popularity = self.traits, self.popularity
        # One more rating each, so that no trait of the catalog is impossible.
        total = self.traits.total(np.arange(len(catalog)), counts + 1.0)
        kinds = np.bincount(self.traits.kinds, weights=total, minlength=len(WEIGHTS))
        self.background = total / kinds[self.traits.kinds]

    def with_catalog(self, catalog: Catalog) -> Self:
        """Over a grown catalog (first rows the same movies, maybe edited)."""
        traits = self.traits.with_catalog(catalog, changed_rows(self.catalog, catalog))
        return type(self)(catalog, self._counts, self.scale, traits=traits)

    def among(self, rows: NDArray[np.int64]) -> Self:
        """For lists of some movies: `pick` takes scores of these alone, and answers with their places in `rows`."""
        other = copy(self)
        matrix = self.traits.matrix[rows]
        other._listed = Traits(self.traits.names, self.traits.kinds, matrix, matrix.tocsc())
        other._popularity = self.popularity[rows]
        return other

    def taste(self, query: Query) -> Taste:
        """Traits by which the likes of a history differ from the background; empty without likes."""
        return self._taste(*self._likes(query))

    def _likes(self, query: Query) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        liking = self.scale.history_preferences(query)
        liked = (liking > 0) & (query.rows < len(self.popularity))
        return query.rows[liked], liking[liked]

    def _taste(self, rows: NDArray[np.int64], liking: NDArray[np.float32]) -> Taste:
        kinds = self.traits.kinds
        total = self.traits.total(rows, liking)
        movies = np.bincount(kinds, weights=total, minlength=len(WEIGHTS))[kinds]
        shares = (total + PRIOR * self.background) / (movies + PRIOR)
        weights = WEIGHTS[kinds] * np.square(shares * np.maximum(np.log(shares / self.background), 0.0))
        result = np.argsort(-weights, kind="stable")[:MAX_TRAITS]
        result = result[weights[result] > MIN_TRAIT_WEIGHT]
        return Taste(result, shares[result], weights[result])

    def pick(
        self,
        scores: NDArray[np.floating[Any]],
        query: Query,
        n: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        adventurous: float = ADVENTUROUS,
        strength: float = STRENGTH,
        moments: tuple[float, float] | None = None,
    ) -> NDArray[np.int64]:
        """Rows of up to n movies, best first; a shorter list is the beginning of a longer one.

        Args:
            scores: of all movies, (n_items,); non-finite ones are never listed.
            query: the history that the scores are for.
            n: length of the list.
            allowed: (n_items,), movies that may be listed; None: all. Masking the scores instead gives nearly the same
                list, but moves the mean and deviation by which they are standardized.
            adventurous: 0 (well known) .. 1 (the long tail).
            strength: of calibration, 0 (by score alone) .. 1 (by traits alone), for histories of few likes; see
                `kept_strength`.
            moments: see `log_scores`.
        """
        rows, liking = self._likes(query)
        weight = penalty(adventurous, float(liking.sum()))
        taste = self._taste(rows, liking)
        values = log_scores(scores, moments)
        if weight:
            values -= np.float32(weight) * self._popularity
        if allowed is not None:
            values[~allowed] = np.nan
        strength *= kept_strength(float(liking.sum()))
        if strength == 0.0 or not len(taste.traits) or n <= 0:
            return top_n(values, n)
        pool = self._pool(values, taste)
        shares = np.zeros((len(taste.traits), len(pool)))
        column = np.full(len(self.traits.names), -1)
        column[taste.traits] = np.arange(len(taste.traits))
        positions, traits, parts = self._listed.entries(pool)
        own = column[traits]
        counted = own >= 0
        shares[own[counted], positions[counted]] = parts[counted]
        first = pool[calibrate(RELEVANCE * values[pool], shares, taste, min(n, CALIBRATED), strength)]
        if n <= len(first):
            return first
        values[first] = np.nan
        return np.concatenate([first, top_n(values, n - len(first))])

    def _pool(self, values: NDArray[np.float32], taste: Taste) -> NDArray[np.int64]:
        """Candidates, best first: without those of each trait, a list could not show what the scores drown."""
        parts = [top_n(values, POOL)]
        for trait in taste.traits[:POOL_TRAITS][taste.weights[:POOL_TRAITS] > MIN_POOL_WEIGHT].tolist():
            movies = self._listed.movies(trait)
            parts.append(movies[top_n(values[movies], POOL_EACH)].astype(np.int64))
        pool = np.unique(np.concatenate(parts))
        return pool[np.argsort(-values[pool], kind="stable")].astype(np.int64)

    def lists(
        self,
        scores: Scores,
        queries: Sequence[Query],
        n: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        adventurous: float = ADVENTUROUS,
        strength: float = STRENGTH,
    ) -> NDArray[np.int64]:
        """`pick` for each of many histories: rows, (n_queries, n), −1 after the last.

        Args:
            scores: (n_queries, n_items).
            allowed: (n_queries, n_items); None: every movie that is not in the history.
        """
        result = np.full((len(queries), n), -1, dtype=np.int64)
        for position, query in enumerate(queries):
            if allowed is None:
                may = np.ones(scores.shape[1], dtype=np.bool_)
                may[query.rows[query.rows < len(may)]] = False
            else:
                may = allowed[position]
            rows = self.pick(scores[position], query, n, allowed=may, adventurous=adventurous, strength=strength)
            result[position, : len(rows)] = rows
        return result
