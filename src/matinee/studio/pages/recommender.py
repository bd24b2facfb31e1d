"""The page Recommender System (classic.md, B2): ten recommendations from three favorite movies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from matinee.client import calls
from matinee.studio import core, pickers
from matinee.studio.movie_lists import Entry, movie_list
from matinee.studio.pickers import Catalog, catalog
from matinee.studio.style import plain

ALGORITHMS = {"content": "Content Based Filtering", "collab": "Collaborative Based Filtering"}
PICKERS = ("First film", "Second film", "Third film")
N = 10
ASKED = "recommender: asked"
"""Key of the request: movie ids and algorithm."""
CHOICE = "recommender-algorithm"
SEEN, LEFT = "recommender: address", "recommender: widgets"
"""Keys of the address and the widgets' values at the end of the last run."""


def show() -> None:
    """Show the page; `?film=1&film=2&film=3&model=content` holds its state."""
    st.title("Movie Recommender Engine")
    movies = catalog()
    # A changed address means a link or "back". But a quick click may still come with the old address, before the
    # browser has received the new one. Then the widgets have changed too, and take precedence.
    moved = _address() != st.session_state.get(SEEN) and _widgets() == st.session_state.get(LEFT)
    if moved or CHOICE not in st.session_state:
        _restore(movies)
    # Fragments, so that a choice in one picker does not redraw the others with all their movies.
    _algorithm()
    st.header("Enter Your Three Favorite Movies")
    for name in PICKERS:
        _picker(name)
    _recommend()


@core.part
def _algorithm() -> None:
    st.radio(
        "Select an algorithm",
        list(ALGORITHMS),
        format_func=ALGORITHMS.__getitem__,
        key=CHOICE,
        captions=["Films about the same things", "Films that the same people like"],
    )
    st.session_state[LEFT] = _widgets()


@core.part
def _picker(name: str) -> None:
    pickers.movie_label(name, _key(name), catalog())
    st.session_state[LEFT] = _widgets()


@core.part
def _recommend() -> None:
    movies = catalog()
    if st.button("Recommend", type="primary", key="recommender-go"):
        selected = {name: st.session_state.get(_key(name)) for name in PICKERS}
        missing = [name.lower() for name, label in selected.items() if label not in movies.ids]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            core.info(f"Choose three films first: the {' and the '.join(missing)} {verb} missing.")
            return
        _remember([movies.ids[str(label)] for label in selected.values()], st.session_state[CHOICE])
    if ASKED in st.session_state:
        _answer(movies, *st.session_state[ASKED])


def _address() -> tuple[list[str], str]:
    return st.query_params.get_all("film"), st.query_params.get("model", "content")


def _widgets() -> list[str | None]:
    return [st.session_state.get(key) for key in (CHOICE, *map(_key, PICKERS))]


def _restore(movies: Catalog) -> None:
    """Restore the state from the address, or from before the visitor went to another page."""
    movie_ids, model = _address()
    if not movie_ids and ASKED in st.session_state and CHOICE not in st.session_state:
        movie_ids, model = st.session_state[ASKED]
    st.session_state.pop(ASKED, None)
    model = model if model in ALGORITHMS else "content"
    st.session_state[CHOICE] = model
    labels = [movies.by_id.get(movie_id) for movie_id in movie_ids[: len(PICKERS)]]
    for i, name in enumerate(PICKERS):
        st.session_state[_key(name)] = labels[i] if i < len(labels) else None
    if len(labels) == len(PICKERS) and None not in labels:
        _remember(movie_ids[: len(PICKERS)], model)
    st.session_state[SEEN] = _address()


def _key(name: str) -> str:
    return f"recommender-{name}"


def _remember(movie_ids: Sequence[str], model: str) -> None:
    st.session_state[ASKED] = (tuple(movie_ids), model)
    if _address() != (list(movie_ids), model):
        st.query_params.from_dict({"film": list(movie_ids), "model": model})
    st.session_state[SEEN] = _address()


def _answer(movies: Catalog, movie_ids: tuple[str, ...], model: str) -> None:
    answer = core.find(calls.favourites(movie_ids=movie_ids, model=model, top_n=N))
    if answer is None:
        core.info("One of these films is gone from the catalogue. Choose another.")
        return
    st.header("We think you'll like:")
    names = [movies.by_id.get(movie_id, movie_id) for movie_id in dict.fromkeys(movie_ids)]
    st.caption(plain(f"{ALGORITHMS[model]}, for {' · '.join(names)}"))
    _say_fallback(answer)
    movie_list(
        [
            Entry(movie["movie_id"], movie["title"], movie["year"], note=", ".join(movie["genres"]))
            for movie in answer["items"]
        ]
    )
    if not answer["items"]:
        core.info("No other film is known.")


def _say_fallback(answer: dict[str, Any]) -> None:
    if answer["fallback"] == "popular":
        core.info("Nothing is known of these films, so these are the most popular ones.")
    elif answer["fallback"] == "content":
        cold = answer["cold"]
        text = f"Nobody has rated {', '.join(cold)}: {'it counts' if len(cold) == 1 else 'they count'} by content."
        core.info(plain(text))
