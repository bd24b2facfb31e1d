"""Ways to split ratings into what a model may learn from and what it is asked about.

Pure functions on parallel arrays with one entry a rating. Unless a function says otherwise it returns the mask of the
training entries; `~mask` is the test part. Random ones shuffle with NumPy's legacy `RandomState`, because the published
protocols do, and depend on the order of the entries: give them in the order of the data file where the protocol asks
for that (`file_order`).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee.data.ratings import NO_TIME, Ratings
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
        frame: the file's rows in order, `user_id` and `movie_id`; rows that cleaning dropped are skipped, and of two
            rows with the same user and film the first gives the place.

    Returns:
        (n_ratings,) entry numbers, a permutation.

    Raises:
        DataError: the file lacks ratings of the matrix.
    """
    place = frame.select(
        pl.col("user_id").cast(pl.String).str.strip_chars(), pl.col("movie_id").cast(pl.String).str.strip_chars()
    ).with_row_index("place")
    known = pl.DataFrame(
        {
            "user_id": ratings.user_ids.gather(users_of(ratings)),
            "movie_id": catalog.frame["movie_id"].gather(ratings.indices),
            "entry": np.arange(len(ratings), dtype=np.int64),
        }
    )
    found = place.join(known, on=["user_id", "movie_id"], how="inner").unique("entry", keep="first").sort("place")
    if found.height != len(ratings):
        raise DataError("The file does not hold all ratings of the data set.", "Give the folder that it was read from.")
    return found["entry"].to_numpy().copy()


def _share(share: float) -> None:
    if not 0.0 < share < 1.0:
        raise InvalidInputError(f"The training share is {share}, outside 0..1.", "Give for example 0.8.")


def _places(users: Codes) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
    """Entries grouped by user (in order within a user), and where each user's group begins and how long it is."""
    order = np.argsort(users, kind="stable")
    _, starts, counts = np.unique(users[order], return_index=True, return_counts=True)
    return order, starts.astype(np.int64), counts.astype(np.int64)


def random_per_user(users: Codes, share: float = 0.75, seed: int = 42) -> Mask:
    """The first `round(share · n)` entries of each user's own permutation `RandomState(seed).permutation(n)`.

    What `sample(frac=1, random_state=seed)` of each user's rows gives in pandas; the stratified split of
    recommenders-team.

    Args:
        users: (n_ratings,) user codes in file order.
        share: of each user's ratings that are training, 0..1.
    """
    _share(share)
    train = np.zeros(len(users), dtype=np.bool_)
    order, starts, counts = _places(users)
    # Users with as many ratings share the permutation, because the seed starts anew for each of them.
    for count in np.unique(counts):
        chosen = np.random.RandomState(seed).permutation(count)[: round(share * float(count))]
        train[order[starts[counts == count][:, None] + chosen]] = True
    return train


def kfold(n: int, n_folds: int = 5, seed: int = 0) -> list[Mask]:
    """Training masks of k-fold cross-validation as Surprise's `KFold(random_state=seed)` makes them.

    `RandomState(seed).shuffle(arange(n))`, cut into consecutive chunks, the first `n mod k` of them one longer.

    Raises:
        InvalidInputError: fewer entries than folds, or fewer than two folds.
    """
    if not 2 <= n_folds <= n:
        raise InvalidInputError(f"{n} ratings cannot make {n_folds} folds.", "Ask for 2 folds or more, of enough data.")
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
    """All but each user's n newest entries; of equally new ones the later in order are taken out.

    Users with n entries or fewer stay whole in training.

    Raises:
        DataError: times are not known.
    """
    _known(times)
    by_time = np.argsort(times, kind="stable")
    order, starts, counts = _places(users[by_time])
    train = np.ones(len(users), dtype=np.bool_)
    enough = counts > n
    last = (starts + counts)[enough][:, None] - np.arange(1, n + 1)
    train[by_time[order[last.ravel()]]] = False
    return train


def temporal(times: NDArray[np.int64], share: float = 0.8) -> Mask:
    """Everything before one moment in time, so that nothing learnt is newer than what is asked.

    The moment is the time of entry `round(share · n)` by time; entries of that very second are test.

    Raises:
        DataError: times are not known, or no moment divides them.
    """
    _share(share)
    _known(times)
    if len(times) == 0:
        return np.zeros(0, dtype=np.bool_)
    moment = np.sort(times)[min(round(share * len(times)), len(times) - 1)]
    train: Mask = times < moment
    if not train.any():
        raise DataError("No moment in time divides these ratings.", "Use a random split.")
    return train


def _known(times: NDArray[np.int64]) -> None:
    if (times == NO_TIME).any():
        raise DataError("Some ratings have no time.", "Use a random split for this data set.")


class UserHoldout(NamedTuple):
    """Strong generalization: three masks that part the entries."""

    train: Mask
    """Everything of the users who are learnt from."""
    history: Mask
    """What the model is shown of the held-out users when asked."""
    test: Mask
    """What it is asked."""


def user_holdout(users: Codes, n_users: int, n_held: int, share: float = 0.8, seed: int = 0) -> UserHoldout:
    """Hold out whole users, and show `share` of their ratings to the model at the time of asking (Liang 2018).

    Args:
        users: (n_ratings,) user rows.
        n_users: number of users.
        n_held: how many to hold out.

    Raises:
        InvalidInputError: not at least one user on each side.
    """
    if not 0 < n_held < n_users:
        raise InvalidInputError(f"{n_held} of {n_users} users cannot be held out.", "Hold out fewer.")
    held = np.zeros(n_users, dtype=np.bool_)
    held[np.random.RandomState(seed).permutation(n_users)[:n_held]] = True
    asked = held[users]
    shown = random_per_user(users, share, seed)
    return UserHoldout(~asked, asked & shown, asked & ~shown)


def validation_users(user_ids: pl.Series, share: float = 0.2) -> Mask:
    """A fixed part of the users, (n_users,), by a hash of their ids: the same whoever else is in the data."""
    _share(share)
    limit = int(share * 2**64)
    hashes = (hashlib.blake2b(user.encode(), digest_size=8).digest() for user in user_ids.to_list())
    return np.fromiter((int.from_bytes(found, "big") < limit for found in hashes), np.bool_, len(user_ids))


def k_core(users: Codes, items: Codes, k: int) -> Mask:
    """Entries of the largest part in which each user and each item has at least k entries."""
    keep = np.ones(len(users), dtype=np.bool_)
    n_users, n_items = (int(codes.max()) + 1 if len(codes) else 0 for codes in (users, items))
    while True:
        per_user = np.bincount(users[keep], minlength=n_users)
        per_item = np.bincount(items[keep], minlength=n_items)
        smaller = keep & (per_user[users] >= k) & (per_item[items] >= k)
        if smaller.sum() == keep.sum():
            return keep
        keep = smaller
