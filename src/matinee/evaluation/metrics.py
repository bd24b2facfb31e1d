"""Metrics of ranked lists and of predicted stars, batched.

Those of ranked lists take `hits` (n_users, k), true where the movie at that place (best first) is relevant, and
`n_relevant` (n_users,), how many movies are relevant to each user in all; they return one value a user, NaN for a user
to whom nothing is relevant. Relevance is binary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee._util.topk import top_n

Hits = NDArray[np.bool_]
Counts = NDArray[np.int64]
PerUser = NDArray[np.float64]


def hits_of(ranked: NDArray[np.int64], relevant: sp.csr_matrix) -> tuple[Hits, Counts]:
    """Which places of the lists hold relevant movies, and how many are relevant.

    Args:
        ranked: (n_users, k) movie rows, −1 where a list ends early.
        relevant: (n_users, n_items), stored entries are relevant.
    """
    n_users, n_items = relevant.shape
    # One sorted key a (user, movie) pair makes membership a binary search, without a dense table.
    keys = np.repeat(np.arange(n_users, dtype=np.int64), np.diff(relevant.indptr)) * n_items + relevant.indices
    listed_keys = np.arange(n_users, dtype=np.int64)[:, None] * n_items + ranked
    hits = np.isin(listed_keys, keys) & (ranked >= 0)
    return hits, np.diff(relevant.indptr).astype(np.int64)


def _per_user(values: NDArray[Any], divisor: NDArray[Any]) -> PerUser:
    result = np.full(len(values), np.nan)
    np.divide(values, divisor, out=result, where=divisor > 0)
    return result


def ndcg(hits: Hits, n_relevant: Counts) -> PerUser:
    """Normalized discounted cumulative gain, 0..1 (Järvelin & Kekäläinen 2002), gain 1, discount log2(place + 1)."""
    discounts = 1.0 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])
    return _per_user(hits @ discounts, ideal[np.minimum(n_relevant, hits.shape[1])])


def precision(hits: Hits, n_relevant: Counts) -> PerUser:
    """Share of the k places that hold relevant movies, 0..1 (empty places count as misses)."""
    return np.where(n_relevant > 0, hits.sum(axis=1) / hits.shape[1], np.nan)


def recall(hits: Hits, n_relevant: Counts) -> PerUser:
    """Share of the relevant movies that are in the list, 0..1."""
    return _per_user(hits.sum(axis=1), n_relevant)


def average_precision(hits: Hits, n_relevant: Counts) -> PerUser:
    """Sum of the precisions at the places of the hits, divided by **all** relevant movies, 0..1.

    The definition of recommenders-team's published table (MAP is its mean); others divide by min(k, relevant).
    """
    precisions = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return _per_user((precisions * hits).sum(axis=1), n_relevant)


def reciprocal_rank(hits: Hits, n_relevant: Counts) -> PerUser:
    """1 / place of the first hit, 0 without one."""
    first = np.where(hits.any(axis=1), 1.0 / (1.0 + hits.argmax(axis=1)), 0.0) if hits.shape[1] else np.zeros(len(hits))
    return np.where(n_relevant > 0, first, np.nan)


def hit_rate(hits: Hits, n_relevant: Counts) -> PerUser:
    """1 where the list holds a relevant movie, else 0."""
    return np.where(n_relevant > 0, hits.any(axis=1).astype(np.float64), np.nan)


RANKING: dict[str, Callable[[Hits, Counts], PerUser]] = {
    "ndcg": ndcg,
    "precision": precision,
    "recall": recall,
    "map": average_precision,
    "mrr": reciprocal_rank,
    "hit_rate": hit_rate,
}
"""Ranking metrics by name."""


def exposure(ranked: NDArray[np.int64], n_items: int) -> NDArray[np.int64]:
    """How many lists each movie is in, (n_items,)."""
    return np.bincount(ranked[ranked >= 0], minlength=n_items).astype(np.int64)


def coverage(ranked: NDArray[np.int64], n_items: int) -> float:
    """Share of the catalog that is in at least one list, 0..1."""
    return float((exposure(ranked, n_items) > 0).mean()) if n_items else 0.0


def head_share(ranked: NDArray[np.int64], counts: Counts, n: int = 100) -> float:
    """Share of the places filled that the n most rated movies take, 0..1 (of equal counts the first rows).

    Args:
        counts: (n_items,) ratings of each movie in training.
    """
    return float(in_head(ranked, counts, n)[ranked >= 0].mean()) if (ranked >= 0).any() else 0.0


def in_head(ranked: NDArray[np.int64], counts: Counts, n: int = 100) -> NDArray[np.bool_]:
    """Which places the n most rated movies take, the shape of `ranked` (of equal counts the first rows)."""
    head = np.argsort(-counts, kind="stable")[:n]
    return np.isin(ranked, head) & (ranked >= 0)


def disliked_share(disliked: Hits, tested: Hits) -> float:
    """Share of the listed movies asked for that the user dislikes, over all lists together, 0..1; 0 if none is listed.

    Args:
        disliked: (n_users, k), places that hold movies asked for which the user dislikes.
        tested: (n_users, k), places that hold movies asked for.
    """
    return float(disliked.sum() / max(int(tested.sum()), 1))


def gini(ranked: NDArray[np.int64], n_items: int) -> float:
    """Gini index of the exposures over the whole catalog: 0 all movies equally often, → 1 always the same."""
    counts = np.sort(exposure(ranked, n_items)).astype(np.float64)
    if counts.sum() == 0:
        return 0.0
    positions = np.arange(1, n_items + 1)
    return float(((2 * positions - n_items - 1) * counts).sum() / (n_items * counts.sum()))


def novelty(ranked: NDArray[np.int64], counts: Counts, n_users: int) -> float:
    """Mean self-information of the movies listed in bits, −log2(share of the users who rated it) (Zhou 2010).

    Args:
        counts: (n_items,) users who rated each movie in training; a movie without any counts as rated by one.
        n_users: users in training.
    """
    listed = ranked >= 0
    return float(np.mean(self_information(ranked, counts, n_users)[listed])) if n_users and listed.any() else 0.0


def self_information(ranked: NDArray[np.int64], counts: Counts, n_users: int) -> NDArray[np.float64]:
    """−log2(share of the users who rated it) of the movie at each place in bits, as `novelty`; 0 at empty places."""
    if n_users == 0:
        return np.zeros(ranked.shape)
    bits = -np.log2(np.clip(counts[ranked], 1, n_users) / n_users)
    return np.where(ranked >= 0, bits, 0.0)


def intra_list_diversity(ranked: NDArray[np.int64], vectors: sp.csr_matrix | NDArray[np.float32]) -> PerUser:
    """Mean of 1 − cosine over the pairs of each list (Ziegler 2005), 0..1 for non-negative vectors.

    NaN where a list has fewer than two movies.

    Args:
        vectors: (n_items, n_dimensions) of unit length (or zero: unlike everything).
    """
    result = np.full(len(ranked), np.nan)
    for user, row in enumerate(ranked):
        movies = row[row >= 0]
        if len(movies) < 2:
            continue
        own = vectors[movies]
        dense = sp.csr_matrix(own).toarray()
        total = dense.sum(axis=0, dtype=np.float64)
        # The sum of all pairwise products is the squared length of the sum of the vectors.
        pairs = total @ total - (dense.astype(np.float64) ** 2).sum()
        result[user] = 1.0 - pairs / (len(movies) * (len(movies) - 1))
    return result


def rmse(predicted: NDArray[Any], actual: NDArray[Any]) -> float:
    """Root mean squared error, in stars; NaN without ratings."""
    errors = np.asarray(predicted, dtype=np.float64) - np.asarray(actual, dtype=np.float64)
    return float(np.sqrt(np.mean(errors**2))) if len(errors) else float("nan")


def mae(predicted: NDArray[Any], actual: NDArray[Any]) -> float:
    """Mean absolute error, in stars; NaN without ratings."""
    errors = np.asarray(predicted, dtype=np.float64) - np.asarray(actual, dtype=np.float64)
    return float(np.mean(np.abs(errors))) if len(errors) else float("nan")


def within_interval(lower: NDArray[Any], upper: NDArray[Any], stars: NDArray[Any]) -> NDArray[np.bool_]:
    """Which stars lie within their interval, ends included, (n_ratings,); not where an end is NaN."""
    return np.asarray((stars >= lower) & (stars <= upper))


def interval_coverage(lower: NDArray[Any], upper: NDArray[Any], stars: NDArray[Any]) -> float:
    """Share of the stars that lie within their interval, of those that have one, 0..1; NaN without any.

    Args:
        lower, upper: (n_ratings,), ends of the intervals; NaN: there is none.
        stars: (n_ratings,), as they were given.
    """
    known = np.isfinite(lower) & np.isfinite(upper)
    return float(within_interval(lower, upper, stars)[known].mean()) if known.any() else float("nan")


def rank(scores: NDArray[np.float32], seen: sp.csr_matrix, k: int) -> NDArray[np.int64]:
    """The k best unseen movies of each user, over **all** movies.

    Args:
        scores: (n_users, n_items); left as it is.
        seen: (n_users, n_items), stored entries are seen.

    Returns:
        (n_users, k) rows, best first, −1 where a user has fewer movies with a score.
    """
    users = np.repeat(np.arange(len(scores)), np.diff(seen.indptr))
    scores = scores.copy()
    scores[users, seen.indices] = np.nan
    ranked = np.full((len(scores), k), -1, dtype=np.int64)
    for user, row in enumerate(scores):
        best = top_n(row, k)
        ranked[user, : len(best)] = best
    return ranked
