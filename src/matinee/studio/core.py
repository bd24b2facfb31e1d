"""The studio's way to the core: one client, answers kept for a minute or until the snapshot changes, friendly trouble.

Pages call `get` (kept), `ask` (never kept) and `poster`; what these raise may go through: `app.py` shows it with
`trouble`.
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

KEPT = 60
"""Seconds that an answer is kept; new ratings change it without a new snapshot."""
POSTERS_KEPT = 3600
KNOCK = 3
"""Seconds between two looks whether the core is back."""
SNAPSHOT, WHOLE = "snapshot in service", "studio: whole page"
P = ParamSpec("P")
_log = logging.getLogger(__name__)


def address() -> str:
    """Address of the core: the environment's, which `matinee.studio.serve` sets."""
    return core_url(Settings())


@st.cache_resource(show_spinner=False, on_release=Client.close)
def _client(url: str) -> Client:
    return Client(url)


def ask(call: Call) -> Any:
    """The core's answer, asked now.

    Raises:
        ServiceError: the core does not answer, or is not ready.
        RefusedError: it refuses the call.
    """
    return _client(address()).send(call)


def get(call: Call) -> Any:
    """The core's answer, at most a minute old and of the snapshot in service; errors as `ask`. Yours to change."""
    return _kept(address(), snapshot(), call)


@st.cache_data(ttl=KEPT, max_entries=500, show_spinner=False)
def _kept(url: str, snapshot: str, call: Call) -> Any:
    del snapshot
    return _client(url).send(call)


def begin() -> None:
    """See at the start of a run that the core answers, and which snapshot it serves.

    Raises:
        ServiceError: it does not, or is not ready.
    """
    st.session_state.pop(SNAPSHOT, None)
    ready = ask(calls.ready())
    if not isinstance(ready, dict) or "snapshot" not in ready:
        raise ServiceError(
            f"What answers at {address()} is no core service.", "Set MATINEE_CORE_URL to where the core service is."
        )
    st.session_state[SNAPSHOT] = str(ready["snapshot"])


def snapshot() -> str:
    """Id of the snapshot in service, as this run found it."""
    if SNAPSHOT not in st.session_state:
        begin()
    return str(st.session_state[SNAPSHOT])


def poster(movie_id: str, *, small: bool = True) -> bytes | None:
    """A film's picture, None where it has none."""
    return posters([movie_id], small=small)[0]


def posters(movie_ids: Sequence[str], *, small: bool = True) -> list[bytes | None]:
    """The films' pictures, None where one has none."""
    url, served = address(), snapshot()
    return [_picture(url, served, movie_id, small) for movie_id in movie_ids]


@st.cache_data(ttl=POSTERS_KEPT, max_entries=5000, show_spinner=False)
def _picture(url: str, snapshot: str, movie_id: str, small: bool) -> bytes | None:
    del snapshot  # of other data an id is another film
    try:
        return bytes(_client(url).send(calls.poster(movie_id, small=small)))
    except RefusedError:
        return None


def part(show: Callable[P, None]) -> Callable[P, None]:
    """Part of a page that runs alone when something in it is clicked; trouble is then the whole page's."""

    @st.fragment
    @wraps(show)
    def shown(*args: P.args, **kwargs: P.kwargs) -> None:
        if st.session_state.get(WHOLE):
            show(*args, **kwargs)
            return
        try:
            begin()
            show(*args, **kwargs)
        except MatineeError:
            st.rerun()

    return shown


def whole(show: Callable[[], None]) -> None:
    """Run a whole page, with trouble said."""
    st.session_state[WHOLE] = True
    try:
        begin()
        show()
    except MatineeError as error:
        trouble(error)
    finally:
        st.session_state[WHOLE] = False


def trouble(error: MatineeError) -> None:
    """Say what went wrong and what to do next, and look by itself whether the core is back."""
    away = isinstance(error, ServiceError)
    with st.container(border=True, key="trouble"):
        st.subheader("The core service does not answer" if away else "That did not work")
        st.markdown(plain(error.message))
        if error.hint:
            st.markdown(plain(error.hint))
        st.button("Try again", type="primary", key="try-again", icon=":material/refresh:")
        if away:
            st.caption("This page comes back by itself as soon as the core answers.")
            _knock()
    _log.warning("%s", error)


@st.fragment(run_every=KNOCK)
def _knock() -> None:
    try:
        begin()
    except MatineeError:
        return
    st.rerun()
