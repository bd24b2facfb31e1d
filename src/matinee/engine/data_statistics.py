"""Figures of the effective ratings for exploring data: over time, by movie, genre, user; the long tail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import TypedDict

from matinee.data.catalog import Catalog
from matinee.data.ratings import NO_TIME
from matinee.engine.merged_ratings import MergedRatings
from matinee.engine.rating_counts import histogram
from matinee.engine.runtime import RequestView

TOP = 50
"""Directors, countries, tags, movies and users that are listed, at most."""
MAX_MONTHS = 600
"""With ratings of more months than this there are no figures by month."""
TAIL_POINTS = 100
MAX_CACHED = 16
"""Filters whose statistics are cached while nothing changes."""
_SPAN = 1 << 20
"""Numbers that lie this close together are counted in an array; others are sorted."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class StarCount(TypedDict):
    """How often a number of stars was given."""

    stars: float
    count: int


class MeanRating(TypedDict):
    """Ratings and their mean."""

    ratings: int
    mean: float | None


class Totals(MeanRating):
    """How many there are of everything."""

    users: Annotated[int, Field(description="Users who have rated any of these films.")]
    films: int
    rated_films: int
    density: Annotated[float, Field(description="Ratings / (users × films), 0..1.")]
    first: Annotated[
        int | None, Field(description="Time of the oldest rating, seconds since 1970 UTC; null where unknown.")
    ]
    last: int | None


class YearRatings(MeanRating):
    """Ratings given in one year."""

    year: int


class MonthRatings(MeanRating):
    """Ratings given in one month."""

    month: Annotated[str, Field(examples=["1996-03"])]


class YearMovies(MeanRating):
    """Films of one year."""

    year: int
    films: int


class DecadeMovies(MeanRating):
    """Films of ten years."""

    decade: int
    films: int


class GroupMovies(MeanRating):
    """Films that have a genre, director, country or tag; a film of several counts for each."""

    name: str
    films: int


Bin = TypedDict("Bin", {"from": int, "to": int, "count": int})


Bin.__doc__ = "Number of users or films with `from` to `to` ratings."


class Spread(TypedDict):
    """Ratings of a user, or of a film, among those who have any; bins grow as 1, 2, 5, 10, 20, 50 …"""

    bins: list[Bin]
    median: float | None
    mean: float | None
    most: int


class TailPoint(TypedDict):
    """Share of the films, most rated first, and the share of all ratings that they have."""

    films: float
    ratings: float


class TopMovie(MeanRating):
    """A film of many ratings."""

    movie_id: str
    title: str
    year: int | None


class TopUser(MeanRating):
    """A user of many ratings."""

    user_id: str


class Statistics(TypedDict):
    """Statistics of the ratings of some films."""

    filter: str
    totals: Totals
    stars: Annotated[list[StarCount], Field(description="Every step of the data's scale, zeros included.")]
    years: Annotated[
        list[YearRatings], Field(description="By the time of the rating, in UTC; empty where times are unknown.")
    ]
    months: Annotated[list[MonthRatings], Field(description="The same by month; empty where there are more than 600.")]
    released: Annotated[list[YearMovies], Field(description="By the year of the film.")]
    decades: list[DecadeMovies]
    genres: Annotated[list[GroupMovies], Field(description="Most ratings first, as directors and countries.")]
    directors: Annotated[list[GroupMovies], Field(description="Fifty at most, as countries, tags, films and users.")]
    countries: list[GroupMovies]
    tags: Annotated[list[GroupMovies], Field(description="Most films first.")]
    per_user: Spread
    per_film: Spread
    long_tail: Annotated[
        list[TailPoint], Field(description="About a hundred points; empty where there are no ratings.")
    ]
    top_films: Annotated[list[TopMovie], Field(description="Most ratings first.")]
    top_users: Annotated[list[TopUser], Field(description="Most ratings of these films first.")]


def cached_statistics(view: RequestView, filter: str) -> Statistics:
    """See `Engine.statistics`."""
    allowed, ratings = view.allowed(filter), view.ratings()
    cached = ratings.memo.get(filter)
    # Filters read the view's counts, which may be a moment older than the ratings.
    if cached is None or cached[0] is not view.stats:
        if len(ratings.memo) >= MAX_CACHED:
            ratings.memo.clear()
        made = statistics(ratings, view.catalog, allowed, view.runtime.star_steps, filter)
        cached = ratings.memo[filter] = view.stats, made
    return cached[1].copy()


