"""Pickers shared by pages (user, movie, model, filter), and the address that stores their state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import streamlit as st

from matinee.client import RefusedError, calls
from matinee.errors import MatineeError, ServiceError
from matinee.studio import core
from matinee.studio.style import counted, plain, truncated, with_year

MAX_LABEL = 120
"""Maximum length of a label; longer titles are truncated."""
MAX_USERS = 1000
"""Maximum number of listed users. Other ids can be typed."""
MAX_LISTED, MAX_MATCHES = 20_000, 500
"""With more than `MAX_LISTED` movies, pickers list `MAX_MATCHES` matches of a text, because longer lists are slow."""
MAX_FILTER = 2000
FIELDS = "genre, year, decade, director, cast, tag, country, ratings, mean"
CHOSEN_USER = "studio: user"
"""Key of the last picked user, on any page."""
PAGE = "page"
"""Parameter of the address that is managed by `app`."""
STARTED, WRITTEN = "studio: started", "studio: written"
"""Keys of the set of widgets stored in the address, and of the last written address with their values."""


@dataclass(frozen=True)
class Catalog:
    """Movies by label, in alphabetical order.

    Attributes:
        labels: `Title (Year)`, followed by the id if several movies share it; unique.
        ids: label → movie id.
        by_id: movie id → label.
    """

    labels: list[str]
    ids: dict[str, str]
    by_id: dict[str, str]


def catalog() -> Catalog:
    """All movies in service, cached for a minute. Shared between sessions; do not modify.

    Raises:
        MatineeError: the core does not answer.
    """
    return _catalog(core.address(), core.snapshot())


@st.cache_resource(ttl=core.TTL, max_entries=2, show_spinner=False)
def _catalog(url: str, snapshot: str) -> Catalog:
    del url, snapshot
    return catalog_of(core.ask(calls.titles()))


def catalog_of(table: dict[str, Any]) -> Catalog:
    """Labels from the answer of `calls.titles`."""
    titles = [with_year(title, year) for title, year in zip(table["titles"], table["years"], strict=True)]
    names = [truncated(" ".join(title.split()), MAX_LABEL) for title in titles]
    uses = Counter(names)
    # The id is only added if necessary, with the word "id", so that it does not look like part of the title.
    labels = [
        (name if uses[name] == 1 else f"{name} – id {movie_id}", movie_id)
        for name, movie_id in zip(names, table["movie_ids"], strict=True)
    ]
    labels.sort(key=lambda row: row[0].casefold())
    return Catalog([label for label, _ in labels], dict(labels), {movie_id: label for label, movie_id in labels})


def follow() -> None:
    """Reset the widgets if the visitor changed the address ("back" or a link). Call it at the start of a page."""
    written: dict[str, list[str]]
    values: dict[str, Any]
    written, values = st.session_state.get(WRITTEN) or ({}, {})
    if _parameters() == written:
        return
    # A quick click may come with an old address. Then the widgets have changed too, and take precedence.
    if all(st.session_state.get(key, value) == value for key, value in values.items()):
        for key in values:
            st.session_state.pop(key, None)


def address(**state: str | float | Sequence[str] | None) -> None:
    """Store this state in the address, without None and "". Call it after the widgets."""
    page = {PAGE: [st.query_params[PAGE]]} if PAGE in st.query_params else {}
    params = page | {
        name: [str(value)] if isinstance(value, (str, int, float)) else list(value)
        for name, value in state.items()
        if value not in (None, "", [])
    }
    if params != _parameters():
        st.query_params.from_dict(params)
    started: set[str] = st.session_state.get(STARTED) or set()
    st.session_state[WRITTEN] = (params, {key: st.session_state[key] for key in started if key in st.session_state})


def _parameters() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def param(name: str) -> str | None:
    """A parameter of the address, or None."""
    return st.query_params.get(name) or None


def init_widget(key: str, value: Any) -> None:
    """Set the initial value of a widget that is stored in the address."""
    st.session_state.setdefault(STARTED, set()).add(key)
    if key not in st.session_state:
        st.session_state[key] = value


def user(label: str, key: str, *, optional: bool = False) -> str | None:
    """Pick a user from the list, or by typing an id.

    The default is the user of the address (`?user=`), then the last picked user, then, unless `optional`, the first.

    Returns:
        The id; None if none is chosen.
    """
    answer = core.get(calls.users(limit=MAX_USERS))
    ratings = {row["user_id"]: row["ratings"] for row in answer["items"]}
    first = None if optional else next(iter(ratings), None)
    init_widget(key, param("user") or (None if optional else st.session_state.get(CHOSEN_USER)) or first)
    more = answer["total"] - len(ratings)
    selected = st.selectbox(
        label,
        list(ratings),
        index=None,
        format_func=lambda user_id: _with_count(user_id, ratings),
        filter_mode="prefix",
        accept_new_options=True,
        placeholder="Type an id" if optional else "Type the id of a user",
        help=f"The first {len(ratings):,} of {answer['total']:,} users are listed; type the id of any other."
        if more > 0
        else None,
        key=key,
    )
    selected = selected.strip() if selected else ""
    if not selected or (selected not in ratings and not _is_valid_id(selected)):
        return None
    st.session_state[CHOSEN_USER] = selected
    return selected


def users(label: str, key: str, max_n: int, default: int) -> list[str]:
    """Pick several users from the list, or by typing ids; the first `default` ones unless the address has some.

    Returns:
        Their ids, without those that cannot be ids.
    """
    ratings = {row["user_id"]: row["ratings"] for row in core.get(calls.users(limit=MAX_USERS))["items"]}
    given = list(dict.fromkeys(one.strip() for one in st.query_params.get_all("user") if one.strip()))
    init_widget(key, (given or list(ratings)[:default])[:max_n])
    chosen = st.multiselect(
        label,
        [*ratings, *(one for one in st.session_state[key] if one not in ratings)],
        format_func=lambda user_id: _with_count(user_id, ratings),
        max_selections=max_n,
        accept_new_options=True,
        filter_mode="prefix",
        select_all=False,
        wrap=True,
        placeholder="Type the id of a user",
        key=key,
    )
    return [one.strip() for one in chosen if one in ratings or (one.strip() and _is_valid_id(one.strip()))]


def _is_valid_id(user_id: str) -> bool:
    """Whether this is a valid id of a user. Shows a warning if not."""
    try:
        core.get(calls.history(user_id))
    except ServiceError:
        raise
    except MatineeError as error:
        if isinstance(error, RefusedError):
            if error.status == 404:
                return True
            why = "It is too long, or has characters that no id has."
        else:
            why = error.message
        st.warning(plain(f"That cannot be the id of a user. {truncated(why, 300)}"), icon=":material/person_off:")
        return False
    return True


def _with_count(user_id: str, ratings: dict[str, int]) -> str:
    return f"{user_id} · {counted(ratings[user_id], 'rating')}" if user_id in ratings else user_id


def history(user_id: str) -> list[dict[str, Any]]:
    """A user's ratings, newest first; [] if there are none."""
    return list((core.find(calls.history(user_id)) or {"items": ()})["items"])


