"""The studio's client of the core: answers are cached for a minute or until the snapshot changes, and errors are shown.

Pages call `get` and `find` (cached), `ask` (not cached) and `poster`. They need not catch errors: `whole` shows them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

import streamlit as st

from matinee.client import Call, Client, RefusedError, calls, core_url
from matinee.errors import MatineeError, ServiceError
from matinee.settings import Settings
from matinee.studio.style import plain

TTL = 60
"""Seconds for which answers are cached; new ratings change them without a new snapshot."""
POSTERS_TTL = 3600
RETRY_SECONDS = 3
"""Seconds between two checks whether the core is available again."""
SNAPSHOT, WHOLE = "snapshot in service", "studio: whole page"
P = ParamSpec("P")
_log = logging.getLogger(__name__)


def address() -> str:
    """Address of the core, from the environment, which `matinee.studio.serve` sets."""
    return core_url(Settings())


@st.cache_resource(show_spinner=False, on_release=Client.close)
def _client(url: str) -> Client:
    return Client(url)


def ask(call: Call) -> Any:
    """The core's answer, not cached.

    Raises:
        ServiceError: the core does not answer, or is not ready.
        RefusedError: the core rejects the call.
    """
    return _client(address()).send(call)


def get(call: Call) -> Any:
    """The core's answer for the snapshot in service, cached for a minute; errors as `ask`. The caller may modify it."""
    return _cached(address(), snapshot(), call)


def find(call: Call, *, missing: Sequence[int] = (404,)) -> Any:
    """As `get`; None if the core rejects the call with one of these statuses."""
    try:
        return get(call)
    except RefusedError as error:
        if error.status not in missing:
            raise
        return None


@st.cache_data(ttl=TTL, max_entries=500, show_spinner=False)
def _cached(url: str, snapshot: str, call: Call) -> Any:
    del snapshot
    return _client(url).send(call)


def begin() -> None:
    """Check at the start of a run that the core is ready, and which snapshot it serves.

    Raises:
        ServiceError: the core does not answer, or is not ready.
    """
    st.session_state.pop(SNAPSHOT, None)
    ready = ask(calls.ready())
    if not isinstance(ready, dict) or "snapshot" not in ready:
        raise ServiceError(
            f"The service at {address()} is not a core service.", "Set MATINEE_CORE_URL to where the core service is."
        )
    st.session_state[SNAPSHOT] = str(ready["snapshot"])


def snapshot() -> str:
    """Id of the snapshot in service at the start of this run."""
    if SNAPSHOT not in st.session_state:
        begin()
    return str(st.session_state[SNAPSHOT])


def poster(movie_id: str, *, small: bool = True) -> bytes | None:
    """A movie's picture; None if it has none."""
    return posters([movie_id], small=small)[0]


def posters(movie_ids: Sequence[str], *, small: bool = True) -> list[bytes | None]:
    """Pictures of movies; None for movies without one."""
    url, served = address(), snapshot()
    return [_picture(url, served, movie_id, small) for movie_id in movie_ids]


@st.cache_data(ttl=POSTERS_TTL, max_entries=5000, show_spinner=False)
def _picture(url: str, snapshot: str, movie_id: str, small: bool) -> bytes | None:
    del snapshot  # part of the cache key, because ids differ between data sets
    try:
        return bytes(_client(url).send(calls.poster(movie_id, small=small)))
    except RefusedError:
        return None


def info(text: str) -> None:
    """Show a notice, in Markdown."""
    st.info(text, icon=":material/info:")


def part(show: Callable[P, None]) -> Callable[P, None]:
    """Make a part of a page a fragment, which reruns alone. On errors the whole page is rerun."""

    @st.fragment
    @wraps(show)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        if st.session_state.get(WHOLE):
            show(*args, **kwargs)
            return
        try:
            begin()
            show(*args, **kwargs)
        except MatineeError:
            st.rerun()

    return wrapper


def whole(show: Callable[[], None]) -> None:
    """Run a page and show its errors."""
    st.session_state[WHOLE] = True
    try:
        begin()
        show()
    except MatineeError as error:
        trouble(error)
    finally:
        st.session_state[WHOLE] = False


def trouble(error: MatineeError) -> None:
    """Show an error, and retry automatically if the core is down."""
    away = isinstance(error, ServiceError)
    with st.container(border=True, key="trouble"):
        st.subheader("The core service does not answer" if away else "That did not work")
        st.markdown(plain(error.message))
        if error.hint:
            st.markdown(plain(error.hint))
        st.button("Try again", type="primary", key="try-again", icon=":material/refresh:")
        if away:
            st.caption("This page comes back by itself as soon as the core answers.")
            _retry()
    _log.warning("%s", error)


@st.fragment(run_every=RETRY_SECONDS)
def _retry() -> None:
    try:
        begin()
    except MatineeError:
        return
    st.rerun()
