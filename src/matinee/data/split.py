"""Splits of ratings into training and test parts.

Pure functions on parallel arrays with one entry per rating. Unless documented otherwise, they return the mask of the
training entries; `~mask` is the test part. Random splits use NumPy's legacy `RandomState`, because the published
protocols do. They depend on the order of the entries: pass them in the order of the data file if the protocol requires
it (`file_order`).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.packed import Texts
from matinee.data.ratings import NO_TIME, Ratings
from matinee.data.vectors import MovieVectors
from matinee.errors import DataError, InvalidInputError

if TYPE_CHECKING:
    from matinee.data.catalog import Catalog

Mask = NDArray[np.bool_]
Codes = NDArray[np.integer[Any]]


def users_of(ratings: Ratings) -> NDArray[np.int64]:
    """User row of each entry of a ratings matrix, (n_ratings,)."""
    return np.repeat(np.arange(ratings.n_users), np.diff(ratings.indptr))


def file_order(ratings: Ratings, catalog: Catalog, frame: pl.DataFrame) -> NDArray[np.int64]:
    """Entries of a ratings matrix in the order of the file they were read from.

    Args:
        frame: `user_id` and `movie_id` of the file's rows, in order. Rows dropped by cleaning are skipped; of repeated
            (user, movie) pairs the first determines the position.

    Returns:
        (n_ratings,) entry numbers, a permutation.

    Raises:
        DataError: ratings of the matrix are missing in the file.
    """
    lines = frame.select(
        pl.col("user_id").cast(pl.String).str.strip_chars(), pl.col("movie_id").cast(pl.String).str.strip_chars()
    ).with_row_index("position")
    entries = pl.DataFrame(
        {
            "user_id": pl.Series(ratings.user_ids.to_list(), dtype=pl.String).gather(users_of(ratings)),
            "movie_id": catalog.frame["movie_id"].gather(ratings.indices),
            "entry": np.arange(len(ratings), dtype=np.int64),
        }
    )
    order = lines.join(entries, on=["user_id", "movie_id"], how="inner").unique("entry", keep="first").sort("position")
    if order.height != len(ratings):
        raise DataError("The file does not have all ratings of the data set.", "Give the folder that it was read from.")
    return order["entry"].to_numpy().copy()


def _share(share: float) -> None:
    if not 0.0 < share < 1.0:
        raise InvalidInputError(f"The training share is {share}, outside 0..1.", "Give for example 0.8.")


def _positions(users: Codes) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
    """Entries grouped by user (stable), and start and size of each user's group."""
    order = np.argsort(users, kind="stable")
    _, starts, counts = np.unique(users[order], return_index=True, return_counts=True)
    return order, starts.astype(np.int64), counts.astype(np.int64)


def random_per_user(users: Codes, share: float = 0.75, seed: int = 42) -> Mask:
    """The first `round(share · n)` entries of each user's own permutation `RandomState(seed).permutation(n)`.

    Equivalent to `sample(frac=1, random_state=seed)` of each user's rows in pandas. This is the stratified split of
    recommenders-team.

    Args:
        users: (n_ratings,) user codes in file order.
        share: of each user's ratings that are training, 0..1.
    """
    _share(share)
    train = np.zeros(len(users), dtype=np.bool_)
    order, starts, counts = _positions(users)
    # Users with equally many ratings have the same permutation, because each user starts from the same seed.
    for count in np.unique(counts):
        chosen = np.random.RandomState(seed).permutation(count)[: round(share * float(count))]
        train[order[starts[counts == count][:, None] + chosen]] = True
    return train


def kfold(n: int, n_folds: int = 5, seed: int = 0) -> list[Mask]:
    """Training masks of k-fold cross-validation, equal to those of Surprise's `KFold(random_state=seed)`.

    `RandomState(seed).shuffle(arange(n))` is cut into consecutive chunks; the first `n mod k` are one longer.

    Raises:
        InvalidInputError: fewer entries than folds, or fewer than two folds.
    """
    if not 2 <= n_folds <= n:
        raise InvalidInputError(
            f"{n} ratings cannot be split into {n_folds} folds.", "Use at least 2 folds and one rating per fold."
        )
    shuffled = np.arange(n)
    np.random.RandomState(seed).shuffle(shuffled)
    folds = []
    for chunk in np.array_split(shuffled, n_folds):
        train = np.ones(n, dtype=np.bool_)
        train[chunk] = False
        folds.append(train)
    return folds


