"""What a guest has rated and marked becomes a named user's.

It can be broken off anywhere and made again: the guest is erased at the end, and what the user has already is left as
it is.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from matinee.engine.runtime import RequestView
from matinee.engine.states import check_room
from matinee.engine.types import Claimed
from matinee.engine.users import rated
from matinee.engine.writes import check_user_id, store_all
from matinee.errors import ConflictError, InvalidInputError
from matinee.stores.base import MovieState, Rating, State

GUEST = re.compile(r"guest-[0-9A-Za-z_-]{8,58}")
"""Ids that the web app makes up for its visitors. Nobody can guess one, so whoever knows it may claim it."""
ATTEMPTS = 5
"""How often the guest's data are read again, as the guest goes on rating."""


def claim(view_now: Callable[[], RequestView], user_id: str, guest: str) -> Claimed:
    """See `Engine.claim`."""
    check_user_id(user_id)
    if not GUEST.fullmatch(guest):
        raise InvalidInputError(
            f"{guest[:80]!r} is no guest.", "Name the id of a guest: guest- and at least 8 letters."
        )
    if guest == user_id:
        raise InvalidInputError("A guest cannot claim its own ratings.", "Name the user that they are for.")
    moved = Claimed(user_id, 0, 0, 0)
    for _ in range(ATTEMPTS):
        view = view_now()
        version = view.user_version(guest)
        step = _copy(view, user_id, guest)
        # What was copied before is what the user has now.
        moved = Claimed(user_id, moved.ratings + step.ratings, moved.states + step.states, step.kept - moved.moved)
        now = view_now()
        if now.user_version(guest) == version:
            if now.held_user(guest).overlay.ratings or now.held_user(guest).overlay.states or len(now.history(guest)):
                now.runtime.store.erase_user(guest)
            return moved
    raise ConflictError(f"The guest {guest!r} goes on rating.", "Try again in a moment.")


def _copy(view: RequestView, user_id: str, guest: str) -> Claimed:
    """Store what the guest has and the user has not."""
    now, kept = int(time.time()), 0
    own = {one.movie_id for one in rated(view, view.history(user_id))}
    ratings: list[Rating] = []
    for one in rated(view, view.history(guest)):
        if one.movie_id in own:
            kept += 1
        else:
            ratings.append(Rating(user_id, one.movie_id, one.rating, now if one.timestamp is None else one.timestamp))
    held = view.held_user(user_id).overlay.states
    states: dict[tuple[str, State], MovieState] = {}
    for state, movies in view.held_user(guest).overlay.states.items():
        for movie_id, timestamp in movies.items():
            if movie_id in held.get(state, {}):
                kept += 1
            else:
                states[movie_id, state] = MovieState(user_id, movie_id, state, timestamp)
    check_room(view, user_id, states)
    store_all(view, ratings, list(states.values()))
    return Claimed(user_id, len(ratings), len(states), kept)
