"""Questions about movies: charts, pages of the catalog, the map."""

from __future__ import annotations

import time
from itertools import compress
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import TypedDict

from matinee.engine.charts import chart_of
from matinee.engine.filters import value_text
from matinee.engine.rating_counts import histogram
from matinee.engine.recommend import check_n, make_items
from matinee.engine.runtime import RequestView
from matinee.engine.types import MovieMap, MoviePage, MovieRatings, PopularBy, PopularItem, TitleTable
from matinee.errors import InvalidInputError
from matinee.models.charts import DAY, By, Chart, make_chart, years_of

MAX_ON_MAP = 100_000
"""Movies that a map shows at most; a page with a million points is tens of megabytes."""
SORTS = ("movie_id", "title", "year", "ratings", "mean", "popularity", "top_rated")
"""Keys of `movies`; the last four descend by themselves."""
CHARTS: dict[PopularBy, By] = {"popular": "counts", "trending": "trending", "top_rated": "top_rated"}
"""The kinds of `popular`, as the models call them."""


class ReasonCount(TypedDict):
    """How many rows there were of one kind."""

    reason: str
    count: int


class TableRows(TypedDict):
    """Rows of one table: `rows_in` − `rows_out` is the sum of `dropped`."""

    name: str
    rows_in: int
    rows_out: int
    dropped: list[ReasonCount]
    changed: list[ReasonCount]
    noticed: Annotated[list[ReasonCount], Field(description="Rows kept unchanged, but worth a look.")]


class JoinShare(TypedDict):
    """Share of the films, 0..1, for which a source had something."""

    name: str
    share: float


class DataReport(TypedDict):
    """How the data of the snapshot were cleaned."""

    snapshot: str
    dataset: str
    fingerprint: Annotated[str, Field(description="sha256 of films and ratings.")]
    scale: Annotated[list[float], Field(description="Lowest and highest stars.")]
    n_users: int
    n_items: int
    n_ratings: int
    notes: list[str]
    joins: list[JoinShare]
    tables: list[TableRows]


def popular(
    view: RequestView,
    *,
    by: PopularBy = "popular",
    n: int,
    filter: str,
    genre: str | None,
    year: int | None,
    days: float | None,
) -> list[PopularItem]:
    """A chart; movies without ratings (in the window) are not in it. See `Engine.popular`."""
    check_n(n, view.settings.max_n)
    if by not in CHARTS:
        raise InvalidInputError(f"There is no chart {by!r}.", f"Use one of: {', '.join(CHARTS)}.")
    allowed = view.allowed(filter)
    if genre is not None:
        allowed &= view.allowed(f"genre = {value_text(genre)}")
    if year is not None:
        allowed &= view.allowed(f"year = {int(year)}")
    if days is not None and not 0 < days < 1e6:
        raise InvalidInputError(f"days is {days:g}.", "Give a number of days above 0 and below 1000000.")
    since = None if days is None else view.stats.newest - int(days * DAY)
    chart, counts, sums = _chart(view, CHARTS[by], since)
    rows = chart.top(n, allowed)
    return [
        PopularItem(item, int(counts[item.row]), round(float(sums[item.row] / counts[item.row]), 4))
        for item in make_items(view, rows, chart.score[rows].astype(np.float32))
    ]


def _chart(view: RequestView, by: By, since: int | None) -> tuple[Chart, NDArray[np.int64], NDArray[np.float64]]:
    """A chart, and the counts and sums that it is of: of all ratings, or of those given at `since` or later."""
    if since is None and by != "trending":
        return chart_of(view, by), view.stats.counts, view.stats.sums
    n_items, effective, trend = len(view.catalog), view.ratings(), view.runtime.trend
    counts, sums, lately, now = view.stats.counts, view.stats.sums, None, int(time.time())
    if since is None:
        lately = trend.over(effective, now)
    else:
        ratings = effective.flat()
        ratings = ratings.where(ratings.times >= max(since, 0))
        counts = np.bincount(ratings.rows, minlength=n_items).astype(np.int64)
        sums = np.bincount(ratings.rows, weights=ratings.values, minlength=n_items).astype(np.float64)
        if by == "trending":
            lately = trend.of_ratings(ratings, n_items, now)
    years, scale = years_of(view.catalog), view.snapshot.dataset.scale
    return make_chart(by, counts, sums, years, scale=scale, lately=lately), counts, sums


