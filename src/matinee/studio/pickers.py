"""Pickers shared by pages (user, movie, model, filter), and the address that stores their state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import streamlit as st

from matinee.client import RefusedError, calls
from matinee.errors import MatineeError, ServiceError
from matinee.studio import core
from matinee.studio.catalog import Catalog, catalog
from matinee.studio.style import cut, plain

MAX_USERS = 1000
"""Maximum number of listed users. Other ids can be typed."""
MANY, OFFERED = 20_000, 500
"""With more than `MANY` movies, pickers list `OFFERED` matches of a text, because longer lists are slow."""
MAX_FILTER = 2000
FIELDS = "genre, year, decade, director, cast, tag, country, ratings, mean"
CHOSEN_USER = "studio: user"
"""Key of the last picked user, on any page."""
PAGE = "page"
"""Parameter of the address that is managed by `app`."""
STARTED, WRITTEN = "studio: started", "studio: written"
"""Keys of the set of widgets stored in the address, and of the last written address with their values."""


def follow() -> None:
    """Reset the widgets if the visitor changed the address ("back" or a link). Call it at the start of a page."""
    written: dict[str, str]
    values: dict[str, Any]
    written, values = st.session_state.get(WRITTEN) or ({}, {})
    if st.query_params.to_dict() == written:
        return
    # A quick click may come with an old address. Then the widgets have changed too, and take precedence.
    if all(st.session_state.get(key, value) == value for key, value in values.items()):
        for key in values:
            st.session_state.pop(key, None)


def address(**state: str | float | None) -> None:
    """Store this state in the address, without None and "". Call it after the widgets."""
    page = {PAGE: st.query_params[PAGE]} if PAGE in st.query_params else {}
    params = page | {name: str(value) for name, value in state.items() if value not in (None, "")}
    if params != st.query_params.to_dict():
        st.query_params.from_dict(params)
    started: set[str] = st.session_state.get(STARTED) or set()
    st.session_state[WRITTEN] = (params, {key: st.session_state[key] for key in started if key in st.session_state})


def given(name: str) -> str | None:
    """A parameter of the address, or None."""
    return st.query_params.get(name) or None


def start(key: str, value: Any) -> None:
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
    start(key, given("user") or (None if optional else st.session_state.get(CHOSEN_USER)) or first)
    more = answer["total"] - len(ratings)
    chosen = st.selectbox(
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
    chosen = chosen.strip() if chosen else ""
    if not chosen or (chosen not in ratings and not _can_be(chosen)):
        return None
    st.session_state[CHOSEN_USER] = chosen
    return chosen


def _can_be(user_id: str) -> bool:
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
        st.warning(plain(f"That cannot be the id of a user. {cut(why, 300)}"), icon=":material/person_off:")
        return False
    return True


def _with_count(user_id: str, ratings: dict[str, int]) -> str:
    count = ratings.get(user_id)
    return user_id if count is None else f"{user_id} · {count:,} rating{'' if count == 1 else 's'}"


def history(user_id: str) -> list[dict[str, Any]]:
    """A user's ratings, newest first; [] if there are none."""
    try:
        return list(core.get(calls.history(user_id))["items"])
    except RefusedError as error:
        if error.status != 404:
            raise
        return []


def say_unknown(user_id: str) -> None:
    """Show that a user has no ratings, with similar ids."""
    near = [row["user_id"] for row in core.get(calls.users(user_id[:1], limit=5))["items"]]
    hint = f" There are, for example, {', '.join(near)}." if near else ""
    st.info(plain(f"User {cut(user_id, 60)} has rated nothing.{hint}"), icon=":material/info:")


def film(label: str, key: str, *, on_change: Callable[[], None] | None = None) -> str | None:
    """Pick a movie by title; the default is that of `?film=`. Returns its id; None if none is chosen."""
    films = catalog()
    start(key, films.by_id.get(given("film") or ""))
    chosen = film_label(label, key, films, on_change=on_change)
    return films.ids.get(chosen) if chosen else None


def film_label(label: str, key: str, films: Catalog, *, on_change: Callable[[], None] | None = None) -> str | None:
    """Pick a movie. Returns its label; None if none is chosen."""
    if st.session_state.get(key) not in films.ids:  # none yet, or the movie was deleted
        st.session_state[key] = None
    chosen: str | None = st.selectbox(
        label,
        films.labels if len(films.labels) <= MANY else _offered(label, key, films),
        index=None,
        filter_mode="contains",  # "fuzzy" takes seconds with 62,000 movies
        placeholder=f"Type to search {len(films.labels):,} films",
        key=key,
        on_change=on_change,
    )
    return chosen


def _offered(label: str, key: str, films: Catalog) -> list[str]:
    text = st.text_input(f"Search for the {label.lower()}", key=f"{key}-search", placeholder="A part of its title")
    words = text.casefold().split()
    fitting = (name for name in films.labels if all(word in name.casefold() for word in words))
    chosen = st.session_state[key]
    return list(dict.fromkeys([*([chosen] if chosen else []), *islice(fitting, OFFERED)]))


def model(label: str, key: str, names: Sequence[str], *, parameter: str = "model", default: str) -> str:
    """Pick a model by name; the default is that of the address."""
    asked = given(parameter)
    start(key, asked if asked in names else default)
    if st.session_state[key] not in names:
        st.session_state[key] = default
    return str(st.selectbox(label, names, key=key))


def film_filter(key: str, label: str = "Filter") -> str:
    """A text box for a filter; the default is `?filter=`. Returns "" for all movies."""
    start(key, given("filter") or "")
    text: str = st.text_input(
        label,
        max_chars=MAX_FILTER,
        placeholder='genre = "Comedy" and year >= 1990',
        help=f"The filter language of Matinee. Fields: {FIELDS} …",
        key=key,
    )
    return text.strip()


def say_filter_fault(text: str, error: RefusedError) -> None:
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
