"""The page Map: all movies of a space as colored points, with a user's movies and a movie's neighbors marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from matinee.client import RefusedError, calls
from matinee.errors import MatineeError
from matinee.studio import charts, core, pickers, scatter
from matinee.studio.catalog import catalog
from matinee.studio.movie_lists import Entry, film_list, portrait
from matinee.studio.style import named, plain

MAP, FILM, SPACE, COLOR, CHOSEN_GENRES = "map-figure", "map-film", "map-space", "map-colour", "map-genres"
NEAR = 10
BY = {"taste": "taste", "content": "content", "poster": "poster", "text": "content"}
"""Similarity used for the neighbors in each space; there is none by text alone."""
CONFIG = {"displayModeBar": True, "scrollZoom": True, "modeBarButtonsToRemove": ["select2d", "lasso2d", "toImage"]}
METHODS = {"pca": "PCA", "umap": "UMAP"}


def show() -> None:
    """Show the page; `?page=map&space=taste&colour=Year&film=318&user=42` holds its state."""
    st.title("Map")
    pickers.follow()
    available = [space for space in scatter.SPACES if scatter.places(space) is not None]
    if not available:
        st.info("The snapshot in service has no maps. `matinee train` makes them.", icon=":material/info:")
        return
    facts = scatter.facts()
    left, right = st.columns(2)
    with left:
        space = _space(available)
    with right:
        pickers.start(COLOR, pickers.given("colour") if pickers.given("colour") in scatter.COLORS else scatter.GENRES)
        color = str(st.selectbox("Colour", scatter.COLORS, key=COLOR))
    genres: Sequence[str] = ()
    if color == scatter.GENRES:
        genres = _genres(facts)
    left, right = st.columns(2)
    with left:
        film = pickers.film("Film", FILM)
    with right:
        user_id = pickers.user("Films rated by user", "map-user", optional=True)
    pickers.address(space=space, colour=color, film=film, user=user_id)
    films = scatter.places(space)
    if films is None:  # the snapshot has changed during this run
        return
    rated = {row["movie_id"]: row["rating"] for row in pickers.history(user_id)} if user_id else {}
    if user_id and not rated:
        pickers.say_unknown(user_id)
    near = _similar(film, space) if film else []
    left, right = st.columns([3, 1.3])  # always, so that the figure keeps its position and zoom
    with left:
        _map(films, facts, space, color, genres, rated, film, near)
    with right:
        if film is None:
            st.info("Click a film on the map, or choose one above, to see its details.", icon=":material/ads_click:")
        else:
            _details(film, film in films.rows, space, near, rated)


def _space(available: Sequence[str]) -> str:
    asked = pickers.given("space")
    pickers.start(SPACE, asked if asked in available else available[0])
    if st.session_state[SPACE] not in available:
        st.session_state[SPACE] = available[0]
    return str(st.selectbox("Space", available, format_func=lambda one: scatter.SPACES.get(one, one), key=SPACE))


def _genres(facts: scatter.Facts) -> Sequence[str]:
    names = scatter.genres_by_size(facts)
    pickers.start(CHOSEN_GENRES, names[: scatter.MAX_GENRES])
    st.session_state[CHOSEN_GENRES] = [name for name in st.session_state[CHOSEN_GENRES] if name in names]
    return list(st.multiselect("Genres in colour", names, max_selections=scatter.MAX_GENRES, key=CHOSEN_GENRES))


def _map(
    films: scatter.Places,
    facts: scatter.Facts,
    space: str,
    color: str,
    genres: Sequence[str],
    rated: Mapping[str, float],
    film: str | None,
    near: Sequence[Mapping[str, Any]],
) -> None:
    marked = [item["movie_id"] for item in near]
    figure = scatter.figure(films, facts, color=color, genres=genres, rated=rated, film=film, near=marked)
    method = METHODS.get(films.method, films.method)
    what = f"{len(films.ids):,} films by {scatter.SPACES[space].lower()}, brought to two dimensions by {method}"
    charts.draw(
        figure,
        key=MAP,
        alt=f"Map of {what}, coloured by {color.lower()}",
        caption=f"{what}. Near means alike. Click a film for its details; scroll to zoom, drag to move.",
        table=lambda: scatter.table(films, facts),
        config=CONFIG,
        on_select=_clicked,
    )


def _clicked() -> None:
    """Select the movie of the clicked point."""
    points = st.session_state[MAP]["selection"]["points"]
    try:
        films, labels = scatter.places(st.session_state[SPACE]), catalog()
    except MatineeError:  # the following run shows the error
        return
    if not points or films is None:
        return
    row = points[0].get("customdata")
    row = row[0] if isinstance(row, list) else row
    if isinstance(row, int) and 0 <= row < len(films.ids):
        st.session_state[FILM] = labels.by_id.get(films.ids[row])


def _similar(film: str, space: str) -> list[Mapping[str, Any]]:
    try:
        return list(core.get(calls.similar(film, by=BY[space], n=NEAR))["items"])
    except RefusedError as error:
        if error.status not in (404, 422):
            raise
        return []  # the movie has no vector in this space


def _details(
    movie_id: str,
    on_map: bool,
    space: str,
    near: Sequence[Mapping[str, Any]],
    rated: Mapping[str, float],
) -> None:
    film = core.get(calls.movie(movie_id))
    ratings = core.get(calls.movie_ratings(movie_id))
    picture = core.poster(movie_id)
    st.subheader(plain(named(film["title"], film.get("year"))), anchor=False)
    if picture:
        portrait(picture)
    facts = [", ".join(film.get("genres") or ())]
    if film.get("directors"):
        facts.append(f"Directed by {', '.join(film['directors'])}")
    count = ratings["count"]
    if count:
        facts.append(f"{count:,} rating{'' if count == 1 else 's'}, {ratings['mean']:.2f} stars on average")
    else:
        facts.append("Nobody has rated it.")
    if movie_id in rated:
        facts.append(f"The user gave it {rated[movie_id]:g} stars.")
    if not on_map:
        facts.append("It has no place in this space.")
    st.markdown("\n".join(f"- {plain(fact)}" for fact in facts if fact))
    if film.get("overview"):
        st.caption(plain(film["overview"]))
    if near:
        st.markdown(f"**Similar films by {BY[space]}**")
        film_list([Entry(item["movie_id"], item["title"], item.get("year")) for item in near])
