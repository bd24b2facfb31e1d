"""How long stores in SQL keep idempotency keys and their log of changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matinee.data.catalog import Movie
from matinee.stores import Rating, SqliteStore
from matinee.stores.postgres.store import PostgresStore
from postgres_support import new_store, open_with

Open = Callable[..., SqliteStore | PostgresStore]
"""Opens one and the same store, with options of its class."""


@pytest.fixture(params=["postgres", "sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "sqlite":
        return lambda **options: SqliteStore(tmp_path / "store.sqlite3", **options)
    factory = new_store()

    def open_postgres(**options: Any) -> PostgresStore:
        return open_with(factory, **options)

    return open_postgres


def one(movie: str = "1", rating: float = 4.0) -> Rating:
    return Rating("u", movie, rating, 1)


def test_keys_are_forgotten_after_a_day(open_store: Open) -> None:
    now = [1e9]
    store = open_store(clock=lambda: now[0])
    first = store.put_ratings([one()], key="k")
    now[0] += 24 * 3600 - 1
    assert store.put_ratings([one()], key="k") == first
    now[0] += 2
    assert store.put_ratings([one(rating=1.0)], key="k") == first + 1
    store.close()


def test_a_dropped_log_makes_readers_start_anew(open_store: Open) -> None:
    store = open_store()
    for n in range(10):
        store.put_ratings([one(str(n))])
    store.put_movies([Movie(movie_id="x", title="X")])
    store.compact(keep=4)
    assert store.changes(7).complete
    assert len(store.changes(7).ratings) == 3
    behind = store.changes(6)
    assert not behind.complete
    assert [change.movie_id for change in behind.ratings] == [str(n) for n in range(10)]
    assert behind.movies == {"x"}
    assert not store.changes(0).complete
    store.close()


def test_an_erasure_counts_for_readers_whose_log_was_dropped(open_store: Open) -> None:
    store = open_store()
    seq = store.put_ratings([one()])
    store.compact(keep=0)
    store.erase_user("u")
    assert store.changes(seq).complete
    assert store.changes(seq).erased == {"u"}
    store.close()


def test_the_newest_changes_stay_in_the_log(open_store: Open) -> None:
    store = open_store(keep_log=200)
    for start in range(0, 1000, 10):
        store.put_ratings([one(str(n)) for n in range(start, start + 10)])
    assert len(store.changes(store.seq() - 200).ratings) == 200
    assert not store.changes(store.seq() - 300).complete
    store.close()


def test_the_log_reaches_back_to_the_second_newest_mark(open_store: Open) -> None:
    store = open_store(keep_log=100)

    def rate(count: int) -> None:
        for start in range(0, count, 10):
            store.put_ratings([one(str(n)) for n in range(start, start + 10)])

    marks = []
    for _ in range(3):
        marks.append(store.mark().token)
        rate(300)
    assert store.since_mark(marks[0]) is None
    for token, count in zip(marks[1:], (600, 300), strict=True):
        found = store.since_mark(token)
        assert found is not None
        assert len(found.ratings) == count
    rate(600)  # more than ten times the minimum since the second newest mark
    assert store.since_mark(marks[1]) is None
    assert store.since_mark(marks[2]) is not None
    store.mark()
    store.mark()
    rate(400)
    store.mark()
    store.mark()
    rate(400)  # by and by
    assert store.since_mark(marks[2]) is None
    assert not store.changes(store.seq() - 500).complete
    store.close()