def show_unknown_user(user_id: str) -> None:
    """Show that a user has no ratings, with similar ids."""
    near = [row["user_id"] for row in core.get(calls.users(user_id[:1], limit=5))["items"]]
    hint = f" There are, for example, {', '.join(near)}." if near else ""
    core.info(plain(f"User {truncated(user_id, 60)} has rated nothing.{hint}"))


def movie(label: str, key: str) -> str | None:
    """Pick a movie by title; the default is that of `?film=`. Returns its id; None if none is chosen."""
    movies = catalog()
    init_widget(key, movies.by_id.get(param("film") or ""))
    selected = movie_label(label, key, movies)
    return movies.ids.get(selected) if selected else None


def movie_label(label: str, key: str, movies: Catalog) -> str | None:
    """Pick a movie. Returns its label; None if none is chosen."""
    if st.session_state.get(key) not in movies.ids:  # none yet, or the movie was deleted
        st.session_state[key] = None
    selected: str | None = st.selectbox(
        label,
        movies.labels if len(movies.labels) <= MAX_LISTED else _matching(label, key, movies),
        index=None,
        filter_mode="contains",  # "fuzzy" takes seconds with 62,000 movies
        placeholder=f"Type to search {len(movies.labels):,} films",
        key=key,
    )
    return selected


