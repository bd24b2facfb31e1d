"""Figures of the ratings: equal to what plain loops over every effective rating count, whatever was written."""

from __future__ import annotations

import math
import statistics as plain
from collections import defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.data.catalog import Movie
from matinee.engine import Engine
from matinee.engine.data_statistics import MAX_MONTHS, TOP, long_tail
from matinee.engine.data_statistics import statistics as compute
from matinee.errors import FilterError, InvalidInputError

Groups = dict[Any, dict[str, Any]]


def films_of(engine: Engine, filter: str) -> dict[str, Movie]:
    return {movie.movie_id: movie for movie in engine.movies(filter=filter, limit=1000).movies}


def grouped(films: dict[str, Movie], stars: dict[str, list[float]], names: dict[str, list[Any]]) -> Groups:
    """Films, ratings and mean by name, by loops."""
    found: Groups = {}
    for movie_id in films:
        for name in dict.fromkeys(names[movie_id]):
            one = found.setdefault(name, {"films": 0, "ratings": 0, "given": []})
            one["films"] += 1
            one["ratings"] += len(stars[movie_id])
            one["given"] += stars[movie_id]
    return {
        name: {"films": one["films"], "ratings": one["ratings"], "mean": mean(one["given"])}
        for name, one in found.items()
    }


def mean(given: list[float]) -> Any:
    return pytest.approx(plain.fmean(given), abs=6e-5) if given else None


def keyed(records: list[dict[str, Any]], key: str) -> Groups:
    return {one[key]: {name: value for name, value in one.items() if name != key} for one in records}


