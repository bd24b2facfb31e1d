"""All films as points of a plane: their places and facts, kept for all sessions, and the figure of them."""

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
from matinee.studio.style import named

SPACES = {"content": "Content", "taste": "Taste", "poster": "Posters", "text": "Texts"}
FACTS_KEPT = 600
"""Seconds that genres, numbers and means of ratings are kept: reading them takes a request for every 1,000 films."""
PAGE = 1000
GENRES, YEARS, MEAN, RATINGS = "Genre", "Year", "Mean stars", "Number of ratings"
COLORS = (GENRES, YEARS, MEAN, RATINGS)
MAX_GENRES = 7
"""Genres that can have a color of their own; the eighth is that of all others."""
HEIGHT = 640
MANY = 20_000
SIZE, SIZE_OF_MANY = 5, 3
OPACITY = 0.75

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Places:
    """Films with a place in a space, n of them.

    Attributes:
        method: how the space was brought to two dimensions.
        ids: film ids.
        names: `Title (Year)`.
        titles: the same, for a figure.
        x, y: places, (n,).
        years: (n,), NaN where unknown.
        rows: id → place in the lists.
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
    """What films are colored by: id → genres, mean stars (None: unrated), number of ratings."""

    genres: dict[str, list[str]]
    mean: dict[str, float | None]
    ratings: dict[str, int]


def places(space: str) -> Places | None:
    """The films of a space, None where the snapshot has no such space. Shared: not to be changed."""
    return _places(core.address(), core.snapshot(), space)


@st.cache_resource(ttl=core.KEPT, max_entries=8, show_spinner=False)
def _places(url: str, snapshot: str, space: str) -> Places | None:
    del url, snapshot
    try:
        found = core.ask(calls.film_map(space))
    except RefusedError as error:
        if error.status not in (404, 422):
            raise
        return None
    ids: list[str] = found["movie_ids"]
    names = [named(title, year) for title, year in zip(found["titles"], found["years"], strict=True)]
    titles = [charts.label(name) for name in names]
    x, y, years = (np.array(found[name], dtype=np.float64) for name in ("x", "y", "years"))
    return Places(found["method"], ids, names, titles, x, y, years, {movie_id: row for row, movie_id in enumerate(ids)})


def facts() -> Facts:
    """Genres and ratings of all films, ten minutes old at most. Shared: not to be changed."""
    return _facts(core.address(), core.snapshot())


@st.cache_resource(ttl=FACTS_KEPT, max_entries=2, show_spinner="Reading the films …")
def _facts(url: str, snapshot: str) -> Facts:
    del url, snapshot
    found = Facts({}, {}, {})
    total, offset = 1, 0
    while offset < total:
        page = core.ask(calls.movies(sort="movie_id", offset=offset, limit=PAGE))
        for film in page["items"]:
            movie_id = film["movie_id"]
            found.genres[movie_id] = film["genres"]
            found.mean[movie_id] = film["mean"]
            found.ratings[movie_id] = film["ratings"]
        total, offset = page["total"], offset + PAGE
    return found


def genres_by_size(known: Facts) -> list[str]:
    """All genres, that of the most films first."""
    return [name for name, _ in Counter(name for each in known.genres.values() for name in each).most_common()]


def table(films: Places, known: Facts) -> charts.Columns:
    """What the map shows, as columns."""
    return {
        "Film": films.names,
        "Across": films.x.tolist(),
        "Up": films.y.tolist(),
        "Genres": [", ".join(known.genres.get(movie_id, ())) for movie_id in films.ids],
        "Mean stars": [known.mean.get(movie_id) for movie_id in films.ids],
        "Ratings": [known.ratings.get(movie_id) for movie_id in films.ids],
    }


# --- the figure ------------------------------------------------------------------------------------------------
def figure(
    films: Places,
    known: Facts,
    *,
    color: str,
    genres: Sequence[str] = (),
    rated: Mapping[str, float] | None = None,
    film: str | None = None,
    near: Sequence[str] = (),
) -> go.Figure:
    """The map. The `customdata` of every point is the film's row.

    Args:
        color: one of `COLORS`.
        genres: for `GENRES`: those with a color of their own, `MAX_GENRES` at most.
        rated: films to be ringed, with a user's stars.
        film: to be marked by a star.
        near: films to be marked as its neighbors.
    """
    made = go.Figure()
    size = SIZE if len(films.ids) <= MANY else SIZE_OF_MANY
    if color == GENRES:
        _by_genre(made, films, known, genres, size)
    else:
        _by_number(made, films, numbers(films, known, color), color, size)
    ink = "#f5f5f4" if st.context.theme.type == "dark" else "#1c1917"
    if rated:
        rows = _rows(films, rated)
        said = [f"{films.titles[row]}<br>{rated[films.ids[row]]:g} stars by the user" for row in rows.tolist()]
        ring = {"symbol": "circle-open", "size": size + 3, "color": ink, "line": {"width": 1}}
        _add(made, films, rows, "Rated by the user", ring, said)
    if near:
        _add(made, films, _rows(films, near), "Similar films", {"symbol": "diamond", "size": size + 7, "color": ink})
    if film in films.rows:
        row = np.array([films.rows[film]])
        star = {"symbol": "star", "size": 24, "color": charts.colors()[0], "line": {"width": 1.5, "color": ink}}
        _add(made, films, row, "The film", star)
    made.update_layout(
        height=HEIGHT,
        margin={"l": 0, "r": 0, "t": 8, "b": 8},
        dragmode="pan",
        clickmode="event+select",
        uirevision="map",  # what was zoomed to stays while marks change
        legend={"orientation": "h", "y": -0.02, "yanchor": "top", "x": 0, "itemsizing": "constant"},
        hoverlabel={"align": "left", "namelength": -1},
    )
    bare = {"visible": False, "showgrid": False, "zeroline": False}
    made.update_xaxes(**bare)
    made.update_yaxes(**bare, scaleanchor=None)
    return made


def numbers(films: Places, known: Facts, color: str) -> Floats:
    """What films are colored by, (n,), NaN where unknown; numbers of ratings as powers of ten."""
    if color == YEARS:
        return films.years
    if color == MEAN:
        return np.array([known.mean.get(movie_id) for movie_id in films.ids], dtype=np.float64)
    counts = np.array([known.ratings.get(movie_id, 0) for movie_id in films.ids], dtype=np.float64)
    return np.log10(np.where(counts > 0, counts, np.nan))


def _by_number(made: go.Figure, films: Places, values: Floats, color: str, size: int) -> None:
    missing = np.flatnonzero(np.isnan(values))
    if len(missing):
        _add(made, films, missing, "Unknown", {"size": size, "color": charts.FADED, "opacity": OPACITY / 2})
    rows = np.flatnonzero(~np.isnan(values))
    if not len(rows):
        return
    # The few films far out would take all the colors.
    low, high = (float(one) for one in np.quantile(values[rows], (0.02, 0.98)))
    bar: dict[str, Any] = {"title": {"text": color}, "thickness": 10, "x": 1, "xpad": 4, "y": 0.45, "len": 0.85}
    if color == RATINGS:
        steps = list(range(int(np.floor(low)), int(np.ceil(high)) + 1))
        bar |= {"tickmode": "array", "tickvals": steps, "ticktext": [f"{10**step:,}" for step in steps]}
        said = [f"{10**value:,.0f} rating{'s' if value > 0 else ''}" for value in values[rows].tolist()]
    else:
        form = "{:.0f}" if color == YEARS else "{:.2f} stars on average"
        said = [form.format(value) for value in values[rows].tolist()]
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
    titles = [f"{films.titles[row]}<br>{text}" for row, text in zip(rows.tolist(), said, strict=True)]
    _add(made, films, rows, color, marker, titles, legend=False)


def _by_genre(made: go.Figure, films: Places, known: Facts, genres: Sequence[str], size: int) -> None:
    # Of the genres that are shown a film has the color of its rarest: nearly every film is a drama or a comedy too.
    order = {name: place for place, name in enumerate(reversed(genres_by_size(known)))}
    rarest = sorted(genres, key=lambda name: order.get(name, 0))
    group = np.full(len(films.ids), len(genres), dtype=np.int64)
    place = {name: genres.index(name) for name in rarest}
    for row, movie_id in enumerate(films.ids):
        having = known.genres.get(movie_id, ())
        group[row] = next((place[name] for name in rarest if name in having), len(genres))
    colors = charts.colors()
    other = {"size": size, "color": charts.FADED, "opacity": OPACITY / 2}
    _add(made, films, np.flatnonzero(group == len(genres)), "Other", other)
    for number, name in enumerate(genres):
        marker = {"size": size, "color": colors[number], "opacity": OPACITY}
        _add(made, films, np.flatnonzero(group == number), charts.label(name), marker)


def _rows(films: Places, ids: Sequence[str] | Mapping[str, float]) -> Rows:
    return np.array([films.rows[movie_id] for movie_id in ids if movie_id in films.rows], dtype=np.int64)


def _add(
    made: go.Figure,
    films: Places,
    rows: Rows,
    name: str,
    marker: Mapping[str, Any],
    titles: Sequence[str] | None = None,
    *,
    legend: bool = True,
) -> None:
    opacity = marker.get("opacity", 1)
    made.add_scattergl(
        x=films.x[rows].astype(np.float32),
        y=films.y[rows].astype(np.float32),
        mode="markers",
        name=name,
        # As an array, which Plotly takes as it is: it looks at every element of a list, several times.
        text=np.array([films.titles[row] for row in rows.tolist()] if titles is None else titles, dtype=object),
        customdata=rows.astype(np.int32),
        hovertemplate="%{text}<extra></extra>",
        marker=dict(marker),
        # A click marks the film by a star; the others need not fade.
        selected={"marker": {"opacity": opacity}},
        unselected={"marker": {"opacity": opacity}},
        showlegend=legend,
    )
