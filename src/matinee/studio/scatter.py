"""The map of all movies: coordinates and facts, cached for all sessions, and the figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from matinee.client import RefusedError, calls
from matinee.studio import charts, core
from matinee.studio.grids import Columns
from matinee.studio.style import with_year

SPACES = {"content": "Content", "taste": "Taste", "poster": "Posters", "text": "Texts"}
FACTS_TTL = 600
"""Seconds for which genres and ratings are cached. Reading them takes one request per 1,000 movies."""
PAGE = 1000
GENRES, YEARS, MEAN, RATINGS = "Genre", "Year", "Mean stars", "Number of ratings"
COLORS = (GENRES, YEARS, MEAN, RATINGS)
MAX_GENRES = 7
"""Maximum number of genres with a color. The eighth color is for all other movies."""
HEIGHT = 640
MAX_LARGE_MARKS = 20_000
SIZE, SMALL_SIZE = 5, 3
OPACITY = 0.75

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class MapPoints:
    """Movies of a space with map coordinates.

    Attributes:
        method: the method of dimensionality reduction.
        ids: movie ids.
        names: `Title (Year)`.
        titles: names, escaped for a figure.
        x, y: coordinates, (n,).
        years: (n,), NaN if unknown.
        rows: movie id → index in these lists.
    """

    method: str
    ids: list[str]
    names: list[str]
    titles: list[str]
    x: Floats
    y: Floats
    years: Floats
    rows: dict[str, int]


@dataclass(frozen=True)
class Facts:
    """Attributes for coloring: movie id → genres, mean stars (None: unrated), number of ratings."""

    genres: dict[str, list[str]]
    mean: dict[str, float | None]
    ratings: dict[str, int]


def map_points(space: str) -> MapPoints | None:
    """The movies of a space; None if the snapshot has no such space. Shared; do not modify."""
    return _map_points(core.address(), core.snapshot(), space)


@st.cache_resource(ttl=core.TTL, max_entries=8, show_spinner=False)
def _map_points(url: str, snapshot: str, space: str) -> MapPoints | None:
    del url, snapshot
    try:
        answer = core.ask(calls.film_map(space))
    except RefusedError as error:
        if error.status not in (404, 422):
            raise
        return None
    ids: list[str] = answer["movie_ids"]
    names = [with_year(title, year) for title, year in zip(answer["titles"], answer["years"], strict=True)]
    titles = [charts.label(name) for name in names]
    x, y, years = (np.array(answer[name], dtype=np.float64) for name in ("x", "y", "years"))
    return MapPoints(
        answer["method"], ids, names, titles, x, y, years, {movie_id: row for row, movie_id in enumerate(ids)}
    )


def facts() -> Facts:
    """Genres and ratings of all movies, cached for ten minutes. Shared; do not modify."""
    return _facts(core.address(), core.snapshot())


@st.cache_resource(ttl=FACTS_TTL, max_entries=2, show_spinner="Reading the films …")
def _facts(url: str, snapshot: str) -> Facts:
    del url, snapshot
    facts = Facts({}, {}, {})
    total, offset = 1, 0
    while offset < total:
        page = core.ask(calls.movies(sort="movie_id", offset=offset, limit=PAGE))
        for movie in page["items"]:
            movie_id = movie["movie_id"]
            facts.genres[movie_id] = movie["genres"]
            facts.mean[movie_id] = movie["mean"]
            facts.ratings[movie_id] = movie["ratings"]
        total, offset = page["total"], offset + PAGE
    return facts


def genres_by_size(facts: Facts) -> list[str]:
    """All genres, sorted by number of movies."""
    return [name for name, _ in Counter(name for each in facts.genres.values() for name in each).most_common()]


def table(points: MapPoints, facts: Facts) -> Columns:
    """The data of the map as columns."""
    return {
        "Film": points.names,
        "Across": points.x.tolist(),
        "Up": points.y.tolist(),
        "Genres": [", ".join(facts.genres.get(movie_id, ())) for movie_id in points.ids],
        "Mean stars": [facts.mean.get(movie_id) for movie_id in points.ids],
        "Ratings": [facts.ratings.get(movie_id) for movie_id in points.ids],
    }


# --- the figure ------------------------------------------------------------------------------------------------
def figure(
    points: MapPoints,
    facts: Facts,
    *,
    color: str,
    genres: Sequence[str] = (),
    rated: Mapping[str, float] | None = None,
    marked: str | None = None,
    neighbors: Sequence[str] = (),
) -> go.Figure:
    """The figure of the map. The `customdata` of every point is the movie's row.

    Args:
        color: one of `COLORS`.
        genres: for `GENRES`: those with a color, at most `MAX_GENRES`.
        rated: movies rated by a user, marked with rings, and their stars.
        marked: the movie marked with a star.
        neighbors: its neighbors, marked with diamonds.
    """
    result = go.Figure()
    size = SIZE if len(points.ids) <= MAX_LARGE_MARKS else SMALL_SIZE
    if color == GENRES:
        _by_genre(result, points, facts, genres, size)
    else:
        _by_number(result, points, numbers(points, facts, color), color, size)
    ink = "#f5f5f4" if st.context.theme.type == "dark" else "#1c1917"
    if rated:
        rows = _rows(points, rated)
        texts = [f"{points.titles[row]}<br>{rated[points.ids[row]]:g} stars by the user" for row in rows.tolist()]
        ring = {"symbol": "circle-open", "size": size + 3, "color": ink, "line": {"width": 1}}
        _add(result, points, rows, "Rated by the user", ring, texts)
    if neighbors:
        diamond = {"symbol": "diamond", "size": size + 7, "color": ink}
        _add(result, points, _rows(points, neighbors), "Similar films", diamond)
    if marked in points.rows:
        row = np.array([points.rows[marked]])
        star = {"symbol": "star", "size": 24, "color": charts.colors()[0], "line": {"width": 1.5, "color": ink}}
        _add(result, points, row, "The film", star)
    result.update_layout(
        height=HEIGHT,
        margin={"l": 0, "r": 0, "t": 8, "b": 8},
        dragmode="pan",
        clickmode="event+select",
        uirevision="map",  # keep the zoom when marks change
        legend={"orientation": "h", "y": -0.02, "yanchor": "top", "x": 0, "itemsizing": "constant"},
        hoverlabel={"align": "left", "namelength": -1},
    )
    bare = {"visible": False, "showgrid": False, "zeroline": False}
    result.update_xaxes(**bare)
    result.update_yaxes(**bare, scaleanchor=None)
    return result


def numbers(points: MapPoints, facts: Facts, color: str) -> Floats:
    """Values for the color scale, (n,), NaN if unknown; numbers of ratings as log10."""
    if color == YEARS:
        return points.years
    if color == MEAN:
        return np.array([facts.mean.get(movie_id) for movie_id in points.ids], dtype=np.float64)
    counts = np.array([facts.ratings.get(movie_id, 0) for movie_id in points.ids], dtype=np.float64)
    return np.log10(np.where(counts > 0, counts, np.nan))


def _by_number(figure: go.Figure, points: MapPoints, values: Floats, color: str, size: int) -> None:
    missing = np.flatnonzero(np.isnan(values))
    if len(missing):
        _add(figure, points, missing, "Unknown", {"size": size, "color": charts.FADED, "opacity": OPACITY / 2})
    rows = np.flatnonzero(~np.isnan(values))
    if not len(rows):
        return
    # Quantiles, because outliers would use most of the color scale.
    low, high = (float(one) for one in np.quantile(values[rows], (0.02, 0.98)))
    bar: dict[str, Any] = {"title": {"text": color}, "thickness": 10, "x": 1, "xpad": 4, "y": 0.45, "len": 0.85}
    if color == RATINGS:
        steps = list(range(int(np.floor(low)), int(np.ceil(high)) + 1))
        bar |= {"tickmode": "array", "tickvals": steps, "ticktext": [f"{10**step:,}" for step in steps]}
        texts = [f"{10**value:,.0f} rating{'s' if value > 0 else ''}" for value in values[rows].tolist()]
    else:
        form = "{:.0f}" if color == YEARS else "{:.2f} stars on average"
        texts = [form.format(value) for value in values[rows].tolist()]
    marker = {
        "size": size,
        "opacity": OPACITY,
        "color": values[rows].round(3),
        "colorscale": [list(step) for step in charts.SCALE],
        "cmin": low,
        "cmax": high if high > low else low + 1,
        "showscale": True,
        "colorbar": bar,
    }
    titles = [f"{points.titles[row]}<br>{text}" for row, text in zip(rows.tolist(), texts, strict=True)]
    _add(figure, points, rows, color, marker, titles, legend=False)


def _by_genre(figure: go.Figure, points: MapPoints, facts: Facts, genres: Sequence[str], size: int) -> None:
    # A movie has the color of its rarest shown genre, because nearly every movie is also a drama or a comedy.
    order = {name: i for i, name in enumerate(reversed(genres_by_size(facts)))}
    rarest = sorted(genres, key=lambda name: order.get(name, 0))
    group = np.full(len(points.ids), len(genres), dtype=np.int64)
    index = {name: genres.index(name) for name in rarest}
    for row, movie_id in enumerate(points.ids):
        own_genres = facts.genres.get(movie_id, ())
        group[row] = next((index[name] for name in rarest if name in own_genres), len(genres))
    colors = charts.colors()
    other = {"size": size, "color": charts.FADED, "opacity": OPACITY / 2}
    _add(figure, points, np.flatnonzero(group == len(genres)), "Other", other)
    for number, name in enumerate(genres):
        marker = {"size": size, "color": colors[number], "opacity": OPACITY}
        _add(figure, points, np.flatnonzero(group == number), charts.label(name), marker)


def _rows(points: MapPoints, ids: Sequence[str] | Mapping[str, float]) -> Rows:
    return np.array([points.rows[movie_id] for movie_id in ids if movie_id in points.rows], dtype=np.int64)


def _add(
    figure: go.Figure,
    points: MapPoints,
    rows: Rows,
    name: str,
    marker: Mapping[str, Any],
    titles: Sequence[str] | None = None,
    *,
    legend: bool = True,
) -> None:
    opacity = marker.get("opacity", 1)
    figure.add_scattergl(
        x=points.x[rows].astype(np.float32),
        y=points.y[rows].astype(np.float32),
        mode="markers",
        name=name,
        # An array, because Plotly checks every element of a list several times.
        text=np.array([points.titles[row] for row in rows.tolist()] if titles is None else titles, dtype=object),
        customdata=rows.astype(np.int32),
        hovertemplate="%{text}<extra></extra>",
        marker=dict(marker),
        # A click marks the movie with a star, so the others need not fade.
        selected={"marker": {"opacity": opacity}},
        unselected={"marker": {"opacity": opacity}},
        showlegend=legend,
    )
