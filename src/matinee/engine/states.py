"""States of a user's movies: seen, on the watchlist, not interesting. They shorten lists, and are no taste."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from matinee._util.request_context import stage
from matinee.data.ids import Id, id_text, normalized
from matinee.engine.movie_lookup import known_id
from matinee.engine.runtime import RequestView
from matinee.engine.types import Unknown
from matinee.engine.writes import check_user_id
from matinee.errors import InvalidInputError, UnknownMovieError
from matinee.stores.base import STATES, MovieState, State

MAX_STATES = 100_000
"""States of one user, and movies that one request calls seen, not interesting or excluded, at most."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A state of a movie that is to be set, or, with `remove`, taken back; without a timestamp it is of now.

    Examples:
        >>> engine.set_states("43", [matinee.StateChange("2", "watchlist")]).stored
        1
        >>> [marked.state for marked in engine.states("43").states]
        ['watchlist']
    """

    movie_id: Id
    state: State
    remove: bool = False
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class StatesStored:
    """What a write of states did.

    Attributes:
        stored: distinct states that were set or taken back.
        unknown: ids of films that are not known, whose states were left out.
    """

    stored: int
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MarkedMovie:
    """A film that is seen, on the watchlist or not interesting."""

    movie_id: str
    title: str
    year: int | None
    state: State
    timestamp: Annotated[int, Field(description="Seconds since 1970 UTC.")]


@dataclass(frozen=True, slots=True)
class StatePage:
    """States of a user's films, newest first, and how many there are in all."""

    states: tuple[MarkedMovie, ...]
    total: int


def check_state(state: str) -> State:
    """Return the state, or raise InvalidInputError where there is none of this name."""
    for known in STATES:
        if state == known:
            return known
    raise InvalidInputError(f"{state!r} is no state of a film.", f"Use one of {', '.join(STATES)}.")


def set_states(view: RequestView, user_id: str, changes: Sequence[StateChange], *, unknown: Unknown) -> StatesStored:
    """See `Engine.set_states`."""
    check_user_id(user_id)
    if len(changes) > view.settings.max_batch:
        raise InvalidInputError(f"{len(changes)} states at once.", f"Send {view.settings.max_batch} at most.")
    now = int(time.time())
    distinct: dict[tuple[str, State], MovieState] = {}
    left_out: dict[str, None] = {}
    for change in changes:
        state, movie_id = check_state(change.state), id_text(change.movie_id)
        stored = _stored_id(view, movie_id, removed=change.remove)
        if stored is None:
            if unknown == "refuse":
                raise UnknownMovieError(movie_id)
            left_out[movie_id] = None
            continue
        timestamp = None if change.remove else now if change.timestamp is None else change.timestamp
        distinct[stored, state] = MovieState(user_id, stored, state, timestamp)
    check_room(view, user_id, distinct)
    if distinct:
        with stage("store"):
            view.runtime.store.put_states(list(distinct.values()))
    return StatesStored(len(distinct), tuple(left_out))


def _stored_id(view: RequestView, movie_id: str, *, removed: bool) -> str | None:
    """A movie's id as it is stored; None: there is no such movie. One that was deleted can lose states only."""
    movie_id = known_id(view.catalog, movie_id)
    row = view.catalog.find_any(movie_id) if removed else view.catalog.find(movie_id)
    return None if row is None else normalized(view.catalog.column("movie_id")[row])


def check_room(view: RequestView, user_id: str, changes: dict[tuple[str, State], MovieState]) -> None:
    """Raise InvalidInputError where a user would have too many states."""
    held = view.held_user(user_id).overlay.states
    total = sum(map(len, held.values()))
    if total + len(changes) <= MAX_STATES:
        return
    for (movie_id, state), change in changes.items():
        total += (change.timestamp is not None) - (movie_id in held.get(state, {}))
    if total > MAX_STATES:
        raise InvalidInputError(
            f"The user {user_id!r} would have {total:,} states of films.",
            f"Up to {MAX_STATES:,} are stored; remove some first.",
        )


def states_of(view: RequestView, user_id: str, movie_id: str) -> tuple[State, ...]:
    """States that one movie, deleted or not, has for a user, in the order of `STATES`. Raises UnknownMovieError."""
    stored = _stored_id(view, movie_id, removed=True)
    if stored is None:
        raise UnknownMovieError(movie_id)
    held = view.held_user(user_id).overlay.states
    return tuple(state for state in STATES if stored in held.get(state, {}))


def page(view: RequestView, user_id: str, *, state: State | None, limit: int | None, offset: int) -> StatePage:
    """See `Engine.states`."""
    if offset < 0 or (limit is not None and limit < 1):
        raise InvalidInputError(f"limit is {limit} and offset is {offset}.", "Use 1 and 0, or more.")
    wanted = STATES if state is None else (check_state(state),)
    overlay = view.held_user(user_id).overlay
    found = [
        (-timestamp, movie_id, one, row)
        for one in wanted
        for movie_id, timestamp in overlay.states.get(one, {}).items()
        if (row := view.catalog.find(movie_id)) is not None
    ]
    found.sort()
    titles, years = view.catalog.columns("title", "year")
    some = found[offset : None if limit is None else offset + limit]
    marked = (MarkedMovie(movie_id, titles[row], years[row], one, -minus) for minus, movie_id, one, row in some)
    return StatePage(tuple(marked), len(found))
