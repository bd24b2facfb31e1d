"""The page Map: all movies of a space as colored points, with a user's movies and a movie's neighbors marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from matinee.client import calls
from matinee.errors import MatineeError
from matinee.studio import charts, core, pickers, scatter
from matinee.studio.movie_lists import Entry, movie_list, portrait
from matinee.studio.pickers import catalog
from matinee.studio.style import counted, plain, with_year

MAP, FILM, SPACE, COLOR, CHOSEN_GENRES = "map-figure", "map-film", "map-space", "map-colour", "map-genres"
NEAR = 10
BY = {"taste": "taste", "content": "content", "poster": "poster", "text": "content"}
"""Similarity used for the neighbors in each space; there is none by text alone."""
CONFIG = {"displayModeBar": True, "scrollZoom": True, "modeBarButtonsToRemove": ["select2d", "lasso2d", "toImage"]}
METHODS = {"neighbors": "nearest neighbors", "pca": "PCA", "umap": "UMAP"}


def show() -> None:
    """Show the page; `?page=map&space=taste&colour=Year&film=318&user=42` holds its state."""
    st.title("Map")
    pickers.follow()
    available = [space for space in scatter.SPACES if scatter.map_points(space) is not None]
    if not available:
        core.info("The snapshot in service has no maps. `matinee train` makes them.")
        return
    facts = scatter.facts()
    left, right = st.columns(2)
    with left:
        space = _space(available)
    with right:
        requested = pickers.param("colour")
        pickers.init_widget(COLOR, requested if requested in scatter.COLORS else scatter.GENRES)
        color = str(st.selectbox("Colour", scatter.COLORS, key=COLOR))
    genres: Sequence[str] = ()
    if color == scatter.GENRES:
        genres = _genres(facts)
    left, right = st.columns(2)
    with left:
        movie_id = pickers.movie("Film", FILM)
    with right:
        user_id = pickers.user("Films rated by user", "map-user", optional=True)
    pickers.address(space=space, colour=color, film=movie_id, user=user_id)
    points = scatter.map_points(space)
    if points is None:  # the snapshot has changed during this run
        return
    rated = {row["movie_id"]: row["rating"] for row in pickers.history(user_id)} if user_id else {}
    if user_id and not rated:
        pickers.show_unknown_user(user_id)
    neighbors = _similar(movie_id, space) if movie_id else []
    left, right = st.columns([3, 1.3])  # always, so that the figure keeps its position and zoom
    with left:
        _map(points, facts, space, color, genres, rated, movie_id, neighbors)
    with right:
        if movie_id is None:
            st.info("Click a film on the map, or choose one above, to see its details.", icon=":material/ads_click:")
        else:
            _details(movie_id, movie_id in points.rows, space, neighbors, rated)


def _space(available: Sequence[str]) -> str:
    requested = pickers.param("space")
    pickers.init_widget(SPACE, requested if requested in available else available[0])
    if st.session_state[SPACE] not in available:
        st.session_state[SPACE] = available[0]
    return str(st.selectbox("Space", available, format_func=lambda one: scatter.SPACES.get(one, one), key=SPACE))


def _genres(facts: scatter.Facts) -> Sequence[str]:
    names = scatter.genres_by_size(facts)
    pickers.init_widget(CHOSEN_GENRES, names[: scatter.MAX_GENRES])
    st.session_state[CHOSEN_GENRES] = [name for name in st.session_state[CHOSEN_GENRES] if name in names]
    return list(st.multiselect("Genres in colour", names, max_selections=scatter.MAX_GENRES, key=CHOSEN_GENRES))


def _map(
    points: scatter.MapPoints,
    facts: scatter.Facts,
    space: str,
    color: str,
    genres: Sequence[str],
    rated: Mapping[str, float],
    movie_id: str | None,
    neighbors: Sequence[Mapping[str, Any]],
) -> None:
    near = [item["movie_id"] for item in neighbors]
    figure = scatter.figure(points, facts, color=color, genres=genres, rated=rated, marked=movie_id, neighbors=near)
    method = METHODS.get(points.method, points.method)
    what = f"{len(points.ids):,} films by {scatter.SPACES[space].lower()}, brought to two dimensions by {method}"
    charts.draw(
        figure,
        key=MAP,
        alt=f"Map of {what}, coloured by {color.lower()}",
        caption=f"{what}. Near means alike. Click a film for its details; scroll to zoom, drag to move.",
        table=lambda: scatter.table(points, facts),
        config=CONFIG,
        on_select=_clicked,
    )


def _clicked() -> None:
    """Select the movie of the clicked point."""
    clicked = st.session_state[MAP]["selection"]["points"]
    try:
        points, labels = scatter.map_points(st.session_state[SPACE]), catalog()
    except MatineeError:  # the following run shows the error
        return
    if not clicked or points is None:
        return
    row = clicked[0].get("customdata")
    row = row[0] if isinstance(row, list) else row
    if isinstance(row, int) and 0 <= row < len(points.ids):
        st.session_state[FILM] = labels.by_id.get(points.ids[row])


def _similar(movie_id: str, space: str) -> list[Mapping[str, Any]]:
    answer = core.find(calls.similar(movie_id, by=BY[space], n=NEAR), missing=(404, 422))
    return list(answer["items"]) if answer else []  # the movie has no vector in this space


def _details(
    movie_id: str,
    on_map: bool,
    space: str,
    neighbors: Sequence[Mapping[str, Any]],
    rated: Mapping[str, float],
) -> None:
    movie = core.get(calls.movie(movie_id))
    ratings = core.get(calls.movie_ratings(movie_id))
    picture = core.poster(movie_id)
    st.subheader(plain(with_year(movie["title"], movie.get("year"))), anchor=False)
    if picture:
        portrait(picture)
    facts = [", ".join(movie.get("genres") or ())]
    if movie.get("directors"):
        facts.append(f"Directed by {', '.join(movie['directors'])}")
    count = ratings["count"]
    if count:
        facts.append(f"{counted(count, 'rating')}, {ratings['mean']:.2f} stars on average")
    else:
        facts.append("Nobody has rated it.")
    if movie_id in rated:
        facts.append(f"The user gave it {rated[movie_id]:g} stars.")
    if not on_map:
        facts.append("It has no place in this space.")
    st.markdown("\n".join(f"- {plain(fact)}" for fact in facts if fact))
    if movie.get("overview"):
        st.caption(plain(movie["overview"]))
    if neighbors:
        st.markdown(f"**Similar films by {BY[space]}**")
        movie_list([Entry(item["movie_id"], item["title"], item.get("year")) for item in neighbors])
