from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.ratings import NO_TIME, Ratings
from matinee.errors import DataError
from support import make_dataset

ROWS = [("10", "b", 3.0, 30), ("9", "a", 5.0, None), ("9", "c", 1.0, 10), ("10", "a", 4.0, 20)]


@pytest.fixture
def data() -> Dataset:
    return make_dataset(ROWS)  # type: ignore[arg-type]


def test_layout(data: Dataset) -> None:
    ratings = data.ratings
    assert ratings.user_ids.to_list() == ["9", "10"]  # as numbers
    assert ratings.indptr.tolist() == [0, 2, 4]
    assert ratings.indices.tolist() == [0, 2, 0, 1]
    assert ratings.values.tolist() == [5.0, 1.0, 4.0, 3.0]
    assert ratings.times.tolist() == [NO_TIME, 10, 20, 30]
    assert (ratings.indptr.dtype, ratings.indices.dtype) == (np.int64, np.int32)
    assert (ratings.values.dtype, ratings.times.dtype) == (np.float32, np.int64)
    assert (len(ratings), ratings.n_users, ratings.n_items) == (4, 2, 3)
    assert ratings.find_user("10") == 1
    assert ratings.find_user("11") is None
    assert [part.tolist() for part in ratings.history(1)] == [[0, 1], [4.0, 3.0], [20, 30]]
    assert ratings.matrix().toarray().tolist() == [[5, 0, 1], [4, 3, 0]]
    assert ratings.matrix(binary=True).toarray().tolist() == [[1, 0, 1], [1, 1, 0]]
    assert ratings.counts.tolist() == [2, 1, 1]
    assert ratings.sums.tolist() == [9.0, 3.0, 1.0]


def test_stars_of_pairs(data: Dataset) -> None:
    users, rows = np.array([0, 0, 0, 1, 1, 1, -1, 1]), np.array([0, 1, 2, 0, 1, 2, 0, 99])
    stars = data.ratings.stars_of(users, rows)
    np.testing.assert_array_equal(stars, np.array([5, np.nan, 1, 4, 3, np.nan, np.nan, np.nan], dtype=np.float32))
    assert data.ratings.stars_of(users[:0], rows[:0]).shape == (0,)
    nobody = Ratings([], np.zeros(1, dtype=np.int64), *(values[:0] for values in data.ratings.history(0)), n_items=3)
    assert np.isnan(nobody.stars_of(np.array([-1]), np.array([0]))).all()


@settings(max_examples=60, deadline=None)
@given(st.sets(st.one_of(st.integers(0, 10**19).map(str), st.sampled_from(["007", "+1", "a", "1.0", "٣", "", " 1"]))))
def test_users_are_found_by_exactly_their_ids(ids: set[str]) -> None:
    names = sorted(ids, key=lambda text: (len(text), text))  # numbers by their size
    empty = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.int64)
    ratings = Ratings(names, np.zeros(len(names) + 1, dtype=np.int64), *empty, 1)
    for row, name in enumerate(names):
        assert ratings.find_user(name) == row
    for other in ("0", "7", "07", "007", "+1", "1.0", "1", "a", "٣", "", " 1", str(10**18), "9" * 30):
        if other not in ids:
            assert ratings.find_user(other) is None


def test_select_keeps_users_and_films(data: Dataset) -> None:
    chosen = data.ratings.select(data.ratings.values >= 4)
    assert chosen.indptr.tolist() == [0, 1, 2]
    assert chosen.indices.tolist() == [0, 0]
    assert chosen.n_items == 3
    assert data.with_ratings(chosen).ratings is chosen


def test_text_ids_are_sorted_as_text() -> None:
    assert make_dataset([("b", "x", 1, 0), ("10", "x", 1, 0)]).ratings.user_ids.to_list() == ["10", "b"]


def test_without_times() -> None:
    catalog = Catalog(pl.DataFrame({"movie_id": ["a"], "title": ["A"]}))
    frame = pl.DataFrame({"user_id": ["1"], "movie_id": ["a"], "rating": [3.0]})
    assert Ratings.from_frame(frame, catalog).times.tolist() == [NO_TIME]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"user_id": ["1"], "movie_id": ["zz"], "rating": [3.0]}, "films that the catalog does not have"),
        ({"user_id": ["1", "1"], "movie_id": ["a", "a"], "rating": [3.0, 4.0]}, "two ratings of one film"),
    ],
)
def test_dirty_rows_are_refused(rows: dict[str, list[object]], message: str) -> None:
    catalog = Catalog(pl.DataFrame({"movie_id": ["a"], "title": ["A"]}))
    with pytest.raises(DataError, match=message):
        Ratings.from_frame(pl.DataFrame(rows), catalog)


def test_arrays_that_do_not_fit_are_refused(data: Dataset) -> None:
    r = data.ratings
    with pytest.raises(DataError, match="do not match"):
        Ratings(r.user_ids, r.indptr, r.indices, r.values[:-1], r.times, 3)
    with pytest.raises(DataError, match="films that the catalog does not have"):
        Ratings(r.user_ids, r.indptr, r.indices, r.values, r.times, 2)


def test_equal_data_equal_fingerprint(data: Dataset) -> None:
    assert data.fingerprint == make_dataset(ROWS[::-1]).fingerprint  # type: ignore[arg-type]
    for changed in (
        [*ROWS[:3], ("10", "a", 4.5, 20)],
        [*ROWS[:3], ("10", "a", 4.0, 21)],
        [*ROWS[:3], ("11", "a", 4.0, 20)],
    ):
        assert data.fingerprint != make_dataset(changed).fingerprint  # type: ignore[arg-type]
    assert len(data.fingerprint) == 64


triples = st.lists(
    st.tuples(
        st.integers(0, 20).map(str),
        st.sampled_from("abcd"),
        st.sampled_from([0.5, 3.0, 5.0]),
        st.one_of(st.none(), st.integers(0, 1 << 33)),
    ),
    min_size=1,
    unique_by=lambda row: row[:2],
)


@settings(max_examples=60, deadline=None)
@given(triples)
def test_there_and_back(rows: list[tuple[str, str, float, int | None]]) -> None:
    data = make_dataset(rows)
    frame = data.ratings.to_frame(data.catalog)
    assert sorted(frame.rows(), key=str) == sorted(rows, key=str)
    again = Ratings.from_frame(frame, data.catalog)
    for name in ("indptr", "indices", "values", "times"):
        assert getattr(again, name).tobytes() == getattr(data.ratings, name).tobytes()