def statistics(
    effective: MergedRatings, catalog: Catalog, allowed: NDArray[np.bool_], steps: Floats, filter: str = ""
) -> Statistics:
    """Figures of the ratings of some movies; what they are is said in the interface's description.

    Args:
        effective: all ratings.
        catalog: the movies.
        allowed: (n_items,), the movies that count, all of them in service.
        steps: of the scale, increasing.
        filter: what `allowed` was made of.
    """
    flat = effective.flat()
    if not bool(allowed[effective.active].all()):
        flat = flat.where(allowed[flat.rows])
    values = flat.values.astype(np.float64)
    films = _counted(flat.rows, values, len(catalog))
    users = _counted(flat.users, values, effective.n_users)
    known = flat.times != NO_TIME
    times, dated = (flat.times, values) if known.all() else (flat.times[known], values[known])
    n_users, n_films, n = int((users[0] > 0).sum()), int(allowed.sum()), len(values)
    years, months = _over_time(times, dated)
    released, decades = _by_release(catalog, allowed, *films)
    return {
        "filter": filter,
        "totals": {
            "users": n_users,
            "films": n_films,
            "rated_films": int((films[0] > 0).sum()),
            "ratings": n,
            "mean": _mean(values.sum(), n),
            "density": round(n / (n_users * n_films), 8) if n else 0.0,
            "first": int(times.min()) if len(times) else None,
            "last": int(times.max()) if len(times) else None,
        },
        "stars": [
            {"stars": stars, "count": count}
            for stars, count in zip(steps.tolist(), histogram(flat.values, steps).tolist(), strict=True)
        ],
        "years": years,
        "months": months,
        "released": released,
        "decades": decades,
        "genres": _by_word(catalog, "genres", allowed, *films),
        "directors": _by_word(catalog, "directors", allowed, *films, most=TOP),
        "countries": _by_word(catalog, "countries", allowed, *films, most=TOP),
        "tags": _by_word(catalog, "tags", allowed, *films, most=TOP, first="films"),
        "per_user": _spread(users[0]),
        "per_film": _spread(films[0]),
        "long_tail": long_tail(films[0][allowed]),
        "top_films": _top_movies(catalog, *films),
        "top_users": [
            {"user_id": effective.user_id(user), "ratings": count, "mean": mean} for user, count, mean in _top(*users)
        ],
    }


def _counted(groups: NDArray[np.integer[Any]], weights: Floats, n: int) -> tuple[Ints, Floats]:
    """How often each of the groups 0…n−1 occurs, and the sum of its weights."""
    return np.bincount(groups, minlength=n), np.bincount(groups, weights, n).astype(np.float64)


def _mean(total: float, count: int) -> float | None:
    return round(float(total) / count, 4) if count else None


def _tally(keys: NDArray[np.integer[Any]], weights: Floats) -> Iterator[tuple[int, int, float]]:
    """(key, how often, sum of weights) of each key that occurs, increasing."""
    if not len(keys):
        return
    low, high = int(keys.min()), int(keys.max())
    if high - low < _SPAN:
        names, groups = np.arange(low, high + 1), keys - low
    else:
        names, groups = np.unique(keys, return_inverse=True)
    counts, sums = _counted(groups, weights, 0)
    for group in np.flatnonzero(counts).tolist():
        yield int(names[group]), int(counts[group]), float(sums[group])