def check(engine: Engine, filter: str = "") -> dict[str, Any]:
    found, films = engine.statistics(filter), films_of(engine, filter)
    told = [one for one in engine.export_ratings() if one[1] in films]
    stars: defaultdict[str, list[float]] = defaultdict(list)
    people: defaultdict[str, list[float]] = defaultdict(list)
    periods: dict[str, defaultdict[str, list[float]]] = {"%Y": defaultdict(list), "%Y-%m": defaultdict(list)}
    for user, film, value, time in told:
        stars[film].append(value)
        people[user].append(value)
        if time is not None:
            for form, period in periods.items():
                period[datetime.fromtimestamp(time, UTC).strftime(form)].append(value)
    times = [time for *_, time in told if time is not None]
    given = [value for _, _, value, _ in told]
    totals = found["totals"]
    assert found["filter"] == filter
    assert (totals["users"], totals["films"]) == (len(people), len(films))
    assert (totals["rated_films"], totals["ratings"]) == (len(stars), len(told))
    assert totals["mean"] == mean(given)
    assert totals["density"] == pytest.approx(len(told) / max(len(people) * len(films), 1), abs=1e-7)
    assert (totals["first"], totals["last"]) == (min(times, default=None), max(times, default=None))
    assert {one["stars"]: one["count"] for one in found["stars"]} == {k / 2: given.count(k / 2) for k in range(1, 11)}
    for name, key, form in (("years", "year", "%Y"), ("months", "month", "%Y-%m")):
        wanted = {period: {"ratings": len(one), "mean": mean(one)} for period, one in sorted(periods[form].items())}
        assert {str(period): one for period, one in keyed(found[name], key).items()} == wanted
    released = {i: [movie.year] if movie.year else [] for i, movie in films.items()}
    assert keyed(found["released"], "year") == grouped(films, stars, released)
    decades = {i: [year // 10 * 10 for year in years] for i, years in released.items()}
    assert keyed(found["decades"], "decade") == grouped(films, stars, decades)
    for column in ("genres", "directors", "countries", "tags"):
        wanted_groups = grouped(films, stars, {i: list(getattr(movie, column)) for i, movie in films.items()})
        assert keyed(found[column], "name") == wanted_groups
        first = "films" if column == "tags" else "ratings"
        order = [(-one[first], -one["films"], one["name"]) for one in found[column]]
        assert order == sorted(order)
    for name, group in (("per_user", people), ("per_film", stars)):
        counts = sorted(len(one) for one in group.values())
        assert found[name]["most"] == max(counts, default=0)
        assert found[name]["median"] == (plain.median(counts) if counts else None)
        assert found[name]["mean"] == (pytest.approx(plain.fmean(counts), abs=6e-3) if counts else None)
        bins = found[name]["bins"]
        assert [one["count"] for one in bins] == [sum(b["from"] <= n <= b["to"] for n in counts) for b in bins]
        assert sum(one["count"] for one in bins) == len(counts)
        assert all(a["to"] + 1 == b["from"] for a, b in pairwise(bins))
    top = {
        i: {"title": films[i].title, "year": films[i].year, "ratings": len(s), "mean": mean(s)}
        for i, s in stars.items()
    }
    assert keyed(found["top_films"], "movie_id") == top
    counted = [one["ratings"] for one in found["top_users"]]
    assert counted == sorted((len(one) for one in people.values()), reverse=True)[:TOP]
    assert all(one["mean"] == mean(people[one["user_id"]]) for one in found["top_users"])
    return found


FILTERS = [
    "",
    'genre = "Comedy"',
    "year >= 2000",
    "ratings > 12",
    "mean >= 3",
    'director = "Director 1"',
    "year = 1871",
]


@pytest.mark.parametrize("filter", FILTERS)
def test_figures_are_those_of_plain_loops(engine: Engine, filter: str) -> None:
    check(engine, filter)


def test_figures_are_live(engine: Engine) -> None:
    before = check(engine)
    assert engine.statistics() == before
    engine.rate([("new", "m1", 4.0), ("u1", "m1", 0.5), ("u2", "m2", 5.0)], timestamp=1_500_000_000)
    after = check(engine)
    assert after["totals"]["users"] == before["totals"]["users"] + 1
    assert after["years"][-1]["year"] == 2017
    engine.erase_user("u3")
    assert check(engine)["totals"]["users"] == before["totals"]["users"]
    engine.put_movies([Movie(movie_id="fresh", title="Fresh", genres=("Western", "Western"), countries=("Peru",))])
    engine.rate([("u4", "fresh", 3.0)])
    found = check(engine)
    assert keyed(found["genres"], "name")["Western"] == {"films": 1, "ratings": 1, "mean": 3.0}
    assert keyed(found["countries"], "name") == {"Peru": {"films": 1, "ratings": 1, "mean": 3.0}}
    engine.delete_movie("m1")
    check(engine)
    check(engine, "ratings > 12")
    engine.delete_movie("fresh")
    engine.unrate("u4", engine.history("u4")[0].movie_id)
    check(engine)


def test_a_kept_answer_cannot_be_spoilt(engine: Engine) -> None:
    engine.statistics().clear()
    assert engine.statistics()["totals"]["ratings"]
    for number in range(40):
        engine.statistics(f"year > {1900 + number}")
    check(engine)


def test_nothing_is_allowed(engine: Engine) -> None:
    found = engine.statistics("year = 1871")
    assert found["totals"] == {
        "users": 0, "films": 0, "rated_films": 0, "ratings": 0, "mean": None, "density": 0.0,
        "first": None, "last": None,
    }  # fmt: skip
    assert found["per_user"] == {"bins": [], "median": None, "mean": None, "most": 0}
    for name in ("years", "months", "released", "decades", "genres", "tags", "long_tail", "top_films", "top_users"):
        assert found[name] == []


def test_bad_filters(engine: Engine) -> None:
    for text in ("nonsense = 1", "year >", "year = 1 " + "and year = 1 " * 500):
        with pytest.raises((FilterError, InvalidInputError)):
            engine.statistics(text)


def test_times_far_apart_are_counted_and_have_no_months(engine: Engine) -> None:
    engine.rate([("ancient", "m1", 3.0)], timestamp=0)
    many = [(f"t{n}", "m1", 4.0) for n in range(MAX_MONTHS + 20)]
    engine.rate(many, timestamps=[n * 31 * 86_400 for n in range(len(many))])
    engine.rate([("far", "m1", 1.0)], timestamp=253_402_300_799)
    found = engine.statistics()
    assert found["months"] == []
    assert found["years"][0]["year"] == 1970
    assert found["years"][-1] == {"year": 9999, "ratings": 1, "mean": 1.0}


@given(st.lists(st.integers(0, 500), max_size=400))
def test_the_long_tail_rises_ever_more_slowly(counts: list[int]) -> None:
    found = long_tail(np.array(counts, dtype=np.int64))
    if not sum(counts):
        assert found == []
        return
    assert len(found) == min(len(counts), 100)
    ranked = sorted(counts, reverse=True)
    for point in found:
        k = round(point["films"] * len(counts))
        assert point["ratings"] == pytest.approx(sum(ranked[:k]) / sum(counts), abs=1e-6)
    assert (found[-1]["films"], found[-1]["ratings"]) == (1.0, 1.0)
    slopes = np.diff([0.0, *(one["ratings"] for one in found)]) / np.diff([0.0, *(one["films"] for one in found)])
    assert all(math.isclose(a, b, abs_tol=1e-2) or a > b for a, b in pairwise(slopes))


def test_statistics_need_no_engine(engine: Engine) -> None:
    view = engine.request_view()
    found = compute(view.ratings(), view.catalog, view.catalog.active, view.runtime.star_steps)
    assert {"filter": ""} | found == engine.statistics()


def test_the_report_is_the_snapshots(engine: Engine) -> None:
    found = engine.report()
    assert (found["dataset"], found["snapshot"]) == ("random", engine.snapshot_id)
    assert (found["n_users"], found["n_items"]) == (60, 40)
    assert found["n_ratings"] == engine.statistics()["totals"]["ratings"]
