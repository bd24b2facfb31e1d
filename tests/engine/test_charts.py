"""Charts and the newcomers' list, live: they follow the store at the next request."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from matinee.data.catalog import Movie
from matinee.data.dataset import Dataset
from matinee.data.ratings import NO_TIME
from matinee.engine import Engine, Request
from matinee.engine.types import PopularBy
from matinee.errors import InvalidInputError
from matinee.models import Popularity, Query
from matinee.models.charts import DAY, half_life_of, weighted_score

KINDS: tuple[PopularBy, ...] = ("popular", "trending", "top_rated")
NOW = 1_010_000_000  # the random data end here


def ids(engine: Engine, by: PopularBy = "popular", **options: Any) -> list[str]:
    return [found.item.movie_id for found in engine.popular(by=by, **{"n": 100, **options})]


def newcomer(engine: Engine, n: int = 100, **options: Any) -> list[str]:
    return [item.movie_id for item in engine.recommend("nobody", Request(n=n, **options)).items]


def slow_chart(engine: Engine, by: PopularBy, half_life: float, since: int = -2) -> list[tuple[str, float, int, float]]:
    """(film, score, ratings, mean) of every rated film, from all ratings one by one."""
    stars: dict[str, list[float]] = {}
    dated: dict[str, list[int]] = {}
    for _, movie_id, value, moment in engine.export_ratings():
        if since <= -2 or (moment is not None and moment >= since):
            stars.setdefault(movie_id, []).append(value)
            dated.setdefault(movie_id, []).extend([] if moment is None else [moment])
    newest = max((moment for found in dated.values() for moment in found), default=0)
    films = list(stars)
    counts = np.array([len(stars[film]) for film in films])
    sums = np.array([sum(stars[film]) for film in films])
    weighted = weighted_score(counts, sums).round(6)
    lately = [sum(2 ** ((moment - newest) / DAY / half_life) for moment in dated[film]) for film in films]
    year = {movie.movie_id: movie.year or -1 for movie in engine.movies(limit=1000).movies}
    keys: dict[str, Callable[[int], tuple[float, ...]]] = {
        "popular": lambda n: (counts[n], weighted[n], year[films[n]]),
        "trending": lambda n: (round(lately[n], 6), counts[n], weighted[n], year[films[n]]),
        "top_rated": lambda n: (weighted[n], counts[n], year[films[n]]),
    }
    order = sorted(range(len(films)), key=lambda n: tuple(-value for value in keys[by](n)))
    return [(films[n], float(keys[by](n)[0]), int(counts[n]), sums[n] / counts[n]) for n in order]


@pytest.mark.parametrize("by", KINDS)
def test_charts_equal_a_recount(engine: Engine, dataset: Dataset, by: PopularBy) -> None:
    half_life = half_life_of(dataset.ratings.times)

    def check() -> None:
        with Engine.open(engine.settings) as again:
            for one in (engine, again):
                for days in (None, 30.0):
                    since = -2 if days is None else max(m or -1 for *_, m in one.export_ratings()) - int(days * DAY)
                    expected = slow_chart(one, by, half_life, since)
                    found = one.popular(by=by, n=100, days=days)
                    assert [entry.item.movie_id for entry in found] == [row[0] for row in expected]
                    for entry, (_, score, count, mean) in zip(found, expected, strict=True):
                        assert entry.ratings == count
                        assert entry.mean == pytest.approx(mean, abs=1e-3)
                        assert entry.item.score == pytest.approx(score, rel=1e-5, abs=2e-6)

    check()
    last = ids(engine, by)[-1]
    engine.rate([(f"x{n}", last, 5.0) for n in range(60)], timestamp=NOW)
    assert ids(engine, by)[0] == last
    check()
    engine.rate([("u3", last, 1.0), ("x1", "m5", 2.5)], timestamp=NOW + 40 * DAY)
    engine.rate([("x2", "m6", 3.0)], timestamp=NO_TIME)
    engine.unrate("x3", last)
    for user_id in ("u4", "x5"):
        engine.erase_user(user_id)
    check()


@pytest.mark.parametrize("by", KINDS)
def test_removed_films_leave_the_charts_and_may_come_back(engine: Engine, by: PopularBy) -> None:
    before = ids(engine, by)
    film = engine.movie(before[0])
    engine.delete_movie(film.movie_id)
    assert set(ids(engine, by)) == set(before[1:])
    assert film.movie_id not in newcomer(engine)
    engine.put_movies([film])
    assert ids(engine, by)[0] == film.movie_id
    engine.put_movies([Movie(movie_id="new", title="New")])
    assert "new" not in ids(engine, by)
    engine.rate([("u1", "new", 5.0)])
    assert "new" in ids(engine, by)


def test_the_kinds_differ(engine: Engine) -> None:
    assert len({tuple(ids(engine, by)) for by in KINDS}) == 3
    with pytest.raises(InvalidInputError, match="no chart 'fame'"):
        engine.popular(by="fame")  # type: ignore[arg-type]


def test_charts_are_those_of_the_models(engine: Engine, dataset: Dataset) -> None:
    for by, model in (("popular", Popularity()), ("trending", Popularity(by="trending"))):
        assert ids(engine, by) == dataset.catalog.ids(model.fit(dataset).top(Query(), 100))  # type: ignore[arg-type]
    chosen = Popularity(by="liked", cover=0.3).fit(dataset)
    assert newcomer(engine, 10) == dataset.catalog.ids(chosen.top(Query(), 10))


def test_a_rating_dated_in_the_future_counts_as_given_now(engine: Engine) -> None:
    engine.rate([("late", "m7", 4.0)], timestamp=253_402_300_799)
    engine.rate([("late", "m8", 4.0), ("later", "m8", 4.0)], timestamp=int(time.time()))
    first, second = engine.popular(by="trending", n=2)
    assert (first.item.movie_id, second.item.movie_id) == ("m8", "m7")
    assert first.item.score == pytest.approx(2, abs=0.01)
    assert second.item.score == pytest.approx(1, abs=0.01)


def test_what_newcomers_get(engine: Engine) -> None:
    answer = engine.recommend("nobody", Request(n=100))
    scores = [item.score for item in answer.items]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores) == 40
    assert {item.genres for item in answer.items[:4]} == {("Comedy",), ("Drama",)}
    for n in (1, 7, 39):
        assert newcomer(engine, n) == newcomer(engine)[:n]
    dramas = newcomer(engine, filter="genre = Drama")
    assert dramas == [film for film in newcomer(engine) if engine.movie(film).genres == ("Drama",)]
    assert newcomer(engine, exclude=[dramas[0]]) != newcomer(engine)
    assert len(newcomer(engine, 10, diversity=1.0)) == 10


def test_newcomers_follow_every_rating(engine: Engine) -> None:
    last = newcomer(engine)[-1]
    engine.rate([(f"x{n}", last, 5.0) for n in range(100)])
    assert newcomer(engine)[0] == last
    # A hundred who disliked a film are fewer than a hundred who loved another.
    other = newcomer(engine)[-1]
    engine.rate([(f"x{n}", other, 0.5) for n in range(100)])
    assert newcomer(engine)[:2] == [last, other]
    for n in range(100):
        engine.erase_user(f"x{n}")
    assert newcomer(engine)[-1] in (last, other)


def test_films_without_ratings_come_last_the_newest_first(engine: Engine) -> None:
    engine.put_movies([Movie(movie_id=f"new{n}", title="New", genres=("Comedy",)) for n in range(3)])
    assert newcomer(engine)[-3:] == ["new2", "new1", "new0"]
    assert newcomer(engine, filter='title = "New"') == ["new2", "new1", "new0"]
    assert newcomer(engine, 1, filter='title = "New"') == ["new2"]
    engine.rate([("u1", "new0", 0.5)])
    assert newcomer(engine)[-3:] == ["new0", "new2", "new1"]


def test_pages_by_popularity_and_by_top_rated_are_the_charts(engine: Engine) -> None:
    engine.put_movies([Movie(movie_id="new", title="New")])
    for sort, by in (("popularity", "popular"), ("top_rated", "top_rated")):
        page = [movie.movie_id for movie in engine.movies(sort=sort, limit=100).movies]
        assert page == [*ids(engine, by), "new"]  # type: ignore[arg-type]
        assert engine.movies(sort=f"-{sort}", limit=100).movies[-1].movie_id == "new"
