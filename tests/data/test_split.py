from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matinee.data.ratings import NO_TIME
from matinee.data.split import (
    file_order,
    k_core,
    kfold,
    leave_last_out,
    random_holdout,
    random_per_user,
    some_movies,
    temporal,
)
from matinee.data.vectors import MovieVectors
from matinee.errors import DataError, InvalidInputError
from support import make_dataset, random_dataset

USERS = st.lists(st.integers(0, 6), max_size=40).map(lambda codes: np.array(codes, dtype=np.int64))


@settings(deadline=None)
@given(USERS, st.floats(0.05, 0.95), st.integers(0, 99))
def test_per_user_split_is_each_users_own_permutation(users: np.ndarray, share: float, seed: int) -> None:
    train = random_per_user(users, share, seed)
    expected = np.zeros(len(users), dtype=bool)
    for user in set(users.tolist()):
        rows = np.flatnonzero(users == user)
        shuffled = np.random.RandomState(seed).permutation(len(rows))
        expected[rows[shuffled[: round(share * len(rows))]]] = True
    assert np.array_equal(train, expected)


def test_per_user_split_by_hand() -> None:
    # RandomState(42).permutation(4) is [1, 3, 0, 2]; three quarters of four are the first three of it.
    train = random_per_user(np.array([5, 9, 5, 5, 9, 5]), 0.75, 42)
    assert train.tolist() == [True, True, True, False, True, True]


def test_kfold_is_a_partition_into_consecutive_chunks_of_one_shuffle() -> None:
    shuffled = np.arange(11)
    np.random.RandomState(0).shuffle(shuffled)
    folds = kfold(11, 3, 0)
    assert [set(np.flatnonzero(~train)) for train in folds] == [
        set(shuffled[:4]),
        set(shuffled[4:8]),
        set(shuffled[8:]),
    ]
    assert np.sum([~train for train in folds], axis=0).tolist() == [1] * 11
    for n, k in ((3, 4), (5, 1)):
        with pytest.raises(InvalidInputError, match="folds"):
            kfold(n, k)


@settings(deadline=None)
@given(st.integers(2, 200), st.floats(0.05, 0.95), st.integers(0, 9))
def test_random_holdout_has_the_share_and_the_seed(n: int, share: float, seed: int) -> None:
    train = random_holdout(n, share, seed)
    assert train.sum() == round(share * n)
    assert np.array_equal(train, random_holdout(n, share, seed))


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_shares_outside_are_refused(share: float) -> None:
    for split in (lambda: random_per_user(np.zeros(3, dtype=int), share), lambda: random_holdout(3, share)):
        with pytest.raises(InvalidInputError, match="share"):
            split()
    with pytest.raises(InvalidInputError, match="share"):
        temporal(np.arange(3), share)


def test_leave_last_out_takes_the_newest() -> None:
    users = np.array([0, 1, 0, 1, 0, 2])
    times = np.array([5, 1, 9, 1, 9, 3])
    # User 0: two at time 9, the later in order goes; user 1: two at time 1; user 2 has one only and stays.
    assert np.flatnonzero(~leave_last_out(users, times)).tolist() == [3, 4]
    assert np.flatnonzero(~leave_last_out(users, times, 2)).tolist() == [2, 4]
    with pytest.raises(DataError, match="no time"):
        leave_last_out(users, np.full(6, NO_TIME))


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=40), st.floats(0.1, 0.9))
def test_nothing_learnt_is_newer_than_what_is_asked(times: list[int], share: float) -> None:
    array = np.array(times, dtype=np.int64)
    try:
        train = temporal(array, share)
    except DataError:
        assert (array == array.min()).sum() > round(share * len(array)) - 1
        return
    assert train.any()
    assert (~train).any()
    assert array[train].max() < array[~train].min()
    assert train.sum() <= round(share * len(array))


def test_temporal_edges() -> None:
    assert temporal(np.arange(10), 0.8).tolist() == [True] * 8 + [False] * 2
    assert temporal(np.zeros(0, dtype=np.int64)).shape == (0,)
    with pytest.raises(DataError, match="no time"):
        temporal(np.array([1, NO_TIME]))
    with pytest.raises(DataError, match="No point in time"):
        temporal(np.array([4, 4, 4]))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=60, unique=True), st.integers(1, 4))
def test_k_core_is_the_largest_part_with_enough_on_both_sides(pairs: list[tuple[int, int]], k: int) -> None:
    users = np.array([u for u, _ in pairs], dtype=np.int64)
    items = np.array([i for _, i in pairs], dtype=np.int64)
    keep = k_core(users, items, k)
    left = list(pairs)
    while True:  # a slow reference: take away one at a time
        bad = [p for p in left if sum(q[0] == p[0] for q in left) < k or sum(q[1] == p[1] for q in left) < k]
        if not bad:
            break
        left.remove(bad[0])
    assert [pair for pair, kept in zip(pairs, keep, strict=True) if kept] == left


def test_file_order_finds_the_rows_of_the_file() -> None:
    dataset = random_dataset(20, 15)
    frame = dataset.ratings.to_frame(dataset.catalog)
    shuffled = np.random.default_rng(0).permutation(frame.height)
    dirt = pl.DataFrame({"user_id": ["nobody", "u0"], "movie_id": ["m0", "none"]})
    rows = pl.concat([dirt, frame[shuffled].select("user_id", "movie_id"), frame.select("user_id", "movie_id")])
    assert np.array_equal(file_order(dataset.ratings, dataset.catalog, rows), shuffled)
    with pytest.raises(DataError, match="does not have all"):
        file_order(dataset.ratings, dataset.catalog, dirt)


def test_file_order_reads_numbers_as_ids() -> None:
    dataset = make_dataset([("2", "7", 4.0, None), ("1", "7", 3.0, None), ("1", "5", 2.0, None)])
    rows = pl.DataFrame({"user_id": [2, 1, 1], "movie_id": [7, 5, 7]})
    assert file_order(dataset.ratings, dataset.catalog, rows).tolist() == [2, 0, 1]


def test_some_movies() -> None:
    """Half the most rated, half others, with all that is known of them; the rest is as if it had never been."""
    data = random_dataset(40, 60)
    vectors = np.eye(60, dtype=np.float32)[::2]
    data = replace(data, vectors={"text": MovieVectors(np.arange(0, 60, 2), vectors)})
    assert some_movies(data, 60, 0) is data
    some = some_movies(data, 20, 0)
    rows = data.catalog.rows(some.catalog.column("movie_id"))
    assert len(some.catalog) == some.ratings.n_items == len(rows) == 20
    assert (np.diff(rows) > 0).all()
    counts = data.ratings.counts
    assert set(np.argsort(-counts, kind="stable")[:10]) <= set(rows)
    assert np.array_equal(some.ratings.counts, counts[rows])
    assert some.ratings.n_rated == np.count_nonzero(counts[rows])
    np.testing.assert_array_equal(some.ratings.matrix().toarray(), data.ratings.matrix().toarray()[:, rows])
    assert some.catalog.movie(7) == data.catalog.movie(int(rows[7]))
    texts = some.vectors["text"]
    assert rows[texts.rows].tolist() == rows[rows % 2 == 0].tolist()
    np.testing.assert_array_equal(texts.vectors, vectors[rows[rows % 2 == 0] // 2])
    assert rows.tolist() != data.catalog.rows(some_movies(data, 20, 1).catalog.column("movie_id")).tolist()
