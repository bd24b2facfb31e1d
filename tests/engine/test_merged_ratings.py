"""All effective ratings as arrays: the same as the slow walk over histories, whatever was written."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as fewer
from hypothesis import strategies as st

from matinee.data.catalog import Movie
from matinee.engine import Engine
from matinee.engine.merged_ratings import Overlay
from matinee.engine.rating_counts import histogram, star_steps
from matinee.errors import InvalidInputError, NotFoundError, UnknownMovieError, UnknownUserError
from matinee.settings import Settings
from matinee.stores.base import Changes, Store

USERS, FILMS = ["u1", "u2", "7", "40", "new"], ["m1", "m2", "m3", "fresh"]
WRITES = st.lists(
    st.one_of(
        st.tuples(st.just("rate"), st.sampled_from(USERS), st.sampled_from(FILMS), st.sampled_from([0.5, 2.0, 4.5])),
        st.tuples(st.just("unrate"), st.sampled_from(USERS), st.sampled_from(FILMS), st.none()),
        st.tuples(st.just("erase"), st.sampled_from(USERS), st.none(), st.none()),
        st.tuples(st.just("put"), st.none(), st.sampled_from(FILMS), st.none()),
        st.tuples(st.just("delete"), st.none(), st.sampled_from(FILMS), st.none()),
    ),
    max_size=12,
)


def write(engine: Engine, what: str, user: str | None, film: str | None, stars: float | None) -> None:
    try:
        if what == "rate" and user and film and stars:
            engine.rate([(user, film, stars)])
        elif what == "unrate" and user and film:
            engine.unrate(user, film)
        elif what == "erase" and user:
            engine.erase_user(user)
        elif what == "put" and film:
            engine.put_movies([Movie(movie_id=film, title=f"Film {film}")])
        elif what == "delete" and film:
            engine.delete_movie(film)
    except (UnknownMovieError, UnknownUserError, NotFoundError):
        pass


def check(engine: Engine) -> None:
    told = list(engine.export_ratings())
    view = engine.request_view()
    effective = view.ratings()
    assert effective is view.ratings()
    flat, ids = effective.flat(), view.catalog.column("movie_id")
    found = [
        (effective.user_id(user), ids[row], round(value, 4), None if time == -1 else time)
        for user, row, value, time in zip(*(array.tolist() for array in flat), strict=True)
    ]
    assert sorted(found, key=str) == sorted(told, key=str)
    counts = Counter(user for user, *_ in told)
    page = engine.users(limit=1000)
    assert dict(page.users) == counts
    assert page.total == len(counts)
    stars: defaultdict[str, list[float]] = defaultdict(list)
    for _, film, value, _ in told:
        stars[film].append(value)
    for film in engine.title_table().movie_ids:
        answer = engine.film_ratings(film)
        assert answer.count == len(stars[film])
        assert dict(answer.histogram) == {step / 2: stars[film].count(step / 2) for step in range(1, 11)}
        assert answer.mean == (pytest.approx(np.mean(stars[film]), abs=1e-3) if stars[film] else None)


@given(writes=WRITES)
@fewer(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_the_arrays_are_the_effective_ratings(
    trained_engine: Path, tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[str, str, str, float]]
) -> None:
    home = tmp_path_factory.mktemp("effective") / "own"
    shutil.copytree(trained_engine, home)
    with Engine.open(Settings(data_dir=home)) as engine, Engine.open(Settings(data_dir=home)) as other:
        check(engine)
        for number, one in enumerate(writes):
            write(other if number % 2 else engine, *one)
            if number % 4 == 3:
                check(engine)
        check(engine)
        check(other)


class ErasedMeanwhile:
    """A store of which somebody else erases a user just as a reader has asked for its changes."""

    def __init__(self, store: Store, user_id: str) -> None:
        self._store, self._user_id = store, user_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def changes(self, since: int) -> Changes:
        found = self._store.changes(since)
        if since < 0:
            self._store.erase_user(self._user_id)
        return found


def test_a_user_who_is_erased_while_the_store_is_read_is_not_forgotten(engine: Engine) -> None:
    view = engine.request_view()
    overlay = Overlay(view.snapshot, cast(Store, ErasedMeanwhile(view.runtime.store, "u1")))
    overlay.over(view.catalog)
    assert "u1" not in dict(overlay.over(view.catalog).users)


def test_users_are_in_the_order_of_their_ids(engine: Engine) -> None:
    people = ["10", "9", "1", "100", "1a", "a10", "A10"]
    engine.rate([(person, "m1", 4.0) for person in people])
    found = [user for user, _ in engine.users(limit=1000).users]
    assert found[:4] == ["1", "9", "10", "100"]
    assert found[4:] == sorted(found[4:])
    assert [user for user, _ in engine.users("1").users] == ["1", "10", "100", "1a"]
    assert [user for user, _ in engine.users("10").users] == ["10", "100"]
    assert [user for user, _ in engine.users("1", limit=2, offset=1).users] == ["10", "100"]
    assert engine.users("1", limit=1, offset=99).users == ()
    assert [user for user, _ in engine.users("a").users] == ["a10"]
    assert engine.users("no such user").total == engine.users("x" * 10_000).total == engine.users("\ud800").total == 0
    for limit, offset in ((0, 0), (1001, 0), (-1, 0), (1, -1)):
        with pytest.raises(InvalidInputError):
            engine.users(limit=limit, offset=offset)


def test_titles_are_those_in_service(engine: Engine) -> None:
    before = engine.title_table()
    assert len(before.movie_ids) == len(before.titles) == len(before.years) == 40
    engine.put_movies([Movie(movie_id="fresh", title="Fresh"), Movie(movie_id="m3", title="Changed", year=2001)])
    engine.delete_movie("m5")
    after = engine.title_table()
    assert after.movie_ids == [film for film in before.movie_ids if film != "m5"] + ["fresh"]
    assert dict(zip(after.movie_ids, after.titles, strict=True))["m3"] == "Changed"
    assert after.years[-1] is None
    assert after.snapshot == engine.snapshot_id


@pytest.mark.parametrize(
    ("scale", "values", "steps"),
    [
        ((0.5, 5.0), [4.0, 3.5], [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]),
        ((1.0, 5.0), [4.0, 3.0], [1, 2, 3, 4, 5]),
        ((1.0, 5.0), [4.0, 3.5], [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]),
        ((1.0, 5.0), [], [1, 2, 3, 4, 5]),
        ((0.0, 100.0), [50.0], list(range(0, 101, 5))),
        ((3.0, 3.0), [3.0], [3]),
    ],
)
def test_steps_of_a_scale(scale: tuple[float, float], values: list[float], steps: list[float]) -> None:
    assert star_steps(scale, np.array(values, dtype=np.float32)).tolist() == steps


@given(
    scale=st.tuples(st.floats(-100, 100, width=32), st.floats(0, 1000, width=32)).map(lambda p: (p[0], p[0] + p[1])),
    shares=st.lists(st.floats(0, 1, width=32), max_size=30),
)
def test_every_rating_is_in_the_nearest_step(scale: tuple[float, float], shares: list[float]) -> None:
    low, high = scale
    values = np.array([low + share * (high - low) for share in shares], dtype=np.float32)
    steps = star_steps(scale, values)
    assert 1 <= len(steps) <= 22
    assert steps[0] == low
    found = histogram(values, steps)
    assert found.sum() == len(values)
    nearest = [int(np.argmin(np.abs(steps - value))) for value in values.tolist()]
    width = steps[1] - steps[0] if len(steps) > 1 else 1.0
    clear = [abs(abs(value - steps[place]) - width / 2) > 1e-4 for value, place in zip(values, nearest, strict=True)]
    if all(clear):
        assert found.tolist() == np.bincount(nearest, minlength=len(steps)).tolist()


def test_stars_half_way_go_up() -> None:
    assert histogram(np.array([1.49, 1.5, 4.9], np.float32), np.arange(1.0, 6.0)).tolist() == [1, 1, 0, 0, 1]
