"""Questions about films: the chart, pages of the catalogue, the map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.engine.recommend import allowed_rows, check_n, make_items
from matinee.engine.runtime import Runtime, View
from matinee.engine.types import FilmMap, MoviePage, PopularItem
from matinee.errors import InvalidInputError
from matinee.models.popularity import rated_score
from matinee.models.ranking import top_n
from matinee.settings import Settings

SORTS = ("movie_id", "title", "year", "ratings", "mean", "popularity")
"""Keys of `movies`; the last three descend by themselves."""
DAY = 86_400


def popular(
    runtime: Runtime,
    view: View,
    settings: Settings,
    *,
    n: int,
    filter: str,
    genre: str | None,
    year: int | None,
    days: float | None,
) -> list[PopularItem]:
    """The chart by IMDb weighted score; films without ratings (in the window) are not in it."""
    check_n(n, settings.max_n)
    allowed = allowed_rows(view, filter, settings.max_filter)
    if genre is not None:
        allowed &= allowed_rows(view, f"genre = {_quoted(genre)}", settings.max_filter)
    if year is not None:
        allowed &= allowed_rows(view, f"year = {int(year)}", settings.max_filter)
    counts, sums, scores = view.stats.counts, view.stats.sums, view.stats.popularity
    if days is not None:
        if not 0 < days < 1e6:
            raise InvalidInputError(f"days is {days:g}.", "Give a number of days above 0 and below 1000000.")
        counts, sums = recent(runtime, view, view.stats.newest - int(days * DAY))
        scores = rated_score(counts, sums)
    scores = np.where(allowed, scores, np.float32(np.nan))
    rows = top_n(scores, n)
    return [
        PopularItem(item, int(counts[item.row]), round(float(sums[item.row] / counts[item.row]), 4))
        for item in make_items(view, rows, scores)
    ]


def recent(runtime: Runtime, view: View, since: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Counts and sums, (n_items,), of the effective ratings given at `since` (seconds since 1970) or later."""
    base, n_items = runtime.snapshot.ratings, len(view.catalog)
    keep = base.times >= max(since, 0)
    counts = np.bincount(base.indices[keep], minlength=n_items).astype(np.int64)
    sums = np.bincount(base.indices[keep], weights=base.values[keep], minlength=n_items).astype(np.float64)
    for user_id in runtime.erased():
        if (user := base.find_user(user_id)) is not None:
            rows, values, times = base.history(user)
            late = times >= max(since, 0)
            np.subtract.at(counts, rows[late], 1)
            np.subtract.at(sums, rows[late], values[late])
    for batch in runtime.store.ratings():
        for rating in batch:
            row = view.catalog.find_any(rating.movie_id)
            if row is None:
                continue
            before = runtime.base(rating.user_id, rating.movie_id)
            if before is not None and before[1] >= max(since, 0):
                counts[row] -= 1
                sums[row] -= before[0]
            if rating.rating is not None and rating.timestamp >= since:
                counts[row] += 1
                sums[row] += rating.rating
    return counts, sums


def page(view: View, settings: Settings, *, filter: str, sort: str, offset: int, limit: int) -> MoviePage:
    """A page of the catalogue with each film's number of ratings and mean stars."""
    check_n(limit, settings.max_n)
    if offset < 0:
        raise InvalidInputError(f"offset is {offset}.", "Start at 0 or later.")
    rows = np.flatnonzero(allowed_rows(view, filter, settings.max_filter))
    rows = _sorted(view, rows, sort)
    part = rows[offset : offset + limit]
    counts, means = view.stats.counts, view.stats.means
    return MoviePage(
        tuple(view.catalog.movie(int(row)) for row in part),
        len(rows),
        tuple((int(counts[row]), None if counts[row] == 0 else round(float(means[row]), 4)) for row in part),
    )


def _sorted(view: View, rows: NDArray[np.int64], sort: str) -> NDArray[np.int64]:
    name, minus = sort.removeprefix("-"), sort.startswith("-")
    if name not in SORTS:
        raise InvalidInputError(f"Films cannot be sorted by {name!r}.", f"Use one of: {', '.join(SORTS)}.")
    if name in ("movie_id", "title"):
        values = view.catalog.column(name)
        if name == "movie_id":

            def key(row: int) -> tuple[int, int, str]:
                text = str(values[row])
                return (0, int(text), text) if text.isdecimal() else (1, 0, text)
        else:

            def key(row: int) -> tuple[int, int, str]:
                return (0, 0, str(values[row]).casefold())

        return np.array(sorted(rows.tolist(), key=key, reverse=minus), dtype=np.int64)
    numbers: dict[str, NDArray[Any]] = {
        "year": view.catalog.frame["year"].to_numpy(),
        "ratings": view.stats.counts,
        "mean": view.stats.means,
        "popularity": view.stats.popularity,
    }
    number = numbers[name][rows].astype(np.float64)
    descending = minus == (name == "year")
    unknown = np.isnan(number)
    number = np.where(unknown, 0.0, -number if descending else number)
    # Unknown values come last either way; ties by row.
    return rows[np.lexsort((rows, number, unknown))]


def film_map(view: View, space: str) -> FilmMap:
    """Where each film of a space that is in service lies; films written since training are not on the map.

    Raises:
        InvalidInputError: the snapshot has no such space.
    """
    found = view.spaces[space].space
    kept = view.catalog.active[found.rows]
    rows = np.asarray(found.rows[kept])
    return FilmMap(space, found.layout_method, rows, np.asarray(found.layout[kept]), tuple(view.catalog.ids(rows)))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