def _over_time(times: Ints, values: Floats) -> tuple[list[YearRatings], list[MonthRatings]]:
    # Days first: dividing is many times as fast as numpy's calendar, which then has only the days to look at.
    daily = list(_tally(times // 86_400, values))
    days = np.array([day for day, _, _ in daily], dtype="datetime64[D]")
    by_day = [np.array([one[column] for one in daily], dtype=np.float64) for column in (1, 2)]
    months, years = (_merged(days.astype(f"datetime64[{unit}]").astype(np.int64), *by_day) for unit in "MY")
    return (
        [{"year": 1970 + year, "ratings": count, "mean": _mean(total, count)} for year, count, total in years],
        [
            {"month": f"{1970 + month // 12:04}-{month % 12 + 1:02}", "ratings": count, "mean": _mean(total, count)}
            for month, count, total in (months if len(months) <= MAX_MONTHS else [])
        ],
    )


def _merged(keys: Ints, counts: Floats, sums: Floats) -> list[tuple[int, int, float]]:
    """(key, count, sum) with equal keys made one, increasing."""
    names, groups = np.unique(keys, return_inverse=True)
    return [
        (int(name), int(count), float(total))
        for name, count, total in zip(names, np.bincount(groups, counts), np.bincount(groups, sums), strict=True)
    ]


def _by_release(
    catalog: Catalog, allowed: NDArray[np.bool_], counts: Ints, sums: Floats
) -> tuple[list[YearMovies], list[DecadeMovies]]:
    years = np.nan_to_num(catalog.years, nan=-1).astype(np.int64)
    rows = np.flatnonzero(allowed & (years >= 0))

    def grouped(keys: Ints) -> Iterator[tuple[int, int, int, float | None]]:
        names, groups = np.unique(keys, return_inverse=True)
        films, stars = _counted(groups, sums[rows], 0)
        ratings = np.bincount(groups, counts[rows]).astype(np.int64)
        for name, n, count, total in zip(names.tolist(), films.tolist(), ratings.tolist(), stars.tolist(), strict=True):
            yield name, n, count, _mean(total, count)

    return (
        [{"year": year, "films": n, "ratings": count, "mean": mean} for year, n, count, mean in grouped(years[rows])],
        [
            {"decade": decade, "films": n, "ratings": count, "mean": mean}
            for decade, n, count, mean in grouped(years[rows] // 10 * 10)
        ],
    )


def _by_word(
    catalog: Catalog,
    column: str,
    allowed: NDArray[np.bool_],
    counts: Ints,
    sums: Floats,
    *,
    most: int | None = None,
    first: str = "ratings",
) -> list[GroupMovies]:
    """Movies, ratings and mean of each word of a list column, those of most ratings (or movies) first, then by name.

    A movie of several words counts for each of them, once.
    """
    values = catalog.column(column)
    rows = np.flatnonzero(allowed)
    own = [dict.fromkeys(values[row]) for row in rows.tolist()]
    names: dict[str, int] = {}
    codes = np.array([names.setdefault(name, len(names)) for words in own for name in words], dtype=np.int64)
    held = np.repeat(rows, [len(words) for words in own])
    films, totals = _counted(codes, sums[held], len(names))
    ratings = np.bincount(codes, counts[held], minlength=len(names)).astype(np.int64)
    table = list(zip(names, films.tolist(), ratings.tolist(), totals.tolist(), strict=True))
    table.sort(key=lambda entry: (-entry[2] if first == "ratings" else 0, -entry[1], entry[0]))
    return [
        {"name": name, "films": count, "ratings": number, "mean": _mean(total, number)}
        for name, count, number, total in table[: most or len(table)]
    ]


def _spread(counts: Ints) -> Spread:
    """How many have how many: bins that grow as 1, 2, 5, 10, 20, 50 …; those without any rating are left out."""
    counts = counts[counts > 0]
    if not len(counts):
        return {"bins": [], "median": None, "mean": None, "most": 0}
    most = int(counts.max())
    edges = [edge for edge in _edges(most) if edge <= most]
    numbers = np.bincount(np.searchsorted(edges, counts, side="right") - 1, minlength=len(edges)).tolist()
    bins: list[Bin] = [
        {"from": low, "to": min(high - 1, most), "count": number}
        for low, high, number in zip(edges, [*edges[1:], most + 1], numbers, strict=True)
    ]
    while bins[0]["count"] == 0:
        bins.pop(0)
    return {
        "bins": bins,
        "median": float(np.median(counts)),
        "mean": round(float(counts.mean()), 2),
        "most": most,
    }


def _edges(most: int) -> Iterator[int]:
    power = 1
    while power <= most:
        yield from (power, 2 * power, 5 * power)
        power *= 10


def long_tail(counts: Ints) -> list[TailPoint]:
    """Share of movies, most rated first → share of all ratings that they have: about a hundred points, the last (1, 1).

    Args:
        counts: ratings of each movie, zeros included.
    """
    total, n = int(counts.sum()), len(counts)
    if not total:
        return []
    shares = np.cumsum(np.sort(counts)[::-1]) / total
    ranks = np.unique(np.ceil(np.arange(1, TAIL_POINTS + 1) * n / TAIL_POINTS).astype(np.int64))
    return [{"films": round(int(k) / n, 6), "ratings": round(float(shares[k - 1]), 6)} for k in ranks]


def _top(counts: Ints, sums: Floats) -> Iterator[tuple[int, int, float | None]]:
    """(place, ratings, mean) of those of the most ratings; of as many, the first comes first."""
    order = np.argsort(-counts, kind="stable")[:TOP]
    for i in order[counts[order] > 0].tolist():
        yield i, int(counts[i]), _mean(sums[i], int(counts[i]))


def _top_movies(catalog: Catalog, counts: Ints, sums: Floats) -> list[TopMovie]:
    ids, titles, years = (catalog.column(name) for name in ("movie_id", "title", "year"))
    return [
        {"movie_id": ids[row], "title": titles[row], "year": years[row], "ratings": count, "mean": mean}
        for row, count, mean in _top(counts, sums)
    ]