def several_movies(label: str, key: str, max_n: int) -> list[str]:
    """Pick up to `max_n` movies by title; the default are those of the address (`?film=`). Returns their ids."""
    movies = catalog()
    given = [movies.by_id[one] for one in dict.fromkeys(st.query_params.get_all("film")) if one in movies.by_id]
    init_widget(key, given[:max_n])
    st.session_state[key] = [name for name in st.session_state[key] if name in movies.ids]
    chosen = st.multiselect(
        label,
        movies.labels if len(movies.labels) <= MAX_LISTED else _matching(label, key, movies),
        max_selections=max_n,
        filter_mode="contains",
        select_all=False,
        wrap=True,
        placeholder=f"Type to search {len(movies.labels):,} films",
        key=key,
    )
    return [movies.ids[name] for name in chosen]


def _matching(label: str, key: str, movies: Catalog) -> list[str]:
    text = st.text_input(f"Search for the {label.lower()}", key=f"{key}-search", placeholder="A part of its title")
    words = text.casefold().split()
    matching = (name for name in movies.labels if all(word in name.casefold() for word in words))
    selected = st.session_state[key]
    kept = [selected] if isinstance(selected, str) else selected or []
    return list(dict.fromkeys([*kept, *islice(matching, MAX_MATCHES)]))


def models() -> list[dict[str, Any]]:
    """The models in service. Shows a notice if there are none."""
    answer: list[dict[str, Any]] = core.get(calls.models())["items"]
    if not answer:
        core.info("The snapshot in service has no models.")
    return answer


def default_model(models: Sequence[Mapping[str, Any]]) -> str:
    """Name of the default of these models of `/v1/models`."""
    return str(next((model["name"] for model in models if model["default"]), models[0]["name"]))


def model(label: str, key: str, names: Sequence[str], *, parameter: str = "model", default: str) -> str:
    """Pick a model by name; the default is that of the address."""
    requested = param(parameter)
    init_widget(key, requested if requested in names else default)
    if st.session_state[key] not in names:
        st.session_state[key] = default
    return str(st.selectbox(label, names, key=key))


def filter_input(label: str, key: str, parameter: str) -> str:
    """A text box for a filter; the default is that of the address. Returns "" for all movies."""
    init_widget(key, (param(parameter) or "")[:MAX_FILTER])
    text: str = st.text_input(
        label,
        max_chars=MAX_FILTER,
        placeholder='genre = "Comedy" and year >= 1990',
        help=f"The filter language of Matinee. Fields: {FIELDS} …",
        key=key,
    )
    return text.strip()


def show_filter_error(text: str, error: RefusedError) -> None:
    """Show an error of a filter with its position.

    Raises:
        RefusedError: the error is not about the filter.
    """
    position = error.problem.get("position")
    if error.status != 400 or not isinstance(position, int):
        raise error
    st.error(plain(error.message), icon=":material/filter_alt_off:")
    at = min(position, len(text))
    before, line = text[max(0, at - 40) : at], text[max(0, at - 40) : at + 40]
    # The caret may be off after tabs or wide characters, which does not matter here.
    st.code(f"{' '.join(line.splitlines())}\n{' ' * len(before)}^", language=None)