def random_holdout(n: int, share: float = 0.8, seed: int = 0) -> Mask:
    """The first `round(share · n)` of `RandomState(seed).permutation(n)`."""
    _share(share)
    train = np.zeros(n, dtype=np.bool_)
    train[np.random.RandomState(seed).permutation(n)[: round(share * n)]] = True
    return train


def leave_last_out(users: Codes, times: NDArray[np.int64], n: int = 1) -> Mask:
    """All but each user's n newest entries. Ties go to the later entry.

    Users with at most n entries stay in training entirely.

    Raises:
        DataError: times are unknown.
    """
    _known(times)
    by_time = np.argsort(times, kind="stable")
    order, starts, counts = _positions(users[by_time])
    train = np.ones(len(users), dtype=np.bool_)
    enough = counts > n
    last = (starts + counts)[enough][:, None] - np.arange(1, n + 1)
    train[by_time[order[last.ravel()]]] = False
    return train


def temporal(times: NDArray[np.int64], share: float = 0.8) -> Mask:
    """All entries before a point in time, so that training data are older than test data.

    The point is the time of entry `round(share · n)` by time. Entries of the same second are in the test part.

    Raises:
        DataError: times are unknown, or no point in time splits them.
    """
    _share(share)
    _known(times)
    if len(times) == 0:
        return np.zeros(0, dtype=np.bool_)
    moment = np.sort(times)[min(round(share * len(times)), len(times) - 1)]
    train: Mask = times < moment
    if not train.any():
        raise DataError("No point in time splits these ratings.", "Use a random split.")
    return train


def _known(times: NDArray[np.int64]) -> None:
    if (times == NO_TIME).any():
        raise DataError("Some ratings have no time.", "Use a random split for this data set.")


def validation_users(user_ids: Texts, share: float = 0.2) -> Mask:
    """A fixed share of the users, (n_users,), by a hash of their ids, so that it does not depend on other users."""
    _share(share)
    limit = int(share * 2**64)
    hashes = (hashlib.blake2b(user.encode(), digest_size=8).digest() for user in user_ids.to_list())
    return np.fromiter((int.from_bytes(digest, "big") < limit for digest in hashes), np.bool_, len(user_ids))


def some_users(ratings: Ratings, max_ratings: int, seed: int) -> Ratings:
    """The ratings of a random sample of users, in their order, with no more than so many ratings; all, if they do."""
    if len(ratings) <= max_ratings:
        return ratings
    order = np.random.default_rng(seed).permutation(ratings.n_users)
    total = np.cumsum(np.diff(ratings.indptr)[order])
    return ratings.of_users(np.sort(order[: np.searchsorted(total, max_ratings, side="right")]))


def some_movies(dataset: Dataset, max_movies: int, seed: int) -> Dataset:
    """A part of the catalog, with the ratings of its movies: half of it the most rated, half a random sample of others.

    All, if there are no more than so many.
    """
    n = len(dataset.catalog)
    if n <= max_movies:
        return dataset
    order = np.argsort(-dataset.ratings.counts, kind="stable")
    some = np.random.default_rng(seed).choice(order[max_movies // 2 :], max_movies - max_movies // 2, replace=False)
    rows = np.sort(np.concatenate([order[: max_movies // 2], some])).astype(np.int64)
    place = np.full(n, -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    vectors: dict[str, MovieVectors] = {}
    for name, movies in dataset.vectors.items():
        kept = place[movies.rows] >= 0
        vectors[name] = MovieVectors(place[movies.rows[kept]], movies.vectors[kept])
    catalog = Catalog(dataset.catalog.frame[rows], dataset.catalog.active[rows])
    return replace(dataset, catalog=catalog, ratings=dataset.ratings.of_movies(rows), vectors=vectors)


def k_core(users: Codes, items: Codes, k: int) -> Mask:
    """Entries of the largest subset in which each user and each item has at least k entries."""
    keep = np.ones(len(users), dtype=np.bool_)
    n_users, n_items = (int(codes.max()) + 1 if len(codes) else 0 for codes in (users, items))
    while True:
        per_user = np.bincount(users[keep], minlength=n_users)
        per_item = np.bincount(items[keep], minlength=n_items)
        smaller = keep & (per_user[users] >= k) & (per_item[items] >= k)
        if smaller.sum() == keep.sum():
            return keep
        keep = smaller