def page(view: RequestView, *, filter: str, sort: str, offset: int, limit: int) -> MoviePage:
    """A page of the catalog with each movie's number of ratings and mean stars."""
    check_n(limit, view.settings.max_n)
    if offset < 0:
        raise InvalidInputError(f"offset is {offset}.", "Start at 0 or later.")
    rows = np.flatnonzero(view.allowed(filter))
    rows = _sorted(view, rows, sort)
    part = rows[offset : offset + limit]
    counts, means = view.stats.counts, view.stats.means
    return MoviePage(
        tuple(view.catalog.movie(int(row)) for row in part),
        len(rows),
        tuple((int(counts[row]), None if counts[row] == 0 else round(float(means[row]), 4)) for row in part),
    )


def _sorted(view: RequestView, rows: NDArray[np.int64], sort: str) -> NDArray[np.int64]:
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
    number = _numbers(view, name)[rows].astype(np.float64)
    descending = minus == (name == "year")
    unknown = np.isnan(number)
    number = np.where(unknown, 0.0, -number if descending else number)
    # Unknown values come last either way; ties by row.
    return rows[np.lexsort((rows, number, unknown))]


def _numbers(view: RequestView, name: str) -> NDArray[Any]:
    if name == "year":
        return view.catalog.years
    if name == "ratings":
        return view.stats.counts
    if name == "mean":
        return view.stats.means
    return chart_of(view, "counts" if name == "popularity" else "top_rated").scores


def film_map(view: RequestView, space: str) -> MovieMap:
    """Where each movie of a space that is in service lies; movies written since training are not on the map.

    Of very many only the `MAX_ON_MAP` most rated ones.

    Raises:
        InvalidInputError: the snapshot has no such space.
    """
    stored = view.spaces[space].space
    mask = view.catalog.active[stored.rows]
    places = np.flatnonzero(mask)
    if len(places) > MAX_ON_MAP:
        counts = view.stats.counts[stored.rows[places]]
        places = places[np.sort(np.argsort(-counts, kind="stable")[:MAX_ON_MAP])]
    rows = np.asarray(stored.rows[places])
    return MovieMap(space, stored.layout_method, rows, np.asarray(stored.layout[places]), tuple(view.catalog.ids(rows)))


def title_table(view: RequestView) -> TitleTable:
    """See `Engine.title_table`."""
    catalog = view.catalog
    ids, titles, years = (catalog.column(name) for name in ("movie_id", "title", "year"))
    if not catalog.active.all():
        active = catalog.active.tolist()
        ids, titles, years = (list(compress(column, active)) for column in (ids, titles, years))
    return TitleTable(ids, titles, years, view.snapshot.id)


def film_ratings(view: RequestView, movie_id: str) -> MovieRatings:
    """See `Engine.film_ratings`."""
    _, values = view.ratings().of_movie(view.catalog.row(movie_id))
    steps = view.runtime.star_steps
    return MovieRatings(
        movie_id,
        len(values),
        round(float(values.mean(dtype=np.float64)), 4) if len(values) else None,
        tuple(zip(steps.tolist(), histogram(values, steps).tolist(), strict=True)),
    )


def cleaning_report(view: RequestView) -> DataReport:
    """See `Engine.report`."""
    manifest = view.snapshot.manifest

    def reasons(counts: dict[str, int]) -> list[ReasonCount]:
        return [{"reason": reason, "count": count} for reason, count in counts.items()]

    return {
        "snapshot": manifest.id,
        "dataset": manifest.dataset,
        "fingerprint": manifest.fingerprint,
        "scale": list(manifest.scale),
        "n_users": manifest.n_users,
        "n_items": manifest.n_items,
        "n_ratings": manifest.n_ratings,
        "notes": list(manifest.report.notes),
        "joins": [{"name": name, "share": share} for name, share in manifest.report.joins.items()],
        "tables": [
            {
                "name": name,
                "rows_in": table.rows_in,
                "rows_out": table.rows_out,
                "dropped": reasons(table.dropped),
                "changed": reasons(table.changed),
                "noticed": reasons(table.noticed),
            }
            for name, table in manifest.report.tables.items()
        ],
    }


def models(view: RequestView) -> list[dict[str, Any]]:
    """See `Engine.models`."""
    default = view.default_model()
    return [
        {"name": name, "default": name == default, "predicts_stars": view.models[name].predicts_stars}
        | entry.model_dump(mode="json")
        for name, entry in view.snapshot.manifest.models.items()
    ]
