"""Cold-start evaluation: all ratings of some movies are held out, and these movies are ranked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.ratings import Ratings
from matinee.evaluation import metrics as m
from matinee.evaluation.metrics import rank
from matinee.models.base import Query, Scores

Scorer = Callable[[Sequence[Query]], Scores]
"""`Model.score`, or anything like it."""

_BATCH = 256
LONG = 20
"""Length of the list that `recall` looks at."""


@dataclass(frozen=True)
class NewMovies:
    """One split.

    Attributes:
        train: what models are fitted on and shown: no rating of a new movie, and not all of the others.
        new: rows of the new movies.
        test: all ratings of the new movies.
        tested: a fifth of these, and the fifth of the other movies' ratings that `train` lacks: a fair mixture.
    """

    train: Dataset
    new: NDArray[np.int64]
    test: Ratings
    tested: Ratings


def split_new_movies(
    dataset: Dataset, seed: int, *, share: float = 0.15, min_ratings: int = 5, part: float = 0.2
) -> NewMovies:
    """Make a random share of the movies with `min_ratings` ratings new, and hold out a part of the other movies'
    ratings.

    New movies lose their tags: these come from users, and a movie that nobody has seen has none.
    """
    rng = np.random.default_rng(seed)
    ratings = dataset.ratings
    pool = np.flatnonzero(ratings.counts >= min_ratings)
    new = np.sort(rng.choice(pool, round(share * len(pool)), replace=False)).astype(np.int64)
    is_new = np.zeros(ratings.n_items, dtype=np.bool_)
    is_new[new] = True
    of_new = is_new[ratings.indices]
    drawn = rng.random(len(ratings)) < part
    tags = pl.when(pl.Series(is_new)).then(pl.lit([], dtype=pl.List(pl.String))).otherwise(pl.col("tags"))
    catalog = Catalog(dataset.catalog.frame.with_columns(tags=tags))
    train = replace(dataset, catalog=catalog, ratings=ratings.select(~of_new & ~drawn))
    return NewMovies(train, new, ratings.select(of_new), ratings.select(drawn))


def measure_new_movies(scorer: Scorer, split: NewMovies, *, liked: float = 4.0, k: int = 10) -> dict[str, float]:
    """Rank the new movies among themselves, and all movies, for every user with held-out ratings.

    Args:
        scorer: scores of all movies for a batch of histories; NaN counts as last.
        liked: stars from which a new movie is relevant in the ranking among themselves.

    Returns:
        Among the new movies, over users who liked some: `ndcg@k`, `recall@20`, `auc`. In lists of all movies, seen ones
        removed, where every rating of `tested` is relevant: `mixed_ndcg@k`, `new_share` (of the places that new movies
        take), and how often a place holds a movie asked for: `new_precision`, `old_precision` (NaN without places).
    """
    train, n_items = split.train.ratings, split.train.ratings.n_items
    relevant = split.test.select(split.test.values >= liked).matrix(binary=True)
    tested = split.tested.matrix(binary=True)
    seen = train.matrix(binary=True)
    nothing = type(seen)(seen.shape, dtype=seen.dtype)
    is_new = np.zeros(n_items, dtype=np.bool_)
    is_new[split.new] = True
    users = np.flatnonzero((np.diff(train.indptr) > 0) & (np.diff(relevant.indptr) + np.diff(tested.indptr) > 0))
    among = np.full((len(users), LONG), -1, dtype=np.int64)
    mixed = np.full((len(users), k), -1, dtype=np.int64)
    auc = np.full(len(users), np.nan)
    for start in range(0, len(users), _BATCH):
        batch = users[start : start + _BATCH]
        span = slice(start, start + len(batch))
        scores = scorer([Query.of(train, int(user)) for user in batch])
        mixed[span] = rank(scores, seen[batch], k)
        among[span] = rank(np.where(is_new, scores, np.float32(np.nan)), nothing[batch], LONG)
        auc[span] = _auc(scores[:, split.new], relevant[batch][:, split.new].toarray() > 0)
    hits, n_relevant = m.hits_of(among, relevant[users])
    mixed_hits, n_tested = m.hits_of(mixed, tested[users])
    filled = mixed >= 0
    new = filled & is_new[np.maximum(mixed, 0)]
    return {
        f"ndcg@{k}": float(np.nanmean(m.ndcg(hits[:, :k], n_relevant))),
        f"recall@{LONG}": float(np.nanmean(m.recall(hits, n_relevant))),
        "auc": float(np.nanmean(auc)),
        f"mixed_ndcg@{k}": float(np.nanmean(m.ndcg(mixed_hits, n_tested))),
        "new_share": float(new.sum() / max(filled.sum(), 1)),
        "new_precision": float(mixed_hits[new].mean()) if new.any() else float("nan"),
        "old_precision": float(mixed_hits[filled & ~new].mean()) if (filled & ~new).any() else float("nan"),
    }


def _auc(scores: Scores, liked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of the pairs of a liked and another movie that are in the right order, (n,); NaN where there is no pair."""
    n_liked = liked.sum(axis=1)
    pairs = n_liked * (liked.shape[1] - n_liked)
    ranks = rankdata(np.where(np.isnan(scores), -np.inf, scores), axis=1)
    right = (ranks * liked).sum(axis=1) - n_liked * (n_liked + 1) / 2
    result = np.full(len(scores), np.nan)
    np.divide(right, pairs, out=result, where=pairs > 0)
    return result
