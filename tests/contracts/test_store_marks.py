"""Marks: what a store tells a reader who knows everything up to a moment of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matinee.data.catalog import Movie
from matinee.stores import MovieState, MovieVector, Rating, RatingChange, Store
from matinee.stores.records import KEEP_MARKS
from store_support import FACTORIES, Factory


def stars(user: str, movie: str, rating: float | None = 4.0) -> Rating:
    return Rating(user, movie, rating, 100)


def test_since_a_mark_are_all_movies_and_what_changed(store: Store, factory: Factory) -> None:
    store.put_ratings([stars("before", "1"), stars("both", "1"), stars("gone", "1"), stars("erased before", "1")])
    store.put_movies([Movie(movie_id="old", title="Old")])
    store.put_vectors([MovieVector("only a vector", "poster", "e", np.ones(2, dtype=np.float32))])
    store.delete_movie("deleted")
    store.erase_user("erased before")
    mark = store.mark()
    assert mark.seq == store.seq()
    nothing = store.since_mark(mark.token)
    assert nothing is not None
    assert nothing.seq == mark.seq
    assert nothing.movies == {"old", "only a vector", "deleted"}
    assert nothing.users == nothing.erased == frozenset()
    assert nothing.ratings == ()
    assert not nothing.complete
    store.put_ratings([stars("both", "2", 3.0), stars("both", "1", None)])
    store.put_states([MovieState("marks", "1", "seen", 5)])
    store.erase_user("gone")
    store.put_movies([Movie(movie_id="new", title="New")])
    other = factory()
    found = other.since_mark(mark.token)
    other.close()
    assert found is not None
    assert found.seq == store.seq()
    assert found.movies == {"old", "only a vector", "deleted", "new"}
    assert found.users == {"both", "marks", "gone"}
    assert found.erased == {"gone"}
    first = mark.seq + 1
    assert found.ratings == (
        RatingChange(first, "both", "2", False, None, 3.0, 100),
        RatingChange(first + 1, "both", "1", True, 4.0, None, 100),
    )


def test_a_mark_of_an_empty_store(store: Store) -> None:
    mark = store.mark()
    assert mark.seq == 0
    store.put_ratings([stars("u", "1")])
    found = store.since_mark(mark.token)
    assert found is not None
    assert [change.user_id for change in found.ratings] == ["u"]


def test_another_store_does_not_know_a_mark(store: Store, tmp_path: Path) -> None:
    store.put_ratings([stars("u", "1")])
    mark = store.mark()
    (tmp_path / "other").mkdir()
    other = FACTORIES["sqlite"](tmp_path / "other")()
    other.put_ratings([stars("v", "1")])
    assert other.since_mark(mark.token) is None
    assert store.since_mark(other.mark().token) is None
    assert store.since_mark("") is None
    other.close()


def test_a_mark_is_not_a_change(store: Store) -> None:
    seq = store.put_ratings([stars("u", "1")])
    store.mark()
    assert store.seq() == seq
    assert store.changes(seq).ratings == ()
    assert store.put_ratings([stars("u", "2")]) == seq + 1


def test_old_marks_are_forgotten(store: Store) -> None:
    tokens = []
    for n in range(KEEP_MARKS + 3):
        store.put_ratings([stars("u", str(n))])
        tokens.append(store.mark().token)
    assert store.since_mark(tokens[-KEEP_MARKS]) is not None
    assert store.since_mark(tokens[0]) is None
